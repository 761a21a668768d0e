import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { limiterOf, type Windows, windowsInProcess, windowsWithin } from "#access/limit.ts"
import { createSource } from "#access/source.ts"
import { fakeClock } from "#core/clock.ts"
import type { DevTenant } from "#local/home.ts"
import type { TenantId } from "#store/keys.ts"
import { doors, over, startWorld, type World, watched } from "./world.ts"

let world: World
let [free, basic]: DevTenant[] = []
beforeAll(async () => {
  world = await startWorld()
  free = await world.tenant("free", { plan: "free" })
  basic = await world.tenant("basic", { plan: "basic" })
}, 60_000)
afterAll(() => world.stop())

const by = (key: string) => ({ headers: { authorization: `Bearer ${key}` } })
const track = (key: string, times: number) => ({
  method: "POST",
  headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
  body: JSON.stringify({
    batch: Array.from({ length: times }, (_, i) => ({ type: "track", userId: `u${i}`, event: "Page Viewed" })),
  }),
})

test("an answer says what is left of the minute; the request after the last is refused, and told when to come back", async () => {
  const clock = fakeClock("2026-01-31T12:00:15.000Z")
  const { knock } = doors({ ...world.stack.runtime, limiter: limiterOf({ windows: windowsInProcess(clock), clock }) })
  const path = "/v1/metrics"
  const first = await knock("api", path, by(free!.readKey))
  expect(first.status).toBe(200)
  expect(Object.fromEntries(first.headers)).toMatchObject({ "ratelimit-limit": "300", "ratelimit-remaining": "299" })
  expect(Number(first.headers.get("ratelimit-reset"))).toBeGreaterThan(0)
  let last = first
  for (let i = 0; i < 700 && last.status === 200; i++) last = await knock("api", path, by(free!.readKey))
  expect(last.status).toBe(429)
  const seconds = Number(last.headers.get("retry-after"))
  // The rest of the minute, and until enough of it has faded.
  expect(seconds).toBe(45 + 1)
  expect(last.headers.get("ratelimit-remaining")).toBe("0")
  expect(last.json).toMatchObject({ code: "rate_limited", status: 429, retryAfter: seconds })
  expect(last.json.detail).toBe(`the plan free includes 300 requests a minute by key; try again in ${seconds} s`)
  expect((await knock("api", path, by(free!.adminKey))).status).toBe(429)
  expect((await knock("api", path, by(basic!.readKey))).status).toBe(200)
  expect((await knock("api", path, by(world.acme.readKey))).status).toBe(200)
})

test("a day's events end with the plan's figure; what was refused was not taken in, and queries go on", async () => {
  const { knock } = doors(world.stack.runtime)
  const tenant = await world.tenant("daily", { plan: "free" })
  for (let i = 0; i < 10; i++)
    expect((await knock("collect", "/v1/batch", track(tenant.writeKey, 1000))).status).toBe(200)
  const refused = await knock("collect", "/v1/batch", track(tenant.writeKey, 1))
  expect(refused.status).toBe(429)
  expect(refused.json).toMatchObject({ code: "quota_exceeded" })
  expect(refused.json.detail).toContain("the plan free includes 10000 events a day (UTC)")
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0)
  expect((await world.ask({}, tenant)).status).toBe(200)
  expect(await world.counts(tenant)).toMatchObject({ received: 10_000 })
}, 60_000)

