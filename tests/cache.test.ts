import { afterAll, beforeAll, expect, test } from "vitest"
import { fakeClock } from "#core/clock.ts"
import { seededNumbers } from "#core/random.ts"
import type { DevTenant } from "#local/home.ts"
import { Query, type QueryInput } from "#metrics/query.ts"
import { answer } from "#pipeline/answer.ts"
import { cachedAnswer } from "#pipeline/cache.ts"
import { newTails } from "#pipeline/reading.ts"
import { cacheOf } from "#platform/cache.ts"
import { TenantId } from "#store/tenant-id.ts"
import { startWorld, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await startWorld()
}, 60_000)
afterAll(() => world.stop())

const order = (i: number) => ({
  type: "track",
  messageId: `order-${i}`,
  userId: `u${i % 5}`,
  event: "Order Completed",
  properties: { order_id: `o${i}`, revenue: `${i}.50`, currency: "USD" },
  context: { location: { country: ["GR", "DE", "FR"][i % 3] } },
})
const figures = async (who: DevTenant) => (await world.request("/v1/cache", { key: who.readKey })).json

test("a new event is seen by the very next query, however often the question was asked before", async () => {
  const who = await world.tenant("seen")
  const total = async () => (await world.ask({ metric: "orders" }, who)).json.total
  for (let i = 1; i <= 5; i++) {
    await world.send({ batch: [order(i)] }, { key: who.writeKey })
    await world.stack.idle()
    for (let again = 0; again < 4; again++) expect(await total()).toBe(i)
  }
  expect(await figures(who)).toMatchObject({ hits: 15, misses: 5, skipped: 0, hitRate: 0.75 })
})

test("the same dashboard asked again and again, with events in between, is warm for more than 60 %", async () => {
  const who = await world.tenant("dashboard")
  const tiles = ["orders", "net_revenue", "active_customers", "events", "sessions"].flatMap(
    (metric): Record<string, string>[] => [{ metric }, { metric, grain: "day" }, { grain: "day", metric, limit: "5" }],
  )
  for (let minute = 0; minute < 4; minute++) {
    await world.send({ batch: [order(minute)] }, { key: who.writeKey })
    await world.stack.idle()
    for (let viewer = 0; viewer < 4; viewer++) for (const tile of tiles) await world.ask(tile, who)
  }
  const { hitRate, hits, misses } = await figures(who)
  expect({ hits, misses }).toEqual({ hits: 180, misses: 60 })
  expect(hitRate).toBeGreaterThan(0.6)
})

test("a cached answer is the answer, whatever is asked and whatever has come since; only its age is told anew", async () => {
  const who = await world.tenant("same")
  const tenant = TenantId.parse(who.id)
  const begun = Date.now()
  let later = 0
  const clock = () => begun + later
  const runtime = { ...world.stack.runtime, clock }
  const cache = cacheOf(runtime)
  const next = seededNumbers(7)
  const oneOf = <T>(all: readonly T[]) => all[Math.floor(next() * all.length)]!
  const asked = (): QueryInput => ({
    metric: oneOf(["net_revenue", "active_customers"] as const),
    grain: oneOf(["day", "total"] as const),
    ...(next() < 0.5 ? { by: "country" } : {}),
    ...(next() < 0.3 ? { compare: "previous" as const } : {}),
    ...(next() < 0.3 ? { where: { field: "country", op: "eq" as const, value: "GR" } } : {}),
  })
  let compared = 0
  for (let i = 0; i < 120; i++) {
    if (next() < 0.05) {
      await world.send({ batch: [order(1000 + i)] }, { key: who.writeKey })
      await world.stack.idle()
    }
    later += 1000
    const parsedQuery = Query.safeParse(asked())
    if (!parsedQuery.success) continue
    const needs = { ...runtime, tails: newTails() }
    expect(await cachedAnswer({ ...needs, cache }, tenant, parsedQuery.data)).toEqual(
      await answer(needs, tenant, parsedQuery.data),
    )
    compared++
  }
  expect(compared).toBeGreaterThan(60)
  expect(cache.figures(tenant).hits).toBeGreaterThan(10)
})

test("one tenant's cache is not another's: the same question, each with its own answer", async () => {
  const [one, other] = [await world.tenant("one"), await world.tenant("other")]
  await world.send({ batch: [order(1)] }, { key: one.writeKey })
  await world.send({ batch: [order(2)] }, { key: other.writeKey })
  await world.stack.idle()
  for (let i = 0; i < 2; i++) {
    expect((await world.ask({ metric: "gross_revenue" }, one)).json.total).toBe("1.50")
    expect((await world.ask({ metric: "gross_revenue" }, other)).json.total).toBe("2.50")
  }
})

test("after midnight the same words ask for other days", async () => {
  const who = await world.tenant("midnight")
  const tenant = TenantId.parse(who.id)
  const clock = fakeClock("2026-01-31T23:59:59.000Z")
  const runtime = { ...world.stack.runtime, clock }
  const needs = { ...runtime, tails: newTails(), cache: cacheOf(runtime) }
  const ask = () => cachedAnswer(needs, tenant, Query.parse({ metric: "events" }))
  expect((await ask()).query.to).toBe("2026-01-31")
  clock.advance(1000)
  expect((await ask()).query.to).toBe("2026-02-01")
})
