import { Webhook as Oracle } from "standardwebhooks"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { DAY, instant, MINUTE } from "#core/clock.ts"
import { type Span, unitOf } from "#core/unit.ts"
import { publishUntold } from "#delivery/publish.ts"
import { ATTEMPTS } from "#delivery/schedule.ts"
import { retryTelling } from "#delivery/telling.ts"
import { changeWebhook, rotateWebhook } from "#delivery/webhook.ts"
import { treeOf } from "#local/traces.ts"
import { checkWorker } from "#platform/check-worker.ts"
import { deliverWorker } from "#platform/deliver.ts"
import { poster } from "#platform/post.ts"
import type { Runtime } from "#platform/runtime.ts"
import { keys, type TenantId } from "#store/keys.ts"
import { happened, toTell, untold } from "#store/outbox.ts"
import type { Item } from "#store/table.ts"
import { type Receiver, startReceiver } from "./receiver.ts"
import { over, startWorld, type World } from "./world.ts"

/** Whatever fails is tried again at once: nobody waits for hours here. */
let world: World
let receiver: Receiver
let a: World["acme"]
let tenant: TenantId
let made = 0
const spans: Span[] = []
beforeAll(async () => {
  world = await startWorld({ hiddenFor: () => 0, tell: (span) => void spans.push(span) })
  receiver = await startReceiver()
}, 60_000)
afterAll(async () => {
  receiver.stop()
  await world.stop()
})
/** A tenant of its own for each test, and an endpoint that takes everything. */
beforeEach(async () => {
  made++
  a = await world.tenant(`hooked-${made}`)
  tenant = a.id as TenantId
  receiver.state.answer = () => 204
  receiver.taken()
})

type Shown = { id: string; url: string; events: string[]; enabled: boolean; secret: string; disabled?: string }
type Delivery = {
  id: string
  event: string
  type: string
  state: string
  attempts: number
  tries: { status?: number; error?: string }[]
  error?: string
}
const ask = async (method: string, path: string, body?: unknown) => {
  const { status, json } = await world.request(`/v1/webhooks${path}`, { method, key: a.adminKey, body })
  expect([method, path, status]).toEqual([method, path, method === "POST" && path === "" ? 201 : 200])
  return json
}
const create = async (more: object = {}) =>
  (await ask("POST", "", { url: `${receiver.url}/${a.id}`, ...more })) as unknown as Shown
const deliveries = async (id: string, query = "") =>
  (await ask("GET", `/${id}/deliveries${query}`)).deliveries as Delivery[]

/** What happens in a tenant of which an event is to tell. */
const opened = (subject: string, at = instant(Date.now())) =>
  happened(tenant, "alert.opened", subject, { at, data: { subject } })
const happens = (event: ReturnType<typeof opened>) =>
  world.stack.runtime.table.transact([toTell(event)], `${event.id}-${made}`)
/** Tells the bus, and waits until everybody was told. */
async function tell(...subjects: string[]) {
  const events = subjects.map((subject) => opened(subject))
  for (const event of events) await happens(event)
  await publishUntold(world.stack.runtime, tenant)
  await world.stack.idle()
  return events
}

const order = (i: number, properties: object) => ({
  type: "track",
  messageId: `m-${i}`,
  event: "Order Completed",
  userId: "u1",
  timestamp: instant(Date.now()),
  properties,
})
/** Orders that cost less than nothing: the second check in a row that sees them opens an alert. */
async function breakData() {
  const batch = Array.from({ length: 60 }, (_, i) => order(i, { revenue: "-1", order_id: "o" }))
  await world.send({ batch }, { key: a.writeKey })
  await world.stack.idle()
}
async function mendData() {
  for (let request = 0; request < 12; request++) {
    const batch = Array.from({ length: 1000 }, (_, i) => ({
      ...order(1000 * (request + 1) + i, { seat: "1C" }),
      event: "Seat Booked",
    }))
    await world.send({ batch }, { key: a.writeKey })
  }
  await world.stack.idle()
}
/** Checks of this tenant alone, five minutes apart. */
function checks(more: Partial<Runtime> = {}) {
  let now = Date.now() + MINUTE
  const { runtime } = world.stack
  const own = { ...over(runtime, runtime.table, () => now), ...more }
  const run = checkWorker(own)
  return async (times: number) => {
    for (let i = 0; i < times; i++) {
      await run()
      now += 5 * MINUTE
    }
    await world.stack.idle()
  }
}
const verified = ({ secret }: Pick<Shown, "secret">, one: Receiver["received"][number]) =>
  new Oracle(secret).verify(one.body, one.headers as Record<string, string>) as Record<string, unknown>

