import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { retryBudget } from "#core/budget.ts"
import { fakeClock } from "#core/clock.ts"
import { guard, OutsideError } from "./guard.ts"
import { keptWithin } from "./kept.ts"
import { outsideFetch } from "./outside.ts"

/** A vendor that answers as it is told: a status, or late, or not at all. */
type Mood = { status?: number; delayMs?: number; body?: string; headers?: Record<string, string>; hangUp?: true }
let moods: Mood[] = []
let calls = 0
const server = createServer((request, response) => {
  calls++
  const { status = 200, delayMs = 0, body = '{"ok":true}', headers = {}, hangUp } = moods.shift() ?? {}
  if (hangUp) return request.socket.destroy()
  setTimeout(() => response.writeHead(status, headers).end(body), delayMs)
})
let url = ""
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  moods = []
  calls = 0
})

function world() {
  const clock = fakeClock("2026-01-31T12:00:00.000Z")
  const slept: number[] = []
  const needs = {
    clock,
    random: () => 0.5,
    sleep: async (ms: number) => {
      slept.push(ms)
      clock.advance(ms)
    },
  }
  return { clock, slept, needs }
}
const many = (times: number, mood: Mood) => Array.from({ length: times }, () => mood)

describe("a vendor's API", () => {
  test("that recovers is asked again, later each time, with jitter", async () => {
    const { needs, slept } = world()
    moods = [{ status: 503 }, { hangUp: true }, {}]
    const answer = await outsideFetch(needs)(url)
    expect(answer.json()).toEqual({ ok: true })
    expect(calls).toBe(3)
    expect(slept).toEqual([50, 100])
  })

  test("that says when to come back is asked then", async () => {
    const { needs, slept } = world()
    moods = [{ status: 429, headers: { "retry-after": "3" } }, {}]
    await outsideFetch(needs)(url)
    expect(slept).toEqual([3000])
    moods = [{ status: 429, headers: { "retry-after": "300" } }]
    await expect(outsideFetch(needs)(url)).rejects.toMatchObject({ reason: "status", status: 429, retryAfter: 300 })
    expect(slept).toEqual([3000])
  })

  test("that is too slow is given up after its time", async () => {
    const { needs } = world()
    moods = many(3, { delayMs: 5000 })
    const started = Date.now()
    await expect(outsideFetch(needs, { timeoutMs: 50 })(url)).rejects.toMatchObject({ reason: "timeout" })
    expect(Date.now() - started).toBeLessThan(2000)
    expect(calls).toBe(3)
  })

  test("that answers without end is cut off at the size it may have, and not asked again", async () => {
    const { needs } = world()
    moods = [{ body: "x".repeat(100_001) }]
    await expect(outsideFetch(needs, { bytes: 100_000 })(url)).rejects.toMatchObject({ reason: "too_large" })
    expect(calls).toBe(1)
    moods = [{ body: "x".repeat(100_000) }]
    expect((await outsideFetch(needs, { bytes: 100_000 })(url)).body).toHaveLength(100_000)
  })

  test("is not asked twice for what may not be done twice, unless we say that it may", async () => {
    const { needs } = world()
    moods = many(9, { status: 500 })
    await expect(outsideFetch(needs)(url, { method: "POST" })).rejects.toMatchObject({ status: 500 })
    expect(calls).toBe(1)
    await expect(outsideFetch(needs)(url, { method: "POST", repeatable: true })).rejects.toMatchObject({ status: 500 })
    expect(calls).toBe(4)
  })

  test("whose 4xx is our own fault is neither asked again nor left alone", async () => {
    const { needs } = world()
    const ask = outsideFetch(needs, { failures: 2 })
    moods = many(10, { status: 404 })
    for (let i = 0; i < 10; i++) await expect(ask(url)).rejects.toMatchObject({ status: 404 })
    expect(calls).toBe(10)
  })

  test("does not get our secret sent on to another host", async () => {
    const { needs } = world()
    moods = [{ status: 302, headers: { location: "http://elsewhere.example/" } }]
    expect(await outsideFetch(needs)(url, { headers: { authorization: "secret" } })).toMatchObject({ status: 302 })
  })

  test("that keeps failing is left alone, then probed once, and used again when it is well", async () => {
    const { needs, clock } = world()
    const heard: string[] = []
    const ask = outsideFetch(needs, {
      attempts: 1,
      failures: 3,
      openMs: 10_000,
      onChange: (_, state) => heard.push(state),
    })
    moods = many(4, { status: 500 })
    for (let i = 0; i < 3; i++) await expect(ask(url)).rejects.toMatchObject({ status: 500 })
    for (let i = 0; i < 20; i++) await expect(ask(url)).rejects.toMatchObject({ reason: "broken" })
    expect(calls).toBe(3)
    clock.advance(9_999)
    await expect(ask(url)).rejects.toMatchObject({ reason: "broken" })
    clock.advance(1)
    await expect(ask(url)).rejects.toMatchObject({ status: 500 })
    await expect(ask(url)).rejects.toMatchObject({ reason: "broken" })
    expect(calls).toBe(4)
    clock.advance(10_000)
    expect(await ask(url)).toMatchObject({ status: 200 })
    expect(await ask(url)).toMatchObject({ status: 200 })
    expect(heard).toEqual(["open", "open", "closed"])
  })

  test("breaks for itself alone: another host is still asked", async () => {
    const { needs } = world()
    const ask = outsideFetch(needs, { attempts: 1, failures: 1 })
    moods = [{ status: 500 }]
    await expect(ask(url)).rejects.toMatchObject({ status: 500 })
    await expect(ask(url)).rejects.toMatchObject({ reason: "broken" })
    expect(await ask(url.replace("127.0.0.1", "localhost"))).toMatchObject({ status: 200 })
  })
})

