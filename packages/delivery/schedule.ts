import { HOUR, MINUTE, SECOND } from "#core/clock.ts"

/**
 * How long to wait after each failed attempt: as Standard Webhooks advises, but never longer than SQS can hide a message
 * (12 hours, jitter included). The next failure is the last: the message becomes a dead letter.
 */
export const WAITS_MS = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  10 * HOUR,
  10 * HOUR,
  10 * HOUR,
] as const
export const ATTEMPTS = WAITS_MS.length + 1
/** Up to so much of a wait is added by chance, so that what failed together does not come back together. */
const JITTER = 0.1

/** When to try again after so many attempts. `random` gives numbers in [0, 1). */
export const waitMs = (attempts: number, random: () => number): number =>
  Math.round(WAITS_MS[Math.min(Math.max(attempts, 1), WAITS_MS.length) - 1]! * (1 + JITTER * random()))
