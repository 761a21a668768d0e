import { type AnswerCache, answerCache, type Kept, keptInProcess } from "#pipeline/cache.ts"
import type { Redis } from "./redis.ts"
import type { Runtime } from "./runtime.ts"

/** Answers are kept in Redis for all functions, or for this process where there is none. */
export function cacheOf({ redis, clock, figures }: Pick<Runtime, "redis" | "clock" | "figures">): AnswerCache {
  const kept = redis ? keptIn(redis) : keptInProcess(clock)
  return answerCache({ kept, clock, hear: (outcome) => figures.count("octant_cache_lookups_total", { outcome }) })
}

/** Nobody waits for the client to be loaded: an answer is computed sooner. */
function keptIn(redis: Redis): Kept {
  const answers = () => {
    const there = redis.soon()
    if (!there) throw new Error("the client of Redis is not loaded yet")
    return there.answers
  }
  return {
    get: async (key) => answers().get(key),
    put: async (key, value, ttlMs) => answers().put(key, value, ttlMs),
  }
}