describe("an alert", () => {
  test("is told once when it opens and once when it closes, as Standard Webhooks has it", {
    timeout: 90_000,
  }, async () => {
    const hook = await create()
    await breakData()
    const check = checks()
    await check(4)
    const [first, ...more] = receiver.taken()
    expect(more).toEqual([])
    const alerts = (await world.request("/v1/quality", { key: a.readKey })).json.alerts as Record<string, string>[]
    const { id, part, openedAt } = alerts[0]!
    expect(verified(hook, first!)).toMatchObject({
      type: "alert.opened",
      timestamp: openedAt,
      data: { id, part, status: "open", source: "default", severity: "high", gate: expect.any(String) },
    })
    expect(first!.headers).toMatchObject({
      "content-type": "application/json",
      "webhook-id": expect.stringMatching(/^evt_/),
    })

    await mendData()
    await check(3)
    const [second, ...others] = receiver.taken()
    expect(others).toEqual([])
    expect(verified(hook, second!)).toMatchObject({ type: "alert.closed", data: { id, status: "closed" } })
    expect(second!.headers["webhook-id"]).not.toBe(first!.headers["webhook-id"])
    expect((await deliveries(hook.id)).map(({ type, state, attempts }) => [type, state, attempts])).toEqual([
      ["alert.closed", "delivered", 1],
      ["alert.opened", "delivered", 1],
    ])
  })

  test("is told though the check dies before it can tell: a later one does, once, by the same id", async () => {
    await create()
    await breakData()
    const dying = { publish: () => Promise.reject(new Error("killed")) }
    await checks(dying)(2)
    expect(receiver.taken()).toEqual([])
    const [waiting] = await untold(world.stack.runtime, tenant)
    expect(waiting!.type).toBe("alert.opened")
    await checks()(1)
    expect(receiver.taken().map(({ headers }) => headers["webhook-id"])).toEqual([waiting!.id])
    expect(await untold(world.stack.runtime, tenant)).toEqual([])
    await checks()(2)
    expect(receiver.taken()).toEqual([])
  })

  test("that is opened by a check which then dies is opened once: the next check says the same, and it is told once", async () => {
    const { id } = await create()
    await breakData()
    const { table } = world.stack.runtime
    let deaths = 0
    const dying: Runtime["table"] = {
      ...table,
      put: (item, condition) => {
        // The second check writes how things stand when it has opened the alert.
        if (item.pk !== keys.standings(tenant) || ++deaths !== 2) return table.put(item, condition)
        return Promise.reject(new Error("killed"))
      },
    }
    const lines = world.lines.length
    await checks({ table: dying })(4)
    expect(deaths).toBeGreaterThan(2)
    const own = world.lines.slice(lines).filter((line) => line.tenant === a.id)
    expect(own.map(({ name }) => name)).toContain("check.failed")
    expect(own.filter(({ name }) => name === "alert.opened")).toHaveLength(1)
    expect(receiver.taken()).toHaveLength(1)
    const alerts = (await world.request("/v1/quality", { key: a.readKey })).json.alerts as object[]
    expect(alerts).toMatchObject([{ status: "open", part: "accuracy" }])
    expect(await deliveries(id)).toMatchObject([{ type: "alert.opened", state: "delivered", attempts: 1 }])
  })

  test("that the bus has refused is told by a later check; what was beside it is not told again", async () => {
    await create()
    const { runtime } = world.stack
    for (const subject of ["one", "two"]) await happens(opened(subject))
    const [one, two] = await untold(runtime, tenant)
    const half: Runtime["publish"] = async (events) => {
      await runtime.publish(events.filter(({ id }) => id === one!.id))
      return new Set([two!.id])
    }
    await expect(publishUntold({ ...runtime, publish: half }, tenant)).rejects.toThrow("the bus refused 1 of 2 events")
    await world.stack.idle()
    expect(receiver.taken().map(({ headers }) => headers["webhook-id"])).toEqual([one!.id])
    await publishUntold(runtime, tenant)
    await world.stack.idle()
    expect(receiver.taken().map(({ headers }) => headers["webhook-id"])).toEqual([two!.id])
  })

  test("of which it is not known whether the bus has it is told again, and delivered once", async () => {
    const { id } = await create()
    const { runtime } = world.stack
    await happens(opened("one"))
    const dying = { ...runtime.table, delete: () => Promise.reject(new Error("killed")) }
    await expect(publishUntold({ ...runtime, table: dying }, tenant)).rejects.toThrow("killed")
    await world.stack.idle()
    await publishUntold(runtime, tenant)
    await world.stack.idle()
    expect(receiver.taken()).toHaveLength(1)
    expect(await deliveries(id)).toMatchObject([{ state: "delivered", attempts: 1 }])
  })
})

