import fc from "fast-check"
import { expect, test } from "vitest"
import { HOUR } from "#core/clock.ts"
import { queues } from "#platform/topology.ts"
import { ATTEMPTS, WAITS_MS, waitMs } from "./schedule.ts"

/** The longest that SQS hides a message for. */
const MOST_HIDDEN_MS = 12 * HOUR

test("every wait is the schedule's or up to a tenth longer, and no longer than SQS can hide a message", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (attempts, chance) => {
        const ms = waitMs(attempts, () => chance)
        const wait = WAITS_MS[Math.min(attempts, WAITS_MS.length) - 1]!
        expect(ms).toBeGreaterThanOrEqual(wait)
        expect(ms).toBeLessThanOrEqual(wait * 1.1)
        // With the time that the attempt itself has taken.
        expect(ms + queues.deliveries.visibilitySeconds * 1000).toBeLessThan(MOST_HIDDEN_MS)
      },
    ),
  )
})

test("a message is given up after two days and ten attempts, long before SQS forgets it", () => {
  const longest = WAITS_MS.reduce((sum, ms) => sum + ms * 1.1, 0)
  expect([ATTEMPTS, Math.round(longest / HOUR)]).toEqual([10, 52])
})
