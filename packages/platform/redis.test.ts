import { createServer, type Server } from "node:http"
import { afterAll, beforeAll, expect, test } from "vitest"
import type { Count, Window } from "#access/limit.ts"
import { fakeClock, MINUTE, SECOND } from "#core/clock.ts"
import { newFigures } from "#core/figures.ts"
import type { TenantId } from "#store/keys.ts"
import { cacheOf } from "./cache.ts"
import { type Config, readConfig } from "./config.ts"
import { type Redis, redisOf, windowsFor } from "./redis.ts"
import type { Shared } from "./upstash.ts"

/** Upstash's REST protocol, as far as it is seen here: what was asked, and that it was refused. */
let server: Server
let config: Config
const asked: unknown[] = []
beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url)
    response.writeHead(400, { "content-type": "application/json" }).end('{"error":"no"}')
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  config = await readConfig({
    OCTANT_TABLE: "octant",
    OCTANT_APPEND_QUEUE_URL: "http://127.0.0.1/append",
    OCTANT_FOLD_QUEUE_URL: "http://127.0.0.1/fold",
    AWS_REGION: "eu-central-1",
    AWS_ACCESS_KEY_ID: "AKID",
    AWS_SECRET_ACCESS_KEY: "secret",
    OCTANT_REDIS_URL: `http://127.0.0.1:${Object(server.address()).port}`,
    OCTANT_REDIS_TOKEN: "token",
  })
})
afterAll(() => server.close())

function world() {
  const clock = fakeClock("2026-01-31T12:00:00.000Z")
  const moments: { ms: number; pass: () => void }[] = []
  const sleep = (ms: number) => new Promise<void>((pass) => moments.push({ ms, pass }))
  const log = () => {}
  const redis = redisOf(config, { clock, random: () => 0, sleep, log })!
  return { clock, moments, redis, log, figures: newFigures() }
}
const acme = "acme" as TenantId
const window = { span: "minute", id: "acme", limit: 2, cost: 1 } as const

test("the first request counts for its own process, and waits for nobody: Redis' client is loaded a moment later", async () => {
  const { moments, redis, ...needs } = world()
  const windows = windowsFor({ ...needs, redis })
  const cache = cacheOf({ ...needs, redis })
  const remaining = async () => (await windows([window]))[0]!.remaining
  expect([await remaining(), await remaining()]).toEqual([1, 0])
  await cache.put(acme, "question", "answer")
  expect(await cache.get(acme, "question")).toBeUndefined()
  expect(cache.figures(acme)).toMatchObject({ hits: 0, misses: 0, skipped: 1 })
  expect(moments.map(({ ms }) => ms)).toEqual([200])
  expect([redis.soon(), asked]).toEqual([undefined, []])
  moments[0]!.pass()
  await redis.load()
  expect(redis.soon()).toBeDefined()
  await remaining()
  expect(asked).not.toEqual([])
})

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
  const redis: Redis = { load: () => Promise.reject(), soon: () => ({ windows: shared }) as unknown as Shared }
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