describe("an endpoint", () => {
  test("that is down twice gets the same bytes by the same id until it takes them", async () => {
    const hook = await create()
    const answers = [503, 500]
    receiver.state.answer = () => answers.shift() ?? 200
    const [event] = await tell("one")
    const received = receiver.taken()
    expect(received.map(({ headers }) => headers["webhook-id"])).toEqual([event!.id, event!.id, event!.id])
    expect(new Set(received.map(({ body }) => body)).size).toBe(1)
    for (const one of received) expect(verified(hook, one)).toMatchObject({ data: { subject: "one" } })
    const [kept] = await deliveries(hook.id)
    expect(kept).toMatchObject({ state: "delivered", attempts: 3, event: event!.id })
    expect(kept!.tries.map(({ status }) => status)).toEqual([503, 500, 200])
  })

  test("that is gone (410) is asked once, and its webhook is disabled with a row in the audit log", async () => {
    const hook = await create()
    receiver.state.answer = () => 410
    await tell("one")
    receiver.state.answer = () => 200
    await tell("two")
    expect(receiver.taken()).toHaveLength(1)
    expect(await ask("GET", `/${hook.id}`)).toMatchObject({ enabled: false, disabled: "gone" })
    expect(await deliveries(hook.id)).toMatchObject([{ state: "failed", tries: [{ status: 410 }] }])
    const { json } = await world.request("/v1/audit?action=webhook.disable", { key: a.adminKey })
    expect(json.rows).toMatchObject([{ actor: "schedule", subject: hook.id, details: { why: "410 Gone" } }])
    const again = await ask("PATCH", `/${hook.id}`, { enabled: true })
    expect([again.enabled, again.disabled]).toEqual([true, undefined])
    await tell("three")
    expect(receiver.taken()).toHaveLength(1)
  })

  test("that is gone does not disable the one that took its place meanwhile", async () => {
    const { id } = await create({ url: `${receiver.url}/old` })
    receiver.state.answer = async ({ path }) => {
      if (path !== "/old") return 204
      await ask("PATCH", `/${id}`, { url: `${receiver.url}/new` })
      return 410
    }
    await tell("one")
    expect(await ask("GET", `/${id}`)).toMatchObject({ enabled: true, url: `${receiver.url}/new` })
    expect(receiver.taken().map(({ path }) => path)).toEqual(["/old", "/new"])
    expect(await deliveries(id)).toMatchObject([{ state: "delivered", attempts: 2 }])
  })

  test("that redirects is not followed, and has not taken it", async () => {
    const hook = await create()
    let asked = 0
    receiver.state.answer = () => (++asked === 1 ? 302 : 200)
    await tell("one")
    expect(receiver.taken().map(({ path }) => path)).toEqual([`/${a.id}`, `/${a.id}`])
    expect((await deliveries(hook.id))[0]!.tries.map(({ status }) => status)).toEqual([302, 200])
  })

  test("that never takes it is given up: a dead letter, which the operator can send back", {
    timeout: 60_000,
  }, async () => {
    const hook = await create()
    receiver.state.answer = () => 404
    await tell("one")
    expect(receiver.taken()).toHaveLength(ATTEMPTS)
    expect(await deliveries(hook.id, "?state=failed")).toMatchObject([{ state: "failed", attempts: ATTEMPTS }])
    const token = world.stack.config.OCTANT_OPERATOR_TOKEN!
    const dead = await world.request("/v1/admin/queues/deliveries/dead", { key: token })
    expect(dead.json.letters).toMatchObject([
      { tenant: a.id, reason: { kind: "fault", code: "Undelivered", message: "the endpoint answered 404" } },
    ])
    receiver.state.answer = () => 200
    await world.request("/v1/admin/queues/deliveries/redrive", { method: "POST", key: token, body: {} })
    await world.stack.idle()
    expect(await deliveries(hook.id)).toMatchObject([{ state: "delivered", attempts: ATTEMPTS + 1 }])
  })

  test("that hangs holds up nobody else", async () => {
    const [slow, quick] = [await create(), await create({ url: `${receiver.url}/quick` })]
    const told = Promise.withResolvers<void>()
    receiver.state.answer = async ({ path }) => {
      if (path === "/quick") told.resolve()
      // The slow one answers when the quick one was told, and not before.
      else await told.promise
      return 200
    }
    await tell("one")
    for (const { id } of [slow, quick])
      expect(await deliveries(id)).toMatchObject([{ state: "delivered", attempts: 1 }])
  })
})

