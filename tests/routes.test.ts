import { readFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Scope } from "#access/caller.ts"
import { createKey } from "#access/key.ts"
import { createSource, NewSource } from "#access/source.ts"
import { writePlan } from "#access/tracking.ts"
import { managementApp } from "#api/management.ts"
import { questionsApp } from "#api/questions.ts"
import { tryWebhook } from "#delivery/telling.ts"
import { createWebhook, deleteWebhook, listWebhooks, NewWebhook } from "#delivery/webhook.ts"
import { cancelJob, createJob } from "#pipeline/jobs/job.ts"
import { kindNamed } from "#pipeline/jobs/kinds.ts"
import { newTails } from "#pipeline/reading.ts"
import { standardWebhooks } from "#sources/standard-webhooks.ts"
import { verifyAudit } from "#store/audit.ts"
import type { TenantId } from "#store/keys.ts"
import { type Call, doors, over, type Reply, startWorld, type World, watched } from "./world.ts"

/**
 * What is true of every route, whatever it does. Routes are taken from the doors themselves; one that is not described
 * here fails the first test.
 */
type Door = "collect" | "api"
type Ids = Record<string, string>
type Way = {
  /** What a key must be allowed to do; an "open" route asks nobody, and an "operator" is no tenant. */
  scope: Scope | "open" | "operator"
  /** What its path names: something of Acme's own, and nothing. */
  ids?: { ours: () => Promise<Ids>; missing: Ids }
  /** A good body. */
  body?: Record<string, unknown>
  /** A bad one, and the field that is wrong with it. */
  bad?: [body: Record<string, unknown>, field: string]
  /** Whether no body is a good one too. */
  mayBeEmpty?: true
  /** Good parameters. */
  query?: string
}

const who = { userId: "ours-alice" }
const collecting = (body: Record<string, unknown>, ...bad: [Record<string, unknown>, string]): Way => ({
  scope: "write",
  body,
  bad,
})
const calls = {
  track: collecting({ ...who, event: "Tested" }, who, "event"),
  identify: collecting({ ...who, traits: { a: 1 } }, { ...who, traits: [] }, "traits"),
  page: collecting({ ...who, name: "Home" }, { name: "Home" }, "userId"),
  screen: collecting({ ...who, name: "Home" }, { ...who, name: "" }, "name"),
  group: collecting({ ...who, groupId: "g" }, who, "groupId"),
  alias: collecting({ ...who, previousId: "ours-bob" }, who, "previousId"),
  batch: collecting({ batch: [{ type: "page", ...who }] }, { batch: {} }, "batch"),
}
const planned = { name: "ours-planned", mode: "observe" as const, properties: {} }
const customers = { ours: async () => ({ id: "ours-alice" }), missing: { id: "nobody" } }
const sources = { ours: async () => ({ id: sourceId }), missing: { id: "src_acme_0000000000000000" } }
const queueNames = { ours: async () => ({ name: "append" }), missing: { name: "nothing" } }
const webhooks = {
  ours: async () => ({ id: await standingWebhook() }),
  missing: { id: "wh_0000000000000000" },
}
const tellings = {
  ours: async () => {
    const id = await standingWebhook()
    return { id, delivery: (await tryWebhook(world.stack.runtime, "acme" as TenantId, id)).id }
  },
  missing: { id: "wh_0000000000000000", delivery: "1767225600000-0000000000000000" },
}
const jobs = { ours: async () => ({ id: jobId }), missing: { id: "job_0000000000000000" } }
const deliveries = {
  ours: async () => ({ id: sourceId, delivery: deliveryId }),
  missing: { id: "src_acme_0000000000000000", delivery: "1767225600000-0000000000000000" },
}