test("what was refused, record by record or whole, is not taken from the day's events", async () => {
  const { knock } = doors(world.stack.runtime)
  const tenant = await world.tenant("erring", { plan: "free" })
  const send = (batch: object[]) =>
    knock("collect", "/v1/batch", { ...track(tenant.writeKey, 0), body: JSON.stringify({ batch }) })
  const good = (times: number) => Array.from({ length: times }, () => ({ type: "track", userId: "u", event: "Tested" }))
  const bad = (times: number) => Array.from({ length: times }, () => ({ type: "track", userId: "u" }))
  for (let i = 0; i < 9; i++) expect((await send(good(1000))).status).toBe(200)
  for (let i = 0; i < 3; i++) expect((await send(bad(900))).status).toBe(400)
  expect((await send(good(1000))).status).toBe(200)
  expect((await send(good(1))).json).toMatchObject({ code: "quota_exceeded" })
  const other = await world.tenant("mixed", { plan: "free" })
  const mixed = { ...track(other.writeKey, 0), body: JSON.stringify({ batch: [...good(500), ...bad(500)] }) }
  for (let i = 0; i < 19; i++) expect((await knock("collect", "/v1/batch", mixed)).status).toBe(200)
  const rest = await knock("collect", "/v1/batch", track(other.writeKey, 501))
  expect(rest.json).toMatchObject({ code: "quota_exceeded" })
  expect((await knock("collect", "/v1/batch", track(other.writeKey, 500))).status).toBe(200)
}, 60_000)

test("requests that nobody can read are counted too, and stand in the log under their tenant", async () => {
  const { knock } = doors(world.stack.runtime)
  const tenant = await world.tenant("garbled", { plan: "free" })
  const garbled = { ...track(tenant.writeKey, 0), body: "{nope" }
  const first = await knock("collect", "/v1/batch", garbled)
  expect(first.status).toBe(400)
  expect(first.json).toMatchObject({ code: "invalid_json" })
  expect(first.headers.get("ratelimit-remaining")).toBe("299")
  expect(world.lines.filter((line) => line.tenant === "garbled" && line.status === 400)).toHaveLength(1)
  let last = first
  for (let i = 0; i < 300 && last.status === 400; i++) last = await knock("collect", "/v1/batch", garbled)
  expect(last.json).toMatchObject({ status: 429, code: "rate_limited" })
  const list = { ...track(tenant.writeKey, 0), body: "[]" }
  expect((await knock("collect", "/v1/batch", list)).status).toBe(429)
})

test.each([
  ["api", "/v1/keys", "readKey"],
  ["collect", "/v1/batch", "readKey"],
] as const)(
  "at %s a key that may not do this has asked all the same: it is counted, and in the log",
  async (door, path, key) => {
    const { knock } = doors(world.stack.runtime)
    const tenant = await world.tenant(`beside-${door}`, { plan: "free" })
    const asked = { ...track(tenant[key], 1), ...(door === "api" ? { method: "GET", body: null } : {}) }
    const first = await knock(door, path, asked)
    expect(first.json).toMatchObject({ status: 403, code: "forbidden" })
    expect(first.headers.get("ratelimit-remaining")).toBe("299")
    expect(world.lines.filter((line) => line.tenant === tenant.id && line.status === 403)).toHaveLength(1)
    let last = first
    for (let i = 0; i < 300 && last.status === 403; i++) last = await knock(door, path, asked)
    expect(last.json).toMatchObject({ status: 429, code: "rate_limited" })
  },
)

test("one customer's browser cannot use up what the others have", async () => {
  const { knock } = doors(world.stack.runtime)
  const tenant = await world.tenant("browsers", { plan: "free" })
  const page = (anonymousId: string) => ({
    ...track(tenant.writeKey, 1),
    body: JSON.stringify({ anonymousId, name: "Home" }),
  })
  let refused = await knock("collect", "/v1/page", page("flooding"))
  for (let i = 0; i < 130 && refused.status === 200; i++) refused = await knock("collect", "/v1/page", page("flooding"))
  expect(refused.json).toMatchObject({ code: "rate_limited" })
  expect(refused.json.detail).toContain("120 requests a minute by user")
  expect((await knock("collect", "/v1/page", page("quiet"))).status).toBe(200)
})

