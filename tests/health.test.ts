import { afterAll, beforeAll, expect, test } from "vitest"
import { doors, over, startWorld, type World, watched } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await startWorld()
}, 60_000)
afterAll(() => world.stop())
const token = () => world.stack.config.OCTANT_OPERATOR_TOKEN!
const operator = () => ({ headers: { authorization: `Bearer ${token()}` } })

test("that it lives, everybody may know; all else is the operator's, and no tenant's key opens it", async () => {
  expect((await world.request("/health/live")).status).toBe(200)
  for (const path of ["/health/ready", "/metrics"]) {
    expect((await world.request(path)).status).toBe(401)
    expect((await world.request(path, { key: world.acme.adminKey })).status).toBe(401)
    expect((await world.request(path, { key: token().slice(0, -1) })).status).toBe(401)
    expect((await world.request(path, { key: token() })).status).toBe(200)
    const shut = doors({ ...world.stack.runtime, operatorToken: undefined })
    expect((await shut.knock("api", path, operator())).status).toBe(401)
    expect((await shut.knock("api", path, { headers: { authorization: "Bearer " } })).status).toBe(401)
  }
})

test("it is ready when the table and the queues answer, each with its time", async () => {
  const { status, json } = await world.request("/health/ready", { key: token() })
  expect(status).toBe(200)
  expect(json).toEqual({
    status: "ok",
    table: { status: "ok", ms: expect.any(Number) },
    queues: Object.fromEntries(
      ["append", "fold", "deliveries", "jobs-high", "jobs-low"].map((name) => [
        name,
        { status: "ok", ms: expect.any(Number) },
      ]),
    ),
    redis: "not configured",
  })
})

test("without Redis it is degraded, not dead; without the table or a queue it is not ready", async () => {
  const { runtime } = world.stack
  const redis = {
    load: async () => ({
      ping: async () => {
        throw new Error("gone")
      },
    }),
    loaded: () => undefined,
  }
  const without = await doors({ ...runtime, redis: redis as never }).knock("api", "/health/ready", operator())
  expect(without).toMatchObject({ status: 200, json: { status: "degraded", redis: { status: "failed" } } })
  const table = watched(runtime.table, () => {
    throw new Error("gone")
  })
  const noTable = await doors(over(runtime, table)).knock("api", "/health/ready", operator())
  expect(noTable).toMatchObject({ status: 503, json: { status: "failed", table: { status: "failed" } } })
  const gone = { ...runtime.queues, fold: { url: `${runtime.queues.fold.url}-gone`, dead: undefined } }
  const noQueue = await doors({ ...runtime, queues: gone }).knock("api", "/health/ready", operator())
  expect(noQueue).toMatchObject({
    status: 503,
    json: { status: "failed", queues: { append: { status: "ok" }, fold: { status: "failed" } } },
  })
})

test("the figures tell of requests, the store, units, the cache, the queues, dead letters and what is not folded", async () => {
  await world.send({ batch: [{ type: "track", userId: "ada", event: "Page Viewed" }] })
  await world.stack.idle()
  for (let i = 0; i < 3; i++) await world.ask()
  await world.request("/v1/query?metric=none", { key: world.acme.readKey })
  const { text, headers } = await doors(world.stack.runtime).knock("api", "/metrics", operator())
  expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8")
  const value = (series: string) =>
    Number(
      text
        .split("\n")
        .find((line) => line.startsWith(`${series} `))
        ?.split(" ")[1],
    )
  expect(value('octant_requests_total{route="/v1/query",status="200"}')).toBeGreaterThanOrEqual(3)
  expect(value('octant_requests_total{route="/v1/query",status="400"}')).toBe(1)
  expect(value('octant_request_seconds_count{route="/v1/batch",status="200"}')).toBe(1)
  expect(value('octant_store_seconds_count{service="dynamodb",action="PutItem",outcome="ok"}')).toBeGreaterThan(0)
  expect(value('octant_store_seconds_count{service="sqs",action="SendMessageBatch",outcome="ok"}')).toBeGreaterThan(0)
  expect(value('octant_capacity_units_total{action="PutItem",kind="write",part="journal"}')).toBeGreaterThan(0)
  expect(value('octant_cache_lookups_total{outcome="hit"}')).toBe(2)
  expect(value('octant_queue_messages{queue="append",state="visible"}')).toBe(0)
  expect(value('octant_queue_wait_seconds_count{queue="append"}')).toBeGreaterThan(0)
  expect(value('octant_dead_letters{queue="append"}')).toBe(0)
  expect(value('octant_dead_letters{queue="fold"}')).toBe(0)
  expect(value('octant_dead_letters{queue="jobs-low"}')).toBe(0)
  expect(value('octant_fold_lag_entries{of="all"}')).toBe(1)
  expect(text).not.toMatch(/acme|globex/)
})

test("the page comes while the table is away: it is needed most just then", async () => {
  const { runtime } = world.stack
  const table = watched(runtime.table, () => {
    throw new Error("gone")
  })
  const page = await doors(over(runtime, table)).knock("api", "/metrics", operator())
  expect(page.status).toBe(200)
  expect(page.text).toContain("octant_queue_messages")
})