const ways: Record<Door, Record<string, Way>> = {
  collect: {
    ...Object.fromEntries(
      Object.entries(calls).flatMap(([name, way]) => [
        [`POST /v1/${name}`, way],
        [`POST /v1/${name[0]}`, way],
      ]),
    ),
    "POST /v1/m": { scope: "open", body: { series: [] } },
  },
  api: {
    "GET /health/live": { scope: "open" },
    "GET /health/ready": { scope: "operator" },
    "GET /metrics": { scope: "operator" },
    "GET /v1/admin/queues": { scope: "operator" },
    "GET /v1/admin/queues/:name/dead": { scope: "operator", ids: queueNames, query: "limit=1" },
    "POST /v1/admin/queues/:name/redrive": {
      scope: "operator",
      ids: queueNames,
      body: { dryRun: true, max: 1 },
      bad: [{ ids: [] }, "ids"],
      mayBeEmpty: true,
    },
    "GET /v1/query": { scope: "read", query: "metric=events&by=source" },
    "POST /v1/query": { scope: "read", body: { metric: "events", by: "source" }, bad: [{ metric: "magic" }, "metric"] },
    "GET /v1/cache": { scope: "read" },
    "GET /v1/metrics": { scope: "read" },
    "GET /v1/events": { scope: "read" },
    "GET /v1/customers/:id": { scope: "read", ids: customers },
    "GET /v1/customers/:id/timeline": { scope: "read", ids: customers, query: "limit=10" },
    "GET /v1/ledger": { scope: "read", query: "from=2026-01-01&to=2026-12-31" },
    "GET /v1/quarantine": { scope: "read", query: "limit=10" },
    "POST /v1/quarantine/release": {
      scope: "admin",
      body: { all: true, dryRun: true },
      bad: [{ ids: [], all: true }, "ids"],
    },
    "GET /v1/tenant": { scope: "read" },
    "GET /v1/keys": { scope: "admin" },
    "POST /v1/keys": {
      scope: "admin",
      body: { name: "made", scope: "read" },
      bad: [{ name: "k", scope: "root" }, "scope"],
    },
    "DELETE /v1/keys/:id": {
      scope: "admin",
      ids: { ours: async () => ({ id: spareKeyId }), missing: { id: "0000000000000000" } },
    },
    "POST /v1/jobs": {
      scope: "read",
      body: { kind: "query", input: { metric: "events", by: "source" } },
      bad: [{ kind: "query", input: { metric: "magic" } }, "input.metric"],
    },
    "GET /v1/jobs": { scope: "read", query: "limit=200" },
    "GET /v1/jobs/:id": { scope: "read", ids: jobs },
    "GET /v1/jobs/:id/result": { scope: "read", ids: { ...jobs, ours: async () => ({ id: doneJobId }) } },
    "POST /v1/jobs/:id/cancel": { scope: "read", ids: jobs },
    "GET /v1/audit": { scope: "admin", query: "limit=1000&action=key.create" },
    "GET /v1/vendors": { scope: "read" },
    "GET /v1/sources": { scope: "read" },
    "POST /v1/sources": {
      scope: "admin",
      body: { vendor: "gorgias", name: "made" },
      bad: [{ vendor: "nobody", name: "made" }, "vendor"],
    },
    "GET /v1/sources/:id": { scope: "read", ids: sources },
    "PATCH /v1/sources/:id": {
      scope: "admin",
      ids: sources,
      body: { name: "ours-renamed" },
      bad: [{ name: "" }, "name"],
    },
    "DELETE /v1/sources/:id": { scope: "admin", ids: { ...sources, ours: async () => ({ id: await newSource() }) } },
    "POST /v1/sources/:id/rotate": {
      scope: "admin",
      ids: { ...sources, ours: async () => ({ id: await newSource() }) },
      body: { secret: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", keepOld: false },
      bad: [{ keepOld: 1 }, "keepOld"],
      mayBeEmpty: true,
    },
    "POST /v1/sources/:id/test": { scope: "admin", ids: sources },
    "GET /v1/sources/:id/deliveries": { scope: "read", ids: sources, query: "limit=10" },
    "GET /v1/sources/:id/deliveries/:delivery": { scope: "admin", ids: deliveries },
    "POST /v1/sources/:id/deliveries/:delivery/replay": { scope: "admin", ids: deliveries },
    "GET /v1/webhooks": { scope: "read" },
    "POST /v1/webhooks": {
      scope: "admin",
      body: { url: "https://hooks.example.com/made", description: "made" },
      bad: [{ url: "https://10.0.0.1/" }, "url"],
    },
    "GET /v1/webhooks/:id": { scope: "read", ids: webhooks },
    "PATCH /v1/webhooks/:id": {
      scope: "admin",
      ids: webhooks,
      body: { description: "ours-changed", events: ["alert.opened"] },
      bad: [{ events: ["nothing.happened"] }, "events[0]"],
    },
    "DELETE /v1/webhooks/:id": { scope: "admin", ids: webhooks },
    "POST /v1/webhooks/:id/rotate": {
      scope: "admin",
      ids: webhooks,
      body: { keepOld: false },
      bad: [{ keepOld: "no" }, "keepOld"],
      mayBeEmpty: true,
    },
    "POST /v1/webhooks/:id/test": { scope: "admin", ids: webhooks },
    "GET /v1/webhooks/:id/deliveries": { scope: "read", ids: webhooks, query: "limit=10" },
    "POST /v1/webhooks/:id/deliveries/:delivery/retry": { scope: "admin", ids: tellings },
    "GET /v1/quality": { scope: "read", query: "from=2026-01-01&to=2026-01-31" },
    "GET /v1/plan": { scope: "read" },
    "PUT /v1/plan": {
      scope: "admin",
      body: { plan: { events: [planned] } },
      bad: [{ plan: { events: {} } }, "plan.events"],
    },
    "POST /v1/plan/draft": { scope: "admin", body: { apply: false }, bad: [{ apply: 1 }, "apply"], mayBeEmpty: true },
    "GET /v1/plan/differences": { scope: "read" },
  },
}

let world: World
let spareKeyId: string
let sourceId: string
let deliveryId: string
let webhookId = ""
/** One that was cancelled, and one that is done. */
let jobId: string
let doneJobId: string
/** A key that looks like Acme's and is nobody's. */
let strangeKey: string
let seen: Call[]
let open: ReturnType<typeof doors>
/** Set to let the table fail. */
let failing: (call: Call) => boolean = () => false
const SECRET = "the table's own words"
const HOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

beforeAll(async () => {
  world = await startWorld()
  const { runtime } = world.stack
  const acme = "acme" as TenantId
  spareKeyId = (await createKey(runtime, acme, { name: "ours-spare", scope: "read" })).id
  const nowhere = { ...runtime, table: { ...runtime.table, transact: () => Promise.resolve([]) } }
  strangeKey = (await createKey(nowhere, acme, { name: "strange", scope: "admin" })).key
  open = doors(over(runtime, watched(runtime.table, hear), runtime.clock))
  // What Acme alone has bears its mark wherever it may be shown.
  const marked = await createKey(runtime, acme, { name: "ours-own", scope: "write", source: "ours-source" })
  const incomplete = { type: "track", event: "Order Completed", messageId: "ours-quarantined", ...who }
  const first = { type: "identify", messageId: "ours-first", ...who, traits: { plan: "ours-plan" } }
  await world.send({ batch: [first, incomplete] }, { key: marked.key })
  await writePlan(runtime, acme, { unknown: "observe", events: [planned] })
  sourceId = await newSource()
  const at = `${world.stack.url}/hooks/${sourceId}`
  const { headers, body } = standardWebhooks.sample(HOOK_SECRET, Date.now())
  expect((await fetch(at, { method: "POST", headers, body: Uint8Array.from(body) })).status).toBe(200)
  await world.stack.idle()
  const kept = await world.request(`/v1/sources/${sourceId}/deliveries`, { key: world.acme.readKey })
  deliveryId = (kept.json.deliveries as { id: string }[])[0]!.id
  jobId = await newJob()
  await cancelJob(runtime, acme, jobId)
  doneJobId = await newJob()
  await runtime.sendJob({ tenant: acme, id: doneJobId, priority: "high" })
  await world.stack.idle()
})
afterAll(() => world.stop())

/** One of Acme's. */
async function newSource() {
  const wish = NewSource.parse({ vendor: "standard-webhooks", name: "ours-source", secret: HOOK_SECRET })
  return (await createSource(world.stack.runtime, "acme" as TenantId, wish)).id
}

/** A webhook of Acme's; another, if it has been deleted. Those that the tests have made are deleted: there are twenty at most. */
async function standingWebhook() {
  const { runtime } = world.stack
  const acme = "acme" as TenantId
  const [ours, ...others] = (await listWebhooks(runtime, acme)).sort(({ id }) => (id === webhookId ? -1 : 1))
  for (const { id } of others) await deleteWebhook(runtime, acme, id)
  if (ours?.id === webhookId) return webhookId
  // Nobody listens there: what is sent is refused at once.
  const wish = NewWebhook.parse({ url: "http://127.0.0.1:9/ours-hook" })
  webhookId = (await createWebhook(runtime, acme, wish)).id
  return webhookId
}

/** One that nobody works, as nobody was told of it. */
async function newJob() {
  const where = { field: "user_id", op: "eq", value: "ours-alice" }
  const wish = { kind: "query", input: { metric: "events", where } } as const
  return (await createJob(world.stack.runtime, "acme" as TenantId, wish, await kindNamed("query"), 50)).id
}

function hear(call: Call) {
  seen?.push(call)
  if (failing(call)) throw new Error(SECRET)
}

type Route = { door: Door; name: string; method: string; path: string; way: Way }
const routes: Route[] = (["collect", "api"] as const).flatMap((door) =>
  Object.entries(ways[door]).map(([name, way]) => {
    const [method, path] = name.split(" ") as [string, string]
    return { door, name, method, path, way }
  }),
)
const closed = routes.filter(({ way }) => way.scope !== "open" && way.scope !== "operator")
const operators = routes.filter(({ way }) => way.scope === "operator")
const taking = closed.filter(({ way }) => way.body)
const paths = [...new Map(routes.map((route) => [`${route.door} ${route.path}`, route])).values()]

type Asked = {
  key?: string | undefined
  headers?: Record<string, string>
  body?: string
  query?: string
  ids?: Ids
  method?: string
}

/** A good request, but for what is said. */
async function call({ door, method, path, way }: Route, asked: Asked = {}): Promise<Reply> {
  const ids = asked.ids ?? (await way.ids?.ours()) ?? {}
  const named = path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(ids[name] ?? ""))
  const query = asked.query ?? way.query
  const sends = asked.body ?? (way.body && JSON.stringify(way.body))
  seen = []
  const reply = await open.knock(door, named + (query ? `?${query}` : ""), {
    method: asked.method ?? method,
    headers: { ...(asked.key === undefined ? {} : { authorization: `Bearer ${asked.key}` }), ...asked.headers },
    ...(sends === undefined || asked.method === "GET" ? {} : { body: sends }),
  })
  if (reply.status >= 400) expectProblem(reply)
  return reply
}

