import { AsyncLocalStorage } from "node:async_hooks"
import { crc32 } from "node:zlib"
import { afterAll, beforeAll, expect, test } from "vitest"
import { authenticator } from "#access/caller.ts"
import { createKey, revokeKey } from "#access/key.ts"
import { createTenant, Tenant } from "#access/tenant.ts"
import { listTenants } from "#access/tenants.ts"
import { fakeClock, instant, SECOND } from "#core/clock.ts"
import { unpackText } from "#core/pack.ts"
import { randomText, seededRandom } from "#core/random.ts"
import type { Post } from "#delivery/deliver.ts"
import { publishUntold } from "#delivery/publish.ts"
import type { DevTenant } from "#local/home.ts"
import { kindNamed } from "#pipeline/jobs/kinds.ts"
import { replay } from "#pipeline/replay.ts"
import { appendWorker } from "#platform/append-worker.ts"
import type { AwsCall } from "#platform/aws.ts"
import { closeWorker } from "#platform/close-worker.ts"
import { deliverWorker, notifyWorker } from "#platform/deliver.ts"
import { dynamoTable } from "#platform/dynamodb.ts"
import { foldWorker } from "#platform/fold-worker.ts"
import { jobWorker } from "#platform/job-worker.ts"
import type { Runtime } from "#platform/runtime.ts"
import { zendesk } from "#sources/zendesk.ts"
import { unpackBatches } from "#store/journal.ts"
import type { TenantId } from "#store/keys.ts"
import { happened, toTell } from "#store/outbox.ts"
import type { Key } from "#store/table.ts"
import { type Call, doors, over, type Reply, startWorld, type World, watched } from "./world.ts"

/**
 * One tenant never sees another's. Whatever is asked of the table is written down with the tenant for whom it was asked:
 * each tenant takes its turns in an asynchronous context of its own, so they can all act at once.
 */
let world: World
let tenants: DevTenant[]
let runtime: Runtime
let open: ReturnType<typeof doors>
const turn = new AsyncLocalStorage<string>()
const asked: { whose: string | undefined; call: Call }[] = []
type Attributes = Record<string, { S?: string }>
type Sent = { action: string; body: object }
const sent: Sent[] = []
/** What was accepted and has not been appended. */
const queued = new Map<string, string[]>()
/** Deliveries that were asked for. */
const toDeliver: { whose: string | undefined; body: string }[] = []

beforeAll(async () => {
  world = await startWorld()
  // The third one's name begins with the first one's.
  tenants = [world.acme, world.globex, await world.tenant("acme-2")]
  const call: AwsCall = (service, action, body) => {
    if (service === "dynamodb") sent.push({ action, body })
    return world.stack.runtime.call(service, action, body)
  }
  const dynamo = dynamoTable({ call, table: world.stack.config.OCTANT_TABLE })
  const table = watched(dynamo, (one) => void asked.push({ whose: turn.getStore(), call: one }))
  runtime = {
    ...over(world.stack.runtime, table),
    enqueue: async (messages) => {
      const whose = turn.getStore()!
      queued.set(whose, [...(queued.get(whose) ?? []), ...messages])
    },
    requestFold: async () => undefined,
    publish: async () => new Set(),
    requestDelivery: async (requests) => {
      for (const request of requests) toDeliver.push({ whose: turn.getStore(), body: JSON.stringify(request) })
    },
    sendJob: async () => undefined,
  }
  open = doors(runtime)
})
afterAll(() => world.stop())

