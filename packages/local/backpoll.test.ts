import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { type Made, startWorld, type World } from "#api/fixtures.ts"
import { instant, MINUTE, SECOND } from "#core/clock.ts"
import { decimal } from "#core/decimal.ts"
import { seededNumbers } from "#core/random.ts"
import { pollWorker } from "#platform/poll.ts"
import type { Runtime } from "#platform/runtime.ts"
import { gorgiasStandIn } from "#sources/standins/gorgias.ts"
import { paypalStandIn } from "#sources/standins/paypal.ts"
import { shopifyStandIn } from "#sources/standins/shopify.ts"
import type { StandIn } from "#sources/standins/standin.ts"
import { stripeStandIn } from "#sources/standins/stripe.ts"
import { whopStandIn } from "#sources/standins/whop.ts"
import { zendeskStandIn } from "#sources/standins/zendesk.ts"

const START = Date.parse("2027-01-15T12:00:00.000Z")
let world: World
const stops: (() => Promise<void>)[] = []
beforeAll(async () => {
  world = await startWorld(instant(START))
})
afterAll(async () => {
  await world.stop()
  await Promise.all(stops.map((stop) => stop()))
})

const polls = () => world.lines.filter(({ name }) => name === "poll")
/** One tick of the schedule: waiting moves the clock. */
const poll = (changes: Partial<Runtime> = {}) => {
  const sleep = async (ms: number) => world.clock.advance(ms)
  return pollWorker({ ...world.stack.runtime, sleep, ...changes } as never)()
}
async function connect(standIn: StandIn & { own?: (secret: string) => void }, key?: string): Promise<Made> {
  stops.push(standIn.stop)
  const { vendor, baseUrl, credential, secret } = standIn
  const made = await world.source({ vendor, baseUrl, credential, ...(secret ? { secret } : {}) }, key)
  if (made.secret) standIn.own?.(made.secret)
  return made
}
/** Nothing is left for the next test's polls. */
async function forget() {
  for (const { adminKey } of [world.acme, world.globex]) {
    const { sources } = (await world.ask("GET", "/v1/sources", undefined, adminKey)) as { sources: Made[] }
    for (const { id } of sources) await world.ask("DELETE", `/v1/sources/${id}`, undefined, adminKey)
  }
}
const vendors = [stripeStandIn, paypalStandIn, shopifyStandIn, whopStandIn, zendeskStandIn, gorgiasStandIn]

/** A figure by source. */
async function bySource(metric: string, key: string): Promise<Record<string, unknown>> {
  const path = `/v1/query?metric=${metric}&by=source&grain=total&limit=100&from=2027-01-15&to=2027-01-16`
  const { keys } = (await world.ask("GET", path, undefined, key)) as { keys: { key: string; total: unknown }[] }
  return Object.fromEntries(keys.map(({ key: source, total }) => [source, total]))
}