/** RFC 9457, and what we promise besides. */
function expectProblem({ status, headers, json, text }: Reply) {
  expect(headers.get("content-type")).toBe("application/problem+json")
  expect(json).toMatchObject({
    type: `urn:octant:problem:${json.code}`,
    title: expect.any(String),
    status,
    code: expect.stringMatching(/^[a-z_]+$/),
    detail: expect.any(String),
    correlationId: headers.get("x-correlation-id"),
  })
  expect(json.detail).not.toBe("")
  expect(headers.get("x-content-type-options")).toBe("nosniff")
  expect(headers.get("cache-control")).toBe("no-store")
  expect(text).not.toMatch(/node:|\.ts\b|node_modules|Error:/)
}

const told = ({ status, json }: Reply) => ({ status, code: json.code, field: json.field })
const problem = (status: number, code: string, field?: string) => ({ status, code, field })
const goodKey = ({ way }: Route, tenant = world.acme) =>
  ({ write: tenant.writeKey, read: tenant.readKey, admin: tenant.adminKey, open: undefined, operator: undefined })[
    way.scope
  ]

test.each(["collect", "api"] as const)("every route of %s is described here, and nothing else is", (door) => {
  const needs = { ...world.stack.runtime, tails: newTails() }
  const parts = door === "collect" ? [open.collect] : [questionsApp(needs), managementApp(needs)]
  const served = parts
    .flatMap(({ routes }) => routes)
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path}`)
  expect(new Set(served)).toEqual(new Set(Object.keys(ways[door])))
})

test("every route stands in docs/api.md", () => {
  const text = readFileSync("docs/api.md", "utf8")
  const missing = Object.keys({ ...ways.collect, ...ways.api }).filter((name) => {
    const path = name.replace(/^\w+ /, "").replaceAll(/:(\w+)/g, "{$1}")
    const last = path.slice(path.lastIndexOf("/") + 1)
    // Of routes in one row only the first is written out: `POST /v1/track`, `identify`; `POST …/replay`.
    const forms = [path, `…/${last}\``, ...(path.split("/").length === 3 ? [`, \`${last}\``] : [])]
    return !forms.some((form) => text.includes(form))
  })
  expect(missing).toEqual([])
})

