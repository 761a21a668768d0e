import fc from "fast-check"
import { expect, test } from "vitest"
import { instant } from "#core/clock.ts"
import { momentsIn } from "./moment.ts"

const read = (zone: string, text: string) => {
  const ms = momentsIn(zone)(text)
  return ms === undefined ? undefined : instant(ms)
}

test("a time without a zone is local time of the mapping's zone, one with a zone is its own", () => {
  expect(read("Europe/Athens", "2026-01-31 12:00:00")).toBe("2026-01-31T10:00:00.000Z")
  expect(read("Europe/Athens", "2026-07-31T12:00")).toBe("2026-07-31T09:00:00.000Z")
  expect(read("Europe/Athens", "2026-01-31")).toBe("2026-01-30T22:00:00.000Z")
  expect(read("Europe/Athens", "2026-01-31T12:00:00Z")).toBe("2026-01-31T12:00:00.000Z")
  expect(read("Europe/Athens", "2026-01-31 12:00:00.250 -0500")).toBe("2026-01-31T17:00:00.250Z")
  expect(read("Asia/Kathmandu", "2026-01-31 12:00:00")).toBe("2026-01-31T06:15:00.000Z")
})

test("a time that was skipped when clocks went forward is moved on by the gap", () => {
  expect(read("Europe/London", "2026-03-29 00:59:59")).toBe("2026-03-29T00:59:59.000Z")
  expect(read("Europe/London", "2026-03-29 01:30:00")).toBe("2026-03-29T01:30:00.000Z")
  expect(read("Europe/London", "2026-03-29 02:30:00")).toBe("2026-03-29T01:30:00.000Z")
  // Cuba skips midnight itself.
  expect(read("America/Havana", "2026-03-08 00:30:00")).toBe("2026-03-08T05:30:00.000Z")
})

test("a time that came twice when clocks went back is the earlier one", () => {
  expect(read("Europe/London", "2026-10-25 00:30:00")).toBe("2026-10-24T23:30:00.000Z")
  expect(read("Europe/London", "2026-10-25 01:30:00")).toBe("2026-10-25T00:30:00.000Z")
  expect(read("Europe/London", "2026-10-25 02:30:00")).toBe("2026-10-25T02:30:00.000Z")
  // Brazil went back from midnight to 23:00 of the day before.
  expect(read("America/Sao_Paulo", "2018-02-17 23:30:00")).toBe("2018-02-18T01:30:00.000Z")
})

test.each(["", "12/1/2010 8:26", "2026-02-30 12:00:00", "yesterday", "1767182400"])("%j is no instant", (text) => {
  expect(read("UTC", text)).toBeUndefined()
})

test("an instant written down in local time is read as itself, or as the earlier one with the same local time", () => {
  const zones = ["UTC", "Europe/Athens", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Pacific/Apia"]
  const readers = zones.map((zone) => ({ read: momentsIn(zone), local: localIn(zone) }))
  fc.assert(
    fc.property(
      fc.constantFrom(...readers),
      fc.integer({ min: Date.parse("1980-01-01") / 1000, max: Date.parse("2035-01-01") / 1000 }),
      ({ read, local }, seconds) => {
        const found = read(local(seconds * 1000))!
        expect(local(found)).toBe(local(seconds * 1000))
        expect(found).toBeLessThanOrEqual(seconds * 1000)
      },
    ),
    { numRuns: 2000 },
  )
})

/** Swedish writes ISO 8601. */
const localIn = (timeZone: string) => {
  const format = new Intl.DateTimeFormat("sv", { timeZone, dateStyle: "short", timeStyle: "medium" })
  return (ms: number) => format.format(ms)
}
