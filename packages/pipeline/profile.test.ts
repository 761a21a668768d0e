import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { startTable } from "#platform/fixture.ts"
import type { Table } from "#store/table.ts"
import { call, order, type Settled, settle } from "./fixture.ts"
import { profileOf, type TimelinePage, timelineOf } from "./profile.ts"
import { reconcile } from "./reconcile.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

/** All of a customer's timeline, by pages of one size: message ids. */
async function timeline(world: Settled, id: string, limit: number) {
  const shown: string[] = []
  let pages = 0
  for (let next: string | undefined = ""; next !== undefined; ) {
    const [position, skipped]: number[] = next.split(".").map(Number)
    const page: TimelinePage = await world.reading(async (reading) => {
      const customer = (await reading.customer(id))!
      const after = next === "" ? {} : { after: { position: position!, shown: skipped! } }
      return timelineOf(world.needs, world.tenant, reading, customer, { limit, ...after })
    })
    if (page.next !== undefined || pages === 0) expect(page.events.length).toBeLessThanOrEqual(limit)
    shown.push(...page.events.map((event) => event.id))
    next = page.next
    if (++pages > 2000) throw new Error("the pages have no end")
  }
  return shown
}
/** The same list whatever the size of its pages. */
async function whole(world: Settled, id: string, sizes = [1, 50]) {
  const [first, ...others] = await Promise.all(sizes.map((limit) => timeline(world, id, limit)))
  for (const other of others) expect(other).toEqual(first)
  return first!
}
const profile = (world: Settled, id: string) =>
  world.reading(async (reading) => {
    const customer = await reading.customer(id)
    return customer && profileOf(customer, reading.currency)
  })

const at = (minute: number) => ({
  timestamp: new Date(Date.parse("2026-05-05T00:00:00Z") + minute * 60_000).toISOString(),
})
const visit = (userId: string, messageId: string, minute: number, more: object = {}) =>
  call("Tested", userId, {}, { messageId, ...at(minute), ...more })

