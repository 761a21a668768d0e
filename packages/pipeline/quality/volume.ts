import { HOUR } from "#core/clock.ts"
import { addDays, type Zone } from "#core/zone.ts"
import { hourName, hourStart, type Look, type Measured, median, rounded, unknown, VOLUME_DAYS } from "./look.ts"

const WINDOWS = [1, 3, 6, 12, 24]
const WEEKS = VOLUME_DAYS / 7
const LEAST_WEEKS = 2
/** A change by this part must stand out from chance, or a longer window is looked at. */
const CHANGE = 0.5
const SURE = 6
const GATE = 0.95
const TOO_MUCH = 1.5
/** From a median absolute deviation to a standard deviation, and what a sample of n makes of it (Croux & Rousseeuw 1992). */
const TO_SIGMA = 1.4826
const SMALL_SAMPLE: Record<number, number> = { 2: 1.196, 3: 1.495, 4: 1.363 }

/** One source's events without copies, by the hour. */
type Counted = (start: number) => number | undefined

/**
 * What came against what was to be expected: the median of the same hours of the week over the four weeks before, at
 * the level of the last week. Chance is estimated from how far those weeks differ among themselves, and the window is
 * the shortest of 1 to 24 hours in which a change by half would stand out.
 */
export function volume(look: Look): Measured {
  const end = hourStart(look.now)
  const query = `/v1/query?metric=events&grain=hour&by=source&from=${hourName(end - 25 * HOUR).slice(0, 10)}&to=${hourName(end).slice(0, 10)}`
  const first = [...look.ledger.keys()].reduce((a, b) => (a < b ? a : b), "~")
  const begun = first === "~" ? Number.POSITIVE_INFINITY : Date.parse(`${first}:00:00.000Z`)
  const counted: Counted = (start) => {
    if (start < begun) return undefined
    const row = look.ledger.get(hourName(start))
    return row ? row.received - row.duplicate : 0
  }
  const level = levelOf(counted, look.zone, end)
  for (const hours of WINDOWS) {
    const weeks = weeksOf(counted, look.zone, end, hours)
    if (weeks.length < LEAST_WEEKS) return unknown("two weeks of history are needed to know what to expect", query)
    const expected = median(weeks) * level
    const spread = spreadOf(counted, end, hours) * Math.sqrt(Math.max(expected, 1)) * Math.sqrt(1 + Math.PI / 2 / weeks.length)
    if (CHANGE * expected < SURE * spread && hours !== 24) continue
    if (expected < 1) return unknown("hardly anything is expected in a day", query)
    const actual = sumOf(counted, end, hours) ?? 0
    const [ratio, z] = [actual / expected, (actual - expected) / spread]
    const failing = (z < -SURE && ratio < GATE) || (z > SURE && ratio > TOO_MUCH)
    return {
      value: rounded(ratio),
      failing,
      evidence: {
        from: `${hourName(end - hours * HOUR)}:00:00.000Z`,
        hours,
        actual,
        expected: rounded(expected, 1),
        standardError: rounded(spread, 1),
        z: rounded(z, 1),
        weeksBefore: weeks,
        level: rounded(level),
      },
      query,
      ...(failing
        ? {
            cause: `${actual} events in ${hours} h where about ${Math.round(expected)} are usual: ${
              ratio > 1
                ? "a second sender, a loop, or a release that tracks twice with new message ids"
                : "part of the senders have stopped, or are refused"
            }`,
          }
        : {}),
    }
  }
  return unknown("there is nothing to compare with", query)
}

function sumOf(counted: Counted, end: number, hours: number): number | undefined {
  let sum = 0
  for (let i = 1; i <= hours; i++) {
    const one = counted(end - i * HOUR)
    if (one === undefined) return undefined
    sum += one
  }
  return sum
}

/** The same hours of the weeks before, by the clock on the tenant's wall. */
function weeksOf(counted: Counted, zone: Zone, end: number, hours: number): number[] {
  const last = zone.place(end - HOUR)
  return Array.from({ length: WEEKS }, (_, k) => {
    const then = zone.startOf(addDays(last.day, -7 * (k + 1))) + (last.hour + 1) * HOUR
    return sumOf(counted, hourStart(then), hours)
  }).filter((sum) => sum !== undefined)
}

/** How the last week compares with the weeks before it: a business that grows is not an anomaly. Today has no part. */
function levelOf(counted: Counted, zone: Zone, end: number): number {
  const until = end - 24 * HOUR
  const lately = sumOf(counted, until, 7 * 24)
  const before = weeksOf(counted, zone, until, 7 * 24)
  if (lately === undefined || before.length === 0 || median(before) === 0) return 1
  return Math.min(2, Math.max(0.5, lately / median(before)))
}

/** How much wider than Poisson's the same windows of different weeks scatter: at least 1. */
function spreadOf(counted: Counted, end: number, hours: number): number {
  const deviations: number[] = []
  let weeks = 0
  for (let slot = 0; slot + hours <= 168; slot += hours) {
    const sums = Array.from({ length: WEEKS }, (_, k) =>
      sumOf(counted, end - 24 * HOUR - slot * HOUR - k * 168 * HOUR, hours),
    ).filter((sum) => sum !== undefined)
    if (sums.length < 2) continue
    weeks = Math.max(weeks, sums.length)
    const middle = median(sums)
    for (const sum of sums) deviations.push(Math.abs(sum - middle) / Math.sqrt(Math.max(middle, 1)))
  }
  if (deviations.length === 0) return 3
  return Math.max(1, TO_SIGMA * (SMALL_SAMPLE[weeks] ?? 1.2) * median(deviations))
}