describe.each(closed)("$name", (route) => {
  const { way, door } = route

  test("answers a good request with the key that it needs", async () => {
    expect([200, 201, 202]).toContain((await call(route, { key: goodKey(route) })).status)
  })

  test("without a key is 401, and nothing is read", async () => {
    expect(told(await call(route))).toEqual(problem(401, "unauthorized"))
    expect(seen).toEqual([])
  })

  test("with a key that nobody has is 401", async () => {
    expect(told(await call(route, { key: strangeKey }))).toEqual(problem(401, "unauthorized"))
  })

  test("with a malformed key is 401, and nothing is read", async () => {
    const key = goodKey(route)!
    const other = key.endsWith("0") ? "1" : "0"
    const malformed = [
      "",
      "x",
      key.slice(1),
      key.slice(0, -1),
      key + other,
      key.slice(0, -1) + other,
      key.replace("acme", "ACME"),
      key.replace("acme", "globex"),
    ]
    for (const header of [
      ...malformed.map((text) => `Bearer ${text}`),
      key,
      `Basic ${key}`,
      `Bearer ${key} ${key}`,
      `Bearer ${key},Bearer ${key}`,
    ]) {
      expect(told(await call(route, { headers: { authorization: header } }))).toEqual(problem(401, "unauthorized"))
      expect(seen).toEqual([])
    }
  })

  test("with a key that may not do this is 403, and only the key is read", async () => {
    const { writeKey, readKey, adminKey } = world.acme
    const without = { write: [readKey, adminKey], read: [writeKey], admin: [writeKey, readKey] }[way.scope as Scope]
    for (const key of without) {
      expect(told(await call(route, { key }))).toEqual(problem(403, "forbidden"))
      expect(seen.filter(({ keys }) => keys.some(({ pk }) => pk !== "T#acme#keys"))).toEqual([])
    }
  })

  test("with an unknown parameter is 400; but trackers and proxies hang all sorts of things on addresses of collect", async () => {
    const query = `${way.query ? `${way.query}&` : ""}surprise=1`
    const reply = await call(route, { key: goodKey(route), query })
    if (door === "collect") expect(reply.status).toBe(200)
    else expect(told(reply)).toEqual(problem(400, "invalid_request", "surprise"))
  })

  test("says nothing of what the table says when it fails", async () => {
    const logged = world.lines.length
    for (const fails of [() => true, ({ keys }: Call) => keys.some(({ pk }) => pk !== "T#acme#keys")]) {
      failing = fails
      // Nothing is remembered from the calls before: neither the key nor the views.
      open = doors(over(world.stack.runtime, watched(world.stack.runtime.table, hear)))
      const reply = await call(route, { key: goodKey(route) }).finally(() => {
        failing = () => false
      })
      expect(reply.text).not.toContain(SECRET)
      const readsTheKey = fails({ name: "get", keys: [{ pk: "T#acme#keys" }] })
      expect(readsTheKey ? [500, 503] : [200, 201, 202, 500, 503]).toContain(reply.status)
    }
    // The log tells where it failed; what the table said may quote what it was given.
    const lines = world.lines.slice(logged)
    expect(lines.some(({ name, stack }) => name === "error" && String(stack).includes("routes.test.ts"))).toBe(true)
    expect(JSON.stringify(lines)).not.toContain(SECRET)
  })
})

test.each(taking.filter(({ way }) => way.mayBeEmpty))(
  "$name without a body, as curl -X POST sends it, is as with an empty object",
  async (route) => {
    const [without, empty] = [
      await call(route, { key: goodKey(route), body: "" }),
      await call(route, { key: goodKey(route), body: "{}" }),
    ]
    expect(told(without)).toEqual(told(empty))
  },
)

