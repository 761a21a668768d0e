import { afterAll, beforeAll, expect, test } from "vitest"
import { pack, unpack } from "#core/pack.ts"
import { keys } from "#store/keys.ts"
import { TenantId } from "#store/tenant-id.ts"
import { startWorld, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

const order = (id: string, fields: object = {}) => ({
  type: "track",
  event: "Order Completed",
  messageId: id,
  userId: "u1",
  timestamp: "2026-01-31T23:30:00Z",
  properties: { order_id: id, revenue: "12.50" },
  ...fields,
})

/** A new tenant with some events in its journal. */
async function tenantWith(id: string, ...calls: object[]) {
  const tenant = await world.tenant(id)
  await send(id, ...calls)
  return tenant
}

async function send(id: string, ...calls: object[]) {
  const file = world.file(`${id}.ndjson`, calls.map((call) => JSON.stringify(call)).join("\n"))
  await world.ask("import", file, "--tenant", id)
  await world.stack.idle()
}

test("a recount finds no difference, until a view is tampered with: then it names the item and ends with 1", async () => {
  await tenantWith("proved", order("1"), order("2"))
  const { table } = world.stack.runtime
  await world.ask("replay", "--tenant", "proved")
  const clean = await world.octant(["reconcile", "--tenant", "proved"])
  expect(clean.out).toMatch(
    /^recounted 2 events up to position 1 in \d+\.\d s; compared 1\d values of the views: no difference\n$/,
  )
  expect(clean.code).toBe(0)

  const days = { pk: keys.block(TenantId.parse("proved"), 2, "days"), sk: "2026-01" }
  const item = (await table.get(days))!
  const value = JSON.stringify(unpack(item.body as Uint8Array))
  await table.put({ ...item, body: pack(JSON.parse(value.replace('"25"', '"26"'))) })
  const broken = await world.octant(["reconcile", "--tenant", "proved"])
  expect(broken.code).toBe(1)
  expect(broken.out).toContain("of the views: 1 difference\n\nT#proved#views#2#days|2026-01\n")
  expect(broken.out).toMatch(/gross_revenue.*: stored "26", recounted "25"\n/)
  expect(broken.err).toBe(
    "the views of proved differ from its journal: octant replay --tenant proved builds them anew\n",
  )
  const told = await world.octant(["reconcile", "--tenant", "proved", "--json"])
  expect(told.code).toBe(1)
  expect(JSON.parse(told.out)).toMatchObject({ differences: [{ what: "T#proved#views#2#days|2026-01" }] })

  // They may show a customer's values.
  expect(await world.ask("audit", "list", "--tenant", "proved", "--limit", "1")).toMatchObject({
    rows: [{ action: "views.reconcile", subject: "1 difference", actor: "operator" }],
  })

  await world.ask("replay", "--tenant", "proved")
  expect((await world.octant(["reconcile", "--tenant", "proved"])).code).toBe(0)
})

test("what no view holds yet is folded first, so that all of the journal is compared", async () => {
  await tenantWith("young", order("1"))
  const { code, out, err } = await world.octant(["reconcile", "--tenant", "young"])
  expect([code, err]).toEqual([0, ""])
  expect(out).toMatch(/^recounted 1 event up to position 1 in /)
})

test("a replay sees all history by the days of another zone", async () => {
  await tenantWith("moved", order("1"))
  const day = async () => {
    const { series } = (await world.ask(
      "query",
      "orders",
      "--tenant",
      "moved",
      "--from",
      "2026-01-31",
      "--to",
      "2026-02-01",
    )) as { series: { value: number }[] }
    return series.map(({ value }) => value)
  }
  expect(await day()).toEqual([1, 0])
  const { out } = await world.octant(["replay", "--tenant", "moved", "--time-zone", "Europe/Athens"])
  expect(out).toMatch(/^the views of moved are built anew \(generation 2\), up to position 1, in \d+\.\d s\n$/)
  expect(await day()).toEqual([0, 1])
})

test("the tail of the journal is a line for each event, the last ones last", async () => {
  await tenantWith("tailed", order("1"), order("2", { event: "Evil" }))
  await send("tailed", {
    type: "page",
    name: "Home",
    messageId: "3",
    anonymousId: "a1",
    timestamp: "2026-01-31T23:31:00Z",
  })
  await send("tailed", order("4", { properties: { order_id: "4" } }))
  const { out } = await world.octant(["tail", "--tenant", "tailed", "--lines", "3"])
  expect(out.split("\n")).toEqual([
    '2026-01-31T23:30:00.000Z  Evil  u1  (default)  {"order_id":"2","revenue":"12.50"}',
    "2026-01-31T23:31:00.000Z  page Home  a1  (default)  {}",
    '2026-01-31T23:30:00.000Z  Order Completed  u1  (default)  [quarantined: properties.revenue one of revenue, total or products is needed] {"order_id":"4"}',
    "",
  ])
  const { rows } = (await world.ask("audit", "list", "--tenant", "tailed", "--limit", "1")) as { rows: object[] }
  expect(rows).toMatchObject([{ actor: "operator", action: "journal.tail", details: { events: 3, follow: false } }])
  expect(await world.ask("tail", "--tenant", "tailed", "-n", "1")).toMatchObject({
    position: 3,
    events: [{ id: "4", position: 3 }],
  })
})

test("a tail that follows prints what is written from then on", async () => {
  await tenantWith("followed", order("1"))
  const end = new AbortController()
  const lines: string[] = []
  let polls = 0
  await world.octant(["tail", "--tenant", "followed", "--follow", "--lines", "0", "--json"], {
    out: (text) => void lines.push(text),
    stop: end.signal,
    sleep: async () => {
      if (polls++ === 0) await send("followed", order("2"), order("3"))
      else end.abort()
    },
  })
  expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(["2", "3"])
})

test("what lies in quarantine is listed, mended and counted", async () => {
  await tenantWith(
    "mending",
    order("1", { properties: { order_id: "1" } }),
    order("2", { properties: { order_id: "2", revenue: "-5" } }),
    order("3"),
  )
  const list = (...args: string[]) =>
    world.ask("quarantine", "list", "--tenant", "mending", ...args) as Promise<{
      items: { id: string }[]
      next?: string
    }>
  expect(new Set((await list()).items.map(({ id }) => id))).toEqual(new Set(["1", "2"]))
  expect(await list("--event", "Signed Up")).toEqual({ items: [] })
  expect((await list("--limit", "1")).next).toBeDefined()
  const found = async (...args: string[]) => (await list(...args)).items.map(({ id }) => id)
  expect(await found("--field", "properties.revenue")).toEqual(["2"])
  expect(await found("--field", "properties.order_id", "--value", "1")).toEqual(["1"])
  expect(await found("--text", "REVENUE, TOTAL OR")).toEqual(["1"])
  expect(await found("--source", "default", "--to", "2026-01-31T00:00:00Z")).toEqual([])
  expect((await list("--value", "1").catch((error: Error) => error.message)) as unknown).toContain("field: is needed")
  const renamed = ["--text", "order_id", "--code", "nothing", "--rename", '{"order_id":"number"}']
  expect((await world.octant(["quarantine", "release", "--tenant", "mending", ...renamed])).out).toBe(
    "0 events released, 0 kept\n",
  )
  const { out } = await world.octant(["quarantine", "list", "--tenant", "mending"])
  expect(out).toMatch(/^1 .*Order Completed +properties\.revenue one of revenue, total or products is needed$/m)

  const release = (...args: string[]) => world.octant(["quarantine", "release", "--tenant", "mending", ...args])
  const refused = await release("1")
  expect(refused).toMatchObject({ code: 1, out: expect.stringMatching(/^0 events released, 1 kept\n {2}1 stays: /) })
  const dry = (await release("--all", "--set", '{"revenue":"4.00"}', "--dry-run")).out
  expect(dry).toMatch(/^2 events would be released, 0 kept\n/)
  expect(dry.split("\n").slice(1, -1).sort()).toEqual([
    '  + 1 revenue: "4.00"',
    '  + 2 revenue: "4.00"',
    '  - 2 revenue: "-5"',
  ])
  expect((await release("nobody")).err).toBe("nothing with the id nobody lies in quarantine\n")
  expect((await release("1", "--all")).code).toBe(2)
  expect(await release("--all", "--set", '{"revenue":"4.00"}')).toEqual({
    code: 0,
    out: "2 events released, 0 kept\n",
    err: "",
  })
  await world.stack.idle()
  expect((await world.octant(["quarantine", "list", "--tenant", "mending"])).out).toBe("nothing lies in quarantine\n")
  const answer = await world.ask(
    "query",
    "gross_revenue",
    "--tenant",
    "mending",
    "--from",
    "2026-01-31",
    "--to",
    "2026-01-31",
    "--grain",
    "total",
  )
  expect(answer).toMatchObject({ total: "20.50" })
})

test("the ledger balances, by source and hour", async () => {
  await tenantWith("booked", order("1"), order("2"), order("3", { properties: {} }))
  await send("booked", order("1"))
  const { code, out } = await world.octant(["ledger", "--tenant", "booked"])
  expect(code).toBe(0)
  expect(out).toMatch(/default +4 +2 +1 +0 +1 {2}balanced\n/)
  expect(await world.ask("ledger", "--tenant", "booked", "--from", "2020-01-01", "--to", "2020-01-02")).toMatchObject({
    rows: [],
    total: { received: 0 },
  })
})

test("a customer is shown with as much of its timeline as is asked for", async () => {
  await tenantWith(
    "known",
    order("1", { userId: "a/b" }),
    order("2", { userId: "a/b", timestamp: "2026-01-31T23:40:00Z" }),
  )
  const { out } = await world.octant(["customer", "a/b", "--tenant", "known", "--timeline", "--limit", "1"])
  expect(out).toMatch(/^netRevenue +25\.00$/m)
  expect(out).toMatch(/\n2026-01-31T23:40:00\.000Z {2}Order Completed {2}a\/b.*\n… there are more: --limit\n$/)
  expect(await world.ask("customer", "a/b", "--tenant", "known", "--timeline")).toMatchObject({
    customer: { orders: 2, revenue: "25.00" },
    timeline: { events: [{ id: "2" }, { id: "1" }] },
  })
  expect(await world.octant(["customer", "nobody", "--tenant", "known"])).toEqual({
    code: 1,
    out: "",
    err: "there is no such customer\n",
  })
})