test("when keys cannot be read nobody is let in: 503 with the time to try again, in the log with its cause", async () => {
  let away = false
  const { runtime } = world.stack
  const table = watched(runtime.table, () => {
    if (away) throw new Error("the table is away")
  })
  const { knock } = doors(over(runtime, table))
  away = true
  for (const [door, path, request] of [
    ["api", "/v1/metrics", by(world.acme.readKey)],
    ["collect", "/v1/batch", track(world.acme.writeKey, 1)],
  ] as const) {
    const answer = await knock(door, path, request)
    expect(answer.status).toBe(503)
    expect(answer.json).toMatchObject({ code: "unavailable", retryAfter: 1 })
    expect(answer.text).not.toContain("the table is away")
  }
  expect(
    world.lines.filter(({ name, stack }) => name === "error" && String(stack).includes("limits.test.ts")),
  ).toHaveLength(2)
  away = false
  expect((await knock("api", "/v1/metrics", by(world.acme.readKey))).status).toBe(200)
})

describe("at a source's door", () => {
  const knocks = async (id: string, caller: string, times: number, runtime = world.stack.runtime) => {
    const { knock } = doors({ ...runtime, addressHeader: "x-caller" })
    const init = { method: "POST", headers: { "x-caller": `${caller}:443`, "content-type": "application/json" } }
    const statuses: number[] = []
    for (let i = 0; i < times; i++) statuses.push((await knock("hooks", `/hooks/${id}`, init)).status)
    return { statuses, last: await knock("hooks", `/hooks/${id}`, init) }
  }
  const source = async (tenant: DevTenant) =>
    (
      await createSource(world.stack.runtime, tenant.id as TenantId, {
        vendor: "stripe",
        name: "Shop",
        secret: "whsec_1",
      })
    ).id
  const count = (statuses: readonly number[], status: number) => statuses.filter((one) => one === status).length

  test("a stranger who floods is refused before anything is read, and told when to come back; others are not", async () => {
    const tenant = await world.tenant("knocked", { plan: "free" })
    const id = await source(tenant)
    const { statuses, last } = await knocks(id, "203.0.113.7", 260)
    // The free plan lets one caller ask 240 times a minute; a minute may end in between.
    expect(count(statuses, 401)).toBeGreaterThanOrEqual(240)
    expect(count(statuses, 401) + count(statuses, 429)).toBe(260)
    expect(last.status).toBe(429)
    expect(last.json).toMatchObject({ code: "rate_limited", detail: expect.stringContaining("by ip") })
    expect(Number(last.headers.get("retry-after"))).toBeGreaterThan(0)
    expect((await knocks(id, "203.0.113.8", 0)).last.status).toBe(401)
    expect((await knocks(await source(tenant), "203.0.113.7", 0)).last.status).toBe(401)
  })

  test("many strangers together use up what the source may be asked, and nothing of the tenant's own", async () => {
    const tenant = await world.tenant("besieged", { plan: "free" })
    const id = await source(tenant)
    const all = await Promise.all(["a", "b", "c"].map((caller) => knocks(id, caller, 120)))
    expect(
      count(
        all.flatMap(({ statuses }) => statuses),
        429,
      ),
    ).toBeGreaterThan(0)
    const { last } = await knocks(id, "d", 0)
    expect(last.json.detail).toContain("the plan free includes 300 requests a minute by source")
    const { knock } = doors(world.stack.runtime)
    const first = await knock("collect", "/v1/batch", track(tenant.writeKey, 1))
    expect(first.status).toBe(200)
    // Of what one customer may ask for, which is the least of all.
    expect(first.headers.get("ratelimit-remaining")).toBe("119")
  })

  test("one round trip asks for all, and when Redis is away the door is open", async () => {
    const { runtime } = world.stack
    const id = await source(await world.tenant("alone", { plan: "free" }))
    const trips: number[] = []
    const away: Windows = async (windows) => {
      trips.push(windows.length)
      throw new Error("Redis is away")
    }
    const heard: boolean[] = []
    const windows = windowsWithin(away, windowsInProcess(runtime.clock), (now) => heard.push(now))
    const limiter = limiterOf({ windows, clock: runtime.clock })
    const { statuses } = await knocks(id, "203.0.113.7", 3, { ...runtime, limiter })
    expect(statuses).toEqual([401, 401, 401])
    expect(trips).toEqual([2, 2, 2, 2])
    expect(heard).toEqual([true])
  })
})
