import { DAY, instant } from "#core/clock.ts"
import { addDays, zoneOf } from "#core/zone.ts"
import { parseInstant } from "#events/message.ts"

/** A time of day that is followed by `Z` or an offset. */
const ZONED = /\d{2}:\d{2}.*(?:z|[+-]\d{2}:?\d{2})$/i

/** Reads a text as an instant (milliseconds since 1970), or `undefined` for what is not ISO 8601. */
export type ReadMoment = (text: string) => number | undefined

/**
 * ISO 8601 texts as instants; one without a zone of its own is local time of this zone. A local time that comes twice
 * (clocks went back) is the earlier of the two; one that was skipped (clocks went forward) is as much later as was
 * skipped: 01:30 becomes 02:30. So do RFC 5545 and Temporal.
 */
export function momentsIn(zone: string): ReadMoment {
  const { startOf } = zoneOf(zone)
  const offsetAt = offsetsOf(zone)
  const days = new Map<number, { before: number; after: number }>()

  /** Local time minus UTC when a day begins and when it ends; they differ where clocks are moved. */
  const offsetsOn = (midnight: number) => {
    const known = days.get(midnight)
    if (known) return known
    const day = instant(midnight).slice(0, 10)
    const found = { before: midnight - startOf(day), after: midnight + DAY - startOf(addDays(day, 1)) }
    days.set(midnight, found)
    return found
  }
  return (text) => {
    const ms = parseInstant(text)
    if (ms === undefined || ZONED.test(text.trim())) return ms
    const { before, after } = offsetsOn(Math.floor(ms / DAY) * DAY)
    const moved = before !== after && offsetAt(ms - before) !== before && offsetAt(ms - after) === after
    return moved ? ms - after : ms - before
  }
}

/** Local time minus UTC at an instant, in milliseconds; asked only for days on which clocks are moved. */
function offsetsOf(timeZone: string) {
  const format = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" })
  return (ms: number) => {
    const name = format.formatToParts(ms).find(({ type }) => type === "timeZoneName")?.value ?? ""
    const [, sign, hours = "0", minutes = "0", seconds = "0"] =
      /^GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/.exec(name) ?? []
    return (sign === "-" ? -1000 : 1000) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
  }
}
