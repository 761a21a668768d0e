import { existsSync, readdirSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { afterAll, afterEach, beforeAll, expect, test } from "vitest"
import { startWorld, type World } from "../world.ts"

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const mapping = [
  {
    event: "Order Completed",
    where: [{ column: "kind", op: "eq", value: "sale" }],
    timestamp: "at",
    timeZone: "Europe/Athens",
    userId: "customer",
    properties: { order_id: { const: "o" }, revenue: "amount", country: "country" },
  },
]
const sales = [
  "kind,at,customer,amount,country",
  "sale,2026-01-31 23:30:00,u1,10.10,GR",
  "sale,2026-01-31 23:30:00,u1,10.10,GR",
  "sale,2026-02-01 00:30:00,u2,0.03,GR",
  "gift,2026-02-01 00:30:00,u2,99.00,GR",
  "sale,2026-02-01 01:30:00,,5.00,DE",
  "sale,2026-02-01 12:00:00,u3,7.00,DE",
  "",
].join("\n")

const totals = async (tenant: string) => {
  const range = ["--tenant", tenant, "--from", "2026-01-31", "--to", "2026-02-01"]
  await world.stack.idle()
  const revenue = (await world.ask("query", "gross_revenue", ...range)) as {
    series: { value: string }[]
    total: string
  }
  const orders = (await world.ask("query", "orders", ...range)) as { total: number }
  return { days: revenue.series.map(({ value }) => value), revenue: revenue.total, orders: orders.total }
}

/** A door before the API: `answer` may answer in its place. */
async function startDoor(answer: (nth: number, response: ServerResponse) => boolean) {
  let nth = 0
  const forward = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (answer(nth++, response)) return
    const { authorization = "" } = request.headers
    const headers = { authorization, "content-type": "application/json", "content-encoding": "gzip" }
    const real = await fetch(world.stack.url + request.url, { method: "POST", headers, body: Buffer.concat(chunks) })
    response.writeHead(real.status, { "content-type": "application/json" }).end(await real.text())
  }
  const server = createServer((request, response) => void forward(request, response))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests: () => nth }
}
const unavailable = (response: ServerResponse, headers: Record<string, string> = {}) => {
  response.writeHead(503, headers).end("{}")
  return true
}
const memories = () => (existsSync(join(world.data, "imports")) ? readdirSync(join(world.data, "imports")) : [])

test("a file imported twice counts once, and equal lines within it all count", async () => {
  await world.tenant("twice", { timeZone: "Europe/Athens", currency: "EUR" })
  const file = world.file("sales.csv", sales)
  const args = ["import", file, "--tenant", "twice", "--mapping", world.file("mapping.json", JSON.stringify(mapping))]
  const first = await world.octant([...args, "--json"])
  expect(JSON.parse(first.out)).toMatchObject({
    lines: 6,
    skipped: 1,
    refusedLines: 1,
    events: 4,
    requests: 1,
    accepted: 4,
    quarantined: 0,
    refusedEvents: 0,
    reasons: [{ line: 6, reason: "nobody is named: userId has no value, and neither has anonymousId" }],
  })
  expect(first.code).toBe(1)
  expect(first.err).toContain("refused: 1 line of the file and 0 events by the API")
  const expected = { days: ["20.20", "7.03"], revenue: "27.23", orders: 4 }
  expect(await totals("twice")).toEqual(expected)

  const zipped = world.file("again.csv.gz", gzipSync(sales))
  const again = await world.octant([...args.with(1, zipped), "--restart"])
  expect(again.out).toContain("6 lines read: 1 skipped (no rule took them), 1 refused\n4 events sent in 1 request, ")
  expect(again.out).toContain("4 accepted, of these 0 in quarantine; 0 refused\n  line 6: nobody is named")
  expect(await totals("twice")).toEqual(expected)
  expect(await world.ask("ledger", "--tenant", "twice")).toMatchObject({
    total: { received: 8, counted: 4, duplicate: 4, balanced: true },
  })
  expect(memories()).toEqual([])
})