describe.each(taking)("$name", (route) => {
  const { way, door } = route
  const limit = { collect: 1024 * 1024, api: 256 * 1024 }[door]
  const sending = async (body: string, headers: Record<string, string> = {}) =>
    told(await call(route, { key: goodKey(route), body, headers }))

  test("with a body that is not JSON is 400", async () => {
    for (const body of [...(way.mayBeEmpty ? [] : [""]), " ", "{", '{"a":1,}', "x=1"])
      expect(await sending(body)).toEqual(problem(400, "invalid_json"))
  })

  test("with a body that is not an object is 400", async () => {
    for (const body of ["null", "[]", "1", '"text"', "true"]) {
      expect(await sending(body)).toMatchObject({ status: 400, code: "invalid_request" })
    }
  })

  test("with a bad body is 400, and its field is named", async () => {
    const [bad, field] = way.bad!
    expect(await sending(JSON.stringify(bad))).toEqual(problem(400, "invalid_request", field))
  })

  test("with a body of the wrong type is 415", async () => {
    const body = JSON.stringify(way.body)
    for (const type of [
      "multipart/form-data; boundary=x",
      "application/x-www-form-urlencoded",
      "application/json; charset=utf-16",
    ]) {
      expect(await sending(body, { "content-type": type })).toEqual(
        problem(415, "unsupported_media_type", "Content-Type"),
      )
    }
  })

  test("with a body of one byte too many is 413, whether its length is declared or not", async () => {
    const body = JSON.stringify(way.body)
    const padded = body + " ".repeat(limit + 1 - body.length)
    expect(await sending(padded)).toEqual(problem(413, "payload_too_large"))
    expect(await sending(body, { "content-length": String(limit + 1) })).toEqual(problem(413, "payload_too_large"))
    expect(await sending(padded.slice(0, -1))).toMatchObject({ code: undefined })
  })
})

describe.each(closed.filter(({ door, way }) => door === "api" && way.body))("$name", (route) => {
  test("with a field that nobody asked for is 400: nobody makes himself another tenant, plan or role", async () => {
    for (const field of ["tenant", "tenantId", "plan", "role", "createdAt", "constructor"]) {
      const body = JSON.stringify({ ...route.way.body, [field]: "globex" })
      expect(told(await call(route, { key: goodKey(route), body }))).toEqual(problem(400, "invalid_request", field))
    }
  })
})

describe.each(closed.filter(({ way }) => way.query))("$name", (route) => {
  test("with a parameter given twice is 400", async () => {
    const [name] = route.way.query!.split("=")
    const query = `${route.way.query}&${route.way.query}`
    expect(told(await call(route, { key: goodKey(route), query }))).toEqual(problem(400, "invalid_request", name))
  })
})

describe.each(paths)("$path", (route) => {
  const served = routes
    .filter(({ door, path }) => door === route.door && path === route.path)
    .map(({ method }) => method)
  const others = ["GET", "POST", "PUT", "PATCH", "DELETE"].filter((method) => !served.includes(method))

  test("by another method is 405, and nothing is read", async () => {
    for (const method of others) {
      expect(told(await call(route, { method, key: goodKey(route) }))).toEqual(problem(405, "method_not_allowed"))
      expect(seen).toEqual([])
    }
  })

  test("by another method tells which methods there are (RFC 9110, 15.5.6)", async () => {
    const allow = (await call(route, { method: others[0]! })).headers.get("allow")
    expect(allow?.split(", ")).toEqual(expect.arrayContaining(served))
  })
})

test("every 401 tells how to authenticate (RFC 9110, 15.5.2)", async () => {
  for (const route of closed) expect((await call(route)).headers.get("www-authenticate")).toMatch(/^(Basic|Bearer)/)
})

describe.each(operators)("$name", (route) => {
  const knock = (key?: string, asked: Asked = {}) => call(route, { key, ...asked })
  const token = () => world.stack.config.OCTANT_OPERATOR_TOKEN!

  test("without the operator's token is 401, whatever key a tenant shows, and nothing is read", async () => {
    const { writeKey, readKey, adminKey } = world.acme
    for (const shown of [undefined, "", "x", `${token()}x`, token().slice(0, -1), writeKey, readKey, adminKey]) {
      const reply = await knock(shown)
      expect(told(reply)).toEqual(problem(401, "unauthorized"))
      expect(seen).toEqual([])
    }
  })

  test("with it answers, and says nothing of what the table says when it fails", async () => {
    expect((await knock(token())).status).toBe(200)
    open = doors(over(world.stack.runtime, watched(world.stack.runtime.table, hear)))
    failing = () => true
    // Not as `call` would have it: what is not ready says so in words of its own.
    const path = route.path.replace(":name", "append")
    const init = { method: route.method, headers: { authorization: `Bearer ${token()}` } }
    const { text } = await open.knock(route.door, path, init).finally(() => {
      failing = () => false
    })
    expect(text).not.toContain(SECRET)
  })
})

