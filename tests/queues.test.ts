import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest"
import { instant, MINUTE, SECOND } from "#core/clock.ts"
import type { Handler } from "#local/batch.ts"
import { busQueue, calling } from "#local/bus.ts"
import { keeper, tried } from "#local/calls.ts"
import { poll } from "#local/poller.ts"
import type { DeadLetter } from "#pipeline/deadletters.ts"
import { appendWorker } from "#platform/append-worker.ts"
import { AwsError, awsClient } from "#platform/aws.ts"
import { closeWorker } from "#platform/close-worker.ts"
import { notifyWorker } from "#platform/deliver.ts"
import { dynamoTable } from "#platform/dynamodb.ts"
import { foldWorker } from "#platform/fold-worker.ts"
import { type Runtime, runtimeOf } from "#platform/runtime.ts"
import { readAudit, verifyAudit } from "#store/audit.ts"
import { OPERATOR, type TenantId } from "#store/keys.ts"
import { happened } from "#store/outbox.ts"
import type { Table } from "#store/table.ts"
import { readHead } from "#store/views.ts"
import { calm, startProxy } from "./chaos/proxy.ts"
import { doors, over, startWorld, type World } from "./world.ts"

// Five deliveries, and long polls of a second between them.
vi.setConfig({ testTimeout: 120_000 })

/** A stack whose queues nobody works but us: over a table that can be made unavailable, and healed. */
let world: World
let proxy: Awaited<ReturnType<typeof startProxy>>
let runtime: Runtime
let laterMs = 0
let made = 0
let a: Who
let b: Who
type Who = World["acme"]
const lines: Record<string, unknown>[] = []
beforeAll(async () => {
  world = await startWorld({ workers: false })
  proxy = await startProxy(world.stack.config.AWS_ENDPOINT_URL_DYNAMODB!)
  const config = { ...world.stack.config, AWS_ENDPOINT_URL_DYNAMODB: proxy.url }
  const slow = runtimeOf(config, { log: (name, fields) => void lines.push({ name, ...fields }) })
  // Retries do not wait.
  const call = awsClient({ ...slow.aws, sleep: () => Promise.resolve(), clock: () => Date.now() + laterMs })
  runtime = over(slow, dynamoTable({ call, table: config.OCTANT_TABLE }))
}, 60_000)
afterAll(async () => {
  await proxy.stop()
  await world.stop()
})
/** Two tenants of its own for each test. */
beforeEach(async () => {
  made++
  ;[a, b] = [await world.tenant(`a-${made}`), await world.tenant(`b-${made}`)]
})

const outage = () => {
  proxy.state.random = () => 0
  proxy.state.faults = { ...calm, reset: 1 }
}
/** It is over, and has been for so long that the table is asked again. */
const heal = () => {
  proxy.state.faults = calm
  laterMs += 10 * SECOND
}
type Name = "append" | "fold"
type Caller = "notify" | "close" | "check" | "poll"
const urlOf = (name: Name) => world.stack.runtime.queues[name]

/** Works a queue until it is empty: what fails often enough is a dead letter then. */
async function work(name: Name, over: Partial<Runtime> = {}, batchSize = 10) {
  const handler = name === "append" ? appendWorker({ ...runtime, ...over }) : foldWorker({ ...runtime, ...over })
  await workAt(urlOf(name).url, handler, batchSize)
}

async function workAt(queueUrl: string, handler: Handler, batchSize: number) {
  const working = poll({
    call: awsClient({ ...runtime.aws, timeoutMs: 30_000 }),
    queueUrl,
    queueArn: `arn:aws:sqs:us-east-1:000000000000:${queueUrl.split("/").at(-1)}`,
    handler,
    batchSize,
    windowMs: 20,
    concurrency: 1,
    retryAfterSeconds: 0,
    onError: () => {},
  })
  await working.idle()
  await working.stop()
}

/** The bus calls its subscriber until nothing waits for it. */
const callNotify = (over: Partial<Runtime> = {}) => {
  const keep = keeper({ ...runtime, deadOf: (name) => runtime.queues[name].dead! })
  const bus = new URL(busQueue("notify"), urlOf("append").url).href
  return workAt(bus, calling("notify", notifyWorker({ ...runtime, ...over }), keep), 1)
}

