import { setTimeout as pause } from "node:timers/promises"
import { Redis } from "@upstash/redis"
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest"
import { limiterContract } from "#access/limit-contract.ts"
import { keptContract } from "#pipeline/cache-contract.ts"
import { OutsideError } from "#platform/guard.ts"
import { upstash } from "#platform/upstash.ts"
import { startWorld, type World } from "../world.ts"
import { hasRedis, type RealRedis, startRedis } from "./redis.ts"

const there = hasRedis()
if (!there) process.stderr.write("no redis-server on this machine: the suite over a real Redis is skipped\n")

describe.skipIf(!there)("over a real Redis behind Upstash's REST protocol", () => {
  let redis: RealRedis
  beforeAll(async () => {
    redis = await startRedis()
  }, 60_000)
  afterAll(() => redis.stop())
  afterEach(() => void vi.useRealTimers())

  const clock = () => Date.now()
  const needs = { clock, random: Math.random, sleep: (ms: number) => pause(ms) }
  const shared = (more: { limitsMs?: number; cacheMs?: number; prefix?: string } = {}) =>
    upstash(needs, { url: redis.url, token: redis.token, prefix: "octant-tests", ...more })

  limiterContract("in Redis", () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.parse("2026-01-31T12:00:00.000Z") })
    const advance = (ms: number) => void vi.setSystemTime(Date.now() + ms)
    const { windows } = shared({ limitsMs: 5000 })
    return { windows, clock: Object.assign(clock, { advance }), trips: () => redis.trips.length }
  })

  keptContract("in Redis", () => ({ kept: shared({ cacheMs: 5000 }).answers, pass: (ms) => pause(ms) }))

  test("the door speaks Upstash's protocol: bytes, nothing, errors, pipelines and transactions", async () => {
    const client = new Redis({ url: redis.url, token: redis.token, enableTelemetry: false })
    await client.set("text", "ÄΩ 你好 🎉")
    expect(await client.get("text")).toBe("ÄΩ 你好 🎉")
    expect(await client.get("nothing")).toBeNull()
    await client.hset("hash", { a: 1, b: "two" })
    expect(await client.hgetall("hash")).toEqual({ a: 1, b: "two" })
    await expect(client.incr("text")).rejects.toThrow("not an integer")
    expect(await client.pipeline().set("n", 1).incr("n").get("n").exec()).toEqual(["OK", 2, 2])
    expect(await client.multi().set("m", 1).incr("m").exec()).toEqual(["OK", 2])
    expect(await client.eval("#!lua flags=allow-key-locking\nreturn {1, ARGV[1]}", [], ["OK"])).toEqual([1, "OK"])
    const stranger = new Redis({ url: redis.url, token: "another", enableTelemetry: false })
    await expect(stranger.get("text")).rejects.toThrow("WRONGPASS")
  })

  test("two stages on one Redis have nothing in common there: neither answers nor limits", async () => {
    const patient = { limitsMs: 5000, cacheMs: 5000 }
    const [staging, production] = ["octant-staging-table", "octant-production-table"].map((prefix) =>
      shared({ prefix, ...patient }),
    )
    await staging!.answers.put("T#acme#answer#1#asked", "another acme's", 60_000)
    expect(await production!.answers.get("T#acme#answer#1#asked")).toBeUndefined()
    const window = { span: "minute", id: "acme:tenant:", limit: 10, cost: 4 } as const
    expect(await staging!.windows([window])).toMatchObject([{ remaining: 6 }])
    expect(await production!.windows([window])).toMatchObject([{ remaining: 6 }])
  })

  test("limits that get no answer in time say so: they never say allowed by themselves", async () => {
    const { windows, ping } = shared()
    const ask = () => windows([{ span: "minute", id: "acme:silent", limit: 10, cost: 1 }])
    expect(await ask()).toMatchObject([{ allowed: true, remaining: 9 }])
    redis.way = "silent"
    try {
      const started = Date.now()
      await expect(ask()).rejects.toMatchObject({ reason: "timeout" })
      expect(Date.now() - started).toBeLessThan(1000)
      await expect(ping()).rejects.toThrow(OutsideError)
    } finally {
      redis.way = "open"
    }
  })

  describe("a whole stack, with Redis killed in the middle", () => {
    let world: World
    beforeAll(async () => {
      world = await startWorld({ redis: redis.environment })
      // The first requests of a process would count for it alone.
      await world.stack.runtime.redis?.load()
    }, 60_000)
    afterAll(() => world.stop())

    const event = (i: number) => ({
      batch: [{ type: "track", messageId: `m${i}`, userId: "ada", event: "Page Viewed" }],
    })
    const operator = () => ({ key: world.stack.config.OCTANT_OPERATOR_TOKEN! })
    const said = (name: string) => world.lines.filter((line) => line.name === name)

    test("collect goes on accepting, queries go on answering, keys are still checked, and it is said once", async () => {
      for (let i = 0; i < 5; i++) expect((await world.send(event(i))).status).toBe(200)
      await world.stack.idle()
      for (let i = 0; i < 3; i++) expect((await world.ask()).json.total).toBe(5)
      expect((await redis.client.keys("octant-local:minute:acme:*")).length).toBeGreaterThan(0)
      expect((await redis.client.keys("octant-local:T#acme#answer#*")).length).toBe(1)
      expect((await world.request("/health/ready", operator())).json).toMatchObject({
        status: "ok",
        redis: { status: "ok" },
      })
      expect(said("limits.alone")).toHaveLength(0)

      await redis.kill()
      for (let i = 5; i < 25; i++) expect((await world.send(event(i))).status).toBe(200)
      await world.stack.idle()
      for (let i = 0; i < 20; i++) {
        const answer = await world.ask()
        expect(answer).toMatchObject({ status: 200, json: { total: 25 } })
        expect(Number(answer.headers.get("ratelimit-remaining"))).toBeGreaterThan(0)
      }
      expect((await world.request("/v1/metrics", { key: `${world.acme.readKey.slice(0, -1)}!` })).status).toBe(401)
      expect((await world.request("/v1/metrics", { key: world.acme.writeKey })).status).toBe(403)
      expect(said("limits.alone")).toHaveLength(1)
      const ready = await world.request("/health/ready", operator())
      expect(ready).toMatchObject({
        status: 200,
        json: { status: "degraded", table: { status: "ok" }, redis: { status: "failed" } },
      })
      expect((await world.request("/metrics", operator())).text).toContain("octant_redis_away 1")
      expect((await world.request("/v1/cache", { key: world.acme.readKey })).json.skipped).toBeGreaterThan(10)

      await redis.begin()
      await pause(10_500)
      for (let i = 25; i < 30; i++) expect((await world.send(event(i))).status).toBe(200)
      await world.stack.idle()
      for (let i = 0; i < 3; i++) expect((await world.ask()).json.total).toBe(30)
      expect(said("limits.shared")).toHaveLength(1)
      expect(said("limits.alone")).toHaveLength(1)
      expect((await world.request("/health/ready", operator())).json).toMatchObject({ status: "ok" })
      expect((await redis.client.keys("octant-local:T#acme#answer#*")).length).toBe(1)
      expect(await world.counts()).toMatchObject({ received: 30, counted: 30 })
    }, 60_000)

    test("a plan holds for all who share one Redis, however many processes there are", async () => {
      const tenant = await world.tenant("shared", { plan: "free" })
      // All from one address, which may have 240 of a free plan's minute.
      const refused = { status: 429, json: { code: "rate_limited" } }
      const minute = async () => {
        const verdicts = []
        for (let i = 0; i < 301; i++)
          verdicts.push((await world.request("/v1/metrics", { key: tenant.readKey })).status)
        return verdicts
      }
      const until = 60_000 - (Date.now() % 60_000)
      if (until < 20_000) await pause(until)
      expect((await minute()).filter((status) => status === 200).length).toBe(240)
      const other = shared({ limitsMs: 5000, prefix: "octant-local" })
      const [count] = await other.windows([{ span: "minute", id: "shared:tenant:", limit: 600, cost: 1 }])
      expect(count!.remaining).toBeLessThan(300)
      expect(await world.request("/v1/metrics", { key: tenant.readKey })).toMatchObject(refused)
    }, 120_000)
  })
})
