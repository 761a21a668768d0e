import { afterAll, beforeAll, expect, test } from "vitest"
import { instant, MINUTE, SECOND } from "#core/clock.ts"
import { pack, unpack } from "#core/pack.ts"
import { foldTenant } from "#pipeline/folding.ts"
import { checkWorker } from "#platform/check-worker.ts"
import { keys, type TenantId } from "#store/keys.ts"
import { over, startWorld, type World } from "./world.ts"

let world: World
/** By how much the world's clock is ahead of this machine's. */
let laterMs = 0
beforeAll(async () => {
  world = await startWorld({ clock: () => Date.now() + laterMs })
})
afterAll(() => world.stop())

const admin = (path: string, body?: unknown, method = "POST") =>
  world.request(path, { method, key: world.acme.adminKey, ...(body === undefined ? {} : { body }) })
const read = (path: string) => world.request(path, { key: world.acme.readKey })
const booked = (id: string, properties: object, event = "Seat Booked") => ({
  type: "track",
  messageId: id,
  event,
  userId: "u1",
  timestamp: instant(Date.now()),
  properties,
})

type Quality = {
  score: number
  sources: {
    source: string
    score: number
    parts: { name: string; value: number | null; weight: number; gate: string; query: string }[]
  }[]
  failing: { source: string; part: string }[]
  alerts: { id: string; part: string; status: string; cause: string; advice: string; since: string }[]
  trends: { at: string; source: string; parts: Record<string, number | null> }[]
  ledger: { received: number; balanced: boolean }
}

test("a plan is drafted from what was seen, put in force, and applied at the door", { timeout: 30_000 }, async () => {
  await world.send({ batch: Array.from({ length: 40 }, (_, i) => booked(`seat-${i}`, { seat: `${i}A` })) })
  await world.stack.idle()
  const draft = (await admin("/v1/plan/draft", {})).json as { plan: { events: { name: string; mode: string }[] } }
  expect(draft.plan.events).toEqual([
    { name: "Seat Booked", mode: "observe", properties: { seat: { type: "string", required: true } } },
  ])
  expect((await read("/v1/plan")).json.revision).toBe(0)

  const plan = { unknown: "reject", events: [{ ...draft.plan.events[0], mode: "quarantine" }] }
  expect((await admin("/v1/plan", { plan, revision: 0 }, "PUT")).json.revision).toBe(1)
  expect((await admin("/v1/plan", { plan, revision: 0 }, "PUT")).status).toBe(409)

  // The door has read that there is no plan; it takes this one up within five seconds.
  laterMs += 5 * SECOND
  const batch = [booked("bad-1", {}), booked("bad-2", {}, "Seat Sold"), booked("good-1", { seat: "1B" })]
  const answer = await world.send({ batch })
  expect(answer.json).toMatchObject({
    accepted: 2,
    quarantined: 1,
    rejected: [{ index: 1, code: "plan_unknown_event" }],
  })
  await world.stack.idle()
  expect((await read("/v1/quarantine?code=plan_missing_field")).json.items).toMatchObject([{ id: "bad-1" }])
  const { differences } = (await read("/v1/plan/differences")).json as {
    differences: { code: string; event: string }[]
  }
  expect(differences).toMatchObject([{ code: "plan_missing_field", event: "Seat Booked", count: 1, of: 42 }])
})

test("a gate that fails opens an alert at the second check, and closes it when it is well again", {
  timeout: 30_000,
}, async () => {
  await world.send({
    batch: Array.from({ length: 60 }, (_, i) =>
      booked(`wrong-${i}`, { revenue: "-1", order_id: "o" }, "Order Completed"),
    ),
  })
  await world.stack.idle()
  let now = Date.now() + MINUTE
  const runtime = over(world.stack.runtime, world.stack.runtime.table, () => now)
  const check = checkWorker(runtime)
  await check()
  expect(((await read("/v1/quality")).json as Quality).alerts).toEqual([])
  now += 5 * MINUTE
  await check()
  const quality = (await read("/v1/quality")).json as Quality
  expect(quality.alerts).toMatchObject([{ source: "default", part: "accuracy", status: "open", severity: "high" }])
  expect(quality.alerts[0]!.cause).toContain("Order Completed")
  expect(quality.failing.map(({ part }) => part)).toContain("accuracy")
  const web = quality.sources.find(({ source }) => source === "default")!
  expect(web.score).toBeLessThan(100)
  expect(web.parts.map(({ name }) => name)).toEqual(
    "fields volume counted accuracy lag clock silence uniqueness drift".split(" "),
  )
  expect(quality.sources.find(({ source }) => source === "*")!.parts[0]).toMatchObject({ name: "identities", value: 0 })
  expect(quality.ledger).toMatchObject({ balanced: true, quarantined: 61, rejected: 1 })
  const trends = async (grain: string) =>
    ((await read(`/v1/quality?grain=${grain}`)).json as Quality).trends.filter(({ source }) => source === "default")
  const hours = await trends("hour")
  const days = [...new Set(hours.map(({ at }) => at.slice(0, 10)))]
  // As many as the checks were apart: they may lie on both sides of an hour, and of a day.
  const failed = days.map((day) => hours.filter(({ at }) => at.startsWith(day)).length)
  expect((await trends("day")).map((day) => [day.at, (day as { failing?: object }).failing])).toEqual(
    days.map((day, i) => [day, { accuracy: failed[i] }]),
  )
  expect(quality.trends.findLast(({ source }) => source === "*")).toMatchObject({ overall: quality.score })

  for (let request = 0; request < 12; request++) {
    const batch = Array.from({ length: 1000 }, (_, i) => booked(`fine-${request}-${i}`, { seat: "1C" }))
    expect((await world.send({ batch })).status).toBe(200)
  }
  await world.stack.idle()
  const statuses: unknown[] = []
  for (let i = 0; i < 2; i++) {
    now += 5 * MINUTE
    await check()
    statuses.push(((await read("/v1/quality")).json as Quality).alerts[0]!.status)
  }
  expect(statuses).toEqual(["open", "closed"])
})

