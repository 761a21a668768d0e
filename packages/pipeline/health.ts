import { type Clock, DAY, HOUR, instant, SECOND } from "#core/clock.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { listDeliveries } from "./deliveries.ts"
import { ledger } from "./ledger.ts"
import type { Reading } from "./reading.ts"
import { refusalsOf } from "./refusals.ts"

type Needs = { table: Table; clock: Clock }

/** How many of the last deliveries the lag is taken from. */
const LAG_DELIVERIES = 50

/** How a source is doing: what came last, what became of its records in the last 24 hours, and how late it tells. */
export async function healthOf(
  needs: Needs,
  reading: Reading,
  tenant: TenantId,
  { id: source, createdAt }: { id: string; createdAt: string },
) {
  const now = needs.clock()
  const page = { now, since: Date.parse(createdAt), limit: LAG_DELIVERIES }
  const [{ deliveries }, refusals, records] = await Promise.all([
    listDeliveries(needs, { tenant, source }, page),
    refusalsOf(needs, tenant, source),
    recordsOf(reading, source, now),
  ])
  const { refused, lastRefusal } = refusals
  const tried = records.received + refused
  return {
    ...(deliveries[0] ? { lastReceivedAt: deliveries[0].receivedAt } : {}),
    last24Hours: { ...records, refused },
    errorRate: tried === 0 ? 0 : refused / tried,
    ...(lastRefusal ? { lastRefusal } : {}),
    ...lagOf(deliveries),
  }
}

async function recordsOf(reading: Reading, source: string, now: number) {
  const since = instant(now - DAY + HOUR).slice(0, 13)
  const { rows } = await ledger(reading, since.slice(0, 10), instant(now).slice(0, 10))
  const sum = { received: 0, counted: 0, duplicate: 0, rejected: 0, quarantined: 0 }
  for (const row of rows) {
    if (row.source !== source || row.hour < since) continue
    for (const name of ["received", "counted", "duplicate", "rejected", "quarantined"] as const) sum[name] += row[name]
  }
  return sum
}

/** The median time from when something happened to when it was told, over the last deliveries. */
function lagOf(deliveries: readonly { receivedAt: string; happenedAt?: string }[]) {
  const lags = deliveries
    .flatMap(({ receivedAt, happenedAt }) =>
      happenedAt === undefined ? [] : [Date.parse(receivedAt) - Date.parse(happenedAt)],
    )
    .sort((a, b) => a - b)
  const median = lags[lags.length >> 1]
  return median === undefined ? {} : { lagSeconds: Math.max(0, median) / SECOND }
}
