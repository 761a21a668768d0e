import type { Budget } from "#core/budget.ts"
import type { Clock } from "#core/clock.ts"
import { breaker, isBroken } from "./breaker.ts"

/** Why a call of something outside gave nothing. */
export type OutsideReason = "timeout" | "broken" | "too_large" | "status" | "network" | "gone"

export class OutsideError extends Error {
  readonly reason: OutsideReason
  readonly status: number | undefined
  /** Seconds that the other side asks us to wait. */
  readonly retryAfter: number | undefined
  /** What was answered nevertheless. */
  readonly answer: unknown
  constructor(
    reason: OutsideReason,
    message: string,
    more: { status?: number; retryAfter?: number; answer?: unknown } = {},
  ) {
    super(message)
    this.name = "OutsideError"
    this.reason = reason
    this.status = more.status
    this.retryAfter = more.retryAfter
    this.answer = more.answer
  }
  /** Whether a later attempt may fare better. A 4xx is our own fault and says nothing about the other side's health. */
  get passing() {
    if (this.reason === "gone") return false
    return this.reason !== "too_large" && (this.reason !== "status" || this.status === 429 || this.status! >= 500)
  }
}

export type GuardNeeds = {
  clock: Clock
  /** Numbers in [0, 1), for jitter. */
  random: () => number
  sleep: (ms: number) => Promise<void>
}
export type GuardOptions = {
  timeoutMs: number
  /** How often it is tried in all; 1 if absent. */
  attempts?: number
  /** How many failures in a row break the circuit, and for how long no call is then let through but a probe. */
  failures?: number
  openMs?: number
  /** Whether a 429 is such a failure; not so where one account's says nothing of the others'. It is if absent. */
  breaksOn429?: boolean
  /** What retries are paid from; without it nothing is tried again. */
  budget?: Budget
  onChange?: (state: "open" | "closed") => void
}
export type Guard = {
  run<T>(work: (signal: AbortSignal) => Promise<T>, options?: { attempts?: number }): Promise<T>
  /** Whether calls are let through at this moment. */
  isClosed(): boolean
}

const FIRST_BACKOFF_MS = 50
const SECOND = 1000
const SLOWEST_BACKOFF_MS = 5 * SECOND

/** A time-out for each attempt, retries with full jitter out of a budget, and a circuit breaker around each attempt. */
export function guard({ clock, random, sleep }: GuardNeeds, options: GuardOptions): Guard {
  const { timeoutMs, failures = 5, openMs, budget, onChange, breaksOn429 = true } = options
  const counts = (error: unknown) =>
    !(error instanceof OutsideError) || (error.passing && (breaksOn429 || error.status !== 429))
  const circuit = breaker(clock, { failures, openMs, counts, onChange })

  const once = async <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const ending = new AbortController()
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      late.reject(new OutsideError("timeout", `no answer in ${timeoutMs} ms`))
      ending.abort()
    }, timeoutMs)
    try {
      return await Promise.race([work(ending.signal), late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    isClosed: () => circuit.isClosed(),
    run: async (work, { attempts = options.attempts ?? 1 } = {}) => {
      budget?.earn()
      for (let attempt = 1; ; attempt++) {
        try {
          return await circuit.execute(() => once(work))
        } catch (error) {
          const failure = known(error)
          if (!failure.passing || failure.reason === "broken" || attempt >= attempts || !budget?.spend()) throw failure
          const backoffMs = random() * Math.min(SLOWEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt)
          const askedMs = (failure.retryAfter ?? 0) * SECOND
          if (askedMs > SLOWEST_BACKOFF_MS) throw failure
          await sleep(Math.max(backoffMs, askedMs))
        }
      }
    },
  }
}

function known(error: unknown): OutsideError {
  if (error instanceof OutsideError) return error
  if (isBroken(error)) return new OutsideError("broken", "it has failed too often; it is left alone for a while")
  return new OutsideError("network", error instanceof Error ? error.message : String(error))
}