describe.each(operators.filter(({ way }) => way.ids))("$name", (route) => {
  const key = () => world.stack.config.OCTANT_OPERATOR_TOKEN!

  test("of a queue that is not there is 404", async () => {
    for (const ids of [route.way.ids!.missing, { name: "constructor" }, { name: "T#acme" }])
      expect(told(await call(route, { key: key(), ids }))).toEqual(problem(404, "not_found"))
  })

  test("with a parameter or a field that nobody asked for is 400", async () => {
    const query = `${route.way.query ? `${route.way.query}&` : ""}surprise=1`
    expect(told(await call(route, { key: key(), query }))).toEqual(problem(400, "invalid_request", "surprise"))
    if (!route.way.body) return
    const [bad, field] = route.way.bad!
    for (const [body, named] of [
      [bad, field],
      [{ ...route.way.body, tenant: "acme" }, "tenant"],
    ] as const)
      expect(told(await call(route, { key: key(), body: JSON.stringify(body) }))).toEqual(
        problem(400, "invalid_request", named),
      )
    expect(told(await call(route, { key: key(), body: "{" }))).toEqual(problem(400, "invalid_json"))
  })
})

test("open routes answer without a key, and nothing is read", async () => {
  for (const route of routes.filter(({ way }) => way.scope === "open")) {
    expect((await call(route)).status).toBe(200)
    expect(seen).toEqual([])
  }
})

test("a path that is not there is 404, and nothing is read", async () => {
  for (const door of ["collect", "api"] as const) {
    for (const path of ["/", "/v1", "/v1/nothing", "/v1/customers", "/v1/batch/1", "//v1/query"]) {
      seen = []
      const reply = await open.knock(door, path, { headers: { authorization: `Bearer ${world.acme.adminKey}` } })
      expectProblem(reply)
      expect(told(reply)).toEqual(problem(404, "not_found"))
      expect(seen).toEqual([])
    }
  }
})

test("a browser may ask beforehand what it may send to collect, and nothing is read", async () => {
  for (const { door, path } of paths.filter(({ door }) => door === "collect")) {
    seen = []
    const { status, headers } = await open.knock(door, path, { method: "OPTIONS" })
    expect([status, headers.get("access-control-allow-origin")]).toEqual([204, "*"])
    expect(seen).toEqual([])
  }
})

describe("collect, when the queue fails", () => {
  const failed = (about: object) => Object.assign(new Error(SECRET), about)
  const send = async (error: Error, init: RequestInit = {}) => {
    const { knock } = doors({ ...world.stack.runtime, enqueue: () => Promise.reject(error) })
    const headers = { authorization: `Bearer ${world.acme.writeKey}` }
    const logged = world.lines.length
    const collecting = taking.filter(({ door }) => door === "collect")
    const replies = collecting.map(({ path, way, method }) =>
      knock("collect", path, { method, headers, body: JSON.stringify(way.body), ...init }),
    )
    for (const reply of await Promise.all(replies)) {
      expectProblem(reply)
      // A client tries again after a 5xx, and gives its events up after a 4xx.
      expect([500, 503]).toContain(reply.status)
      expect(reply.text).not.toContain(SECRET)
    }
    const told = world.lines
      .slice(logged)
      .filter(({ name, stack }) => name === "error" && String(stack).includes("routes.test.ts"))
    expect(told).toHaveLength(collecting.length)
    expect(JSON.stringify(told)).not.toContain(SECRET)
  }

  test("says nothing of what it says", () => send(failed({})))
  test("takes a connection of ours that broke for a failure of ours", () => send(failed({ code: "ECONNRESET" })))
  test("tells the log of it also when the client has gone meanwhile", () =>
    send(failed({}), { signal: AbortSignal.abort() }))
})

/** What is written down of each request that changes something, or that shows somebody's data. */
const deeds: Record<string, string> = {
  "GET /v1/customers/:id": "customer.read",
  "GET /v1/customers/:id/timeline": "timeline.read",
  "GET /v1/quarantine": "quarantine.read",
  // A trial, whose answer shows what the events say.
  "POST /v1/quarantine/release": "quarantine.read",
  "POST /v1/keys": "key.create",
  "DELETE /v1/keys/:id": "key.revoke",
  "POST /v1/sources": "source.create",
  "PATCH /v1/sources/:id": "source.change",
  "DELETE /v1/sources/:id": "source.delete",
  "POST /v1/sources/:id/rotate": "source.rotate",
  "POST /v1/sources/:id/test": "source.test",
  "GET /v1/sources/:id/deliveries/:delivery": "delivery.read",
  "POST /v1/sources/:id/deliveries/:delivery/replay": "delivery.replay",
  "POST /v1/webhooks": "webhook.create",
  "PATCH /v1/webhooks/:id": "webhook.change",
  "DELETE /v1/webhooks/:id": "webhook.delete",
  "POST /v1/webhooks/:id/rotate": "webhook.rotate",
  "POST /v1/webhooks/:id/test": "webhook.test",
  "POST /v1/webhooks/:id/deliveries/:delivery/retry": "webhook.retry",
  "PUT /v1/plan": "plan.write",
  "POST /v1/jobs": "job.create",
  "POST /v1/jobs/:id/cancel": "job.cancel",
  // Its question is about one person.
  "GET /v1/jobs/:id/result": "job.read",
}
/** They change nothing: what is only asked, and what is only said to be done. */
const harmless = new Set(["POST /v1/query", "POST /v1/plan/draft"])

