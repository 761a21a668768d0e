import { expect, test } from "vitest"
import type { Count, Window } from "#access/limit.ts"
import { fakeClock, MINUTE, SECOND } from "#core/clock.ts"
import { newFigures } from "#core/figures.ts"
import { type Redis, windowsFor } from "./redis.ts"
import type { Shared } from "./upstash.ts"

test("for as long as Redis is away, who watches is told so twice a minute, and once when it is back", async () => {
  const clock = fakeClock("2026-01-31T12:00:00.000Z")
  const told: [at: number, name: string, value: number][] = []
  const said: string[] = []
  const began = clock()
  let away = false
  const shared = async (windows: readonly Window[]): Promise<Count[]> => {
    if (away) throw new Error("gone")
    return windows.map(() => ({ allowed: true, remaining: 9, resetMs: 1 }))
  }
  const redis: Redis = { load: () => Promise.reject(), loaded: () => ({ windows: shared }) as unknown as Shared }
  const windows = windowsFor({
    clock,
    redis,
    log: (name) => void said.push(name),
    figures: newFigures((name, _, value) => told.push([(clock() - began) / SECOND, name, value])),
  })
  const knock = async (forMs: number) => {
    for (let ms = 0; ms < forMs; ms += 10 * SECOND) {
      expect(await windows([{ span: "minute", id: "a", limit: 100, cost: 1 }])).toMatchObject([{ allowed: true }])
      clock.advance(10 * SECOND)
    }
  }
  await knock(MINUTE)
  away = true
  await knock(MINUTE + 10 * SECOND)
  away = false
  await knock(MINUTE)
  expect(told).toEqual([
    [60, "octant_redis_away", 1],
    [90, "octant_redis_away", 1],
    [120, "octant_redis_away", 1],
    [130, "octant_redis_away", 0],
  ])
  expect(said).toEqual(["limits.alone", "limits.shared"])
})
