import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { createKey, type Scope } from "#access/key.ts"
import type { Runtime } from "#platform/runtime.ts"
import type { TenantId } from "#store/keys.ts"
import { type Call, doors, over, type Reply, startWorld, type World, watched } from "./world.ts"

/**
 * What is true of every route, whatever it does. Routes are taken from the doors themselves; one that is not described
 * here fails the first test.
 */
type Door = "collect" | "api"
type Way = {
  /** What a key must be allowed to do; nobody is asked for a key by an "open" route. */
  scope: Scope | "open"
  /** What its `:id` may be; some of Acme's own. */
  ids?: () => { ours: string; missing: string }
  /** A good body. */
  body?: Record<string, unknown>
  /** A bad one, and the field that is wrong with it. */
  bad?: [body: Record<string, unknown>, field: string]
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
const customers = () => ({ ours: "ours-alice", missing: "nobody" })

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
    "GET /v1/query": { scope: "read", query: "metric=events" },
    "POST /v1/query": { scope: "read", body: { metric: "events" }, bad: [{ metric: "magic" }, "metric"] },
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
      body: { name: "ours-made", scope: "read" },
      bad: [{ name: "k", scope: "root" }, "scope"],
    },
    "DELETE /v1/keys/:id": { scope: "admin", ids: () => ({ ours: spareKeyId, missing: "0000000000000000" }) },
  },
}

let world: World
let spareKeyId: string
/** A key that looks like Acme's and is nobody's. */
let strangeKey: string
let seen: Call[]
let open: ReturnType<typeof doors>
/** Set to let the table fail. */
let failing: (call: Call) => boolean = () => false
const SECRET = "the table's own words"

beforeAll(async () => {
  world = await startWorld()
  const { runtime } = world.stack
  const acme = "acme" as TenantId
  spareKeyId = (await createKey(runtime, acme, { name: "ours-spare", scope: "read" })).id
  const nowhere = { ...runtime, table: { ...runtime.table, put: () => Promise.resolve(true) } }
  strangeKey = (await createKey(nowhere, acme, { name: "strange", scope: "admin" })).key
  open = doors(over(runtime, watched(runtime.table, hear), runtime.clock))
  const refusedOrder = { type: "track", event: "Order Completed", messageId: "ours-quarantined", ...who }
  await world.send({
    batch: [{ type: "identify", messageId: "ours-first", ...who, traits: { plan: "ours-plan" } }, refusedOrder],
  })
  await world.stack.idle()
})
afterAll(() => world.stop())

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
const closed = routes.filter(({ way }) => way.scope !== "open")
const taking = closed.filter(({ way }) => way.body)
const paths = [...new Map(routes.map((route) => [`${route.door} ${route.path}`, route])).values()]

type Asked = {
  key?: string | undefined
  headers?: Record<string, string>
  body?: string
  query?: string
  id?: string
  method?: string
}

/** A good request, but for what is said. */
async function call({ door, method, path, way }: Route, asked: Asked = {}): Promise<Reply> {
  const id = asked.id ?? way.ids?.().ours ?? ""
  const query = asked.query ?? way.query
  const sends = asked.body ?? (way.body && JSON.stringify(way.body))
  seen = []
  const reply = await open.knock(door, path.replace(":id", encodeURIComponent(id)) + (query ? `?${query}` : ""), {
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
  way.scope === "open" ? undefined : { write: tenant.writeKey, read: tenant.readKey, admin: tenant.adminKey }[way.scope]

test.each(["collect", "api"] as const)("every route of %s is described here, and nothing else is", (door) => {
  const served = open[door].routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path}`)
  expect(new Set(served)).toEqual(new Set(Object.keys(ways[door])))
})

describe.each(closed)("$name", (route) => {
  const { way } = route

  test("answers a good request with the key that it needs", async () => {
    expect([200, 201]).toContain((await call(route, { key: goodKey(route) })).status)
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

  test("with an unknown parameter is 400", async () => {
    const query = `${way.query ? `${way.query}&` : ""}surprise=1`
    expect(told(await call(route, { key: goodKey(route), query }))).toEqual(problem(400, "invalid_request", "surprise"))
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
      if (fails({ name: "get", keys: [{ pk: "T#acme#keys" }] })) expect(told(reply)).toEqual(problem(500, "internal"))
      else expect([200, 201, 500]).toContain(reply.status)
    }
    expect(JSON.stringify(world.lines.slice(logged))).toContain(SECRET)
  })
})

describe.each(taking)("$name", (route) => {
  const { way, door } = route
  const limit = { collect: 1024 * 1024, api: 256 * 1024 }[door]
  const sending = async (body: string, headers: Record<string, string> = {}) =>
    told(await call(route, { key: goodKey(route), body, headers }))

  test("with a body that is not JSON is 400", async () => {
    for (const body of ["", " ", "{", '{"a":1,}', "x=1"])
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

test("collect says nothing of what the queue says when it fails", async () => {
  const broken: Runtime = { ...world.stack.runtime, enqueue: () => Promise.reject(new Error(SECRET)) }
  const { knock } = doors(broken)
  for (const { path, way, method } of taking.filter(({ door }) => door === "collect")) {
    const headers = { authorization: `Bearer ${world.acme.writeKey}` }
    const reply = await knock("collect", path, { method, headers, body: JSON.stringify(way.body) })
    expectProblem(reply)
    expect(told(reply)).toEqual(problem(500, "internal"))
    expect(reply.text).not.toContain(SECRET)
  }
})

describe("Globex", () => {
  const known = () => ["ours-", "acme", spareKeyId, strangeKey]

  test.each(closed.filter(({ method, way }) => method === "GET" && !way.ids))(
    "sees nothing of Acme's in $name",
    async (route) => {
      const ours = await call(route, { key: goodKey(route) })
      const theirs = await call(route, { key: goodKey(route, world.globex) })
      expect([ours.status, theirs.status]).toEqual([200, 200])
      for (const mark of known()) expect(theirs.text).not.toContain(mark)
    },
  )

  test.each(closed.filter(({ way }) => way.ids))(
    "is told the same of an id of Acme's as of one that is not there: $name",
    async (route) => {
      const { ours, missing } = route.way.ids!()
      const ask = (id: string) =>
        call(route, { id, key: goodKey(route, world.globex), headers: { "x-correlation-id": "the-same" } })
      const [foreign, absent] = [await ask(ours), await ask(missing)]
      expect(told(foreign)).toEqual(problem(404, "not_found"))
      expect(foreign.text).toBe(absent.text)
      expect([...foreign.headers]).toEqual([...absent.headers])
      expect((await call(route, { id: ours, key: goodKey(route) })).status).toBe(200)
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
    for (const id of ["x".repeat(1025), "\u20ac".repeat(400), "x".repeat(8000)]) {
      expect(told(await call(route, { id, key: goodKey(route) }))).toEqual(problem(404, "not_found"))
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
  ["GET /v1/quarantine", "limit=1001", "limit"],
  ["GET /v1/quarantine", "limit=", "limit"],
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
