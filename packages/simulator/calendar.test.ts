import { expect, test } from "vitest"
import { HOUR, instant } from "#core/clock.ts"
import { calendar, isLastOfMonth } from "./calendar.ts"

test("a day begins at midnight on the tenant's wall", () => {
  const day = calendar("2026-01-31", "America/New_York")(1)
  expect(day).toMatchObject({ index: 1, date: "2026-02-01", weekday: 0 })
  expect(instant(day.start)).toBe("2026-02-01T05:00:00.000Z")
  expect(instant(day.end)).toBe("2026-02-02T05:00:00.000Z")
  expect(instant(day.at(18.5))).toBe("2026-02-01T23:30:00.000Z")
})

test.each([
  ["Europe/London", "2026-03-29", 23, "2026-03-29T08:00:00.000Z"],
  ["Europe/London", "2026-10-25", 25, "2026-10-25T09:00:00.000Z"],
  ["Europe/Athens", "2026-03-29", 23, "2026-03-29T06:00:00.000Z"],
  ["America/New_York", "2026-11-01", 25, "2026-11-01T14:00:00.000Z"],
])(
  "when the clocks of %s change on %s the day has %d hours and nine o'clock is nine o'clock",
  (zone, date, hours, nine) => {
    const day = calendar(date, zone)(0)
    expect((day.end - day.start) / HOUR).toBe(hours)
    expect(instant(day.at(9))).toBe(nine)
    expect(day.at(0)).toBe(day.start)
    expect(day.at(23.99)).toBeLessThan(day.end)
  },
)

test("the last day of a month is known in a leap year too", () => {
  expect(isLastOfMonth("2028-02-28")).toBe(false)
  expect(isLastOfMonth("2028-02-29")).toBe(true)
  expect(isLastOfMonth("2026-12-31")).toBe(true)
})
