import { describe, expect, test } from "vitest"
import { zoneOf } from "#core/zone.ts"
import type { Event } from "#events/event.ts"
import type { MetricName } from "#metrics/catalogue.ts"
import type { Dimension } from "#metrics/dimension.ts"
import { Query, questionOf } from "#metrics/query.ts"
import { run } from "#metrics/run.ts"
import { fold } from "./fold.ts"
import { emptyMemory } from "./memory.ts"
import { readMemory } from "./reading.ts"

/** Customers' histories, told by what they give to metrics, whatever order their events came in. */
let made = 0
type Told = Partial<Omit<Event, "at">> & { at?: string }
const told = ({ at = "12:00", ...more }: Told): Event => ({
  id: `m${++made}`,
  type: "track",
  at: at.length > 10 ? at : `2026-05-05T${at.padEnd(8, ":00")}.000Z`,
  ...(more.anonymousId === undefined ? { userId: "u" } : {}),
  ...more,
})
const page = (at: string, more: Told = {}) => told({ type: "page", at, ...more })
const track = (event: string, at: string, properties: object = {}, more: Told = {}) =>
  told({ event, at, properties: properties as Event["properties"] & object, ...more })

/** Each event is an entry of its own. */
function world(events: readonly Event[]) {
  const memory = emptyMemory({ zone: zoneOf("UTC"), currency: "EUR" })
  for (const [i, event] of events.entries()) {
    const batch = { id: `b${i}`, source: "app", receivedAt: "2026-05-10T12:00:00.000Z", events: [event] }
    fold(memory, { position: i + 1, at: "2026-05-10T12:00:00.000Z", batches: [batch] })
  }
  const reading = readMemory(memory)
  const ask = (metric: MetricName, by?: Dimension) =>
    run(
      reading,
      questionOf(
        Query.parse({ metric, from: "2026-05-01", to: "2026-05-31", grain: "total", ...(by ? { by } : {}) }),
        "",
      ),
    )
  return {
    memory,
    total: async (metric: MetricName) => (await ask(metric)).total,
    /** The figures of its keys that are not nought. */
    by: async (metric: MetricName, dimension: Dimension) =>
      Object.fromEntries(
        ((await ask(metric, dimension)).keys ?? []).flatMap(({ key, total }) =>
          Number(total) === 0 ? [] : [[key, total]],
        ),
      ),
  }
}

function* permutations<T>(all: readonly T[]): Generator<T[]> {
  if (all.length < 2) yield [...all]
  for (const [i, one] of all.entries()) for (const rest of permutations(all.toSpliced(i, 1))) yield [one, ...rest]
}
/** The one answer that all orders of arrival give. */
async function inAnyOrder<T>(
  events: readonly Event[],
  ask: (some: ReturnType<typeof world>) => Promise<T>,
): Promise<T> {
  const answers = new Map<string, T>()
  for (const order of permutations(events)) {
    const answer = await ask(world(order))
    answers.set(JSON.stringify(answer), answer)
  }
  expect([...answers.keys()]).toHaveLength(1)
  return [...answers.values()][0]!
}

describe("sessions", () => {
  const sessions = (...events: Event[]) =>
    inAnyOrder(events, async ({ total }) => [await total("sessions"), await total("bounced_sessions")])

  test("end with a pause of more than 30 minutes", async () => {
    expect(await sessions(page("12:00"), page("12:30"))).toEqual([1, 0])
    expect(await sessions(page("12:00"), page("2026-05-05T12:30:00.001Z"))).toEqual([2, 2])
    expect(await sessions(page("12:00"), page("12:20"), page("12:40"), page("13:11"))).toEqual([2, 1])
  })

  test("that a late event lies between become one", async () => {
    expect(await sessions(page("12:00"), page("12:50"), page("12:25"))).toEqual([1, 0])
  })

  test("with an id of their own hold what names it, however long the pauses", async () => {
    const context = { sessionId: "s1" }
    expect(await sessions(page("08:00", { context }), page("20:00", { context }), page("20:01"))).toEqual([2, 1])
    const named = track("Message Sent", "09:00", { session_id: "s1" })
    expect(await sessions(page("08:00", { context }), named)).toEqual([1, 0])
  })

  test("are made by pages, screens and browsers, not by servers nor by identities", async () => {
    const served = [
      track("Order Completed", "12:00", { revenue: 1 }),
      told({ type: "identify", anonymousId: "a", userId: "u" }),
    ]
    expect(await sessions(...served)).toEqual([0, 0])
    expect(
      await sessions(track("Tested", "12:00", {}, { anonymousId: "a" }), told({ type: "screen", at: "18:00" })),
    ).toEqual([2, 2])
  })

  test("of two names that become one customer are joined where they touch", async () => {
    const link = told({ type: "identify", userId: "u", anonymousId: "a", at: "18:00" })
    expect(
      await sessions(page("12:00"), page("12:10", { anonymousId: "a" }), page("15:00", { anonymousId: "a" }), link),
    ).toEqual([2, 1])
  })

  test("count on the day and under the country with which they began", async () => {
    const began = page("2026-05-05T23:50:00.000Z", { context: { location: { country: "GR" } } })
    const went = page("2026-05-06T00:05:00.000Z", { context: { location: { country: "DE" } } })
    expect(await inAnyOrder([began, went], ({ by }) => by("sessions", "country"))).toEqual({ GR: 1 })
  })

  test("are engaged with ten seconds, two pages or an order", async () => {
    const engaged = (...events: Event[]) => inAnyOrder(events, ({ total }) => total("engaged_sessions"))
    const browser = { anonymousId: "a" }
    expect(await engaged(page("12:00"))).toBe(0)
    expect(await engaged(page("12:00"), page("12:00:01"))).toBe(1)
    expect(await engaged(track("Tested", "12:00:00", {}, browser), track("Tested", "12:00:09", {}, browser))).toBe(0)
    expect(await engaged(track("Tested", "12:00:00", {}, browser), track("Tested", "12:00:10", {}, browser))).toBe(1)
    expect(await engaged(track("Order Completed", "12:00", { revenue: 1 }, browser))).toBe(1)
  })

  test("more than four back are final: what comes for them later is a visit of its own", async () => {
    const visits = ["01:00", "03:00", "05:00", "07:00", "09:00"].map((at) => page(at))
    expect(await world([...visits, page("09:05")]).total("sessions")).toBe(5)
    expect(await world([...visits, page("03:05")]).total("sessions")).toBe(5)
    expect(await world([...visits, page("01:05")]).total("sessions")).toBe(6)
  })
})