describe("a message", () => {
  const recordsOf = (id: string, delivery: string, copies: number, receives = 1) => ({
    Records: Array.from({ length: copies }, (_, i) => ({
      messageId: `copy-${i}`,
      receiptHandle: "none",
      body: JSON.stringify({ version: 1, tenant: a.id, webhook: id, delivery }),
      attributes: { ApproximateReceiveCount: String(receives) },
    })),
  })
  /** A worker of ours, which hides nothing: its messages are in no queue. */
  const working = (more: Partial<Runtime> = {}) => {
    const waits: number[] = []
    const runtime: Runtime = { ...world.stack.runtime, ...more }
    const call: Runtime["call"] = async (_, action, body) => {
      waits.push((body as { VisibilityTimeout: number }).VisibilityTimeout)
      return { action }
    }
    return { waits, work: deliverWorker({ ...runtime, call, jitter: () => 0, post: poster(runtime) }) }
  }

  test("that comes again after its delivery sends nothing", async () => {
    const { id } = await create()
    await tell("one")
    const [{ id: delivery }] = (await deliveries(id)) as [Delivery]
    receiver.taken()
    const { work } = working()
    expect(await work(recordsOf(id, delivery, 1, 2))).toEqual({ batchItemFailures: [] })
    expect(receiver.taken()).toEqual([])
  })

  test("of which five copies come at once is sent once", async () => {
    const { id } = await create()
    receiver.state.answer = () => 500
    await tell("one")
    const [{ id: delivery }] = (await deliveries(id)) as [Delivery]
    receiver.taken()
    receiver.state.answer = () => 200
    const { work } = working()
    const { batchItemFailures } = await work(recordsOf(id, delivery, 5, 2))
    expect(receiver.taken()).toHaveLength(1)
    // The others come again, and find it delivered.
    expect(batchItemFailures).toHaveLength(4)
    expect(await work(recordsOf(id, delivery, 4, 3))).toEqual({ batchItemFailures: [] })
  })

  test("of which a copy comes while it is on its way is sent once, and what was answered is kept", async () => {
    const { id } = await create()
    const { work } = working()
    let asked = 0
    let copy: unknown
    receiver.state.answer = async () => {
      if (++asked > 1) return 500
      const [{ id: delivery }] = (await deliveries(id)) as [Delivery]
      copy = await work(recordsOf(id, delivery, 1))
      return 200
    }
    await tell("one")
    expect(copy).toEqual({ batchItemFailures: [] })
    expect(asked).toBe(1)
    expect(await deliveries(id)).toMatchObject([{ state: "delivered", attempts: 1, tries: [{ status: 200 }] }])
  })

  test("that fails is hidden as the schedule says, and another copy of it does not come before", async () => {
    const { id } = await create()
    receiver.state.answer = () => 500
    await tell("one")
    const [{ id: delivery }] = (await deliveries(id)) as [Delivery]
    receiver.taken()
    let now = Date.now()
    const { work, waits } = working({ clock: () => now })
    for (let receives = 1; receives < ATTEMPTS; receives++) {
      expect((await work(recordsOf(id, delivery, 1, receives))).batchItemFailures).toHaveLength(1)
      expect(await work(recordsOf(id, delivery, 1))).toEqual({ batchItemFailures: [] })
      expect(receiver.taken()).toHaveLength(1)
      now += 11 * 60 * MINUTE
    }
    await work(recordsOf(id, delivery, 1, ATTEMPTS))
    expect(waits).toEqual([5, 300, 1800, 7200, 18_000, 36_000, 36_000, 36_000, 36_000, 0])
  })

  test("of what is told once more by hand takes the place of the one that waits, once it was tried", async () => {
    const { id } = await create()
    receiver.state.answer = () => 500
    await tell("one")
    const [{ id: delivery }] = (await deliveries(id)) as [Delivery]
    receiver.taken()
    const asked: object[] = []
    const requestDelivery: Runtime["requestDelivery"] = async (requests) => void asked.push(...requests)
    await retryTelling({ ...world.stack.runtime, requestDelivery }, tenant, id, delivery)
    const { work } = working()
    const waiting = recordsOf(id, delivery, 1, 2)
    const [byHand] = asked.map((request) => ({
      Records: [{ ...recordsOf(id, delivery, 1).Records[0]!, body: JSON.stringify(request) }],
    }))
    // Should the other have been lost, this one goes on.
    expect((await work(waiting)).batchItemFailures).toHaveLength(1)
    await retryTelling({ ...world.stack.runtime, requestDelivery }, tenant, id, delivery)
    expect((await work(byHand!)).batchItemFailures).toHaveLength(1)
    expect(receiver.taken()).toHaveLength(2)
    expect(await work(waiting)).toEqual({ batchItemFailures: [] })
    expect(receiver.taken()).toEqual([])
  })

  test("that nobody can read fails, and is told to the log without its words", async () => {
    const lines = world.lines.length
    const { work } = working()
    const answer = await work({ Records: [{ messageId: "junk", body: "canary" }] })
    expect(answer.batchItemFailures).toEqual([{ itemIdentifier: "junk" }])
    const told = world.lines.slice(lines)
    expect(told.map(({ name, code }) => [name, code])).toEqual([["deliver.failed", "Unreadable"]])
  })
})

