import { expect, test } from "vitest"
import { DAY, fakeClock, HOUR, instant, systemClock } from "./clock.ts"

test("a fake clock stands still until it is told to move", () => {
  const clock = fakeClock("2026-01-31T12:00:00Z")
  expect([instant(clock()), instant(clock())]).toEqual(["2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00.000Z"])
  clock.advance(DAY + HOUR)
  expect(instant(clock())).toBe("2026-02-01T13:00:00.000Z")
  clock.set("2020-01-01")
  expect(instant(clock())).toBe("2020-01-01T00:00:00.000Z")
})

test("the system's clock goes on", async () => {
  const before = systemClock()
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(systemClock()).toBeGreaterThan(before)
})