describe("of 1,250 webhooks of six vendors 5 % never come", () => {
  const EVERY_SECONDS = 3
  const THINGS = 200
  type Happened = {
    standIn: StandIn
    made: Made
    events: number
    ordered: number
    refunded: number
    sent: number
    lost: number
    /** What the webhooks that came have told, as often as they did. */
    told: string[]
  }
  const happened: Happened[] = []
  let caughtUpAt = 0

  beforeAll(async () => {
    for (const make of vendors) {
      const standIn = await make(world.clock)
      const none = { events: 0, ordered: 0, refunded: 0, sent: 0, lost: 0 }
      happened.push({ standIn, made: await connect(standIn), ...none, told: [] })
    }
    const random = seededNumbers(7)
    for (let n = 0; n < THINGS; n++) {
      const due = START + n * EVERY_SECONDS * SECOND
      if (due > world.clock()) world.clock.advance(due - world.clock())
      await Promise.all(
        happened.map(async (one) => {
          const { webhooks, events, ordered = 0, refunded = 0 } = one.standIn.happen(n)
          one.events += events
          one.ordered += ordered
          one.refunded += refunded
          for (const webhook of webhooks) {
            one.sent++
            if (random() < 0.05) {
              one.lost++
              continue
            }
            one.told.push(...webhook.tells)
            expect((await world.deliver(one.made.url, webhook)).status).toBe(200)
          }
        }),
      )
      if ((n + 1) * EVERY_SECONDS * SECOND === 5 * MINUTE) await tick()
    }
    await tick()
    world.clock.set(instant(START + 14 * MINUTE))
    await tick()
    caughtUpAt = world.clock()
  }, 120_000)

  afterAll(forget)

  async function tick() {
    await world.stack.idle()
    await poll()
    await world.stack.idle()
  }

  test("and enough are lost for it to mean something", () => {
    for (const { sent, lost } of happened) {
      expect(sent).toBeGreaterThanOrEqual(THINGS)
      expect(lost).toBeGreaterThan(5)
    }
  })

  test("every vendor is polled three times without being asked to slow down, within 15 minutes", () => {
    expect(polls().map(({ outcome }) => outcome)).toEqual(Array(3 * vendors.length).fill("caught up"))
    expect(caughtUpAt - START).toBeLessThanOrEqual(15 * MINUTE)
  })

  test("what never came is found, and none of it is doubled: each figure is the vendor's own", async () => {
    const key = world.acme.readKey
    const figures = async (metric: string) => bySource(metric, key)
    const [events, gross, refunds] = [await figures("events"), await figures("gross_revenue"), await figures("refunds")]
    for (const { made, standIn, events: many, ordered, refunded } of happened) {
      const cents = (text: unknown) => Number((decimal(text ?? 0)! * 100n) / 10n ** 12n)
      expect({
        vendor: standIn.vendor,
        events: events[made.id],
        ordered: cents(gross[made.id]),
        refunded: cents(refunds[made.id]),
      }).toEqual({ vendor: standIn.vendor, events: many, ordered, refunded })
    }
  })

  test("only what was missing is sent to the journal", async () => {
    for (const { made, standIn, events, told } of happened) {
      const { vendor } = standIn
      const filled = polls().reduce((sum, { source, count }) => sum + (source === made.id ? Number(count) : 0), 0)
      const known = new Set(told).size
      expect({ vendor, filled }).toEqual({ vendor, filled: events - known })
      const { received, counted, duplicate } = await world.ledger(made.id)
      expect({ vendor, received, counted, duplicate }).toEqual({
        vendor,
        received: told.length + filled,
        counted: events,
        duplicate: told.length - known,
      })
    }
  })

  test("a poll that finds nothing new sends nothing", async () => {
    world.clock.advance(5 * MINUTE)
    await tick()
    expect(
      polls()
        .slice(-vendors.length)
        .map(({ outcome, count }) => [outcome, count]),
    ).toEqual(vendors.map(() => ["caught up", 0]))
  })
})