test("one tenant's plan and quality are nobody else's", async () => {
  const globex = (path: string) => world.request(path, { key: world.globex.readKey })
  expect((await globex("/v1/plan")).json.plan).toEqual({ events: [], unknown: "observe" })
  expect((await globex("/v1/quality")).json).toMatchObject({ score: null, alerts: [], failing: [] })
  expect((await globex("/v1/quality?source=default")).status).toBe(404)
  expect((await globex("/v1/quality?from=2026-02-01&to=2026-01-01")).status).toBe(400)
  expect((await globex("/v1/quality?grain=week")).json).toMatchObject({ code: "invalid_request", field: "grain" })
  expect((await world.request("/v1/plan/draft", { method: "POST", key: world.globex.readKey })).status).toBe(403)
})

test("money by days, by customers and by products is held together, and a row that lies is found", {
  timeout: 30_000,
}, async () => {
  const { table, clock } = world.stack.runtime
  const initech = await world.tenant("initech")
  const order = (n: number, who: object, products: object[]) => ({
    ...{ type: "track", event: "Order Completed", messageId: `o${n}`, timestamp: instant(Date.now()) },
    ...{ ...who, properties: { order_id: `o${n}`, revenue: "12.50", products } },
  })
  const line = [{ product_id: "mug", price: "10.00", quantity: 1 }]
  await world.send(
    {
      batch: [
        order(1, { anonymousId: "a1" }, line),
        order(2, { userId: "u1" }, line),
        order(3, { userId: "u2" }, []),
        { type: "identify", messageId: "i1", userId: "u1", anonymousId: "a1", timestamp: instant(Date.now()) },
      ],
    },
    { key: initech.writeKey },
  )
  await world.stack.idle()
  const folded = await foldTenant(world.stack.runtime, "initech" as TenantId)
  expect(folded).toBe("folded")
  await world.send({ batch: [order(4, { userId: "u3" }, line)] }, { key: initech.writeKey })
  await world.stack.idle()
  type Identity = { name: string; left: string; right: string; holds: boolean }
  const check = async (now: number) => {
    await checkWorker(over(world.stack.runtime, table, () => now))()
    const { sources } = (await world.request("/v1/quality", { key: initech.readKey })).json as {
      sources: { source: string; parts: { value: number; evidence: { identities: Identity[] } }[] }[]
    }
    const { value, evidence } = sources.find(({ source }) => source === "*")!.parts[0]!
    return { value, found: Object.fromEntries(evidence.identities.map((one) => [one.name, one])) }
  }
  const well = await check(clock())
  expect(well.value).toBe(0)
  expect(well.found["gross revenue: all 3 customers = the days, since the beginning"]).toMatchObject({
    left: "50",
    right: "50",
    holds: true,
  })
  expect(well.found["gross revenue up to today: each product and what has none = the whole"]).toMatchObject({
    left: "50",
  })
  expect(well.found["orders: all 3 customers = the days, since the beginning"]).toMatchObject({ left: "4", right: "4" })

  const key = keys.customerPage("initech" as TenantId, 1, 0, "u2")
  const item = (await table.get(key))!
  const rows = unpack<string>(item.body as Uint8Array).split("\n")
  const tampered = rows.map((line) => {
    const [id, row] = line.split("\t") as [string, string]
    return id === "u2" ? `u2\t${JSON.stringify({ ...JSON.parse(row), revenue: "12.51" })}` : line
  })
  await table.put({ ...item, body: pack(tampered.join("\n")) })
  // Customers are added up once a day.
  expect((await check(clock() + MINUTE)).value).toBe(0)
  const bad = await check(clock() + 25 * 60 * MINUTE)
  expect(bad.value).toBe(1)
  expect(bad.found["gross revenue: all 3 customers = the days, since the beginning"]).toMatchObject({
    left: "50.01",
    right: "50",
    holds: false,
  })
})