const events = (who: Who, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    type: "track",
    event: "Tested",
    userId: "u",
    messageId: `${who.id}-${i}`,
  }))
const send = async (who: Who, batch: unknown[]) =>
  expect((await world.send({ batch }, { key: who.writeKey })).status).toBe(200)
const enqueue = (body: string) =>
  runtime.call("sqs", "SendMessage", { QueueUrl: urlOf("append").url, MessageBody: body })
const counted = async (who: Who) => (await world.ask({}, who)).json.total

const admin = (path: string, body?: unknown) =>
  world.request(`/v1/admin/queues${path}`, {
    key: world.stack.config.OCTANT_OPERATOR_TOKEN!,
    ...(body === undefined ? {} : { method: "POST", body }),
  })
const lettersOf = async (name: Name | Caller) => (await admin(`/${name}/dead?limit=100`)).json.letters as DeadLetter[]
const redriven = async (name: Name | Caller, body: object = {}) => (await admin(`/${name}/redrive`, body)).json
const deedsOf = async (who: Who) => {
  const { rows } = await readAudit(world.stack.runtime, who.id as TenantId, { limit: 1000 })
  return rows.filter(({ action }) => action.startsWith("dead.")).map(({ actor, action }) => `${actor} ${action}`)
}
/** The schedule, a while later: nothing has failed meanwhile. */
const close = (over: Partial<Runtime> = {}) =>
  closeWorker({
    ...runtime,
    requestFold: async () => undefined,
    clock: () => runtime.clock() + 2 * MINUTE,
    ...over,
  })()

test("an operator sees of each queue how much waits, for how long, and what was given up", async () => {
  await send(a, events(a, 1))
  await send(a, events(a, 2))
  const { status, json } = await admin("")
  expect(status).toBe(200)
  const noLetters = { deadLetters: 0, deadInFlight: 0, deadOldestSeconds: null }
  const quiet = { depth: 0, inFlight: 0, delayed: 0, oldestSeconds: null, ...noLetters, redrive: "sent" }
  /** What waits for a function that is called waits inside of Lambda. */
  const calls = { fifo: false, depth: null, inFlight: null, delayed: null, oldestSeconds: null, ...noLetters }
  expect(json.queues).toEqual([
    { ...quiet, name: "append", fifo: false, depth: 2, oldestSeconds: expect.any(Number) },
    { ...quiet, name: "fold", fifo: true },
    { ...quiet, name: "deliveries", fifo: false },
    { ...quiet, name: "jobs-high", fifo: false },
    { ...quiet, name: "jobs-low", fifo: false },
    { ...calls, name: "notify", redrive: "published" },
    { ...calls, name: "close", redrive: "dropped" },
    { ...calls, name: "check", redrive: "dropped" },
    { ...calls, name: "poll", redrive: "dropped" },
  ])
  await work("append")
  expect(((await admin("")).json.queues as object[])[0]).toMatchObject({ depth: 0, oldestSeconds: null })
  const silent = doors({ ...runtime, oldestSeconds: () => Promise.reject(new Error("denied")) })
  const authorization = `Bearer ${world.stack.config.OCTANT_OPERATOR_TOKEN}`
  const reply = await silent.knock("api", "/v1/admin/queues", { headers: { authorization } })
  expect((reply.json.queues as object[])[0]).toMatchObject({ name: "append", oldestSeconds: null })
})

