import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { createKey } from "#access/key.ts"
import { Tenant } from "#access/tenant.ts"
import { MINUTE } from "#core/clock.ts"
import { pack, unpack } from "#core/pack.ts"
import { type DevTenant, settle } from "#local/home.ts"
import type { SendJob } from "#pipeline/jobs/job.ts"
import { newTails } from "#pipeline/reading.ts"
import { replay } from "#pipeline/replay.ts"
import { closeWorker } from "#platform/close-worker.ts"
import { keys, type TenantId } from "#store/keys.ts"
import { apiApp } from "./api.ts"
import { type Json, type Reply, startWorld, type World } from "./fixtures.ts"

let world: World
let runtime: World["stack"]["runtime"]
beforeAll(async () => {
  world = await startWorld()
  runtime = world.stack.runtime
})
afterAll(() => world.stop())

let numbered = 0
/** A tenant of its own with three orders, two of them gifts, late on 10 January in UTC. */
async function tenant(about: Partial<Tenant> = {}): Promise<DevTenant> {
  const who = await settle(runtime, Tenant.parse({ id: `shop-${++numbered}`, name: "Shop", ...about }))
  const batch = [5, 7, 9].map((revenue, i) => ({
    type: "track",
    event: "Order Completed",
    userId: `ours-${i}`,
    messageId: `o${i}`,
    timestamp: "2027-01-10T23:30:00.000Z",
    properties: { order_id: `o${i}`, revenue, ...(i === 1 ? {} : { gift: true }) },
  }))
  const sent = await world.api("POST", "/v1/batch", { batch }, who.writeKey)
  expect(sent.json).toMatchObject({ accepted: 3 })
  await world.stack.idle()
  return who
}
const gifts = {
  metric: "orders",
  from: "2027-01-01",
  to: "2027-01-31",
  where: { field: "properties.gift", op: "eq", value: true },
}
const make = (who: DevTenant, kind: string, input?: object, key = who.adminKey) =>
  world.api("POST", "/v1/jobs", { kind, ...(input ? { input } : {}) }, key)
/** A job that has come to its end. */
async function ended(who: DevTenant, kind: string, input?: object): Promise<Json> {
  const { json, status, text } = await make(who, kind, input)
  if (status !== 202) throw new Error(text)
  await world.stack.idle()
  return (await world.api("GET", `/v1/jobs/${json.id}`, undefined, who.adminKey)).json
}
const result = (who: DevTenant, { id }: Json, key = who.adminKey) =>
  world.api("GET", `/v1/jobs/${id}/result`, undefined, key)
const told = ({ status, json }: Reply) => [status, json.code, json.field]

/** The API with other powers, such as one that cannot send jobs, or that reads little. */
function apart(over: Partial<Parameters<typeof apiApp>[0]> & { mostRead?: number }) {
  const app = apiApp({ ...runtime, tails: newTails(), ...over })
  return async (method: string, path: string, body: unknown, key: string, headers: Record<string, string> = {}) => {
    const init = { method, headers: { authorization: `Bearer ${key}`, ...headers } }
    const sends = body === undefined ? init : { ...init, body: JSON.stringify(body) }
    const response = await app.request(`http://octant.example${path}`, sends)
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, json: JSON.parse(text) as Json }
  }
}
/** Jobs that are made and never worked. */
const unsent: SendJob = async () => undefined

describe("a question that is too large", () => {
  test("says how to ask it as a job, which gives byte for byte what would have been answered", async () => {
    const who = await tenant()
    const small = apart({ mostRead: 2 })
    const refused = await small("POST", "/v1/query", gifts, who.readKey)
    expect(told(refused)).toEqual([422, "query_too_large", "where"])
    const [, body] = /POST \/v1\/jobs (\{.*\})$/.exec(String(refused.json.detail)) ?? []
    const made = await world.api("POST", "/v1/jobs", JSON.parse(body!), who.readKey)
    expect(made.status).toBe(202)
    expect(made.headers.get("location")).toBe(`/v1/jobs/${made.json.id}`)
    expect(made.json).toMatchObject({ kind: "query", priority: "high", state: "queued", input: gifts })
    await world.stack.idle()
    const found = await result(who, made.json, who.readKey)
    expect([found.status, found.headers.get("content-type")]).toEqual([200, "application/json"])
    const answered = await world.api("POST", "/v1/query", gifts, who.readKey)
    expect(answered.json).toMatchObject({ total: 2, position: 1 })
    expect(found.text).toBe(answered.text)
  })

  test("that views answer is the same as a job too", async () => {
    const who = await tenant()
    const question = {
      metric: "gross_revenue",
      from: "2027-01-01",
      to: "2027-01-31",
      by: "country",
      compare: "previous",
    }
    const job = await ended(who, "query", question)
    expect(job).toMatchObject({ state: "done", attempts: 1, error: null, by: expect.stringMatching(/^key:/) })
    const answered = await world.api("POST", "/v1/query", question, who.readKey)
    expect((await result(who, job)).text).toBe(answered.text)
    expect(job.resultBytes).toBe(answered.text.length)
  })
})

