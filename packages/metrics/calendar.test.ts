import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { addDays, daysBetween, zoneOf } from "#core/zone.ts"
import { bucketsOf, type Grain, lastOfMonth, monthOf, previousPeriod, yearBefore } from "./calendar.ts"

const utc = zoneOf("UTC")
const athens = zoneOf("Europe/Athens")
/** Steps as `at from to`. */
const steps = (grain: Grain, from: string, to: string, zone = utc) =>
  bucketsOf(grain, from, to, zone).map((bucket) => `${bucket.at} ${bucket.from} ${bucket.to}`)

describe("steps of a chart", () => {
  test("by the day are the days of the range", () => {
    expect(steps("day", "2026-02-27", "2026-03-01")).toEqual([
      "2026-02-27 2026-02-27 2026-02-27",
      "2026-02-28 2026-02-28 2026-02-28",
      "2026-03-01 2026-03-01 2026-03-01",
    ])
  })

  test("by the week begin on Mondays; the first and the last are cut by the range", () => {
    expect(steps("week", "2026-01-01", "2026-01-14")).toEqual([
      "2026-01-01 2026-01-01 2026-01-04",
      "2026-01-05 2026-01-05 2026-01-11",
      "2026-01-12 2026-01-12 2026-01-14",
    ])
  })

  test("by the month begin on the first; the first and the last are cut by the range", () => {
    expect(steps("month", "2025-12-31", "2026-03-01")).toEqual([
      "2025-12-31 2025-12-31 2025-12-31",
      "2026-01-01 2026-01-01 2026-01-31",
      "2026-02-01 2026-02-01 2026-02-28",
      "2026-03-01 2026-03-01 2026-03-01",
    ])
  })

  test("in total are one", () => {
    expect(steps("total", "2025-01-01", "2026-12-31")).toEqual(["2025-01-01 2025-01-01 2026-12-31"])
  })

  test("by the hour are instants: 24 on most days, 23 and 25 where the clocks are moved", () => {
    const hours = (day: string) => bucketsOf("hour", day, day, athens)
    expect(hours("2026-06-01")).toHaveLength(24)
    expect(hours("2026-03-29")).toHaveLength(23)
    expect(hours("2026-10-25")).toHaveLength(25)
    expect(hours("2026-10-25").slice(2, 6)).toEqual(
      [23, 0, 1, 2].map((hour, i) => ({
        at: `2026-10-${hour === 23 ? 24 : 25}T${String(hour).padStart(2, "0")}:00:00.000Z`,
        from: "2026-10-25",
        to: "2026-10-25",
        hour: i + 2,
      })),
    )
  })

  test("by the hour begin on the half hour where the zone does", () => {
    expect(bucketsOf("hour", "2026-06-01", "2026-06-01", zoneOf("Asia/Kolkata"))[0]?.at).toBe(
      "2026-05-31T18:30:00.000Z",
    )
  })

  test.each(["day", "week", "month", "total"] as const)(
    "by the %s hold each day of the range once and in order",
    (grain) => {
      const day = fc.integer({ min: -20_000, max: 40_000 }).map((days) => addDays("2000-01-01", days))
      fc.assert(
        fc.property(day, fc.nat(800), (from, days) => {
          const to = addDays(from, days)
          let next = from
          for (const bucket of bucketsOf(grain, from, to, utc)) {
            expect(bucket.from).toBe(next)
            expect(bucket.at).toBe(bucket.from)
            expect(bucket.to >= bucket.from).toBe(true)
            next = addDays(bucket.to, 1)
          }
          expect(next).toBe(addDays(to, 1))
        }),
        { numRuns: 60 },
      )
    },
  )
})

test.each([
  ["2026-01-15", "2026-01-31"],
  ["2026-02-01", "2026-02-28"],
  ["2024-02-29", "2024-02-29"],
  ["2000-02-01", "2000-02-29"],
  ["1900-02-01", "1900-02-28"],
  ["2026-04-30", "2026-04-30"],
  ["2026-12-01", "2026-12-31"],
  ["0001-01-01", "0001-01-31"],
  ["9999-12-01", "9999-12-31"],
])("the last day of the month of %s is %s", (day, last) => {
  expect(lastOfMonth(day)).toBe(last)
  expect(monthOf(day)).toBe(last.slice(0, 7))
})

test.each([
  ["2026-03-01", "2026-03-31", "2026-02-01", "2026-02-28"],
  ["2026-01-01", "2026-03-31", "2025-10-01", "2025-12-31"],
  ["2024-03-01", "2024-03-31", "2024-02-01", "2024-02-29"],
  ["2026-01-01", "2026-12-31", "2025-01-01", "2025-12-31"],
  ["2026-03-02", "2026-03-31", "2026-01-31", "2026-03-01"],
  ["2026-03-01", "2026-03-30", "2026-01-30", "2026-02-28"],
  ["2026-03-15", "2026-03-15", "2026-03-14", "2026-03-14"],
  ["2026-01-05", "2026-01-11", "2025-12-29", "2026-01-04"],
])("before %s … %s comes %s … %s", (from, to, before, until) => {
  expect(previousPeriod(from, to)).toEqual({ from: before, to: until })
})

test("the period before ends the day before, and has as many days, or as many whole months", () => {
  const day = fc.integer({ min: 0, max: 20_000 }).map((days) => addDays("1990-01-01", days))
  fc.assert(
    fc.property(day, fc.nat(400), (from, length) => {
      const to = addDays(from, length)
      const before = previousPeriod(from, to)
      expect(addDays(before.to, 1)).toBe(from)
      if (!(from.endsWith("-01") && to === lastOfMonth(to))) expect(daysBetween(before.from, before.to)).toBe(length)
      else expect(before.from.endsWith("-01")).toBe(true)
    }),
  )
})

test.each([
  ["2026-01-15", "2026-02-14", "2025-01-15", "2025-02-14"],
  ["2024-02-29", "2024-02-29", "2023-02-28", "2023-02-28"],
  ["2025-02-01", "2025-02-28", "2024-02-01", "2024-02-28"],
  ["2026-12-31", "2027-01-01", "2025-12-31", "2026-01-01"],
])("a year before %s … %s was %s … %s", (from, to, before, until) => {
  expect(yearBefore(from, to)).toEqual({ from: before, to: until })
})
