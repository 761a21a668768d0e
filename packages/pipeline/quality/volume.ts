import { HOUR } from "#core/clock.ts"
import { addDays, type Zone } from "#core/zone.ts"
import type { Tallied } from "../memory.ts"
import { hourName, hourStart, type Look, type Measured, median, rounded, unknown, VOLUME_DAYS } from "./look.ts"

const WINDOWS = [1, 3, 6, 12, 24]
const WEEKS = VOLUME_DAYS / 7
const LEAST_WEEKS = 2
const WEEK = 168 * HOUR
const MOST_RAISED = 4
const LEAST_EXPECTED = 30
const UNKNOWN_SPREAD = 3
/** A change by this part must stand out from chance, or a longer window is looked at. */
const CHANGE = 0.5
const SURE = 6
const GATE = 0.95
const TOO_MUCH = 1.5
/** From a median absolute deviation to a standard deviation, and what a sample of n makes of it (Croux & Rousseeuw 1992). */
const TO_SIGMA = 1.4826
const SMALL_SAMPLE: Record<number, number> = { 2: 1.196, 3: 1.495, 4: 1.363 }

/** One source's events without copies, from the first hour with any: `upTo[i]` is their sum in the i hours from there. */
type Counted = { begun: number; upTo: number[] }

const HOURS_BACK = (VOLUME_DAYS + 9) * 24

function countedIn(ledger: ReadonlyMap<string, Tallied>, end: number): Counted {
  const upTo: number[] = []
  let begun = end
  for (let start = end - HOURS_BACK * HOUR; start < end; start += HOUR) {
    const row = ledger.get(hourName(start))
    if (upTo.length === 0) {
      if (!row) continue
      begun = start
      upTo.push(0)
    }
    upTo.push(upTo.at(-1)! + (row ? row.received - row.duplicate : 0))
  }
  return { begun, upTo }
}

/**
 * What came against what was to be expected: the median of the same hours of the week over the four weeks before, each
 * raised to the level of the last week. Chance is estimated from how far those weeks differ among themselves. Windows of
 * 1 to 24 hours are looked at, up to the shortest in which a change by half would stand out.
 */
export function volume(look: Look): Measured {
  const end = hourStart(look.now)
  const query = `/v1/query?metric=events&grain=hour&by=source&from=${hourName(end - 25 * HOUR).slice(0, 10)}&to=${hourName(end).slice(0, 10)}`
  const counted = countedIn(look.ledger, end)
  const levels = levelsOf(counted, end)
  let told: Measured | undefined
  for (const hours of WINDOWS) {
    const weeks = weeksOf(counted, look.zone, end, hours, levels)
    if (weeks.length < LEAST_WEEKS) return unknown("two weeks of history are needed to know what to expect", query)
    const expected = median(weeks)
    if (expected < LEAST_EXPECTED && hours < 24) continue
    if (expected < 1) return unknown("hardly anything is expected in a day", query)
    const actual = sumOf(counted, end, hours) ?? 0
    const spread = spreadOf(counted, end, hours, levels) * Math.sqrt(expected * (1 + Math.PI / 2 / weeks.length))
    told = measuredAs({ end, hours, actual, expected, spread, weeks, query })
    if (told.failing || CHANGE * expected >= SURE * spread) return told
  }
  return told ?? unknown("there is nothing to compare with", query)
}

type Compared = {
  end: number
  hours: number
  actual: number
  expected: number
  spread: number
  weeks: number[]
  query: string
}

function measuredAs({ end, hours, actual, expected, spread, weeks, query }: Compared): Measured {
  const [ratio, z] = [actual / expected, (actual - expected) / spread]
  const failing = (z < -SURE && ratio < GATE) || (z > SURE && ratio > TOO_MUCH)
  const why =
    ratio > 1
      ? "a second sender, a loop, or a release that tracks twice with new message ids"
      : "part of the senders have stopped, or are refused"
  const evidence = {
    from: `${hourName(end - hours * HOUR)}:00:00.000Z`,
    hours,
    actual,
    expected: rounded(expected, 1),
    standardError: rounded(spread, 1),
    z: rounded(z, 1),
    weeksBefore: weeks.map((week) => rounded(week, 1)),
  }
  const cause = `${actual} events in ${hours} h where about ${Math.round(expected)} are usual: ${why}`
  return { value: rounded(ratio), failing, evidence, query, ...(failing ? { cause } : {}) }
}

function sumOf({ begun, upTo }: Counted, end: number, hours: number): number | undefined {
  const last = (end - begun) / HOUR
  return last - hours < 0 ? undefined : upTo[last]! - upTo[last - hours]!
}

/** By what each of the weeks before is raised to the last one's level: a business that grows is no anomaly. */
function levelsOf(counted: Counted, end: number): (number | undefined)[] {
  const until = end - 24 * HOUR
  const weeks = Array.from({ length: WEEKS }, (_, k) => sumOf(counted, until - k * WEEK, 168))
  // A week that began with the source, or in which it was dead, is not raised without end.
  return weeks.map((week) => (week && weeks[0] ? Math.min(MOST_RAISED, Math.max(1 / MOST_RAISED, weeks[0] / week)) : 1))
}

/** The same hours of the weeks before, by the clock on the tenant's wall. */
function weeksOf(counted: Counted, zone: Zone, end: number, hours: number, levels: readonly (number | undefined)[]) {
  const last = zone.place(end - HOUR)
  return levels.flatMap((level = 1, k) => {
    const then = zone.startOf(addDays(last.day, -7 * (k + 1))) + (last.hour + 1) * HOUR
    const sum = sumOf(counted, hourStart(then), hours)
    return sum === undefined ? [] : [sum * level]
  })
}

/** How much wider than Poisson's the same windows of different weeks scatter: at least 1. */
function spreadOf(counted: Counted, end: number, hours: number, levels: readonly (number | undefined)[]): number {
  const deviations: number[] = []
  let weeks = 0
  for (let slot = 0; slot + hours <= 168; slot += hours) {
    const sums = levels.flatMap((level = 1, k) => {
      const sum = sumOf(counted, end - 24 * HOUR - slot * HOUR - k * WEEK, hours)
      return sum === undefined ? [] : [sum * level]
    })
    const middle = sums.length < 2 ? 0 : median(sums)
    if (middle < 1) continue
    weeks = Math.max(weeks, sums.length)
    for (const sum of sums) deviations.push(Math.abs(sum - middle) / Math.sqrt(middle))
  }
  if (deviations.length === 0) return UNKNOWN_SPREAD
  return Math.max(1, TO_SIGMA * (SMALL_SAMPLE[weeks] ?? 1.2) * median(deviations))
}
