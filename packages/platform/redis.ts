import { type Windows, windowsInProcess, windowsWithin } from "#access/limit.ts"
import { type Clock, MOMENT, SECOND } from "#core/clock.ts"
import type { Figures } from "#core/figures.ts"
import { failure, type Log } from "#core/log.ts"
import { once } from "#core/once.ts"
import type { Config } from "./config.ts"
import type { GuardNeeds } from "./guard.ts"
import type { Shared } from "./upstash.ts"

/** Redis where one is configured. Its client is as large as collect itself, so it is loaded when first needed. */
export type Redis = {
  load(): Promise<Shared>
  /** The client if it is there; else it is loaded in a moment, and until then there is none: it takes a third of a start. */
  soon(): Shared | undefined
}

export function redisOf(config: Config, needs: GuardNeeds & { log: Log }): Redis | undefined {
  const { OCTANT_REDIS_URL: url, OCTANT_REDIS_TOKEN: token, OCTANT_TABLE: prefix } = config
  if (url === undefined || token === undefined) return undefined
  let loaded: Shared | undefined
  const load = once(async () => {
    const { upstash } = await import("./upstash.ts")
    loaded = upstash(needs, { url, token, prefix })
    return loaded
  })
  const loadSoon = once(() => needs.sleep(MOMENT).then(load))
  const soon = () => {
    if (!loaded) loadSoon().catch((error: unknown) => needs.log("redis.failed", failure(error)))
    return loaded
  }
  return { load, soon }
}

/** What is open stays open, and what is shut stays shut. */
const AWAY =
  "redis is away: events are taken, limits are counted here, answers are not cached, keys are checked as ever"

/** Whoever watches forgets what is told once: while Redis is away, that is told again and again. */
const TOLD_EVERY_MS = 30 * SECOND

type Needs = { clock: Clock; log: Log; figures: Figures; redis: Redis | undefined }

/**
 * Limits are counted in Redis, and in this process where there is none or while it is away: the doors stay open. Until the
 * client is loaded a cold function counts for itself.
 */
export function windowsFor({ clock, log, figures, redis }: Needs): Windows {
  const own = windowsInProcess(clock)
  if (!redis) return own
  const shared: Windows = (windows) => (redis.soon()?.windows ?? own)(windows)
  let [isAway, toldAt] = [false, 0]
  const tell = () => {
    toldAt = clock()
    figures.gauge("octant_redis_away", {}, Number(isAway))
  }
  const counted = windowsWithin(shared, own, (away) => {
    isAway = away
    tell()
    log(away ? "limits.alone" : "limits.shared", { outcome: away ? AWAY : "redis is back" })
  })
  return async (windows) => {
    const counts = await counted(windows)
    if (isAway && clock() - toldAt >= TOLD_EVERY_MS) tell()
    return counts
  }
}