describe("poison of one tenant", () => {
  test("in a batch of messages keeps no other message from being appended, and is told of among the dead letters", async () => {
    const began = Date.now()
    await send(b, events(b, 3))
    await enqueue(`1 ${a.id} ${Buffer.from("not what we pack").toString("base64")}`)
    await send(a, events(a, 2))
    await enqueue(`7 somebody ${"ada@example.com ".repeat(1000)}`)
    await send(b, events(b, 5))
    await work("append")
    expect([await counted(a), await counted(b)]).toEqual([2, 5])
    const letters = await lettersOf("append")
    expect(letters).toHaveLength(2)
    expect(letters.find(({ tenant }) => tenant === a.id)).toMatchObject({
      batches: [],
      reason: { kind: "unreadable", code: "Unreadable", message: "unknown pack version 110", at: expect.any(String) },
      received: 5,
      redriven: 0,
      payload: { text: expect.stringMatching(/^1 a-\d+ /), cut: false },
    })
    const strange = letters.find(({ tenant }) => tenant === null)!
    expect(strange).toMatchObject({ reason: { kind: "unreadable" }, payload: { cut: true } })
    expect(strange.payload.text).toHaveLength(4096)
    expect(Date.parse(strange.firstSentAt)).toBeGreaterThanOrEqual(began - 1000)
    // Nobody looked at anything of b's.
    expect([await deedsOf(a), await deedsOf(b)]).toEqual([["operator dead.read"], []])
    const operators = await readAudit(world.stack.runtime, OPERATOR, { limit: 1 })
    expect(operators.rows).toMatchObject([{ action: "dead.read", subject: "append", details: { ids: [strange.id] } }])
    // It is no outage: by itself nothing sends it back.
    await close()
    expect(await lettersOf("append")).toHaveLength(2)
    await runtime.call("sqs", "PurgeQueue", { QueueUrl: urlOf("append").dead! })
  })

  test.each([1, 10])("in a FIFO queue keeps no other tenant from being folded, %i at a time", async (batchSize) => {
    for (const who of [a, b]) await send(who, events(who, 2))
    await work("append")
    const QueueUrl = urlOf("fold").url
    const poison = { QueueUrl, MessageGroupId: a.id, MessageBody: `{"version":9,"tenant":"${a.id}"}` }
    await runtime.call("sqs", "SendMessage", { ...poison, MessageDeduplicationId: `poison-${a.id}` })
    await runtime.requestFold(a.id, "good")
    await runtime.requestFold(b.id, "good")
    await work("fold", {}, batchSize)
    for (const who of [a, b]) expect((await readHead(runtime, who.id as TenantId))?.position).toBe(1)
    expect(await lettersOf("fold")).toMatchObject([{ tenant: a.id, reason: { kind: "unreadable" }, received: 5 }])
    await runtime.call("sqs", "PurgeQueue", { QueueUrl: urlOf("fold").dead! })
  })
})