describe("new customers", () => {
  test("count where their first event happened, whatever order it came in", async () => {
    const first = page("2026-05-03T12:00:00.000Z", { context: { location: { country: "GR" } } })
    const second = page("2026-05-04T12:00:00.000Z", { context: { location: { country: "DE" } } })
    const third = page("2026-04-01T12:00:00.000Z", { anonymousId: "a" })
    expect(await inAnyOrder([first, second], ({ by }) => by("new_customers", "country"))).toEqual({ GR: 1 })
    expect(await inAnyOrder([first, second, third], ({ total }) => total("new_customers"))).toBe(1)
    const link = told({ type: "identify", userId: "u", anonymousId: "a" })
    expect(await inAnyOrder([first, third, link], ({ total }) => total("new_customers"))).toBe(0)
  })
})

describe("subscriptions", () => {
  const turn = (kind: "Started" | "Changed" | "Cancelled", at: string, properties: object = {}) =>
    track(`Subscription ${kind}`, at, { subscription_id: "s", ...properties })
  const level = (...events: Event[]) =>
    inAnyOrder(events, async ({ total }) => [await total("active_subscriptions"), await total("mrr")])

  test("are active from their start to their cancellation, at their last price, whatever order was heard", async () => {
    const started = turn("Started", "01:00", { mrr: "10" })
    const changed = turn("Changed", "02:00", { mrr: "15.5" })
    const cancelled = turn("Cancelled", "03:00", { mrr: "99" })
    const again = turn("Started", "04:00")
    expect(await level(started)).toEqual([1, "10.00"])
    expect(await level(started, changed)).toEqual([1, "15.50"])
    expect(await level(started, changed, cancelled)).toEqual([0, "0.00"])
    expect(await level(started, changed, cancelled, again)).toEqual([1, "15.50"])
    expect(await level(cancelled)).toEqual([0, "0.00"])
    expect(await level(changed, turn("Changed", "05:00", { plan: "pro" }))).toEqual([1, "15.50"])
  })

  test.each([
    ["year", "100", "8.33"],
    ["month", "100", "100.00"],
    ["week", "3", "13.00"],
    ["day", "1", "30.42"],
    ["year", "-1", "0.00"],
    [undefined, "12.345", "12.345"],
  ])("an amount by the %s of %s is %s a month", async (interval, amount, mrr) => {
    const properties = amount === "-1" ? { amount: "0", interval } : { amount, interval }
    expect(await level(turn("Started", "01:00", properties))).toEqual([1, mrr])
  })

  test("in another currency are active and add no money", async () => {
    expect(await level(turn("Started", "01:00", { mrr: "10", currency: "USD" }))).toEqual([1, "0.00"])
  })

  test("move from plan to plan", async () => {
    const turns = [
      turn("Started", "01:00", { plan: "free", mrr: "0" }),
      turn("Changed", "02:00", { plan: "pro", mrr: "20" }),
      turn("Changed", "03:00", { mrr: "25" }),
    ]
    expect(await inAnyOrder(turns, ({ by }) => by("active_subscriptions", "plan"))).toEqual({ pro: 1 })
    expect(await inAnyOrder(turns, ({ by }) => by("mrr", "plan"))).toEqual({ pro: "25.00" })
  })

  test("that were cancelled leave nothing behind, in no country and no channel", async () => {
    const turns = [
      turn("Started", "01:00", { mrr: "10", country: "GR", channel: "ads" }),
      turn("Changed", "02:00", { mrr: "20", country: "DE" }),
      turn("Cancelled", "03:00"),
    ]
    for (const dimension of ["country", "channel"] as const) {
      expect(await inAnyOrder(turns, ({ by }) => by("active_subscriptions", dimension))).toEqual({})
      expect(await inAnyOrder(turns, ({ by }) => by("mrr", dimension))).toEqual({})
    }
  })

  test("stay in the country that was said last", async () => {
    const turns = [turn("Started", "01:00", { mrr: "10", country: "GR" }), turn("Changed", "02:00", { mrr: "20" })]
    expect(await inAnyOrder(turns, ({ by }) => by("mrr", "country"))).toEqual({ GR: "20.00" })
    const moved = [...turns, turn("Changed", "03:00", { country: "DE" })]
    expect(await inAnyOrder(moved, ({ by }) => by("mrr", "country"))).toEqual({ DE: "20.00" })
    expect(await inAnyOrder(moved, ({ by }) => by("active_subscriptions", "country"))).toEqual({ DE: 1 })
  })

  test("of two names that become one customer are one history", async () => {
    const link = told({ type: "identify", userId: "u", anonymousId: "a", at: "08:00" })
    const ended = track("Subscription Cancelled", "03:00", { subscription_id: "s" }, { anonymousId: "a" })
    expect(await level(turn("Started", "01:00", { mrr: "10" }), ended, link)).toEqual([0, "0.00"])
  })
})

