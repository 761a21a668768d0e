import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { rewindPoll } from "#access/rewind.ts"
import { type Made, startWorld, type World } from "#api/fixtures.ts"
import { DAY, HOUR, instant, MINUTE } from "#core/clock.ts"
import { writeDay } from "#pipeline/quality/documents.ts"
import { emptyHour } from "#pipeline/quality/observe.ts"
import { checkWorker } from "#platform/check-worker.ts"
import { pollWorker } from "#platform/poll.ts"
import { paypalStandIn } from "#sources/standins/paypal.ts"
import { shopifyStandIn } from "#sources/standins/shopify.ts"
import type { StandIn } from "#sources/standins/standin.ts"
import { stripeStandIn } from "#sources/standins/stripe.ts"
import { zendeskStandIn } from "#sources/standins/zendesk.ts"
import { readAudit } from "#store/audit.ts"
import { keys, type TenantId } from "#store/keys.ts"

const START = Date.parse("2027-01-15T08:00:00.000Z")
let world: World
const standIns: StandIn[] = []
beforeAll(async () => {
  world = await startWorld(instant(START))
})
afterAll(async () => {
  await world.stop()
  await Promise.all(standIns.map(({ stop }) => stop()))
})

async function connect(make: (clock: World["clock"]) => Promise<StandIn>): Promise<{ standIn: StandIn; made: Made }> {
  const standIn = await make(world.clock)
  standIns.push(standIn)
  const { vendor, baseUrl, credential, secret } = standIn
  return { standIn, made: await world.source({ vendor, baseUrl, credential, secret }) }
}
const poll = () => {
  const sleep = async (ms: number) => world.clock.advance(ms)
  return pollWorker({ ...world.stack.runtime, sleep })()
}
async function check() {
  await world.stack.idle()
  await checkWorker(world.stack.runtime)()
}
type Part = { name: string; value: number | null; failing: boolean; evidence: Record<string, unknown>; query: string }
async function quality(source: string) {
  const path = `/v1/quality?source=${source}`
  const { sources, alerts } = (await world.ask("GET", path)) as {
    sources: { parts: Part[] }[]
    alerts: { part: string; status: string; cause: string; remedies: { what: string; outcome: string }[] }[]
  }
  return { counted: sources[0]!.parts.find(({ name }) => name === "counted")!, alerts }
}

describe("what a vendor counts itself", () => {
  const connected: { standIn: StandIn; made: Made; events: number; opened: number }[] = []
  beforeAll(async () => {
    for (const make of [stripeStandIn, paypalStandIn, shopifyStandIn, zendeskStandIn]) {
      connected.push({ ...(await connect(make)), events: 0, opened: 0 })
    }
    for (let n = 0; n < 60; n++) {
      for (const one of connected) {
        const telling = one.standIn.happen(n)
        one.events += telling.events
        if (telling.events === 2 || (telling.ordered ?? 0) > 0) one.opened++
        for (const webhook of n % 10 === 0 ? [] : telling.webhooks) await world.deliver(one.made.url, webhook)
      }
      world.clock.advance(MINUTE)
    }
    world.clock.advance(20 * MINUTE)
    for (let round = 0; round < 2; round++) {
      await poll()
      await world.stack.idle()
      world.clock.advance(16 * MINUTE)
    }
    await check()
  }, 60_000)

  test("is held against what has come, and shown with the question that gives ours", async () => {
    for (const { standIn, made, events } of connected) {
      const { counted } = await quality(made.id)
      const { vendor } = standIn
      const [day] = counted.evidence.days as { count: number; ours: number; metric: string; of: string }[]
      expect({ vendor, value: counted.value, failing: counted.failing }).toEqual({ vendor, value: 1, failing: false })
      expect(day!.count).toBe(day!.ours)
      if (day!.metric === "events") expect(day!.count).toBe(events)
      const { total } = await world.ask("GET", counted.query)
      expect({ vendor, total }).toEqual({ vendor, total: day!.ours })
    }
    const asked = (vendor: string) => connected.find(({ standIn }) => standIn.vendor === vendor)!.standIn.asked
    expect(asked("shopify").filter((path) => path.endsWith("/orders/count.json"))).toHaveLength(2)
    expect(asked("zendesk").filter((path) => path.endsWith("/search/count.json"))).toHaveLength(2)
  })

  test("is not asked again within the hour while nothing is missing", async () => {
    const shopify = connected.find(({ standIn }) => standIn.vendor === "shopify")!
    world.clock.advance(20 * MINUTE)
    await poll()
    expect(shopify.standIn.asked.filter((path) => path.endsWith("/orders/count.json"))).toHaveLength(2)
    world.clock.advance(50 * MINUTE)
    await poll()
    expect(shopify.standIn.asked.filter((path) => path.endsWith("/orders/count.json"))).toHaveLength(3)
  })
})