describe("the audit log", () => {
  const rowsOf = async (tenant = world.acme) => {
    const authorization = `Bearer ${tenant.adminKey}`
    const { json } = await open.knock("api", "/v1/audit?limit=1000", { headers: { authorization } })
    return json.rows as { seq: number; actor: string; action: string; details: object }[]
  }

  /** What is there to be read, changed or ended. */
  async function idsOf({ name, way }: Route) {
    if (name === "DELETE /v1/keys/:id")
      spareKeyId = (await createKey(world.stack.runtime, "acme" as TenantId, { name: "ours-spare", scope: "read" })).id
    if (name === "POST /v1/jobs/:id/cancel") return { id: await newJob() }
    return way.ids?.ours()
  }

  test("knows every route that changes something", () => {
    const changing = closed.filter(({ door, method }) => door === "api" && method !== "GET").map(({ name }) => name)
    expect(changing.filter((name) => !(name in deeds) && !harmless.has(name))).toEqual([])
  })

  test.each(closed.filter(({ door }) => door === "api"))("has a row of $name, or none", async (route) => {
    const ids = await idsOf(route)
    const before = (await rowsOf())[0]!.seq
    const { status } = await call(route, { key: goodKey(route), ...(ids ? { ids } : {}) })
    expect([200, 201, 202]).toContain(status)
    const since = (await rowsOf()).filter(({ seq }) => seq > before)
    const deed = deeds[route.name]
    expect(since.map(({ action }) => action)).toEqual(deed === undefined ? [] : [deed])
    for (const { actor } of since) expect(actor).toMatch(/^key:[0-9a-f]{16}$/)
  })

  test("has no row of what was refused", async () => {
    const before = (await rowsOf())[0]!.seq
    for (const route of closed.filter(({ door, way }) => door === "api" && way.ids))
      expect((await call(route, { key: goodKey(route), ids: route.way.ids!.missing })).status).toBe(404)
    for (const route of taking.filter(({ door }) => door === "api"))
      expect((await call(route, { key: goodKey(route), body: JSON.stringify(route.way.bad![0]) })).status).toBe(400)
    for (const route of closed) expect((await call(route)).status).toBe(401)
    const since = (await rowsOf()).filter(({ seq }) => seq > before)
    expect(since.filter(({ actor }) => actor !== "operator")).toEqual([])
  })

  test("shows no secret and nothing that a customer has said", async () => {
    const { text } = await call(routes.find(({ name }) => name === "GET /v1/audit")!, {
      key: world.acme.adminKey,
      query: "limit=1000",
    })
    for (const secret of [HOOK_SECRET, "ours-plan", world.acme.adminKey, strangeKey]) expect(text).not.toContain(secret)
  })

  test("without which nothing is changed and nothing is shown", async () => {
    const { runtime } = world.stack
    for (const route of closed.filter(({ name }) => name in deeds)) {
      const ids = await idsOf(route)
      open = doors(over(runtime, watched(runtime.table, hear)))
      failing = ({ name }) => name === "transact"
      const reply = await call(route, { key: goodKey(route), ...(ids ? { ids } : {}) }).finally(() => {
        failing = () => false
      })
      expect([route.name, reply.status, reply.json.code]).toEqual([route.name, 500, "internal"])
    }
  })

  test("is whole after all this", async () => {
    expect((await verifyAudit(world.stack.runtime, "acme" as TenantId)).flaws).toEqual([])
  })
})

describe("Globex", () => {
  const known = () => ["ours-", "acme", spareKeyId, sourceId, deliveryId]

  const making = new Set(["POST /v1/keys", "POST /v1/sources", "POST /v1/webhooks", "PUT /v1/plan", "POST /v1/jobs"])
  test.each(closed.filter(({ door, way, name }) => door === "api" && !way.ids && !making.has(name)))(
    "sees nothing of Acme's in $name",
    async (route) => {
      const ours = await call(route, { key: goodKey(route) })
      const theirs = await call(route, { key: goodKey(route, world.globex) })
      expect(theirs.status).toBe(ours.status)
      for (const mark of known()) expect(theirs.text).not.toContain(mark)
      // Acme's own answer bears a mark, unless everybody is told the same.
      if (ours.text !== theirs.text) expect(known().filter((mark) => ours.text.includes(mark))).not.toEqual([])
    },
  )

  test.each(closed.filter(({ way }) => way.ids))(
    "is told the same of an id of Acme's as of one that is not there: $name",
    async (route) => {
      const { ours, missing } = route.way.ids!
      const ids = await ours()
      const ask = (named: Ids) =>
        call(route, { ids: named, key: goodKey(route, world.globex), headers: { "x-correlation-id": "the-same" } })
      const [foreign, absent] = [await ask(ids), await ask(missing)]
      expect(told(foreign)).toEqual(problem(404, "not_found"))
      expect(foreign.text).toBe(absent.text)
      const [seenWith, seenWithout] = [foreign, absent].map(({ headers }) =>
        [...headers].filter(([name]) => !name.startsWith("ratelimit-")),
      )
      expect(seenWith).toEqual(seenWithout)
      expect(told(await call(route, { ids: missing, key: goodKey(route) }))).toEqual(problem(404, "not_found"))
      expect((await call(route, { ids, key: goodKey(route) })).status).toBe(200)
    },
  )

  test("is told the same of a quarantined event of Acme's as of one that is not there", async () => {
    const route = routes.find(({ name }) => name === "POST /v1/quarantine/release")!
    const ask = async (id: string, key: string) => {
      const reply = await call(route, {
        key,
        body: JSON.stringify({ ids: [id], dryRun: true }),
        headers: { "x-correlation-id": "the-same" },
      })
      return [reply.status, reply.text.replaceAll(id, "…")]
    }
    const theirs = await ask("ours-quarantined", world.globex.adminKey)
    expect(theirs).toEqual(await ask("not-there", world.globex.adminKey))
    expect(theirs[0]).toBe(404)
    expect((await ask("ours-quarantined", world.acme.adminKey))[0]).toBe(200)
  })

  test("gets nothing of Acme's by a cursor of Acme's", async () => {
    const quarantine = routes.find(({ name }) => name === "GET /v1/quarantine")!
    const after = new URLSearchParams({ after: "2026-01-01T00:00:00.000Z#ours-quarantined" })
    const { json } = await call(quarantine, { key: world.globex.readKey, query: String(after) })
    expect(json).toEqual({ items: [] })
  })
})

