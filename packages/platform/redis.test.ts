import { createServer, type Server } from "node:http"
import { afterAll, beforeAll, expect, test } from "vitest"
import { fakeClock } from "#core/clock.ts"
import { newFigures } from "#core/figures.ts"
import type { TenantId } from "#store/keys.ts"
import { cacheOf } from "./cache.ts"
import { type Config, readConfig } from "./config.ts"
import { redisOf, windowsFor } from "./redis.ts"

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