test("a tenth that neither webhook nor poll has brought fails the gate, is polled again from the day's beginning, and heals", async () => {
  const { standIn, made } = await connect(shopifyStandIn)
  for (let n = 0; n < 60; n++) {
    // Orders alone, so that what is missing is a tenth of them.
    const { webhooks } = standIn.happen(1000 + 4 * n)
    for (const webhook of n % 10 === 0 ? [] : webhooks) await world.deliver(made.url, webhook)
    world.clock.advance(MINUTE)
  }
  world.clock.advance(20 * MINUTE)
  // The poll believes to have read all this already.
  const { table } = world.stack.runtime
  const key = keys.source("acme" as TenantId, made.id)
  await table.set(key, { cursor: JSON.stringify({ from: instant(world.clock()) }) })
  world.clock.advance(2 * MINUTE)
  await world.stack.idle()
  await poll()
  await check()
  world.clock.advance(5 * MINUTE)
  await check()
  const bad = await quality(made.id)
  expect(bad.counted).toMatchObject({ value: 0.9, failing: true, evidence: { count: 60, ours: 54, missing: 6 } })
  const alertOf = (all: typeof bad.alerts) => all.find(({ part }) => part === "counted")!
  expect(alertOf(bad.alerts).status).toBe("open")
  expect(alertOf(bad.alerts).cause).toBe(
    "the vendor counts 60 and 54 have come: webhooks are not sent, or are lost on their way",
  )
  expect(alertOf(bad.alerts).remedies).toMatchObject([
    { part: "counted", what: expect.stringMatching(/^back-poll from 2027-/), outcome: "at the next poll" },
  ])
  const stored = await world.ask("GET", `/v1/quality?source=${made.id}&grain=day`)
  expect(stored.trends).toMatchObject([{ failing: { counted: 1 } }])
  const { trends } = (await world.ask("GET", `/v1/quality?source=${made.id}`)) as { trends: { remedies?: object[] }[] }
  expect(trends.flatMap(({ remedies = [] }) => remedies)).toMatchObject([{ part: "counted", source: made.id }])
  expect(world.lines.filter(({ name, source }) => name === "remedy" && source === made.id)).toMatchObject([
    { outcome: "counted", tenant: "acme" },
  ])

  world.clock.advance(15 * MINUTE)
  await poll()
  await world.stack.idle()
  expect(await world.ledger(made.id)).toMatchObject({ counted: 60, duplicate: 0 })
  world.clock.advance(20 * MINUTE)
  await poll()
  await check()
  world.clock.advance(5 * MINUTE)
  await check()
  const well = await quality(made.id)
  expect(well.counted).toMatchObject({ value: 1, failing: false })
  expect(alertOf(well.alerts).status).toBe("closed")
}, 60_000)

test("a remedy stands in the audit log, and is done at most once an hour", async () => {
  const { standIn, made } = await connect(stripeStandIn)
  for (let n = 0; n < 40; n++) standIn.happen(2000 + n)
  world.clock.advance(2 * HOUR)
  const { table } = world.stack.runtime
  const key = keys.source("acme" as TenantId, made.id)
  await table.set(key, { cursor: JSON.stringify({ since: "0", after: "evt_2039" }) })
  await poll()
  const { check: one } = await import("#pipeline/quality/check.ts")
  const { newTails } = await import("#pipeline/reading.ts")
  const { runtime } = world.stack
  const needs = {
    ...runtime,
    tails: newTails(),
    rewind: (tenant: TenantId, source: string, since: number) =>
      rewindPoll({ ...runtime, actor: "schedule" }, tenant, source, since),
  }
  await one(needs, "acme" as TenantId)
  world.clock.advance(5 * MINUTE)
  await one(needs, "acme" as TenantId)
  const { rows } = await readAudit(runtime, "acme" as TenantId, { limit: 100, action: "remedy.backpoll" })
  expect(rows.filter(({ subject }) => subject === made.id)).toMatchObject([
    { actor: "schedule", details: { since: expect.stringMatching(/^2027-/) } },
  ])
}, 30_000)

test("a source that falls silent has its vendor asked again from before the silence began", async () => {
  const { runtime } = world.stack
  const { made } = await connect(stripeStandIn)
  world.clock.set(instant(Math.ceil(world.clock() / DAY) * DAY + 11 * HOUR + 40 * MINUTE))
  const [now, tenant] = [world.clock(), "acme" as TenantId]
  // Something in every minute from ten to twelve for ten days, and today until eleven.
  for (let back = 0; back <= 10; back++) {
    const day = instant(now - back * DAY).slice(0, 10)
    const busy = { ...emptyHour(), events: 60, minutes: new Array(60).fill(1) }
    const hours = { "10": busy, ...(back === 0 ? {} : { "11": busy }) }
    await writeDay(runtime, tenant, `${day}#${made.id}`, { position: 1_000_000, hours }, 1_000_000)
  }
  await check()
  const row = await runtime.table.get(keys.source(tenant, made.id))
  const silentSince = Date.parse(`${instant(now).slice(0, 11)}11:00:00.000Z`)
  expect(Number(row!.rewindTo)).toBe(Math.max(silentSince - 15 * MINUTE, Date.parse(String(row!.createdAt))))
  const { trends } = (await world.ask("GET", `/v1/quality?source=${made.id}`)) as { trends: { parts: object }[] }
  expect(trends[0]!.parts).toMatchObject({ silence: 40 })
})
