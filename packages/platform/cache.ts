import { type AnswerCache, answerCache, type Kept, keptInProcess } from "#pipeline/cache.ts"
import type { Runtime } from "./runtime.ts"

/** Answers are kept in Redis for all functions, or for this process where there is none. */
export function cacheOf({ redis, clock, figures }: Pick<Runtime, "redis" | "clock" | "figures">): AnswerCache {
  const kept: Kept = redis
    ? {
        get: async (key) => (await redis.load()).answers.get(key),
        put: async (key, value, ttlMs) => (await redis.load()).answers.put(key, value, ttlMs),
      }
    : keptInProcess(clock)
  return answerCache({ kept, clock, hear: (outcome) => figures.count("octant_cache_lookups_total", { outcome }) })
}