/** What a tenant can do, each in its own context. */
function acting(tenant: DevTenant) {
  const inTurn = <T>(work: () => Promise<T>) => turn.run(tenant.id, work)
  const ask = async (
    method: string,
    path: string,
    key: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ) => {
    const door = key === tenant.writeKey ? "collect" : "api"
    const init = { method, headers: { authorization: `Bearer ${key}`, ...headers } }
    const reply = await inTurn(() =>
      open.knock(door, path, body === undefined ? init : { ...init, body: JSON.stringify(body) }),
    )
    expect({ path, status: reply.status, text: reply.text }).toMatchObject({
      status: expect.toSatisfy((status) => status < 300),
    })
    return reply
  }
  const recordsOf = (messages: string[]) => ({ Records: messages.map((body, i) => ({ messageId: `m${i}`, body })) })
  return {
    inTurn,
    send: (batch: unknown[], headers?: Record<string, string>) =>
      ask("POST", "/v1/batch", tenant.writeKey, { batch }, headers),
    get: (path: string) => ask("GET", path, tenant.readKey),
    administer: (method: string, path: string, body?: unknown) => ask(method, path, tenant.adminKey, body),
    append: async () => {
      const messages = queued.get(tenant.id) ?? []
      queued.delete(tenant.id)
      expect(await inTurn(() => appendWorker(runtime)(recordsOf(messages)))).toEqual({ batchItemFailures: [] })
    },
    fold: async () => {
      const request = JSON.stringify({ version: 1, tenant: tenant.id })
      expect(await inTurn(() => foldWorker(runtime)(recordsOf([request])))).toEqual({ batchItemFailures: [] })
    },
    replay: () => inTurn(() => replay(runtime, tenant.id as TenantId)),
    recordsOf,
  }
}

/** Each tenant's customers bear the same names: only the key tells them apart. */
const eventsOf = (tenant: DevTenant) => [
  { type: "identify", userId: "ada", anonymousId: "a-1", traits: { of: tenant.id } },
  { type: "page", anonymousId: "a-1", context: { page: { path: `/${tenant.id}` } } },
  { type: "alias", userId: "ada", previousId: "a-2" },
  {
    type: "track",
    event: "Order Completed",
    userId: "ada",
    properties: { order_id: tenant.id, revenue: "10", country: "GR" },
  },
  {
    type: "track",
    event: "Subscription Started",
    userId: "ada",
    properties: { subscription_id: "s", mrr: "5", plan: "pro" },
  },
  { type: "track", event: "Response Received", userId: "bob", properties: { model: "m", response_time_ms: 10 } },
  { type: "track", event: "Order Completed", userId: "bob", messageId: "incomplete" },
]

/** A source's whole life, with a delivery from outside. */
async function sourcesOf(tenant: DevTenant) {
  const { get, administer, inTurn } = acting(tenant)
  const secret = `a secret of ${tenant.id}'s`
  const { json } = await administer("POST", "/v1/sources", { vendor: "zendesk", name: "Help", secret })
  const { id, url } = json as { id: string; url: string }
  const { method, headers, body } = zendesk.sample(secret, Date.now())
  const delivered = await inTurn(() =>
    open.knock("hooks", new URL(url).pathname, { method, headers, body: Uint8Array.from(body) }),
  )
  expect(delivered.status).toBe(200)
  const forged = await inTurn(() => open.knock("hooks", new URL(url).pathname, { method, headers, body: "{}" }))
  expect(forged.status).toBe(401)
  const { json: listed } = await get(`/v1/sources/${id}/deliveries`)
  const [delivery] = listed.deliveries as { id: string }[]
  await administer("GET", `/v1/sources/${id}/deliveries/${delivery!.id}`)
  await administer("POST", `/v1/sources/${id}/deliveries/${delivery!.id}/replay`)
  await get(`/v1/sources/${id}`)
  await administer("PATCH", `/v1/sources/${id}`, { paused: true, name: "Paused" })
  await administer("DELETE", `/v1/sources/${id}`)
}

