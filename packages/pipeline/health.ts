import { type Clock, DAY, HOUR, instant, SECOND } from "#core/clock.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { type Kept, listDeliveries } from "./deliveries.ts"
import { ledger } from "./ledger.ts"
import type { Reading } from "./reading.ts"
import { refusalsOf } from "./refusals.ts"

type Needs = { table: Table; clock: Clock }

/** How many of the last deliveries the lag is taken from. */
const LAG_DELIVERIES = 50
/** How many of a day's deliveries are looked at for what could not be taken; of more, these stand for all. */
const DAY_DELIVERIES = 1000

/** How a source is doing: what came last, what became of its records in the last 24 hours, and how late it tells. */
export async function healthOf(
  needs: Needs,
  reading: Reading,
  tenant: TenantId,
  { id: source, createdAt }: { id: string; createdAt: string },
) {
  const now = needs.clock()
  const page = { now, since: Date.parse(createdAt), limit: LAG_DELIVERIES }
  const [{ deliveries, next }, refusals, records] = await Promise.all([
    listDeliveries(needs, { tenant, source }, page),
    refusalsOf(needs, tenant, source),
    recordsOf(reading, source, now),
  ])
  const { refused, lastRefusal } = refusals
  const isLater = ({ receivedAt }: Kept) => receivedAt >= windowFrom(now)
  const more = next !== undefined && deliveries.every(isLater)
  const { deliveries: whole } = more
    ? await listDeliveries(needs, { tenant, source }, { ...page, limit: DAY_DELIVERIES })
    : { deliveries }
  const { came, failed } = shareOf(whole.filter(isLater), records.received)
  return {
    ...(deliveries[0] ? { lastReceivedAt: deliveries[0].receivedAt } : {}),
    last24Hours: { ...records, refused },
    errorRate: came + refused === 0 ? 0 : (refused + failed) / (came + refused),
    ...(lastRefusal ? { lastRefusal } : {}),
    ...lagOf(deliveries),
  }
}

/** The hour in which the last 24 begin. */
const windowFrom = (now: number) => instant(now - DAY + HOUR).slice(0, 13)

/** How many genuine deliveries came, and of how many something could not be taken: unreadable, or with a rejected record. */
function shareOf(seen: readonly Kept[], received: number) {
  const failed = seen.filter(({ outcome, rejected = 0 }) => outcome === "unreadable" || rejected > 0).length
  if (seen.length < DAY_DELIVERIES) return { came: seen.length, failed }
  // An unreadable body stands in the ledger as one record.
  const told = seen.reduce((sum, { outcome, messages }) => sum + (outcome === "unreadable" ? 1 : messages), 0)
  const times = Math.max(1, received / Math.max(1, told))
  return { came: seen.length * times, failed: failed * times }
}

async function recordsOf(reading: Reading, source: string, now: number) {
  const since = windowFrom(now)
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