test("mended, the refused line counts, and nothing else again", async () => {
  await world.tenant("mended", { timeZone: "Europe/Athens", currency: "EUR" })
  const rules = world.file("mapping.json", JSON.stringify(mapping))
  await world.octant(["import", world.file("sales.csv", sales), "--tenant", "mended", "--mapping", rules])
  const fixed = await world.octant([
    "import",
    world.file("sales.csv", sales.replace(",,", ",u4,")),
    "--tenant",
    "mended",
    "--mapping",
    rules,
  ])
  expect(fixed.code).toBe(0)
  expect(await totals("mended")).toEqual({ days: ["20.20", "12.03"], revenue: "32.23", orders: 5 })
})

const many = [
  "kind,at,customer,amount,country",
  ...Array.from({ length: 1900 }, (_, i) => `sale,2026-02-01 12:00:00,u${i % 7},0.01,GR`),
].join("\n")

test.each([1, 4])("an import that is interrupted goes on where it was, %i requests in flight", async (inFlight) => {
  const tenant = `resumed-${inFlight}`
  const { writeKey } = await world.tenant(tenant, { timeZone: "Europe/Athens", currency: "EUR" })
  const args = [
    "import",
    world.file("many.csv", many),
    "--mapping",
    world.file("mapping.json", JSON.stringify(mapping)),
    "--in-flight",
    String(inFlight),
  ]
  const door = await startDoor((nth, response) => nth >= 2 && unavailable(response))
  const env = { OCTANT_KEY: writeKey }
  const broken = await world.octant([...args, "--url", door.url], { env })
  expect(broken.code).toBe(1)
  const done = Number(/^stopped after (\d) of 4 requests; the same command goes on from there\n/.exec(broken.err)?.[1])
  expect(done).toBe(inFlight === 1 ? 2 : done)
  expect(done).toBeLessThanOrEqual(2)
  expect(memories()).toHaveLength(1)

  const open = await startDoor(() => false)
  const rest = await world.octant([...args, "--url", open.url, "--json"], { env })
  expect(JSON.parse(rest.out)).toMatchObject({ resumedAfter: done, requests: 4, events: 1900, accepted: 1900 })
  expect(open.requests()).toBe(4 - done)
  expect(await totals(tenant)).toEqual({ days: ["0.00", "19.00"], revenue: "19.00", orders: 1900 })
  expect(memories()).toEqual([])
})

test("--restart begins again, and so does another key, which may be another tenant's", async () => {
  const one = await world.tenant("one", { timeZone: "Europe/Athens", currency: "EUR" })
  const args = [
    "import",
    world.file("many.csv", many),
    "--mapping",
    world.file("mapping.json", JSON.stringify(mapping)),
    "--json",
  ]
  const half = async (key: string) => {
    const door = await startDoor((nth, response) => nth >= 2 && unavailable(response))
    await world.octant([...args, "--url", door.url, "--in-flight", "1"], { env: { OCTANT_KEY: key } })
  }
  await half(one.writeKey)
  await world.tenant("other", { timeZone: "Europe/Athens", currency: "EUR" })
  expect(await world.ask(...args, "--tenant", "other")).toMatchObject({ resumedAfter: 0, accepted: 1900 })
  expect(await world.ask(...args, "--tenant", "one", "--restart")).toMatchObject({ resumedAfter: 0, accepted: 1900 })
  expect((await totals("one")).orders).toBe(1900)
  expect((await totals("other")).orders).toBe(1900)
})

test("a door that is busy is tried again when it asks for it, and with growing pauses when it does not", async () => {
  const { writeKey } = await world.tenant("busy", { timeZone: "Europe/Athens", currency: "EUR" })
  const door = await startDoor((nth, response) => {
    if (nth === 0) return unavailable(response, { "retry-after": "7" })
    if (nth === 1) return response.writeHead(429).end("{}") && true
    if (nth === 2) return response.destroy() && true
    return false
  })
  world.waits.length = 0
  const args = [
    "import",
    world.file("sales.csv", sales),
    "--mapping",
    world.file("mapping.json", JSON.stringify(mapping)),
    "--url",
    door.url,
  ]
  await world.octant(args, { env: { OCTANT_KEY: writeKey } })
  expect(world.waits).toEqual([7000, 2000, 4000])
  expect(await totals("busy")).toMatchObject({ orders: 4 })
})