/** A webhook's whole life, with an event that it is told. */
async function webhooksOf(tenant: DevTenant) {
  const { get, administer, inTurn, recordsOf } = acting(tenant)
  const { json } = await administer("POST", "/v1/webhooks", { url: "https://hooks.example.com/octant" })
  const path = `/v1/webhooks/${String(json.id)}`
  const id = tenant.id as TenantId
  const event = happened(id, "alert.opened", "the same for all", { at: instant(Date.now()), data: { of: id } })
  const told: string[] = []
  const post: Post = async ({ body }) => {
    told.push(body)
    return { status: 200 }
  }
  const deliver = async () => {
    const bodies = toDeliver.filter(({ whose }) => whose === id)
    for (const one of bodies) toDeliver.splice(toDeliver.indexOf(one), 1)
    expect(bodies).toHaveLength(1)
    const messages = recordsOf(bodies.map(({ body }) => body))
    expect(await inTurn(() => deliverWorker({ ...runtime, post })(messages))).toEqual({ batchItemFailures: [] })
  }
  await inTurn(() => runtime.table.transact([toTell(event)], `told ${id}`))
  expect(await inTurn(() => publishUntold(runtime, id))).toBe(1)
  await inTurn(() => notifyWorker(runtime)({ detail: event }))
  await deliver()
  const { deliveries } = (await get(`${path}/deliveries`)).json as { deliveries: { id: string }[] }
  await administer("POST", `${path}/deliveries/${deliveries[0]!.id}/retry`)
  await deliver()
  expect(told.map((body) => JSON.parse(body).data)).toEqual([{ of: id }, { of: id }])
  await administer("POST", `${path}/rotate`)
  await administer("PATCH", path, { enabled: false })
  await get("/v1/webhooks")
  await administer("DELETE", path)
}

/** A job of each kind, asked for under the same key by everybody; and one that is cancelled. */
async function jobsOf(tenant: DevTenant) {
  const { get, inTurn, recordsOf } = acting(tenant)
  const ask = async (path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const init = { method: "POST", headers: { authorization: `Bearer ${tenant.adminKey}`, ...headers } }
    return inTurn(() => open.knock("api", path, body === undefined ? init : { ...init, body: JSON.stringify(body) }))
  }
  const heard: Reply[] = []
  const input = { metric: "events", where: { field: "properties.order_id", op: "exists" } }
  for (const wish of [{ kind: "query", input }, { kind: "replay" }, { kind: "reconcile" }]) {
    const { json, status } = await ask("/v1/jobs", wish, { "idempotency-key": `the-same-${wish.kind}` })
    expect(status).toBe(202)
    const request = JSON.stringify({ version: 1, tenant: tenant.id, job: json.id })
    expect(await inTurn(() => jobWorker({ ...runtime, kindNamed }, "jobs-high")(recordsOf([request])))).toEqual({
      batchItemFailures: [],
    })
    const authorization = `Bearer ${tenant.adminKey}`
    heard.push(await inTurn(() => open.knock("api", `/v1/jobs/${json.id}/result`, { headers: { authorization } })))
  }
  expect(heard.map(({ status }) => status)).toEqual([200, 200, 200])
  const { json } = await ask("/v1/jobs", { kind: "query", input })
  expect((await ask(`/v1/jobs/${json.id}/cancel`)).status).toBe(200)
  return [...heard, await get("/v1/jobs")]
}

