import { HOUR } from "#core/clock.ts"
import { addDays, zoneOf } from "#core/zone.ts"
import { indexLottery, type Next } from "./distributions.ts"

/** One day of a business, in its own time zone. Instants are milliseconds since 1970 (UTC). */
export type Day = {
  /** Days since the first. */
  index: number
  /** Local date, such as 2026-01-31. */
  date: string
  /** 0 is Sunday. */
  weekday: number
  start: number
  /** Where the next day starts. */
  end: number
  /** The instant at which the clock on the wall shows so many hours since midnight. */
  at(hours: number): number
}

/** By this hour of the night, clocks that change have changed. */
const CLOCKS_CHANGE = 3

/** The days from `from` on, by index. */
export function calendar(from: string, timeZone: string): (index: number) => Day {
  const zone = zoneOf(timeZone)
  return (index) => {
    const date = addDays(from, index)
    const start = zone.startOf(date)
    const end = zone.startOf(addDays(date, 1))
    return {
      index,
      date,
      weekday: new Date(date).getUTCDay(),
      start,
      end,
      at: (hours) => Math.floor(hours < CLOCKS_CHANGE ? start + hours * HOUR : end - (24 - hours) * HOUR),
    }
  }
}

/** Draws instants of a day as its 24 hours are busy. */
export function rhythm(hours: readonly number[]) {
  const hour = indexLottery(hours)
  return (next: Next, day: Day) => day.at(hour(next) + next())
}

export const isLastOfMonth = (date: string) => addDays(date, 1).endsWith("-01")
