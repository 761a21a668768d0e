import { DAY, HOUR, instant } from "#core/clock.ts"
import type { Zone } from "#core/zone.ts"
import type { Plan } from "#events/plan.ts"
import type { Tallied } from "../memory.ts"
import type { Census } from "./documents.ts"
import { type Hour, together } from "./observe.ts"

/** How far back is "usual": four of each weekday for volumes, two weeks for everything else. */
export const VOLUME_DAYS = 28
export const BASELINE_DAYS = 14
const MOST_HOURS = 24

/** One source at one moment: all that its quality is judged by. Hours are named as in `2026-01-31T12`, in UTC. */
export type Look = {
  now: number
  zone: Zone
  source: string
  hours: ReadonlyMap<string, Hour>
  ledger: ReadonlyMap<string, Tallied>
  /** The fourteen days before the last 24 hours, as one. */
  baseline: Baseline
  plan?: Plan | undefined
  /** What the vendor itself counts of yesterday and today, if it does. */
  census?: readonly Census[] | undefined
}

const names = new Map<number, string>()
const NAMES_KEPT = 20_000

/** `2026-01-31T12`, as the hours of a look are named. */
export function hourName(ms: number): string {
  const hour = Math.floor(ms / HOUR)
  const known = names.get(hour)
  if (known !== undefined) return known
  if (names.size >= NAMES_KEPT) names.clear()
  const name = instant(hour * HOUR).slice(0, 13)
  names.set(hour, name)
  return name
}
export const hourStart = (ms: number) => Math.floor(ms / HOUR) * HOUR

/** Two weeks as one, and each of their days. */
export type Baseline = { whole: Hour; days: readonly Hour[] }

/** The fourteen whole days (UTC) before yesterday's: what is new today has no part in it. It changes once a day. */
export function baselineOf(hours: ReadonlyMap<string, Hour>, now: number): Baseline {
  const end = Math.floor(now / DAY) * DAY - DAY
  const days = Array.from({ length: BASELINE_DAYS }, (_, day) =>
    together(
      Array.from({ length: 24 }, (_, hour) => hours.get(hourName(end - day * DAY - (hour + 1) * HOUR))).filter(
        (hour) => hour !== undefined,
      ),
    ),
  )
  return { whole: together(days), days }
}

/** The latest hours that together hold enough of something, at most 24; the hour that is on counts as one. */
export function recent<T>(
  { now }: Pick<Look, "now">,
  hours: ReadonlyMap<string, T>,
  amount: (hour: T) => number,
  enough: number,
): { hours: T[]; from: string; amount: number } {
  const found: T[] = []
  let [held, back] = [0, 0]
  for (; back < MOST_HOURS && (held < enough || back < 2); back++) {
    const hour = hours.get(hourName(now - back * HOUR))
    if (hour === undefined) continue
    found.push(hour)
    held += amount(hour)
  }
  return { hours: found, from: `${hourName(now - (back - 1) * HOUR)}:00:00.000Z`, amount: held }
}

/** What one measurement of one part says. `value` is `null` where there is too little to say anything. */
export type Measured = {
  value: number | null
  failing: boolean
  evidence: Record<string, unknown>
  /** The path of the API that shows it. */
  query: string
  cause?: string
}
export const unknown = (why: string, query: string): Measured => ({
  value: null,
  failing: false,
  evidence: { why },
  query,
})

/** Wilson's interval of a share (Wilson 1927): what k of n can still be, at z standard errors. */
export function wilson(k: number, n: number, z = 3.5): { low: number; high: number } {
  const p = k / n
  const middle = (p + (z * z) / (2 * n)) / (1 + (z * z) / n)
  const half = (z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n))) / (1 + (z * z) / n)
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) }
}

export const rounded = (value: number, places = 4) => Number(value.toFixed(places))

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