/** Everything that can be asked. */
async function life(tenant: DevTenant) {
  const { send, get, administer, append, fold, replay: again } = acting(tenant)
  const heard: Reply[] = []
  const look = async () => {
    const paths = [
      "/v1/query?metric=events&grain=total",
      "/v1/query?metric=active_customers&by=country&compare=previous",
      "/v1/query?metric=mrr",
      "/v1/query?metric=response_time_p95",
      `/v1/query?metric=gross_revenue&where=${encodeURIComponent('{"field":"properties.order_id","op":"exists"}')}`,
      "/v1/query?metric=events&asOf=1",
      "/v1/query?metric=events&asOf=0",
      `/v1/query?metric=events&asOf=${instant(Date.now())}`,
      "/v1/customers/ada",
      "/v1/customers/a-2",
      "/v1/customers/ada/timeline?limit=1",
      "/v1/quarantine",
      "/v1/ledger",
      "/v1/tenant",
      "/v1/sources",
      "/v1/quality",
      "/v1/plan",
      "/v1/plan/differences",
    ]
    for (const path of paths) heard.push(await get(path))
    heard.push(await administer("GET", "/v1/keys"))
  }
  await send(eventsOf(tenant), { "Idempotency-Key": "the-same-for-all" })
  await send(eventsOf(tenant).slice(0, 6))
  await append()
  await look()
  await fold()
  await look()
  await administer("POST", "/v1/quarantine/release", { all: true, set: { order_id: "o", revenue: "1" } })
  const { json } = await administer("POST", "/v1/keys", { name: "spare", scope: "read" })
  await administer("DELETE", `/v1/keys/${json.id}`)
  await administer("POST", "/v1/plan/draft", { apply: true })
  await sourcesOf(tenant)
  await webhooksOf(tenant)
  heard.push(...(await jobsOf(tenant)))
  await append()
  await again()
  await look()
  return heard
}

const isOwn = (whose: string, { pk, sk }: Partial<Key>) =>
  pk === `T#${whose}` ||
  pk?.startsWith(`T#${whose}#`) ||
  // The operator's register of sources to poll: a tenant may touch the names of its own.
  (pk === "T#octant#polled" && sk?.startsWith(`src_${whose}_`))
const strangers = (whose: string | undefined, { keys }: Call) =>
  keys.filter((key) => whose === undefined || !isOwn(whose, key))
const foreign = (from = 0) => asked.slice(from).filter(({ whose, call }) => strangers(whose, call).length > 0)

test("three tenants at once: every key that is read or written is the caller's own", async () => {
  const heard = await Promise.all(tenants.map(life))
  expect(foreign()).toEqual([])
  const used = new Set(asked.map(({ call }) => call.name))
  expect([...used].toSorted()).toEqual([
    "add",
    "delete",
    "deleteMany",
    "get",
    "getMany",
    "pages",
    "put",
    "query",
    "set",
    "transact",
  ])
  for (const { id } of tenants) expect(asked.filter(({ whose }) => whose === id).length).toBeGreaterThan(100)
  for (const [i, replies] of heard.entries()) {
    const figures = replies
      .filter(({ json }) => json.total !== undefined && json.unit !== undefined)
      .map(({ json }) => json.total)
    expect(figures.slice(0, 2)).toEqual([12, 2])
    const text = replies.map((reply) => reply.text).join("\n")
    for (const other of tenants.filter((_, j) => j !== i)) {
      expect(text).not.toMatch(new RegExp(`"(of|order_id|path|id)":"/?${other.id}"`))
    }
  }
})

test("messages of several tenants that come together are parted: each journal holds its own tenant's events", async () => {
  const began = asked.length
  for (const tenant of tenants) await acting(tenant).send([{ type: "track", event: `of ${tenant.id}`, userId: "ada" }])
  const messages = tenants.flatMap(({ id }) => queued.get(id)!)
  queued.clear()
  const { recordsOf, inTurn } = acting(world.acme)
  expect(await inTurn(() => appendWorker(runtime)(recordsOf(messages)))).toEqual({ batchItemFailures: [] })
  const put = asked.slice(began).flatMap(({ call }) => (call.name === "put" ? [call.item!] : []))
  const held = put.map(({ pk, body }) => {
    const events = unpackBatches(body as Uint8Array).flatMap((batch) => batch.events)
    return [pk, events.map(({ event }) => event)]
  })
  expect(new Map(held as [string, string[]][])).toEqual(
    new Map(tenants.map(({ id }) => [`T#${id}#journal#0`, [`of ${id}`]])),
  )
})