test("a replay by a job sees history by another time zone, as the command does", async () => {
  const [byJob, byCommand] = [await tenant(), await tenant()]
  const orders = async (who: DevTenant) =>
    (await world.api("POST", "/v1/query", { metric: "orders", from: "2027-01-09", to: "2027-01-12" }, who.readKey)).json
      .series
  expect(await orders(byJob)).toEqual(
    [0, 3, 0, 0].map((value, i) => ({ at: `2027-01-${String(9 + i).padStart(2, "0")}`, value })),
  )
  const job = await ended(byJob, "replay", { timeZone: "Europe/Athens", currency: "EUR" })
  expect(job).toMatchObject({ state: "done", priority: "low", progress: { done: 1, total: 1, unit: "positions" } })
  const built = await replay(runtime, byCommand.id as TenantId, { zone: "Europe/Athens", currency: "EUR" })
  expect((await result(byJob, job)).json).toEqual(built)
  expect(await orders(byJob)).toEqual(
    [0, 0, 3, 0].map((value, i) => ({ at: `2027-01-${String(9 + i).padStart(2, "0")}`, value })),
  )
  expect(await orders(byJob)).toEqual(await orders(byCommand))
  const { json } = await world.api("GET", "/v1/tenant", undefined, byJob.readKey)
  expect(json).toMatchObject({ timeZone: "Europe/Athens", currency: "EUR" })
})

describe("a reconciliation by a job", () => {
  test("finds nothing where nothing is wrong", async () => {
    const who = await tenant()
    const job = await ended(who, "reconcile")
    expect(job).toMatchObject({ state: "done", progress: { done: 3, total: 3, unit: "events" } })
    expect((await result(who, job)).json).toMatchObject({ position: 1, events: 3, differences: [], isCut: false })
  })

  test("finds a value that somebody has changed, and each look at it is in the audit log", async () => {
    const who = await tenant()
    const id = who.id as TenantId
    await ended(who, "reconcile")
    const key = { pk: keys.block(id, 1, "days"), sk: "2027-01" }
    const item = (await runtime.table.get(key))!
    const days = unpack<{ orders: Record<string, unknown[]> }>(item.body as Uint8Array)
    await runtime.table.put({ ...item, body: pack({ ...days, orders: { "": [10, 4] } }) })
    const job = await ended(who, "reconcile")
    const { json } = await result(who, job)
    expect(json.differences).toMatchObject([
      { what: `${key.pk}|2027-01`, stored: { orders: { "": [10, 4] } }, recounted: { orders: { "": [10, 3] } } },
    ])
    const { rows } = (await world.api("GET", "/v1/audit?action=job.read", undefined, who.adminKey)).json
    expect(rows).toMatchObject([{ subject: job.id, details: { kind: "reconcile" } }])
  })

  test("that is a question about one person is in the audit log when it is seen, like one that is answered at once", async () => {
    const who = await tenant()
    const seen = async () => {
      const { rows } = (await world.api("GET", "/v1/audit", undefined, who.adminKey)).json
      return (rows as { action: string }[]).filter(({ action }) => action.endsWith(".read"))
    }
    const days = { from: "2027-01-01", to: "2027-01-31" }
    const one = { metric: "orders", ...days, where: { or: [{ field: "user_id", op: "eq", value: "u1" }] } }
    const many = { metric: "orders", ...days, where: { field: "country", op: "eq", value: "DE" } }
    await result(who, await ended(who, "query", many))
    await world.api("POST", "/v1/query", many, who.readKey)
    expect(await seen()).toEqual([])
    const job = await ended(who, "query", one)
    await result(who, job)
    await world.api("POST", "/v1/query", one, who.readKey)
    expect(await seen()).toMatchObject([
      { action: "query.read", subject: "orders", details: { where: JSON.stringify(one.where) } },
      { action: "job.read", subject: job.id, details: { kind: "query" } },
    ])
  })

  test("is not for a key that may only read: not to be asked for, to be cancelled, or to be seen", async () => {
    const who = await tenant()
    for (const kind of ["replay", "reconcile"])
      expect(told(await make(who, kind, {}, who.readKey))).toEqual([403, "forbidden", undefined])
    const job = await ended(who, "reconcile")
    expect(told(await result(who, job, who.readKey))).toEqual([403, "forbidden", undefined])
    const cancel = await world.api("POST", `/v1/jobs/${job.id}/cancel`, undefined, who.readKey)
    expect(told(cancel)).toEqual([403, "forbidden", undefined])
    expect((await world.api("GET", `/v1/jobs/${job.id}`, undefined, who.readKey)).json.state).toBe("done")
  })
})

