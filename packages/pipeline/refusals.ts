import { type Clock, DAY, HOUR, instant, SECOND } from "#core/clock.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"

type Needs = { table: Table; clock: Clock }

const WRITE_EVERY_MS = SECOND
const SOURCES_REMEMBERED = 1000
const KEPT_DAYS = 30

const hourOf = (ms: number) => instant(ms).slice(0, 13)
const LAST = "last_"

/** What was refused of one source with one code and is not written yet; `wrote`: when its last write began. */
type Untold = { wrote: number; count: number; last: number }
type Remembered = { tenant: TenantId; codes: Map<string, Untold> }

/**
 * Leaves a trace of deliveries that were refused, for the tenant to see. The first of each code is written at once, later
 * ones once a second: what is refused in between is counted by the next write of its source, which the next knock makes
 * if it is due. A write that fails is made up for by the next.
 */
export function refusalTrace({ table, clock }: Needs) {
  const sources = new Map<string, Remembered>()

  const write = async (source: string, { tenant, codes }: Remembered) => {
    const now = clock()
    const gathered = [...codes].filter(([, { count }]) => count > 0).sort(([, a], [, b]) => a.last - b.last)
    const latest = gathered.at(-1)
    if (latest === undefined) return
    const taken = gathered.map(([code, untold]) => ({ code, untold, count: untold.count }))
    for (const { untold } of taken) Object.assign(untold, { wrote: now, count: 0 })
    const key = keys.refusal(tenant, source, hourOf(now))
    try {
      await table.add(key, { refused: taken.reduce((sum, { count }) => sum + count, 0) })
    } catch (error) {
      for (const { untold, count } of taken) untold.count += count
      throw error
    }
    await table.set(key, {
      at: instant(latest[1].last),
      code: latest[0],
      ...Object.fromEntries(taken.map(({ code, untold }) => [LAST + code, instant(untold.last)])),
      ttl: Math.ceil((now + KEPT_DAYS * DAY) / SECOND),
    })
  }

  const remember = (tenant: TenantId, source: string): Remembered => {
    const known = sources.get(source) ?? { tenant, codes: new Map<string, Untold>() }
    sources.delete(source)
    sources.set(source, known)
    return known
  }

  /** The one that has been silent for longest makes room. */
  const makeRoom = async () => {
    const [oldest] = sources
    if (sources.size <= SOURCES_REMEMBERED || oldest === undefined) return
    sources.delete(oldest[0])
    await write(...oldest)
  }

  return {
    async refused(tenant: TenantId, source: string, code: string): Promise<void> {
      const now = clock()
      const known = remember(tenant, source)
      const untold = known.codes.get(code) ?? { wrote: Number.NEGATIVE_INFINITY, count: 0, last: now }
      known.codes.set(code, untold)
      untold.count++
      untold.last = now
      if (now - untold.wrote >= WRITE_EVERY_MS) await write(source, known)
      await makeRoom()
    },
    /** Writes what is due of a source: for those who knock and are let in. */
    async flush(source: string): Promise<void> {
      const known = sources.get(source)
      const isDue = ({ count, wrote }: Untold) => count > 0 && clock() - wrote >= WRITE_EVERY_MS
      if (known && [...known.codes.values()].some(isDue)) await write(source, known)
    },
  }
}

/**
 * How many were refused in the last 24 hours, and the last one ever (within what is kept); `last`: when each code was
 * last the reason, in the hour of the last one or in the last 24 hours.
 */
export async function refusalsOf({ table, clock }: Needs, tenant: TenantId, source: string) {
  const pk = keys.refusals(tenant, source)
  const from = hourOf(clock() - DAY + HOUR)
  const [recent, [last]] = await Promise.all([table.query(pk, { from }), table.query(pk, { reverse: true, limit: 1 })])
  const lasts = [...recent, ...(last ? [last] : [])].flatMap((item) =>
    Object.entries(item).flatMap(([name, at]): [string, string][] =>
      name.startsWith(LAST) ? [[name.slice(LAST.length), String(at)]] : [],
    ),
  )
  return {
    refused: recent.reduce((sum, { refused }) => sum + Number(refused), 0),
    ...(last?.at === undefined
      ? {}
      : { lastRefusal: { at: String(last.at), code: String(last.code), last: Object.fromEntries(lasts) } }),
  }
}