test("the operator's register of tenants is touched only where they are made and listed", async () => {
  const registers = asked.flatMap(({ call }) => call.keys.filter(({ pk }) => pk?.startsWith("T#octant")))
  expect(new Set(registers.map(({ pk }) => pk))).toEqual(new Set(["T#octant#polled"]))
  const began = asked.length
  await turn.run("initech", () => createTenant(runtime, Tenant.parse({ id: "initech", name: "Initech" })))
  await turn.run("octant", () => listTenants(runtime))
  expect(foreign(began).map(({ call }) => [call.name, ...call.keys.map(({ pk, sk }) => `${pk} ${sk}`)])).toEqual([
    [
      "transact",
      "T#initech settings",
      "T#initech#views head#1",
      "T#initech#views current",
      "T#octant#tenants initech",
      "T#initech#audit#head head",
      "T#initech#audit 000000000001",
    ],
  ])
  const closed = asked.length
  await turn.run("octant", closeWorker(runtime))
  const of = asked.slice(closed).flatMap(({ call }) => call.keys.map(({ pk }) => pk!))
  expect(of.filter((pk) => !/^T#(acme|acme-2|globex|initech)#(views|head#0|jobs#places)$/.test(pk))).toEqual([
    "T#octant#tenants",
  ])
})

test.each(["octant", "acme#", "", "Acme", "a".repeat(41), "-acme", "acme/globex"])(
  "nobody can be the tenant %j",
  (id) => {
    expect(Tenant.safeParse({ id, name: "Somebody" }).success).toBe(false)
  },
)

const hard = [
  "#",
  "a#b",
  "/",
  "a/b",
  "T#globex",
  "T#globex#journal#0",
  "T#globex#views#1#customers#0",
  "../globex",
  "globex",
  "a~b",
  "a~000000000001",
  "%23",
  "a b\u00a0c",
  "\u20ac".repeat(256),
  "🙂#/~",
]