test("an id longer than any id can be is not found", async () => {
  for (const route of closed.filter(({ way }) => way.ids)) {
    for (const long of ["x".repeat(1025), "\u20ac".repeat(400), "x".repeat(8000)]) {
      const ids = Object.fromEntries(Object.keys(route.way.ids!.missing).map((name) => [name, long]))
      expect(told(await call(route, { ids, key: goodKey(route) }))).toEqual(problem(404, "not_found"))
    }
  }
})

test("an id that is not well written is not found", async () => {
  const authorization = `Bearer ${world.acme.adminKey}`
  for (const id of ["%00", "%E0%A4%A", "%ED%A0%80", "%", "..%2F..", "%2e%2e"]) {
    for (const [path, method] of [
      [`/v1/customers/${id}`, "GET"],
      [`/v1/customers/${id}/timeline`, "GET"],
      [`/v1/keys/${id}`, "DELETE"],
      [`/v1/sources/${id}`, "GET"],
      [`/v1/sources/${sourceId}/deliveries/${id}`, "GET"],
      [`/v1/jobs/${id}`, "GET"],
      [`/v1/jobs/${id}/cancel`, "POST"],
    ] as const) {
      expect((await open.knock("api", path, { method, headers: { authorization } })).status).toBe(404)
    }
  }
})

test.each([
  ["GET /v1/ledger", "from=2026-02-02&to=2026-02-01", "to"],
  ["GET /v1/ledger", "from=2026-02-30", "from"],
  ["GET /v1/query", "metric=events&from=2026-02-02&to=2026-02-01", "to"],
  ["GET /v1/query", "metric=events&to=2026-02-30", "to"],
  ["GET /v1/query", "metric=events&asOf=2026-02-30", "asOf"],
  ["GET /v1/query", "metric=events&asOf=999999999", "asOf"],
  ["GET /v1/query", "metric=events&asOf=-1", "asOf"],
  ["GET /v1/query", "metric=events&limit=0", "limit"],
  ["GET /v1/query", "metric=events&limit=1e2", "limit"],
  ["GET /v1/query", "metric=constructor", "metric"],
  ["GET /v1/query", "metric=events&by=constructor", "by"],
  ["GET /v1/query", "metric=events&where={", "where"],
  ["GET /v1/query", "metric=events&where=null", "where"],
  ["GET /v1/query", 'metric=events&where={"field":"event","op":"in","value":[]}', "where"],
  ["GET /v1/query", "metric=events&__proto__=1", "__proto__"],
  ["GET /v1/query", "metric=events&grain=hour&from=2026-01-01&to=2026-06-01", "to"],
  ["GET /v1/jobs", "limit=0", "limit"],
  ["GET /v1/jobs", "after=1767225600000", "after"],
  ["GET /v1/quarantine", "limit=1001", "limit"],
  ["GET /v1/quarantine", "limit=", "limit"],
  ["GET /v1/quarantine", "value=1", "field"],
  ["GET /v1/quarantine", "from=yesterday", "from"],
  ["GET /v1/quality", "grain=week", "grain"],
  ["GET /v1/webhooks/:id/deliveries", "limit=201", "limit"],
  ["GET /v1/webhooks/:id/deliveries", "state=lost", "state"],
  ["GET /v1/webhooks/:id/deliveries", "after=1", "after"],
  ["GET /v1/customers/:id/timeline", "limit=201", "limit"],
  ["GET /v1/customers/:id/timeline", "after=1", "after"],
  ["GET /v1/customers/:id/timeline", "after=1.2.3", "after"],
])("%s?%s is 400 for its %s", async (name, query, field) => {
  const route = routes.find((one) => one.name === name)!
  expect(told(await call(route, { key: goodKey(route), query }))).toMatchObject({
    ...problem(400, "invalid_request"),
    field: expect.stringContaining(field),
  })
})
