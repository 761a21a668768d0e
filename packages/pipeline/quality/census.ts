import { HOUR, instant, MINUTE } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { addDays, zoneOf } from "#core/zone.ts"
import { Query } from "#metrics/query.ts"
import type { PollNeeds } from "#sources/source.ts"
import { answer } from "../answer.ts"
import type { Polled } from "../backpoll.ts"
import { ask, type ReadNeeds } from "../reading.ts"
import { type Census, readCensus, writeCensus } from "./documents.ts"

type Needs = ReadNeeds & Pick<PollNeeds, "fetch">
type Whose = Pick<Polled, "tenant" | "source" | "vendor" | "credential" | "baseUrl"> & {
  /** When the source was made: what was before is not its own. */
  since: number
}

/** So young a day or a source tells nothing. */
const YOUNG_MS = HOUR
/** What has only just happened may still be on its way: by webhook, or by the last poll. */
const ON_ITS_WAY_MS = 15 * MINUTE
/** A day that has ended is counted until so long after its end. */
const LATE_MS = 2 * HOUR
const AGAIN_MS = HOUR
/** Where something was missing, whether it has been filled since. */
const AGAIN_SHORT_MS = 15 * MINUTE

/** Holds what a source has told of yesterday and today against the vendor's own count, at most once an hour. */
export async function takeCensus(needs: Needs, whose: Whose): Promise<Census[]> {
  const { tenant, source, vendor, since } = whose
  const now = needs.clock()
  if (!vendor.count || now - since < YOUNG_MS) return []
  const zone = zoneOf(await ask(needs, tenant, async (reading) => reading.zone))
  const today = zone.place(now).day
  const known = await readCensus(needs, tenant, addDays(today, -1), today)
  const taken: Census[] = []
  for (const day of [addDays(today, -1), today]) {
    const end = zone.startOf(addDays(day, 1))
    const [from, to] = [Math.max(zone.startOf(day), since), Math.min(end, now - ON_ITS_WAY_MS)]
    const before = known.find((one) => one.source === source && one.day === day)
    if (to - from < YOUNG_MS - ON_ITS_WAY_MS || (before && !isDue(before, end, now))) continue
    const counted = await vendor.count({ ...needs, ...whose, now }, from, to)
    if (!counted) continue
    const question = questionOf(source, counted.metric, day)
    const { total } = await answer(needs, tenant, Query.parse(question))
    const span = { from: instant(from), to: instant(to) }
    const one = { source, day, at: instant(now), ...span, ...counted, ours: Number(total), query: pathOf(question) }
    await writeCensus(needs, tenant, one)
    taken.push(one)
  }
  return taken
}

/** A vendor that will not count today has no part in the score; the poll has said already what it is told. */
export const censusOrNot = (needs: Needs, whose: Whose): Promise<Census[]> =>
  takeCensus(needs, whose).catch((fault: unknown) => {
    if (fault instanceof Fault) return []
    throw fault
  })

function isDue({ at, count, ours }: Census, end: number, now: number): boolean {
  const age = now - Date.parse(at)
  if (ours < count) return age >= AGAIN_SHORT_MS
  return age >= AGAIN_MS && Date.parse(at) < end + LATE_MS
}

type Asked = { metric: Census["metric"]; from: string; to: string; grain: "total"; where: object }
const questionOf = (source: string, metric: Census["metric"], day: string): Asked => ({
  ...{ metric, from: day, to: day, grain: "total" },
  where: { field: "source", op: "eq", value: source },
})

/** As anyone would ask it. */
const pathOf = ({ where, ...asked }: Asked) =>
  `/v1/query?${new URLSearchParams({ ...asked, where: JSON.stringify(where) })}`