describe("a webhook", () => {
  test("is told of the types that it names, and of all if it names none", async () => {
    const [closed, all] = [await create({ events: ["alert.closed"] }), await create({ url: `${receiver.url}/all` })]
    expect([closed.events, all.events]).toEqual([["alert.closed"], ["*"]])
    await tell("one")
    expect(receiver.taken().map(({ path }) => path)).toEqual(["/all"])
    await ask("PATCH", `/${closed.id}`, { events: ["alert.opened"] })
    await ask("PATCH", `/${all.id}`, { enabled: false })
    await tell("two")
    expect(receiver.taken().map(({ path }) => path)).toEqual([`/${a.id}`])
  })

  test("can be tried: the request is one as any other", async () => {
    const hook = await create({ events: ["alert.closed"] })
    const { id, state } = (await ask("POST", `/${hook.id}/test`)) as Delivery
    expect(state).toBe("pending")
    await world.stack.idle()
    const [one] = receiver.taken()
    expect(verified(hook, one!)).toMatchObject({ type: "webhook.test", data: { webhook: hook.id } })
    expect(await deliveries(hook.id)).toMatchObject([{ id, state: "delivered", type: "webhook.test" }])
  })

  test("signs with its old secret too for a day after a rotation", async () => {
    const old = await create()
    const next = (await ask("POST", `/${old.id}/rotate`)) as unknown as Shown & { oldSecretUntil: string }
    expect(next.secret).not.toBe(old.secret)
    expect(Date.parse(next.oldSecretUntil) - Date.now()).toBeGreaterThan(DAY - MINUTE)
    await tell("one")
    const [one] = receiver.taken()
    for (const hook of [old, next]) expect(verified(hook, one!)).toMatchObject({ data: { subject: "one" } })
    expect(one!.headers["webhook-signature"]).toMatch(/^v1,\S+ v1,\S+$/)
  })

  test("signs with its new secret alone when the old one was to end with a rotation", async () => {
    const old = await create()
    await ask("POST", `/${old.id}/rotate`)
    const next = (await ask("POST", `/${old.id}/rotate`, { keepOld: false })) as unknown as Shown
    expect(next).not.toHaveProperty("oldSecretUntil")
    await tell("one")
    const [one] = receiver.taken()
    expect(verified(next, one!)).toMatchObject({ data: { subject: "one" } })
    expect(one!.headers["webhook-signature"]).toMatch(/^v1,\S+$/)
  })

  /** Everything that it takes to change one, while somebody else does something once it was read. */
  const beaten = (meanwhile: () => Promise<unknown>) => {
    const { runtime } = world.stack
    let isRead = false
    const get: Runtime["table"]["get"] = async (key) => {
      const item = await runtime.table.get(key)
      if (key.pk !== keys.webhooks(tenant) || isRead) return item
      isRead = true
      await meanwhile()
      return item
    }
    return { ...runtime, table: { ...runtime.table, get } }
  }

  test("that two rotate at once keeps the secret that was shown to the first", async () => {
    const { id } = await create()
    let first: Shown | undefined
    const slow = beaten(async () => {
      first = (await ask("POST", `/${id}/rotate`)) as unknown as Shown
    })
    await expect(rotateWebhook(slow, tenant, id, { keepOld: true })).rejects.toMatchObject({ code: "conflict" })
    await tell("one")
    expect(verified(first!, receiver.taken()[0]!)).toMatchObject({ data: { subject: "one" } })
  })

  test("that is deleted while it is changed is not there any more", async () => {
    const { id } = await create()
    const slow = beaten(() => ask("DELETE", `/${id}`))
    await expect(changeWebhook(slow, tenant, id, { enabled: true })).rejects.toMatchObject({ code: "not_found" })
    expect((await ask("GET", "")).webhooks).toEqual([])
  })

  test("that is told once more by hand gets the same event by the same id", async () => {
    const { id } = await create()
    const [event] = await tell("one")
    const [{ id: delivery }] = (await deliveries(id)) as [Delivery]
    expect(await ask("POST", `/${id}/deliveries/${delivery}/retry`)).toMatchObject({ state: "pending" })
    await world.stack.idle()
    expect(receiver.taken().map(({ headers }) => headers["webhook-id"])).toEqual([event!.id, event!.id])
    expect(await deliveries(id)).toMatchObject([{ state: "delivered", attempts: 2 }])
  })

  test("that is disabled or deleted before its turn is told nothing", async () => {
    const { id } = await create()
    let asked = 0
    receiver.state.answer = async () => {
      if (++asked === 1) await ask("PATCH", `/${id}`, { enabled: false })
      return 500
    }
    await tell("one")
    expect(receiver.taken()).toHaveLength(1)
    expect(await deliveries(id)).toMatchObject([{ state: "failed", error: "the webhook is disabled" }])
    const { status } = await world.request(`/v1/webhooks/${id}/test`, { method: "POST", key: a.adminKey })
    expect(status).toBe(409)
  })

  test("tells its deliveries page by page, the newest first, and by their state", async () => {
    const { id } = await create()
    const start = Date.now() - DAY
    for (let i = 0; i < 5; i++) await happens(opened(`s${i}`, instant(start + i)))
    receiver.state.answer = ({ body }) => (body.includes('"s3"') ? 410 : 200)
    await publishUntold(world.stack.runtime, tenant)
    await world.stack.idle()
    const subjects: string[] = []
    for (let next: string | undefined, first = true; first || next; first = false) {
      const page = (await ask("GET", `/${id}/deliveries?limit=2${next ? `&after=${next}` : ""}`)) as {
        deliveries: { at: string }[]
        next?: string
      }
      expect(page.deliveries.length).toBeLessThanOrEqual(2)
      subjects.push(...page.deliveries.map(({ at }) => `s${Date.parse(at) - start}`))
      next = page.next
    }
    expect(subjects).toEqual(["s4", "s3", "s2", "s1", "s0"])
    const [delivered, failed] = [await deliveries(id, "?state=delivered"), await deliveries(id, "?state=failed")]
    expect(failed.map(({ tries }) => tries[0]?.status)).toContain(410)
    expect(new Set(failed.map(({ state }) => state))).toEqual(new Set(["failed"]))
    expect(delivered.length + failed.length).toBe(5)
  })

  test("is searched five hundred deliveries at a time", async () => {
    const { id } = await create()
    const start = Date.now() - DAY
    receiver.state.answer = () => 410
    await happens(opened("failed", instant(start)))
    await publishUntold(world.stack.runtime, tenant)
    await world.stack.idle()
    const { table } = world.stack.runtime
    const [{ sk: _, ...one }] = (await table.query(keys.tellings(tenant, id))) as [Item]
    for (let i = 1; i <= 600; i++)
      await table.put({
        ...one,
        ...keys.telling(tenant, id, instant(start + i), "evt_0123456789abcdef"),
        state: "delivered",
      })
    const page = (after = "") =>
      ask("GET", `/${id}/deliveries?state=failed${after}`) as Promise<{ deliveries: Delivery[]; next?: string }>
    const first = await page()
    expect(first).toEqual({ deliveries: [], next: `${start + 101}-0123456789abcdef` })
    const second = await page(`&after=${first.next}`)
    expect(second.next).toBeUndefined()
    expect(second.deliveries).toMatchObject([{ state: "failed", at: instant(start) }])
  })

  test("is one of twenty at most", async () => {
    const more = async () =>
      (await world.request("/v1/webhooks", { method: "POST", key: a.adminKey, body: { url: receiver.url } })).status
    const statuses = await Promise.all(Array.from({ length: 22 }, more))
    expect(statuses.sort()).toEqual([...Array.from({ length: 20 }, () => 201), 409, 409])
    const all = (await ask("GET", "")).webhooks as Shown[]
    expect(all).toHaveLength(20)
    await ask("DELETE", `/${all[7]!.id}`)
    expect([await more(), await more()]).toEqual([201, 409])
  })

  test("does not show its secret again", async () => {
    const hook = await create()
    for (const path of ["", `/${hook.id}`]) {
      const text = JSON.stringify(await ask("GET", path))
      expect(text).toContain(hook.id)
      expect(text).not.toContain("whsec_")
    }
  })
})