test("ids that look like keys stay within their tenant, and come back whole, before a fold and after it", async () => {
  const began = asked.length
  const { send, append, fold, get, administer } = acting(world.acme)
  for (const [i, id] of hard.entries()) {
    const order = { order_id: id, revenue: "1", channel: id }
    const batch = [
      { type: "track", event: id.slice(0, 200), userId: id, messageId: id, groupId: id, properties: { [id]: id } },
      {
        type: "track",
        event: "Order Completed",
        anonymousId: `anonymous ${id}`.slice(0, 256),
        messageId: `order ${id}`.slice(0, 256),
        properties: order,
      },
      { type: "track", event: "Order Completed", userId: id, messageId: `broken ${id}`.slice(0, 256), properties: {} },
    ]
    await send(batch, { "Idempotency-Key": /^[\x21-\x7e]+$/.test(id) ? id : `key-${i}` })
  }
  await append()
  const looked = async () => {
    for (const id of hard) {
      const path = `/v1/customers/${encodeURIComponent(id)}`
      expect((await get(path)).json.customer).toMatchObject({ id, events: 1 })
      expect((await get(`${path}/timeline`)).json.events).toEqual([
        expect.objectContaining({ id, userId: id, groupId: id, event: id.slice(0, 200), properties: { [id]: id } }),
      ])
      const globex = { headers: { authorization: `Bearer ${world.globex.readKey}` } }
      expect((await turn.run("globex", () => open.knock("api", path, globex))).status).toBe(404)
    }
    const { json: split } = await get("/v1/query?metric=gross_revenue&by=channel&grain=total&limit=1000")
    const keys = (split.keys as { key: string }[]).map(({ key }) => key)
    expect(hard.filter((id) => !keys.includes(id))).toEqual([])
    const lying = (await get("/v1/quarantine?limit=1000")).json.items as { id: string }[]
    expect(hard.filter((id) => !lying.some((one) => one.id === `broken ${id}`.slice(0, 256)))).toEqual([])
  }
  await looked()
  await fold()
  await looked()
  const ids = hard.map((id) => `broken ${id}`.slice(0, 256))
  expect(
    (await administer("POST", "/v1/quarantine/release", { ids, set: { order_id: "o", revenue: "1" } })).json.released,
  ).toHaveLength(hard.length)
  const { json } = await administer("POST", "/v1/keys", { name: "T#globex#keys", scope: "read" })
  expect(json.name).toBe("T#globex#keys")
  await append()
  expect(foreign(began)).toEqual([])
  const pks = asked.slice(began).flatMap(({ whose, call }) => (whose === "acme" ? call.keys.map(({ pk }) => pk!) : []))
  expect(pks.filter((pk) => !/^T#acme(#[\w-]*)*$/.test(pk) || pk.includes("globex"))).toEqual([])
})

/** What DynamoDB would say of a request; the emulator takes more. */
function complaint({ action, body }: Sent): string | undefined {
  const {
    Key,
    Item,
    RequestItems,
    TransactItems = [],
    ExpressionAttributeValues: values,
  } = body as {
    Key?: Attributes
    Item?: Attributes
    RequestItems?: Record<string, { Keys: Attributes[] } | { DeleteRequest: { Key: Attributes } }[]>
    TransactItems?: Record<string, { Key?: Attributes; Item?: Attributes }>[]
    ExpressionAttributeValues?: Attributes
  }
  const together: Attributes[] = TransactItems.flatMap((one) =>
    Object.values(one).map(({ Key, Item }) => (Key ?? Item)!),
  )
  const many = Object.values(RequestItems ?? {}).flatMap((some) =>
    Array.isArray(some) ? some.map(({ DeleteRequest }) => DeleteRequest.Key) : some.Keys,
  )
  for (const { pk, sk } of [Key ?? [], Item ?? [], many, together].flat()) {
    if (!pk?.S || !sk?.S || Buffer.byteLength(pk.S) > 2048 || Buffer.byteLength(sk.S) > 1024)
      return `${action} ${pk?.S} ${sk?.S}`
  }
  if (action !== "Query") return undefined
  const [low, high] = [values?.[":low"]?.S, values?.[":high"]?.S]
  const fits = low !== "" && high !== "" && (low === undefined || high === undefined || low <= high)
  return fits ? undefined : `${action} ${values?.[":pk"]?.S} from "${low}" to "${high}"`
}

test("what is sent to DynamoDB is what it takes: no empty key, none that is too long, no range that ends before it begins", () => {
  expect(new Set(sent.map(({ action }) => action))).toContain("Query")
  expect(new Set(sent.flatMap((one) => complaint(one) ?? []))).toEqual(new Set())
})

/** Every attribute of every item, unpacked where it is packed. */
async function wholeTable(): Promise<string> {
  const texts: string[] = []
  let start: unknown
  do {
    const page = await world.stack.runtime.call("dynamodb", "Scan", {
      TableName: world.stack.config.OCTANT_TABLE,
      ...(start ? { ExclusiveStartKey: start } : {}),
    })
    for (const item of page.Items as Record<string, { B?: string }>[]) {
      texts.push(JSON.stringify(item))
      for (const { B } of Object.values(item)) if (B !== undefined) texts.push(unpacked(Buffer.from(B, "base64")))
    }
    start = page.LastEvaluatedKey
  } while (start)
  return texts.join("\n")
}

function unpacked(bytes: Buffer) {
  try {
    return unpackText(bytes)
  } catch {
    return bytes.toString("latin1")
  }
}

test("a key is kept nowhere in clear: not in the table, whichever way it was shown, and not on a log line", async () => {
  const shown = [...tenants.flatMap(({ writeKey, readKey, adminKey }) => [writeKey, readKey, adminKey])]
  const event = { type: "track", event: "the last of all", userId: "ada" }
  await world.send({ batch: [event] })
  await world.send({ batch: [event], writeKey: world.acme.writeKey }, { key: undefined })
  await world.send({ ...event, writeKey: world.acme.writeKey }, { key: undefined, path: "/v1/track" })
  const basic = `Basic ${Buffer.from(`${world.acme.writeKey}:`).toString("base64")}`
  await world.send({ batch: [event] }, { key: undefined, headers: { Authorization: basic, "Idempotency-Key": "x" } })
  const reply = await world.request("/v1/keys", {
    method: "POST",
    key: world.acme.adminKey,
    body: { name: "k", scope: "read" },
  })
  shown.push(reply.json.key as string)
  await world.counts()
  const text = await wholeTable()
  expect(text.split("the last of all")).toHaveLength(5)
  const listed = (await world.request("/v1/keys", { key: world.acme.adminKey })).text
  for (const key of shown) {
    const [, secret] = /_([0-9A-Za-z]{32})[0-9a-z]{6}$/.exec(key)!
    for (const place of [text, listed, JSON.stringify(world.lines)]) expect(place).not.toContain(secret)
    expect(text).not.toContain(Buffer.from(key).toString("base64").slice(0, 40))
  }
})

test("a key that was revoked is refused within five seconds, by a function that had just believed it", async () => {
  const clock = fakeClock("2026-01-31T12:00:00.000Z")
  const needs = { ...world.stack.runtime, clock }
  const warm = authenticator(needs)
  const { id, key } = await createKey(needs, "acme" as TenantId, { name: "to be revoked", scope: "read" })
  const other = await createKey(needs, "acme" as TenantId, { name: "to stay", scope: "read" })
  expect(await warm(key, "read")).toMatchObject({ tenant: "acme", key: id })
  await revokeKey(needs, "acme" as TenantId, id)
  await expect(authenticator(needs)(key, "read")).rejects.toMatchObject({ code: "unauthorized" })
  clock.advance(5 * SECOND)
  await expect(warm(key, "read")).rejects.toMatchObject({ code: "unauthorized" })
  expect(await warm(other.key, "read")).toMatchObject({ key: other.id })
})

test("a key that expires is refused from that instant on, by a function that had just believed it", async () => {
  const clock = fakeClock("2026-01-31T12:00:00.000Z")
  const needs = { ...world.stack.runtime, clock }
  const expiresAt = "2026-01-31T12:00:01.000Z"
  const { key } = await createKey(needs, "acme" as TenantId, { name: "short", scope: "read", expiresAt })
  const warm = authenticator(needs)
  clock.advance(SECOND - 1)
  await expect(warm(key, "read")).resolves.toMatchObject({ tenant: "acme" })
  clock.advance(1)
  await expect(warm(key, "read")).rejects.toMatchObject({ code: "unauthorized" })
})

test("a key of Acme's that is made to say Globex, with a checksum that fits, is nobody's", async () => {
  const began = asked.length
  const unchecked = world.acme.readKey.slice(0, -6).replace("_acme_", "_globex_")
  const forged = unchecked + crc32(unchecked).toString(36).padStart(7, "0").slice(-6)
  const asking = { headers: { authorization: `Bearer ${forged}` } }
  expect((await turn.run("globex", () => open.knock("api", "/v1/tenant", asking))).status).toBe(401)
  expect(asked.slice(began).map(({ call }) => call.keys.map(({ pk }) => pk))).toEqual([["T#globex#keys"]])
})

test("10,000 random keys are refused without one read of the table", async () => {
  const random = seededRandom(7)
  let reads = 0
  const authenticate = authenticator({
    ...world.stack.runtime,
    table: watched(world.stack.runtime.table, () => void reads++),
  })
  const forms = [
    () => `oct_write_acme_${randomText(random, 38)}`,
    () => `oct_read_globex_${randomText(random, 32)}${randomText(random, 6).toLowerCase()}`,
    () => world.acme.writeKey.slice(0, -7) + randomText(random, 7).toLowerCase(),
    () => randomText(random, 60),
  ]
  let refused = 0
  for (let i = 0; i < 10_000; i++) {
    const key = forms[i % forms.length]!()
    await authenticate(key, "write").catch(({ code }) => {
      if (code === "unauthorized") refused++
    })
  }
  expect([refused, reads]).toEqual([10_000, 0])
})