describe("after an outage of the table", () => {
  async function killed() {
    await send(a, events(a, 3))
    await send(b, events(b, 4))
    outage()
    await work("append")
    heal()
  }

  test("what it has killed is sent back once by itself, and counted once", async () => {
    await killed()
    expect(((await admin("")).json.queues as object[])[0]).toMatchObject({
      depth: 0,
      deadLetters: 2,
      deadOldestSeconds: expect.any(Number),
    })
    expect([await counted(a), await counted(b)]).toEqual([0, 0])
    const letters = await lettersOf("append")
    expect(letters.map(({ tenant }) => tenant).sort()).toEqual([a.id, b.id])
    for (const { reason, batches, payload } of letters) {
      expect(reason).toMatchObject({ kind: "outage", code: "unnoted", at: null })
      expect(batches).toEqual([expect.stringMatching(/^ids-/)])
      expect(payload.text).toContain('"event":"Tested"')
    }
    await close()
    await work("append")
    expect([await counted(a), await counted(b)]).toEqual([3, 4])
    expect(await lettersOf("append")).toEqual([])
    expect(await deedsOf(a)).toEqual(["schedule dead.redrive", "operator dead.read"])
    expect((await verifyAudit(runtime, a.id as TenantId)).flaws).toEqual([])
    expect(lines.filter(({ name }) => name === "redrive")).toMatchObject([{ queue: "append", count: 2 }])
  })

  test("while it lasts nothing is sent back, and nothing is lost", async () => {
    await killed()
    outage()
    await expect(close()).rejects.toThrow()
    heal()
    // Even when only the log cannot be written.
    const table: Table = { ...runtime.table, transact: () => Promise.reject(new AwsError("Throttled", 503, {})) }
    const failures = lines.length
    await close({ table })
    const told = lines.slice(failures).filter(({ name }) => name === "redrive.failed")
    expect(told).toMatchObject([{ queue: "append", code: "Throttled" }])
    expect(await lettersOf("append")).toHaveLength(2)
    await runtime.call("sqs", "PurgeQueue", { QueueUrl: urlOf("append").dead! })
  })

  test("what dies a second time stays, until a person sends it back", async () => {
    await killed()
    await close()
    outage()
    await work("append")
    heal()
    await close()
    const letters = await lettersOf("append")
    expect(letters.map(({ redriven }) => redriven)).toEqual([1, 1])
    const [mine] = letters.filter(({ tenant }) => tenant === a.id)
    expect(await redriven("append", { ids: [mine!.id], dryRun: true })).toEqual({
      redrive: "sent",
      moved: [mine!.id],
      left: 1,
      dryRun: true,
    })
    await work("append")
    expect(await counted(a)).toBe(0)
    expect(await redriven("append", { ids: [mine!.id] })).toMatchObject({ moved: [mine!.id], left: 1, dryRun: false })
    await work("append")
    expect([await counted(a), await counted(b)]).toEqual([3, 0])
    expect(await redriven("append")).toMatchObject({ moved: [expect.any(String)], left: 0 })
    await work("append")
    expect([await counted(a), await counted(b)]).toEqual([3, 4])
    expect((await deedsOf(a))[0]).toBe("operator dead.redrive")
  })

  test("what a throttled table has killed is sent back when a minute has gone by without", async () => {
    await send(a, events(a, 2))
    const throttled = new AwsError("ProvisionedThroughputExceededException", 400, {})
    const table: Table = {
      ...runtime.table,
      put: (item, condition) =>
        item.pk.includes("#journal#") ? Promise.reject(throttled) : runtime.table.put(item, condition),
    }
    await work("append", { table })
    expect(await lettersOf("append")).toMatchObject([
      { tenant: a.id, reason: { kind: "outage", code: "ProvisionedThroughputExceededException" }, received: 5 },
    ])
    await close({ clock: runtime.clock })
    expect(await lettersOf("append")).toHaveLength(1)
    await close()
    expect(await lettersOf("append")).toEqual([])
    await work("append")
    // The writers that died have left holes, and nobody reads beyond one before its writer must be dead.
    await expect.poll(() => counted(a), { timeout: 10_000 }).toBe(2)
  })

  test("a fold that it has killed is asked for again, in its tenant's group", async () => {
    for (const who of [a, b]) await send(who, events(who, 2))
    await work("append")
    for (const who of [a, b]) await runtime.requestFold(who.id, "7")
    outage()
    await work("fold")
    heal()
    expect((await lettersOf("fold")).map(({ tenant }) => tenant).sort()).toEqual([a.id, b.id])
    await close()
    const { Messages } = (await runtime.call("sqs", "ReceiveMessage", {
      QueueUrl: urlOf("fold").url,
      MaxNumberOfMessages: 10,
      VisibilityTimeout: 0,
      MessageSystemAttributeNames: ["All"],
    })) as { Messages: { Attributes: Record<string, string> }[] }
    const [first] = Messages
    expect([a.id, b.id]).toContain(first!.Attributes.MessageGroupId)
    const ofTenant = `${first!.Attributes.MessageGroupId}-7`
    expect(first!.Attributes.MessageDeduplicationId).toMatch(new RegExp(`^${ofTenant}\\.again-[\\w-]{16}$`))
    await work("fold")
    for (const who of [a, b]) expect((await readHead(runtime, who.id as TenantId))?.position).toBe(1)
  })
})

test("a redrive that dies between sending and deleting is begun again, and everything counts once", async () => {
  await send(a, events(a, 3))
  outage()
  await work("append")
  heal()
  const call: typeof runtime.call = (service, action, body) =>
    action === "DeleteMessageBatch" ? Promise.reject(new Error("died")) : runtime.call(service, action, body)
  const dying = doors({ ...over(runtime, runtime.table), call })
  const authorization = `Bearer ${world.stack.config.OCTANT_OPERATOR_TOKEN}`
  const init = { method: "POST", headers: { authorization } }
  expect((await dying.knock("api", "/v1/admin/queues/append/redrive", init)).status).toBe(500)
  const { rows } = await readAudit(runtime, a.id as TenantId, { limit: 2 })
  expect(rows.map(({ action, details }) => [action, details.outcome])).toEqual([
    ["dead.redrive", "failed"],
    ["dead.redrive", undefined],
  ])
  await work("append")
  // Its letter is still there, and is sent once more.
  expect(await redriven("append")).toMatchObject({ moved: [expect.any(String)], left: 0 })
  await work("append")
  expect(await counted(a)).toBe(3)
  expect((await world.ledger(a)).duplicate).toBe(3)
})