describe("a timeline", () => {
  test("shows entries from the newest, and the events of each from the newest, with their source", async () => {
    const world = await settle(table)
    await world.send([visit("u", "a", 3), visit("u", "b", 9), visit("other", "x", 5)])
    await world.send([visit("u", "c", 1), visit("u", "d", 2)], { source: "shop" })
    expect(await whole(world, "u", [1, 2, 3, 50])).toEqual(["d", "c", "b", "a"])
    const { events } = await world.reading(async (reading) =>
      timelineOf(world.needs, world.tenant, reading, (await reading.customer("u"))!, { limit: 1 }),
    )
    expect(events).toEqual([
      {
        id: "d",
        type: "track",
        event: "Tested",
        at: "2026-05-05T00:02:00.000Z",
        userId: "u",
        properties: {},
        source: "shop",
      },
    ])
  })

  test("is the same before and after it was folded", async () => {
    const world = await settle(table)
    for (let i = 0; i < 4; i++) await world.send([visit("u", `m${i}`, i)])
    const before = await whole(world, "u")
    await world.fold()
    expect(await whole(world, "u")).toEqual(before)
  })

  test("of more than two hundred entries is whole, folded in any number of steps, in pages of any size", async () => {
    const world = await settle(table)
    const expected: string[] = []
    for (let i = 0; i < 230; i++) {
      await world.send([visit("u", `m${i}`, i), visit("v", `x${i}`, i)])
      expected.unshift(`m${i}`)
      if (i % 40 === 17) await world.fold()
    }
    expect(await whole(world, "u", [7, 200])).toEqual(expected)
    await world.fold()
    expect(await whole(world, "u", [1, 50])).toEqual(expected)
  })

  test("of a customer that had two names is one, also where much of both had been put aside", async () => {
    const world = await settle(table)
    const expected: string[] = []
    for (let i = 0; i < 110; i++) {
      await world.send([
        visit("u", `u${i}`, 2 * i),
        call("Tested", "", {}, { userId: undefined, anonymousId: "a", messageId: `a${i}`, ...at(2 * i + 1) }),
      ])
      expected.unshift(`a${i}`, `u${i}`)
      if (i % 50 === 49) await world.fold()
    }
    const link = { type: "identify", userId: "u", anonymousId: "a", messageId: "link", ...at(500) }
    await world.send([link])
    expect(await whole(world, "u", [50])).toEqual(["link", ...expected])
    await world.fold()
    expect(await whole(world, "u", [1, 50])).toEqual(["link", ...expected])
    expect(await whole(world, "a", [50])).toEqual(["link", ...expected])
    for (let i = 0; i < 3; i++) await world.send([visit("u", `late${i}`, 600 + i)])
    expect((await whole(world, "a", [50])).slice(0, 4)).toEqual(["late2", "late1", "late0", "link"])
  })

  test("shows a message once, however often it was sent", async () => {
    const world = await settle(table)
    await world.send([visit("u", "a", 1), visit("u", "b", 2)])
    await world.send([visit("u", "b", 2), visit("u", "c", 3)])
    await world.send([visit("u", "c", 3), visit("u", "c", 3)])
    expect((await whole(world, "u")).sort()).toEqual(["a", "b", "c"])
  })

  test("shows a message once however far apart its copies lie, where it was counted", async () => {
    const world = await settle(table)
    const expected: string[] = []
    await world.send([visit("u", "a", 1), visit("u", "b", 2)])
    for (let i = 0; i < 130; i++) {
      const again =
        i % 40 === 33 ? [visit("u", "a", 1), visit("", "x3", 7, { userId: undefined, anonymousId: "n" })] : []
      const browser = i === 3 ? [visit("", "x3", 7, { userId: undefined, anonymousId: "n" })] : []
      await world.send([...again, visit("u", `m${i}`, 10 + i), ...browser])
      expected.unshift(`m${i}`, ...browser.map(({ messageId }) => messageId))
      if (i % 50 === 40) await world.fold()
    }
    await world.send([{ type: "identify", userId: "u", anonymousId: "n", messageId: "link", ...at(500) }])
    expect(await whole(world, "u", [1, 50])).toEqual(["link", ...expected, "b", "a"])
    await world.fold()
    expect(await whole(world, "u", [1, 50])).toEqual(["link", ...expected, "b", "a"])
    expect((await reconcile(world.needs, world.tenant)).differences).toEqual([])
  })

  test("shows both messages of one id that were made on different days, as both count", async () => {
    const world = await settle(table)
    await world.send([visit("u", "a", 1), visit("u", "a", 1 + 24 * 60), visit("u", "a", 1)])
    expect((await profile(world, "u"))?.events).toBe(2)
    expect(await whole(world, "u")).toEqual(["a", "a"])
  })

  test("goes on where it was when more has come meanwhile", async () => {
    const world = await settle(table)
    for (let i = 0; i < 3; i++) await world.send([visit("u", `m${i}`, i), visit("u", `n${i}`, i + 10)])
    const page = (after?: { position: number; shown: number }) =>
      world.reading(async (reading) =>
        timelineOf(world.needs, world.tenant, reading, (await reading.customer("u"))!, {
          limit: 3,
          ...(after ? { after } : {}),
        }),
      )
    const first = await page()
    expect(first.events.map(({ id }) => id)).toEqual(["n2", "m2", "n1"])
    await world.send([visit("u", "new", 50)])
    const [position, shown] = first.next!.split(".").map(Number) as [number, number]
    expect((await page({ position, shown })).events.map(({ id }) => id)).toEqual(["m1", "n0", "m0"])
  })
})