describe("a job", () => {
  test("that is not over has no result yet", async () => {
    const who = await tenant()
    const ask = apart({ sendJob: unsent })
    const { json } = await ask("POST", "/v1/jobs", { kind: "query", input: gifts }, who.readKey)
    const early = await ask("GET", `/v1/jobs/${json.id}/result`, undefined, who.readKey)
    expect(told(early)).toEqual([409, "not_ready", undefined])
    expect(early.headers.get("retry-after")).toBe("2")
    const looked = await ask("GET", `/v1/jobs/${json.id}`, undefined, who.readKey)
    expect([looked.json.state, looked.headers.get("retry-after")]).toEqual(["queued", "2"])
  })

  test("that was cancelled, or has failed, has none and says why", async () => {
    const who = await tenant()
    const ask = apart({ sendJob: unsent })
    const { json } = await ask("POST", "/v1/jobs", { kind: "query", input: gifts }, who.readKey)
    const cancelled = await ask("POST", `/v1/jobs/${json.id}/cancel`, undefined, who.readKey)
    expect([cancelled.status, cancelled.json.state]).toEqual([200, "cancelled"])
    expect((await result(who, json)).json).toMatchObject({
      code: "conflict",
      detail: "this job is cancelled: it has no result",
    })
    const failed = await ended(who, "query", { metric: "orders", asOf: 99 })
    const error = { code: "invalid_request", message: "the journal's position is 1" }
    expect(failed).toMatchObject({ state: "failed", error })
    expect((await result(who, failed)).json).toMatchObject({ status: 409, code: "conflict", detail: error.message })
    const late = await world.api("POST", `/v1/jobs/${failed.id}/cancel`, undefined, who.readKey)
    expect(told(late)).toEqual([409, "conflict", undefined])
  })

  test("under an Idempotency-Key is one, however often it is asked for", async () => {
    const who = await tenant()
    const ask = apart({})
    const post = (input: object) =>
      ask("POST", "/v1/jobs", { kind: "query", input }, who.readKey, { "idempotency-key": "report-1" })
    const [first, second] = [await post(gifts), await post(gifts)]
    expect([first.status, second.status, second.json.id]).toEqual([202, 202, first.json.id])
    expect(told(await post({ ...gifts, limit: 5 }))).toEqual([422, "idempotency_conflict", "Idempotency-Key"])
    const bad = await ask("POST", "/v1/jobs", { kind: "reconcile" }, who.adminKey, { "idempotency-key": "a b" })
    expect(told(bad)).toEqual([400, "invalid_request", "Idempotency-Key"])
    await world.stack.idle()
    expect(((await world.api("GET", "/v1/jobs", undefined, who.readKey)).json.jobs as Json[]).length).toBe(1)
  })

  test("of which a plan includes one more is not made while the others are not over", async () => {
    const who = await tenant({ plan: "free" })
    const ask = apart({ sendJob: unsent })
    const post = () => ask("POST", "/v1/jobs", { kind: "query", input: gifts }, who.readKey)
    const first = await post()
    const second = await post()
    expect(told(second)).toEqual([429, "too_many_jobs", undefined])
    expect(second.headers.get("retry-after")).toBe("30")
    await ask("POST", `/v1/jobs/${first.json.id}/cancel`, undefined, who.readKey)
    expect((await post()).status).toBe(202)
  })

  test("that could not be sent is made all the same, and the schedule sends it", async () => {
    const who = await tenant()
    const ask = apart({ sendJob: () => Promise.reject(new Error("the queue is away")) })
    const { status, json } = await ask("POST", "/v1/jobs", { kind: "query", input: gifts }, who.readKey)
    expect(status).toBe(202)
    expect(world.lines.filter(({ name, job }) => name === "send.failed" && job === json.id)).toHaveLength(1)
    world.clock.advance(16 * MINUTE)
    await closeWorker(runtime)()
    await world.stack.idle()
    expect((await result(who, json)).json).toMatchObject({ total: 2 })
    expect(world.lines.find(({ name, tenant: of }) => name === "jobs.resent" && of === who.id)).toMatchObject({
      count: 1,
    })
  })

  test("of another tenant's is not there: not to be seen, not to be cancelled, not in a list", async () => {
    const [ours, theirs] = [await tenant(), await tenant()]
    const job = await ended(ours, "query", gifts)
    for (const [method, path] of [
      ["GET", ""],
      ["GET", "/result"],
      ["POST", "/cancel"],
    ] as const)
      expect(told(await world.api(method, `/v1/jobs/${job.id}${path}`, undefined, theirs.adminKey))).toEqual([
        404,
        "not_found",
        undefined,
      ])
    expect((await world.api("GET", "/v1/jobs", undefined, theirs.adminKey)).json).toEqual({ jobs: [] })
  })

  test.each([
    [{}, "kind"],
    [{ kind: "magic" }, "kind"],
    [{ kind: "constructor" }, "kind"],
    [{ kind: "query" }, "input.metric"],
    [{ kind: "query", input: [] }, "input"],
    [{ kind: "query", input: { metric: "orders", from: "2027-02-30" } }, "input.from"],
    [{ kind: "query", input: { metric: "orders" }, priority: "high" }, "priority"],
    [{ kind: "replay", input: { timeZone: "Atlantis/Capital" } }, "input.timeZone"],
    [{ kind: "replay", input: { currency: "euro" } }, "input.currency"],
    [{ kind: "reconcile", input: { tenant: "globex" } }, "input.tenant"],
  ])("such as %j is refused for its %s", async (body, field) => {
    expect(told(await world.api("POST", "/v1/jobs", body))).toEqual([400, "invalid_request", field])
  })

  test.each(["after=x", "limit=201", "kind=magic", "state=lost"])("is not looked for by %s", async (query) => {
    const [field] = query.split("=")
    expect(told(await world.api("GET", `/v1/jobs?${query}`))).toEqual([400, "invalid_request", field])
  })

  test("has a line in the log and a figure, and says nothing of what was asked", async () => {
    const who = await tenant()
    const secret = "canary-of-a-question"
    const job = await ended(who, "query", { ...gifts, where: { field: "properties.note", op: "eq", value: secret } })
    const lines = world.lines.filter((line) => line.job === job.id)
    expect(lines).toMatchObject([
      {
        name: "job",
        route: "jobs-high",
        kind: "query",
        outcome: "done",
        tenant: who.id,
        attempt: 1,
        ms: expect.any(Number),
      },
    ])
    expect(JSON.stringify(world.lines)).not.toContain(secret)
    const figures = runtime.figures.series().values
    expect(figures.get('octant_jobs_total{kind="query",outcome="done"}')).toBeGreaterThan(0)
  })

  test("goes on although the key that asked for it was revoked", async () => {
    const who = await tenant()
    const ask = apart({ sendJob: unsent })
    const key = await createKey(runtime, who.id as TenantId, { name: "short", scope: "read" })
    const { json } = await ask("POST", "/v1/jobs", { kind: "query", input: gifts }, key.key)
    await world.api("DELETE", `/v1/keys/${key.id}`, undefined, who.adminKey)
    await runtime.sendJob({ tenant: who.id as TenantId, id: String(json.id), priority: "high" })
    await world.stack.idle()
    expect((await result(who, json)).json).toMatchObject({ total: 2 })
  })
})
