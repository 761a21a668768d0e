import { type Clock, DAY, HOUR, instant, SECOND } from "#core/clock.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"

type Needs = { table: Table; clock: Clock }

const WRITE_EVERY_MS = SECOND
const SOURCES_REMEMBERED = 1000
const KEPT_DAYS = 30

const hourOf = (ms: number) => instant(ms).slice(0, 13)

/**
 * Leaves a trace of deliveries that were refused, for the tenant to see. A flood costs two small writes a second:
 * what is refused within a second of the last trace is counted with the next.
 */
export function refusalTrace({ table, clock }: Needs) {
  const untold = new Map<string, { since: number; count: number }>()
  return async (tenant: TenantId, source: string, code: string): Promise<void> => {
    const now = clock()
    const { since, count } = untold.get(source) ?? { since: Number.NEGATIVE_INFINITY, count: 0 }
    if (now - since < WRITE_EVERY_MS) return void untold.set(source, { since, count: count + 1 })
    if (untold.size >= SOURCES_REMEMBERED) untold.clear()
    untold.set(source, { since: now, count: 0 })
    const key = keys.refusal(tenant, source, hourOf(now))
    await table.add(key, { refused: count + 1 })
    await table.set(key, { at: instant(now), code, ttl: Math.ceil((now + KEPT_DAYS * DAY) / SECOND) })
  }
}

/** How many were refused in the last 24 hours, and the last one ever (within what is kept). */
export async function refusalsOf({ table, clock }: Needs, tenant: TenantId, source: string) {
  const pk = keys.refusals(tenant, source)
  const from = hourOf(clock() - DAY + HOUR)
  const [recent, [last]] = await Promise.all([table.query(pk, { from }), table.query(pk, { reverse: true, limit: 1 })])
  return {
    refused: recent.reduce((sum, { refused }) => sum + Number(refused), 0),
    ...(last?.at === undefined ? {} : { lastRefusal: { at: String(last.at), code: String(last.code) } }),
  }
}
