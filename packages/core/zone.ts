import { DAY, HOUR, MINUTE } from "./clock.ts"

/** A day in the tenant's time zone, `2026-01-31`. */
export type DayText = string
/** Where an instant falls: its local day and which hour of that day it is (0…24: a day may have 23 to 25 hours). */
export type Place = { day: DayText; hour: number }

export type Zone = {
  name: string
  /** The local day and hour of an instant (milliseconds since 1970). */
  place(ms: number): Place
  /** The first instant of a local day. */
  startOf(day: DayText): number
  /** Hours of a local day: 24, or 23 and 25 when the clock is moved. */
  hoursOf(day: DayText): number
}

const BLOCK = 15 * MINUTE
const MEMORY = 200_000

/** Whether the runtime knows this IANA zone. */
export function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name })
    return true
  } catch {
    return false
  }
}

/**
 * A zone of the IANA database. Offsets are looked up once for each quarter of an hour: no zone in use has moved its
 * clocks at another moment.
 */
export function zoneOf(name: string): Zone {
  // To know UTC takes no database, which would be a tenth of a cold start.
  const offsetAt = name === "UTC" ? () => 0 : offsetsOf(name)
  const places = new Map<number, Place>()
  const starts = new Map<DayText, number>()

  const startOf = (day: DayText) => {
    const known = starts.get(day)
    if (known !== undefined) return known
    const midnight = Date.parse(`${day}T00:00:00.000Z`)
    // The first instant whose local day is this one: local midnight, or the end of the gap where midnight was skipped.
    const candidates = [midnight - offsetAt(midnight - DAY), midnight - offsetAt(midnight + DAY)]
    const matching = candidates.filter((ms) => dayOf(ms) === day && dayOf(ms - 1) < day)
    const start = matching.length > 0 ? Math.min(...matching) : firstOf(day, midnight)
    starts.set(day, start)
    return start
  }
  const dayOf = (ms: number) => new Date(ms + offsetAt(ms)).toISOString().slice(0, 10)
  const firstOf = (day: DayText, midnight: number) => {
    let ms = midnight - 16 * HOUR
    while (dayOf(ms) < day) ms += BLOCK
    return ms
  }

  const place = (ms: number): Place => {
    const block = Math.floor(ms / BLOCK)
    const known = places.get(block)
    if (known) return known
    if (places.size >= MEMORY) places.clear()
    const start = block * BLOCK
    const day = dayOf(start)
    const found = { day, hour: Math.max(0, Math.floor((start - startOf(day)) / HOUR)) }
    places.set(block, found)
    return found
  }

  return {
    name,
    place,
    startOf,
    hoursOf: (day) => Math.round((startOf(addDays(day, 1)) - startOf(day)) / HOUR),
  }
}

/** Local time minus UTC at an instant, in milliseconds. */
function offsetsOf(name: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat("en-u-ca-iso8601", {
    timeZone: name,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  })
  return (ms) => {
    const part: Record<string, string> = {}
    for (const { type, value } of format.formatToParts(ms)) part[type] = value
    const local = new Date(0)
    local.setUTCFullYear(Number(part.year), Number(part.month) - 1, Number(part.day))
    local.setUTCHours(Number(part.hour), Number(part.minute), Number(part.second))
    // The year before the year 1 is told as a year 1 too.
    if (local.getTime() - ms > 2 * DAY) local.setUTCFullYear(0)
    return local.getTime() - Math.floor(ms / 1000) * 1000
  }
}

/** Days are counted on the calendar, where each has 24 hours. */
export const addDays = (day: DayText, days: number): DayText =>
  new Date(Date.parse(`${day}T00:00:00.000Z`) + days * DAY).toISOString().slice(0, 10)

/** Days from one to the other: 0 for the same. */
export const daysBetween = (from: DayText, to: DayText) => Math.round((Date.parse(to) - Date.parse(from)) / DAY)

/** The Monday on or before a day (ISO 8601 weeks). */
export const mondayOf = (day: DayText): DayText =>
  addDays(day, -((new Date(`${day}T00:00:00.000Z`).getUTCDay() + 6) % 7))