test("a redrive of some says how many stay, also of those that it has not looked at", async () => {
  const dead = urlOf("append").dead!
  for (let i = 0; i < 25; i++)
    await runtime.call("sqs", "SendMessage", { QueueUrl: dead, MessageBody: `nobody can read ${i}` })
  expect(await redriven("append", { max: 1, dryRun: true })).toMatchObject({ moved: [expect.any(String)], left: 24 })
  const [letter] = await lettersOf("append")
  expect(await redriven("append", { ids: [letter!.id] })).toMatchObject({ moved: [letter!.id], left: 24 })
  expect(await redriven("append", { max: 20 })).toMatchObject({ left: 4 })
  expect(await redriven("append")).toMatchObject({ moved: { length: 4 }, left: 0 })
  await runtime.call("sqs", "PurgeQueue", { QueueUrl: urlOf("append").url })
})

test("what cannot be asked is refused", async () => {
  expect((await admin("/nothing/dead")).json).toMatchObject({ status: 404, code: "not_found" })
  expect((await admin("/constructor/redrive", {})).json).toMatchObject({ status: 404, code: "not_found" })
  expect((await admin("/append/dead?limit=0")).json).toMatchObject({ code: "invalid_request", field: "limit" })
  expect((await admin("/append/redrive", { max: 0 })).json).toMatchObject({ code: "invalid_request", field: "max" })
})

describe("an event that the bus's subscriber has failed at for good", () => {
  const happening = (who: Who, subject = "al_1") =>
    happened(who.id as TenantId, "alert.opened", subject, { at: instant(Date.now()), data: { id: subject } })
  /** A webhook of the tenant's, and what was asked to be delivered to it. */
  async function listening(who: Who) {
    const body = { url: "http://127.0.0.1:9/hook" }
    const hook = await world.request("/v1/webhooks", { method: "POST", key: who.adminKey, body })
    expect(hook.status).toBe(201)
    const path = `/v1/webhooks/${String(hook.json.id)}/deliveries`
    return async () =>
      ((await world.request(path, { key: who.adminKey })).json.deliveries as { event: string }[]).map(
        ({ event }) => event,
      )
  }

  test("is a letter with why and what it told, and handled again when it is sent back, under the same id", async () => {
    const told = await listening(a)
    const event = happening(a)
    await runtime.publish([event])
    await callNotify({ table: { ...runtime.table, query: () => Promise.reject(new TypeError("a fault of ours")) } })
    expect(await told()).toEqual([])
    const [letter, ...others] = await lettersOf("notify")
    expect(others).toEqual([])
    expect(letter).toMatchObject({
      tenant: a.id,
      batches: [],
      reason: { kind: "fault", code: "TypeError", message: "a fault of ours", at: expect.any(String) },
      received: 3,
      firstSentAt: event.at,
      redriven: 0,
    })
    expect(JSON.parse(letter!.payload.text)).toMatchObject({ "detail-type": "alert.opened", detail: event })
    // It is no outage: by itself nothing sends it back.
    await close()
    const move = { redrive: "published", moved: [letter!.id], left: 0 }
    expect(await redriven("notify", { dryRun: true })).toEqual({ ...move, dryRun: true })
    await callNotify()
    expect(await told()).toEqual([])
    expect(await redriven("notify")).toEqual({ ...move, dryRun: false })
    await callNotify()
    expect(await told()).toEqual([event.id])
    // Told once more, it is the same delivery.
    await runtime.publish([event])
    await callNotify()
    expect(await told()).toEqual([event.id])
    expect(await lettersOf("notify")).toEqual([])
    expect(await deedsOf(a)).toEqual(["operator dead.redrive", "operator dead.read"])
  })

  test("because of an outage is put on the bus once more by itself when that is over, and what dies again stays", async () => {
    const told = [await listening(a), await listening(b)] as const
    for (const who of [a, b]) await runtime.publish([happening(who)])
    outage()
    await callNotify()
    heal()
    // After ten broken connections the table is left alone for a while: the last calls never reached it.
    expect((await lettersOf("notify")).map(({ reason: { kind, code } }) => `${kind}: ${code}`)).toEqual([
      "outage: CircuitOpen",
      "outage: CircuitOpen",
    ])
    await close({ clock: runtime.clock })
    expect(await lettersOf("notify")).toHaveLength(2)
    await close()
    expect(await lettersOf("notify")).toEqual([])
    const mine: Runtime["table"] = {
      ...runtime.table,
      query: (pk, range) =>
        pk.startsWith(`T#${a.id}#`)
          ? Promise.reject(new AwsError("Throttled", 400, {}))
          : runtime.table.query(pk, range),
    }
    await callNotify({ table: mine })
    expect([await told[0](), await told[1]()]).toEqual([[], [happening(b).id]])
    await close()
    expect(await lettersOf("notify")).toMatchObject([{ tenant: a.id, redriven: 1, reason: { code: "Throttled" } }])
    expect(lines.filter(({ name }) => name === "redrive").at(-1)).toMatchObject({ queue: "notify", count: 2 })
    expect(await redriven("notify")).toMatchObject({ moved: [expect.any(String)], left: 0 })
    await callNotify()
    expect(await told[0]()).toEqual([happening(a).id])
  })

  test("stays if the bus does not take it, and the queues before it are mended all the same", async () => {
    const told = await listening(a)
    const [one, two] = [happening(a, "al_1"), happening(a, "al_2")]
    await runtime.publish([one, two])
    outage()
    await callNotify()
    heal()
    await send(b, events(b, 4))
    outage()
    await work("append")
    heal()
    const before = lines.length
    await close({ publish: async (events) => new Set(events.map(({ id }) => id).filter((id) => id === one.id)) })
    await work("append")
    expect(await counted(b)).toBe(4)
    const since = lines.slice(before).filter(({ name }) => String(name).startsWith("redrive"))
    expect(since).toMatchObject([
      { name: "redrive", queue: "append", count: 1 },
      { name: "redrive.failed", queue: "notify", code: "unavailable" },
    ])
    expect((await lettersOf("notify")).map(({ payload }) => JSON.parse(payload.text).detail.id)).toEqual([one.id])
    expect(await redriven("notify")).toMatchObject({ moved: [expect.any(String)], left: 0 })
    await callNotify()
    expect(await told()).toEqual([one.id])
  })

  test("nobody can tell again what is no event: it is shown as it is, and stays", async () => {
    const QueueUrl = runtime.queues.notify.dead!
    await runtime.call("sqs", "SendMessage", { QueueUrl, MessageBody: "not what a bus says" })
    expect(await lettersOf("notify")).toMatchObject([
      { tenant: null, reason: { kind: "unreadable", at: null }, payload: { text: "not what a bus says", cut: false } },
    ])
    expect(await redriven("notify")).toEqual({ redrive: "published", moved: [], left: 1, dryRun: false })
    await runtime.call("sqs", "PurgeQueue", { QueueUrl })
  })
})