describe("tickets", () => {
  const turn = (kind: "Opened" | "Resolved", at: string, properties: object = {}, more: Told = {}) =>
    track(`Ticket ${kind}`, at, { ticket_id: "t", ...properties }, more)
  const hours = (...events: Event[]) =>
    inAnyOrder(events, async ({ total }) => [await total("timed_resolutions"), await total("resolution_hours")])
  const link = () => told({ type: "identify", userId: "u", anonymousId: "a", at: "23:00" })

  test("take from their opening to their resolution, whatever order was heard", async () => {
    expect(await hours(turn("Opened", "01:00"), turn("Resolved", "03:30"))).toEqual([1, 2.5])
    expect(await hours(turn("Resolved", "03:30"))).toEqual([0, null])
    expect(await hours(turn("Opened", "03:30"))).toEqual([0, null])
  })

  test("take as long as was stated, and never less than nothing", async () => {
    expect(await hours(turn("Resolved", "03:30", { resolution_seconds: 1800 }))).toEqual([1, 0.5])
    expect(await hours(turn("Opened", "01:00"), turn("Resolved", "03:30", { resolution_seconds: "900" }))).toEqual([
      1, 0.25,
    ])
    expect(await hours(turn("Opened", "05:00"), turn("Resolved", "03:30"))).toEqual([1, 0])
  })

  test("that were opened twice take from the first", async () => {
    expect(await hours(turn("Opened", "02:00"), turn("Opened", "01:00"), turn("Resolved", "03:00"))).toEqual([1, 2])
  })

  test("that were opened under two names of one customer take from the first too", async () => {
    const before = turn("Opened", "01:00", {}, { anonymousId: "a" })
    expect(await hours(before, turn("Opened", "02:00"), turn("Resolved", "03:00"), link())).toEqual([1, 2])
  })

  test("that were resolved again take to the last resolution", async () => {
    const again = turn("Resolved", "09:00")
    expect(await hours(turn("Opened", "01:00"), turn("Resolved", "03:00"), again)).toEqual([1, 8])
    expect(await hours(turn("Opened", "01:00"), turn("Resolved", "03:00", { resolution_seconds: 60 }), again)).toEqual([
      1, 8,
    ])
  })

  test("of two customers are two, though they have the same number", async () => {
    const other = turn("Opened", "01:00", {}, { userId: "other" })
    expect(await hours(other, turn("Resolved", "03:00"))).toEqual([0, null])
  })
})

test("what is in another currency is kept apart: it counts, but its money does not", async () => {
  const events = [
    track("Order Completed", "01:00", { order_id: 1, revenue: "10", currency: "eur" }),
    track("Order Completed", "02:00", { order_id: 2, revenue: "20", currency: "USD" }),
    track("Order Refunded", "03:00", { order_id: 2, revenue: "5", currency: "USD" }),
  ]
  const { total, by } = world(events)
  expect([await total("orders"), await total("gross_revenue"), await total("refunds")]).toEqual([2, "10.00", "0.00"])
  expect(await by("orders", "currency")).toEqual({ EUR: 1, USD: 1 })
})
