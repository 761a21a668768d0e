import { type Windows, windowsInProcess, windowsWithin } from "#access/limit.ts"
import type { Clock } from "#core/clock.ts"
import type { Figures } from "#core/figures.ts"
import type { Log } from "#core/log.ts"
import type { Kept } from "#pipeline/cache.ts"
import type { Config } from "./config.ts"
import type { GuardNeeds } from "./guard.ts"
import type { Shared } from "./upstash.ts"

/** Redis where one is configured. Its client is loaded by the first who needs it. */
export type Redis = () => Promise<Shared>

export function redisOf(config: Config, needs: GuardNeeds): Redis | undefined {
  const { OCTANT_REDIS_URL: url, OCTANT_REDIS_TOKEN: token } = config
  if (url === undefined || token === undefined) return undefined
  let loading: Promise<Shared> | undefined
  return () => {
    loading ??= import("./upstash.ts").then(({ upstash }) => upstash(needs, { url, token }))
    return loading
  }
}

type Needs = { clock: Clock; log: Log; figures: Figures; redis: Redis | undefined }

/** Limits are counted in Redis, and in this process where there is none or while it is away: the doors stay open. */
export function windowsFor({ clock, log, figures, redis }: Needs): Windows {
  const own = windowsInProcess(clock)
  if (!redis) return own
  return windowsWithin(async (windows) => (await redis()).windows(windows), own, (away) => {
    figures.gauge("octant_redis_away", {}, Number(away))
    log(away ? "limits.alone" : "limits.shared", { outcome: away ? "redis is away" : "redis is back" })
  })
}

/** Where answers are kept: in Redis for all, or for this process. */
export const answersFor = (redis: Redis | undefined, own: () => Kept): Kept =>
  redis
    ? {
        get: async (key) => (await redis()).answers.get(key),
        put: async (key, value, ttlMs) => (await redis()).answers.put(key, value, ttlMs),
      }
    : own()
