import { Ratelimit } from "@upstash/ratelimit"
import { Redis } from "@upstash/redis"
import type { Window, Windows } from "#access/limit.ts"
import type { Clock } from "#core/clock.ts"
import type { Kept } from "#pipeline/cache.ts"
import { type Guard, type GuardNeeds, guard } from "./guard.ts"
import { keptWithin } from "./kept.ts"

/** The shared Redis, as far as we use it. Every call rejects when there is no answer in time; none is retried. */
export type Shared = {
  windows: Windows
  answers: Kept
  ping(): Promise<void>
}

/** A request waits for the limits no longer than this; a cached answer that comes later is worth less than a fresh one. */
const LIMITS_MS = 250
const CACHE_MS = 50
const PING_MS = 1000
const spans = { minute: "60 s", day: "1 d" } as const

/** Redis by Upstash's REST protocol. Loaded when it is first needed: it would double the collect function. */
export function upstash(
  needs: GuardNeeds,
  {
    url,
    token,
    prefix,
    limitsMs = LIMITS_MS,
    cacheMs = CACHE_MS,
  }: {
    url: string
    token: string
    /** What all keys begin with: stages may share one Redis, and each has an acme of its own. */
    prefix: string
    limitsMs?: number
    cacheMs?: number
  },
): Shared {
  const clientWithin = (timeoutMs: number) =>
    new Redis({
      url,
      token,
      retry: false,
      enableTelemetry: false,
      automaticDeserialization: false,
      readYourWrites: false,
      // A socket that never answers is closed in the end; the guard has long given up on it.
      signal: () => AbortSignal.timeout(2 * timeoutMs),
    })
  return {
    windows: windowsOf(needs.clock, clientWithin(limitsMs), guard(needs, { timeoutMs: limitsMs }), prefix),
    answers: keptWithin(answersOf(clientWithin(cacheMs), prefix), guard(needs, { timeoutMs: cacheMs })),
    ping: async () => {
      await guard(needs, { timeoutMs: PING_MS, failures: Number.MAX_SAFE_INTEGER }).run(() =>
        clientWithin(PING_MS).ping(),
      )
    },
  }
}

/**
 * @upstash/ratelimit, one limiter for each span and limit. What is asked in one turn goes out as one pipeline. Its own
 * time-out is off (`timeout: 0`): on it, the library answers "allowed, 0 of 0"; ours throws, and the caller decides.
 */
function windowsOf(clock: Clock, redis: Redis, guarded: Guard, prefix: string): Windows {
  const limiters = new Map<string, Ratelimit>()
  const limiterOf = ({ span, limit }: Window) => {
    const name = `${span}:${limit}`
    const known = limiters.get(name)
    if (known) return known
    const made = new Ratelimit({
      redis,
      limiter:
        span === "minute" ? Ratelimit.slidingWindow(limit, spans.minute) : Ratelimit.fixedWindow(limit, spans.day),
      prefix: `${prefix}:${span}`,
      timeout: 0,
      ephemeralCache: false,
      analytics: false,
    })
    limiters.set(name, made)
    return made
  }
  return (windows) =>
    guarded.run(() =>
      Promise.all(
        windows.map(async (window) => {
          const { success, remaining, reset } = await limiterOf(window).limit(window.id, { rate: window.cost })
          return { allowed: success, remaining, resetMs: reset - clock() }
        }),
      ),
    )
}

const answersOf = (redis: Redis, prefix: string): Kept => ({
  get: async (key) => (await redis.get<string>(`${prefix}:${key}`)) ?? undefined,
  put: async (key, value, ttlMs) => {
    await redis.set(`${prefix}:${key}`, value, { px: ttlMs })
  },
})
