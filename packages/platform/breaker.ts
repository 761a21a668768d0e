import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen } from "cockatiel"
import type { Clock } from "#core/clock.ts"

const OPEN_MS = 10_000

export type BreakerOptions = {
  /** How many failures in a row break the circuit, and for how long no call is then let through but a probe. */
  failures: number
  openMs?: number | undefined
  /** Whether a failure says that the other side is not well. */
  counts: (error: unknown) => boolean
  onChange?: ((state: "open" | "closed") => void) | undefined
}
export type Breaker = {
  /** Rejects with what the work rejects with, or at once with `isBroken` while the circuit is open. */
  execute<T>(work: () => Promise<T>): Promise<T>
  /** Whether calls are let through at this moment. */
  isClosed(): boolean
}

/** A circuit breaker by our own clock (cockatiel). */
export function breaker(clock: Clock, { failures, openMs = OPEN_MS, counts, onChange }: BreakerOptions): Breaker {
  const policy = circuitBreaker(handleWhen(counts), {
    halfOpenAfter: until(clock, openMs),
    breaker: new ConsecutiveBreaker(failures),
  })
  policy.onBreak(() => onChange?.("open"))
  policy.onReset(() => onChange?.("closed"))
  return { execute: (work) => policy.execute(work), isClosed: () => policy.state === CircuitState.Closed }
}

/** Whether a call was not made, because its circuit is open. */
export const isBroken = (error: unknown): error is Error => error instanceof Error && "isBrokenCircuitError" in error

/** cockatiel reads the system's clock; a duration that is endless until ours has passed puts ours in its place. */
function until(clock: Clock, openMs: number) {
  const next = () => {
    const closedUntil = clock() + openMs
    return {
      next,
      get duration() {
        return clock() < closedUntil ? Number.POSITIVE_INFINITY : 0
      },
    }
  }
  return { next }
}
