import fc from "fast-check"
import { expect, test } from "vitest"
import { addDays, daysBetween, isZone, mondayOf, zoneOf } from "./zone.ts"

const ms = Date.parse

test("an instant just before midnight in Athens is still that day there", () => {
  expect(zoneOf("Europe/Athens").place(ms("2026-01-31T21:59:59.999Z"))).toEqual({ day: "2026-01-31", hour: 23 })
  expect(zoneOf("Europe/Athens").place(ms("2026-01-31T22:00:00.000Z"))).toEqual({ day: "2026-02-01", hour: 0 })
})

test("the day the clocks go back has 25 hours and both one-o'clocks are their own", () => {
  const london = zoneOf("Europe/London")
  expect(london.hoursOf("2026-10-25")).toBe(25)
  expect(london.place(ms("2026-10-25T00:30:00Z"))).toEqual({ day: "2026-10-25", hour: 1 })
  expect(london.place(ms("2026-10-25T01:30:00Z"))).toEqual({ day: "2026-10-25", hour: 2 })
  expect(london.hoursOf("2026-03-29")).toBe(23)
})

test("a zone of half hours begins its day on the half hour", () => {
  expect(zoneOf("Asia/Kolkata").startOf("2026-06-01")).toBe(ms("2026-05-31T18:30:00Z"))
})

test("a day whose midnight was skipped begins after the gap", () => {
  // Cuba moves its clocks at midnight: 2026-03-08 begins at 01:00 local time.
  expect(zoneOf("America/Havana").startOf("2026-03-08")).toBe(ms("2026-03-08T05:00:00Z"))
})

test("every instant lies within the day it is placed in", () => {
  const zones = [
    "UTC",
    "Europe/Athens",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
  ].map(zoneOf)
  fc.assert(
    fc.property(fc.constantFrom(...zones), fc.integer({ min: ms("1980-01-01"), max: ms("2035-01-01") }), (zone, at) => {
      const { day, hour } = zone.place(at)
      expect(zone.startOf(day)).toBeLessThanOrEqual(at)
      expect(at).toBeLessThan(zone.startOf(addDays(day, 1)))
      expect(hour).toBe(Math.floor((Math.floor(at / 900_000) * 900_000 - zone.startOf(day)) / 3_600_000))
    }),
    { numRuns: 300 },
  )
})

test("UTC, which is known without the database, is what the database says", () => {
  const [short, long] = [zoneOf("UTC"), zoneOf("Etc/UTC")]
  fc.assert(
    fc.property(fc.integer({ min: ms("0001-01-01"), max: ms("9999-12-30") }), (at) => {
      const place = short.place(at)
      expect(place).toEqual(long.place(at))
      expect(short.startOf(place.day)).toBe(long.startOf(place.day))
      expect(short.hoursOf(place.day)).toBe(long.hoursOf(place.day))
    }),
    { numRuns: 300 },
  )
})

test("weeks begin on Monday", () => {
  expect(mondayOf("2026-11-22")).toBe("2026-11-16")
  expect(mondayOf("2026-11-23")).toBe("2026-11-23")
})

test("the first hours of the year 1 lie in the year before, west of Greenwich", () => {
  const first = ms("0001-01-01T00:00:00Z")
  expect(zoneOf("UTC").place(first)).toEqual({ day: "0001-01-01", hour: 0 })
  expect(zoneOf("America/New_York").place(first).day).toBe("0000-12-31")
  expect(zoneOf("Asia/Kolkata").place(first).day).toBe("0001-01-01")
})

test("a zone is known by its name of the IANA database, and nothing else is one", () => {
  expect(["UTC", "Europe/Athens", "America/Argentina/Buenos_Aires"].map(isZone)).toEqual([true, true, true])
  expect(["", "Athens", "Europe/Sparta", "Europe/Athens "].map(isZone)).toEqual([false, false, false, false])
})

test("days between two days are counted on the calendar, also over the change of clocks", () => {
  expect(daysBetween("2026-03-28", "2026-03-30")).toBe(2)
  expect(daysBetween("2026-03-30", "2026-03-28")).toBe(-2)
  expect(addDays("2024-02-28", 1)).toBe("2024-02-29")
  expect(addDays("2026-01-01", -1)).toBe("2025-12-31")
})