test("what the API refuses or lays in quarantine is told by its line", async () => {
  await world.tenant("picky")
  const call = (fields: object) =>
    JSON.stringify({
      type: "track",
      event: "Order Completed",
      userId: "u",
      timestamp: "2026-01-31T12:00:00Z",
      ...fields,
    })
  const lines = [
    call({ properties: { order_id: "1", revenue: "1" } }),
    call({ properties: { order_id: "2", revenue: "-1" } }),
    call({ userId: "x".repeat(300) }),
    call({ properties: { text: "x".repeat(300_000) } }),
  ]
  const { code, out } = await world.octant([
    "import",
    world.file("calls.ndjson", lines.join("\n")),
    "--tenant",
    "picky",
    "--json",
  ])
  expect(code).toBe(1)
  expect(JSON.parse(out)).toMatchObject({
    events: 3,
    accepted: 2,
    quarantined: 1,
    refusedLines: 1,
    refusedEvents: 1,
    reasons: [
      { line: 4, reason: expect.stringMatching(/^an event may take 262144 bytes; this takes 300/) },
      { line: 3, reason: expect.stringMatching(/^userId /) },
    ],
  })
  const only = await world.octant(["import", world.file("bad.ndjson", lines[2]!), "--tenant", "picky", "--json"])
  expect(JSON.parse(only.out)).toMatchObject({ events: 1, accepted: 0, refusedEvents: 1, reasons: [{ line: 1 }] })
})

test("requests stay below 500 events and 900 kB", async () => {
  await world.tenant("large")
  const call = (i: number) =>
    JSON.stringify({
      type: "page",
      messageId: `m${i}`,
      userId: "u",
      timestamp: "2026-01-31T12:00:00Z",
      properties: { text: "x".repeat(100_000) },
    })
  const file = world.file("pages.ndjson", Array.from({ length: 20 }, (_, i) => call(i)).join("\n"))
  expect(await world.ask("import", file, "--tenant", "large")).toMatchObject({ events: 20, requests: 3, accepted: 20 })
})

test("a dry run shows the first events and sends nothing", async () => {
  await world.tenant("dry")
  const args = [
    "import",
    world.file("sales.csv", sales),
    "--mapping",
    world.file("mapping.json", JSON.stringify(mapping)),
    "--tenant",
    "dry",
    "--dry-run",
  ]
  const { out } = await world.octant(args)
  expect(out).toContain('"timestamp": "2026-01-31T21:30:00.000Z"')
  expect(out).toContain(
    "6 lines read: 1 skipped (no rule took them), 1 refused\n4 events would be sent in 1 request\n  line 6: nobody",
  )
  await world.stack.idle()
  expect(await world.ask("tail", "--tenant", "dry")).toEqual({ position: 0, events: [] })
})

test("nothing is sent of a file that cannot be read to its end, or has not the columns that the mapping names", async () => {
  await world.tenant("strict")
  const import_ = (content: string | Uint8Array, rules: unknown = mapping) =>
    world.octant([
      "import",
      world.file("odd.csv", content),
      "--mapping",
      world.file("odd.json", JSON.stringify(rules)),
      "--tenant",
      "strict",
    ])
  const cut = await import_(gzipSync(many).subarray(0, 60))
  expect(cut).toMatchObject({ code: 1, err: expect.stringContaining("is gzip that is cut off or damaged") })
  const misnamed = await import_(sales, [{ ...mapping[0], userId: "Customer" }])
  expect(misnamed).toMatchObject({
    code: 2,
    err: 'the mapping names the column "Customer", which no line has; there are kind, at, customer, amount, country\n',
  })
  expect(await import_("a,b\n")).toMatchObject({ code: 1, err: expect.stringContaining("has no lines of data") })
  expect(await import_(sales, [{ event: "x" }])).toMatchObject({
    code: 2,
    err: expect.stringContaining("rules[0].timestamp"),
  })
  const missing = await world.octant(["import", "nowhere.ndjson", "--tenant", "strict"])
  expect(missing).toMatchObject({ code: 1, err: "there is no file nowhere.ndjson\n" })
  expect(await world.ask("tail", "--tenant", "strict")).toEqual({ position: 0, events: [] })
})
