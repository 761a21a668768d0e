import { HOUR, instant } from "#core/clock.ts"
import { addDays, type DayText, daysBetween, mondayOf, type Zone } from "#core/zone.ts"

export const grains = ["hour", "day", "week", "month", "total"] as const
export type Grain = (typeof grains)[number]

/** A bucket of a chart: `at` is the first day (or the first instant of an hour), `from` and `to` its days inclusive. */
export type Bucket = { at: string; from: DayText; to: DayText; hour?: number }

/** The buckets of a range of local days; the first and last week or month may be cut by the range. */
export function bucketsOf(grain: Grain, from: DayText, to: DayText, zone: Zone): Bucket[] {
  if (grain === "total") return [{ at: from, from, to }]
  const buckets: Bucket[] = []
  for (let day = from; day <= to; ) {
    if (grain === "hour") {
      for (let hour = 0; hour < zone.hoursOf(day); hour++) {
        buckets.push({ at: instant(zone.startOf(day) + hour * HOUR), from: day, to: day, hour })
      }
      day = addDays(day, 1)
      continue
    }
    const end = grain === "day" ? day : grain === "week" ? addDays(mondayOf(day), 6) : lastOfMonth(day)
    const last = end < to ? end : to
    buckets.push({ at: day, from: day, to: last })
    day = addDays(last, 1)
  }
  return buckets
}

export const monthOf = (day: DayText) => day.slice(0, 7)

/** The last day of a day's month. */
export function lastOfMonth(day: DayText): DayText {
  const next = new Date(Date.UTC(2000, Number(day.slice(5, 7)), 1))
  next.setUTCFullYear(Number(day.slice(0, 4)) + (day.slice(5, 7) === "12" ? 1 : 0))
  return addDays(next.toISOString().slice(0, 10), -1)
}

/** The period of the same length just before: whole months before whole months, else as many days. */
export function previousPeriod(from: DayText, to: DayText) {
  if (from.endsWith("-01") && to === lastOfMonth(to)) {
    const months =
      (Number(to.slice(0, 4)) - Number(from.slice(0, 4))) * 12 + Number(to.slice(5, 7)) - Number(from.slice(5, 7)) + 1
    return { from: addMonths(from, -months), to: addDays(from, -1) }
  }
  const days = daysBetween(from, to) + 1
  return { from: addDays(from, -days), to: addDays(from, -1) }
}

/** The same dates a year before; 29 February becomes the 28th. */
export const yearBefore = (from: DayText, to: DayText) => ({ from: addMonths(from, -12), to: addMonths(to, -12) })

function addMonths(day: DayText, months: number): DayText {
  const index = Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7)) - 1 + months
  const first = `${String(Math.floor(index / 12)).padStart(4, "0")}-${String((index % 12) + 1).padStart(2, "0")}-01`
  const last = lastOfMonth(first)
  const same = first.slice(0, 8) + day.slice(8)
  return same < last ? same : last
}