test("a trace goes from whoever publishes over the bus and the queue to the endpoint", async () => {
  await create()
  await happens(opened("one"))
  const { runtime } = world.stack
  const traceId = "0af7651916cd43dd8448eb211c80319c"
  const origin = { correlationId: "the-check", traceparent: `00-${traceId}-b7ad6b7169203331-01` }
  const lines = world.lines.length
  await unitOf(runtime, { name: "a check", kind: "internal", origin }, () => publishUntold(runtime, tenant))
  await world.stack.idle()
  const [one] = receiver.taken()
  const parts = spans.filter((span) => span.traceId === traceId && !/^(DynamoDB|SQS|EventBridge) /.test(span.name))
  const tree = treeOf(parts).replaceAll(/ · \d+ ms, after \d+ ms/g, "")
  expect(tree).toBe(
    [
      "a check",
      "└─ send bus",
      `   └─ process notify · ${a.id} · alert.opened`,
      "      └─ send deliveries",
      `         └─ process deliver · ${a.id} · delivered`,
      "            └─ POST",
    ].join("\n"),
  )
  const sent = parts.find(({ name }) => name === "POST")!
  expect(one!.headers.traceparent).toBe(`00-${traceId}-${sent.spanId}-01`)
  const told = world.lines.slice(lines).filter(({ name }) => name === "notify" || name === "deliver")
  expect(told.map(({ name, correlationId, outcome }) => [name, correlationId, outcome])).toEqual([
    ["notify", "the-check", "alert.opened"],
    ["deliver", "the-check", "delivered"],
  ])
})