describe("a profile", () => {
  test("tells what a customer has done, in the tenant's currency, to the cent", async () => {
    const world = await settle(table)
    await world.send([
      { type: "identify", userId: "u", messageId: "i", traits: { name: "Zoë", plan: "pro" }, ...at(0) },
      { type: "page", userId: "u", anonymousId: "a", messageId: "p", name: "Home", ...at(1) },
      order("u", "12.345", { products: [{ product_id: "x", quantity: 2, price: 1 }] }, at(2)),
      order("u", "100", { currency: "USD" }, at(5)),
      call("Order Refunded", "u", { order_id: "o", revenue: "20" }, at(6)),
      call("Subscription Started", "u", { subscription_id: "s", plan: "pro", mrr: "10" }, at(7)),
      call("Subscription Changed", "u", { subscription_id: "s", mrr: "15.5" }, at(8)),
      call("Ticket Opened", "u", { ticket_id: "t" }, at(9)),
      call("Ticket Resolved", "u", { ticket_id: "t" }, at(11)),
    ])
    const expected = {
      id: "u",
      aliases: ["a"],
      identified: true,
      traits: { name: "Zoë", plan: "pro" },
      firstSeen: "2026-05-05T00:00:00.000Z",
      lastSeen: "2026-05-05T00:11:00.000Z",
      events: 9,
      sessions: 1,
      pageViews: 1,
      orders: 2,
      units: 2,
      revenue: "12.345",
      refundedOrders: 1,
      refunds: "20.00",
      netRevenue: "-7.655",
      currency: "EUR",
      firstOrder: "2026-05-05T00:02:00.000Z",
      lastOrder: "2026-05-05T00:05:00.000Z",
      subscriptions: [
        { id: "s", plan: "pro", mrr: "15.50", active: true, since: "2026-05-05T00:07:00.000Z", endedAt: null },
      ],
      tickets: {
        opened: 1,
        resolved: 1,
        recent: [{ id: "t", openedAt: "2026-05-05T00:09:00.000Z", resolvedAt: "2026-05-05T00:11:00.000Z" }],
      },
    }
    expect(await profile(world, "u")).toEqual(expected)
    await world.fold()
    expect(await profile(world, "a")).toEqual(expected)
    expect(await profile(world, "nobody")).toBeUndefined()
  })

  test("of a browser alone is not identified, and has nothing that did not happen", async () => {
    const world = await settle(table)
    await world.send([{ type: "page", anonymousId: "a", messageId: "p", ...at(0) }])
    expect(await profile(world, "a")).toMatchObject({
      identified: false,
      aliases: [],
      revenue: "0.00",
      firstOrder: null,
      subscriptions: [],
      tickets: { opened: 0, recent: [] },
    })
  })

  test("says that a subscription ended, and when", async () => {
    const world = await settle(table)
    await world.send([
      call("Subscription Cancelled", "u", { subscription_id: "s" }, at(9)),
      call("Subscription Started", "u", { subscription_id: "s", plan: "pro", mrr: "10" }, at(7)),
    ])
    expect((await profile(world, "u"))?.subscriptions).toEqual([
      {
        id: "s",
        plan: "pro",
        mrr: "0.00",
        active: false,
        since: "2026-05-05T00:07:00.000Z",
        endedAt: "2026-05-05T00:09:00.000Z",
      },
    ])
  })

  test("keeps the latest word on each trait, whatever order they came in", async () => {
    const world = await settle(table)
    const said = (messageId: string, traits: object, minute: number, more: object = {}) => ({
      type: "identify",
      userId: "u",
      messageId,
      traits,
      ...at(minute),
      ...more,
    })
    await world.send([said("1", { city: "Athens", vip: true }, 5)])
    await world.fold()
    await world.send([said("2", { city: "Patras", age: 7 }, 3)])
    await world.send([said("3", { vip: null, age: 8 }, 4, { userId: undefined, anonymousId: "a" })])
    await world.send([said("4", {}, 6, { anonymousId: "a" })])
    expect((await profile(world, "u"))?.traits).toEqual({ city: "Athens", vip: true, age: 8 })
  })
})