test("a schedule that has failed for good leaves a letter, which stays until a person drops it; nothing is sent", async () => {
  const keep = keeper({ ...runtime, deadOf: (name) => runtime.queues[name].dead! })
  const failing = closeWorker({
    ...runtime,
    table: { ...runtime.table, query: () => Promise.reject(new AwsError("Throttled", 400, {})) },
  })
  let runs = 0
  const counted = () => {
    runs++
    return failing()
  }
  const run = tried("close", counted, { keep, ending: new AbortController().signal })
  await expect(run()).rejects.toThrow("Throttled")
  expect(runs).toBe(3)
  const [letter, ...others] = await lettersOf("close")
  expect(others).toEqual([])
  expect(letter).toMatchObject({
    tenant: null,
    reason: { kind: "outage", code: "Throttled", message: "Throttled: 400" },
    received: 3,
    payload: { text: "{}", cut: false },
  })
  await close()
  const drop = { redrive: "dropped", moved: [letter!.id], left: 0 }
  expect(await redriven("close", { dryRun: true })).toEqual({ ...drop, dryRun: true })
  expect(await lettersOf("close")).toHaveLength(1)
  expect(await redriven("close")).toEqual({ ...drop, dryRun: false })
  expect(await lettersOf("close")).toEqual([])
  const { rows } = await readAudit(world.stack.runtime, OPERATOR, { limit: 1 })
  expect(rows[0]).toMatchObject({ action: "dead.drop", subject: "close", details: { ids: [letter!.id] } })
})