describe("a poll", () => {
  afterEach(forget)

  let numbers = 1000
  const things = (standIn: StandIn, count: number) => {
    let events = 0
    for (let n = numbers; n < numbers + count; n++) {
      events += standIn.happen(n).events
      world.clock.advance(SECOND)
    }
    numbers += 1000
    world.clock.advance(2 * MINUTE)
    return events
  }
  const shown = (made: Made) => world.ask("GET", `/v1/sources/${made.id}`) as Promise<{ poll: Record<string, unknown> }>

  test("that is cut off in the middle goes on there, and counts nothing twice", async () => {
    const standIn = await paypalStandIn(world.clock)
    const made = await connect(standIn)
    const events = things(standIn, 150)
    const { runtime } = world.stack
    let sent = 0
    const enqueue: Runtime["enqueue"] = async (messages) => {
      if (++sent === 3) throw new Error("the process ended")
      return runtime.enqueue(messages)
    }
    await poll({ enqueue })
    expect(world.lines.findLast(({ name, source }) => name === "poll.failed" && source === made.id)).toBeDefined()
    await world.stack.idle()
    const before = Number((await world.ledger(made.id)).counted)
    expect(before).toBeGreaterThan(0)
    expect(before).toBeLessThan(events)
    expect(before % 40).toBe(0)
    const asked = standIn.asked.length
    // Whoever died holds the source for some minutes.
    await poll()
    expect(standIn.asked).toHaveLength(asked)
    world.clock.advance(6 * MINUTE)
    await poll()
    const pages = Math.ceil((events - before) / 40)
    expect(standIn.asked.slice(asked).filter((path) => path.endsWith("events"))).toHaveLength(pages)
    expect(await world.ledger(made.id)).toMatchObject({ received: events, counted: events, duplicate: 0 })
  })

  test("asks no faster than the vendor allows", async () => {
    const standIn = await zendeskStandIn(world.clock)
    const made = await connect(standIn)
    const events = things(standIn, 300)
    await poll()
    expect(await world.ledger(made.id)).toMatchObject({ counted: events })
    const apart = standIn.askedAt.slice(1).map((at, i) => at - standIn.askedAt[i]!)
    expect(apart).toEqual(Array(4).fill(6 * SECOND))
  })

  test("that is told to wait leaves the vendor alone for so long, and says so", async () => {
    const standIn = await stripeStandIn(world.clock)
    const made = await connect(standIn)
    const events = things(standIn, 10)
    standIn.refuse(1, 600)
    await poll()
    const { notBefore } = (await shown(made)).poll
    expect(await shown(made)).toMatchObject({ poll: { error: "Stripe asks to slow down" } })
    world.clock.set(String(notBefore))
    world.clock.advance(-SECOND)
    await poll()
    expect(standIn.asked).toHaveLength(1)
    world.clock.advance(SECOND)
    await poll()
    expect(await world.ledger(made.id)).toMatchObject({ counted: events })
    const { poll: state } = await shown(made)
    expect(state).toEqual({ baseUrl: standIn.baseUrl, at: expect.any(String) })
  })

  test("with a credential that the vendor refuses says so, until another is pasted", async () => {
    const standIn = await stripeStandIn(world.clock)
    const made = await connect({ ...standIn, credential: "rk_wrong" })
    const events = things(standIn, 5)
    await poll()
    expect(await shown(made)).toMatchObject({ poll: { error: "Stripe refuses the API credential: paste a new one" } })
    await world.ask("PATCH", `/v1/sources/${made.id}`, { credential: standIn.credential })
    await poll()
    expect(await world.ledger(made.id)).toMatchObject({ counted: events })
    expect((await shown(made)).poll).not.toHaveProperty("error")
  })

  test("passes over a source that is paused, deleted, or has no credential any more", async () => {
    const standIn = await stripeStandIn(world.clock)
    const [paused, deleted, silent] = [await connect(standIn), await connect(standIn), await connect(standIn)]
    things(standIn, 3)
    await world.ask("PATCH", `/v1/sources/${paused.id}`, { paused: true })
    await world.ask("DELETE", `/v1/sources/${deleted.id}`)
    await world.ask("PATCH", `/v1/sources/${silent.id}`, { credential: null })
    await poll()
    expect(standIn.asked).toEqual([])
    await world.ask("PATCH", `/v1/sources/${paused.id}`, { paused: false })
    await poll()
    expect(await world.ledger(paused.id)).toMatchObject({ counted: 3 })
    expect((await world.api("GET", `/v1/sources/${deleted.id}`)).status).toBe(404)
  })

  test("of one source that fails takes nothing from the others", async () => {
    const [broken, well] = [await stripeStandIn(world.clock), await stripeStandIn(world.clock)]
    const other = await connect({ ...broken, baseUrl: "http://127.0.0.1:1" }, world.globex.adminKey)
    const made = await connect(well, world.globex.adminKey)
    const events = things(well, 4)
    await poll()
    expect(await world.ledger(made.id, world.globex)).toMatchObject({ counted: events })
    expect(await world.ask("GET", `/v1/sources/${other.id}`, undefined, world.globex.adminKey)).toMatchObject({
      poll: { error: expect.stringContaining("Stripe did not answer") },
    })
  })

  test("is done by one at a time, however many begin", async () => {
    const standIn = await stripeStandIn(world.clock)
    const made = await connect(standIn)
    const events = things(standIn, 6)
    await Promise.all([poll(), poll(), poll()])
    expect(standIn.asked).toHaveLength(1)
    expect(await world.ledger(made.id)).toMatchObject({ received: events, counted: events })
  })
})