test("retries cannot storm: a thousand calls that all fail add a tenth, and ten", async () => {
  const { needs } = world()
  const outside = guard(needs, { timeoutMs: 1000, attempts: 4, failures: 1_000_000, budget: retryBudget() })
  let tried = 0
  const failing = async () => {
    tried++
    throw new Error("down")
  }
  for (let i = 0; i < 1000; i++) await expect(outside.run(failing)).rejects.toThrow(OutsideError)
  expect(tried).toBeGreaterThan(1000)
  expect(tried).toBeLessThanOrEqual(1000 + 110)
})

test("a budget is earned back by calls, up to what it may hold", () => {
  const budget = retryBudget({ perCall: 0.5, most: 2 })
  expect([budget.spend(), budget.spend(), budget.spend()]).toEqual([true, true, false])
  budget.earn()
  expect(budget.spend()).toBe(false)
  budget.earn()
  expect(budget.spend()).toBe(true)
  for (let i = 0; i < 100; i++) budget.earn()
  expect([budget.spend(), budget.spend(), budget.spend()]).toEqual([true, true, false])
})

test("a cache that takes longer than 50 ms is not waited for, and after five times not asked", async () => {
  const { needs, clock } = world()
  let asked = 0
  const slow = {
    get: async () => {
      asked++
      await new Promise((done) => setTimeout(done, 500).unref())
      return "late"
    },
    put: async () => {},
  }
  const kept = keptWithin(slow, guard(needs, { timeoutMs: 50 }))
  const told: string[] = []
  for (let i = 0; i < 20; i++) {
    const error: unknown = await kept.get("key").catch((reason: unknown) => reason)
    const { reason, message } = error as OutsideError
    told.push(reason === "timeout" ? message : reason)
  }
  const waited = Array.from({ length: 5 }, () => "no answer in 50 ms")
  expect(told).toEqual([...waited, ...Array.from({ length: 15 }, () => "broken")])
  expect(asked).toBe(5)
  clock.advance(10_000)
  await expect(kept.get("key")).rejects.toMatchObject({ reason: "timeout" })
  expect(asked).toBe(6)
})
