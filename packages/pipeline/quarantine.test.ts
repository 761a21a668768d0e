import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { DAY } from "#core/clock.ts"
import { startTable } from "#platform/fixture.ts"
import type { Table } from "#store/table.ts"
import { call, order, type Settled, settle } from "./fixture.ts"
import { listQuarantine, type Release, release, type Search } from "./quarantine.ts"
import { reconcile } from "./reconcile.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

/** Orders without their number: as a client sends them by mistake. */
const broken = (messageId: string, revenue: string, more: object = {}) =>
  call("Order Completed", "u", { revenue }, { messageId, ...more })
const fixed = (messageId: string, revenue: string) =>
  call("Order Completed", "u", { revenue, order_id: "o" }, { messageId })

const lying = (world: Settled) => world.reading((reading) => listQuarantine(reading, { limit: 100 }))
const releasing = (world: Settled, wish: Release) =>
  world.reading((reading) => release(world.needs, reading, world.tenant, wish))
const releaseAndAppend = async (world: Settled, wish: Release) => {
  const outcome = await releasing(world, wish)
  await world.append()
  return outcome
}
const revenue = (world: Settled) => world.total({ metric: "gross_revenue" })
/** How many are counted, quarantined and duplicates; throws if the ledger is out of balance or the views are wrong. */
async function settled(world: Settled) {
  const { balanced, ...counts } = await world.ledger()
  expect(balanced).toBe(true)
  await world.fold()
  expect((await reconcile(world.needs, world.tenant)).differences).toEqual([])
  expect(await world.ledger()).toEqual({ balanced, ...counts })
  return [counts.received, counts.counted, counts.duplicate, counts.quarantined]
}
/** In the tail and in the views it is the same. */
const both = [
  ["before they are folded", false],
  ["after they were folded", true],
] as const

describe.each(both)("events in quarantine, %s", (_, folded) => {
  async function withBroken(...records: object[]) {
    const world = await settle(table)
    await world.send(records)
    if (folded) await world.fold()
    return world
  }

  test("are kept whole and listed with the reason, and are not counted", async () => {
    const world = await withBroken(broken("q1", "5"), order("u", "7"))
    expect(await lying(world)).toEqual({
      items: [
        {
          id: "q1",
          source: "app",
          receivedAt: "2026-05-10T12:00:00.000Z",
          reason: { code: "schema", field: "properties.order_id", message: "is needed" },
          event: {
            id: "q1",
            type: "track",
            event: "Order Completed",
            at: "2026-05-05T12:00:00.000Z",
            userId: "u",
            properties: { revenue: "5" },
          },
        },
      ],
    })
    expect(await revenue(world)).toBe("7.00")
    expect(await world.total({ metric: "events" })).toBe(1)
    expect(await settled(world)).toEqual([2, 1, 0, 1])
  })

  test("do not make a customer, nor appear on one's timeline", async () => {
    const world = await withBroken(broken("q1", "5"))
    expect(await world.reading((reading) => reading.customer("u"))).toBeUndefined()
    expect(await world.total({ metric: "active_customers" })).toBe(0)
  })

  test("that came twice lie there once; the second is a duplicate", async () => {
    const world = await withBroken(broken("q1", "5"))
    await world.send([broken("q1", "5")])
    expect((await lying(world)).items).toHaveLength(1)
    expect(await settled(world)).toEqual([2, 0, 1, 1])
  })

  test("stay when they are released without a fix, with the reason", async () => {
    const world = await withBroken(broken("q1", "5"))
    expect(await releaseAndAppend(world, {})).toEqual({
      released: [],
      kept: [{ id: "q1", reason: { code: "schema", field: "properties.order_id", message: "is needed" } }],
    })
    expect(await settled(world)).toEqual([1, 0, 0, 1])
  })

  test("count where they happened when they are released with a fix, and lie there no more", async () => {
    const world = await withBroken(broken("q1", "5"), broken("q2", "6", { timestamp: "2026-04-20T12:00:00Z" }))
    world.clock.advance(3 * DAY)
    const outcome = await releaseAndAppend(world, { set: { order_id: "o" } })
    expect([outcome.released.sort(), outcome.kept]).toEqual([["q1", "q2"], []])
    if (folded) await world.fold()
    expect((await lying(world)).items).toEqual([])
    expect(await revenue(world)).toBe("5.00")
    expect(await world.total({ metric: "gross_revenue", from: "2026-04-20", to: "2026-04-20" })).toBe("6.00")
    expect(await settled(world)).toEqual([2, 2, 0, 0])
  })

  test("that are released twice count once", async () => {
    const world = await withBroken(broken("q1", "5"))
    await releasing(world, { set: { order_id: "o" } })
    await releasing(world, { set: { order_id: "other", revenue: "900" } })
    expect(world.queue).toHaveLength(2)
    for (const message of world.queue.splice(0)) {
      world.queue.push(message)
      await world.append()
      if (folded) await world.fold()
    }
    expect(await revenue(world)).toBe("5.00")
    expect(await settled(world)).toEqual([1, 1, 0, 0])
    await expect(releasing(world, { ids: ["q1"] })).rejects.toMatchObject({ code: "not_found", field: "ids" })
  })

  test("are only looked at by a dry run", async () => {
    const world = await withBroken(broken("q1", "5"), broken("q2", "x"))
    expect(await releasing(world, { set: { order_id: "o" }, dryRun: true })).toMatchObject({
      released: ["q1"],
      kept: [{ id: "q2", reason: { field: "properties.revenue" } }],
    })
    expect(world.queue).toEqual([])
    expect(await settled(world)).toEqual([2, 0, 0, 2])
  })

  test("cannot be made larger than the door lets in: nothing is released", async () => {
    const world = await withBroken(
      broken("q1", "5"),
      call("Order Completed", "u", { a: "x".repeat(200_000) }, { messageId: "q2" }),
    )
    const order = { order_id: "o", revenue: "1" }
    await expect(releasing(world, { set: { ...order, b: "x".repeat(70_000) } })).rejects.toMatchObject({
      code: "payload_too_large",
      field: "set",
    })
    const many = Object.fromEntries(Array.from({ length: 998 }, (_, i) => [`p${i}`, i]))
    await expect(releasing(world, { set: { ...order, ...many } })).rejects.toMatchObject({
      code: "invalid_request",
      field: "set",
    })
    expect(world.queue).toEqual([])
    expect((await releasing(world, { ids: ["q1"], set: { ...order, ...many } })).released).toEqual(["q1"])
  })

  test("are released one by one by their ids; an unknown id releases nothing", async () => {
    const world = await withBroken(broken("q1", "5"), broken("q2", "6"))
    const set = { order_id: "o" }
    await expect(releasing(world, { ids: ["q1", "q9"], set })).rejects.toMatchObject({ code: "not_found" })
    expect(world.queue).toEqual([])
    expect((await releaseAndAppend(world, { ids: ["q2"], set })).released).toEqual(["q2"])
    expect((await lying(world)).items.map(({ id }) => id)).toEqual(["q1"])
    expect(await settled(world)).toEqual([2, 1, 0, 1])
  })

  test("that the client sends again, fixed, count once with the release: the copy before it", async () => {
    const world = await withBroken(broken("q1", "5"))
    await world.send([fixed("q1", "5")])
    if (folded) await world.fold()
    expect(await revenue(world)).toBe("5.00")
    expect(await settled(world)).toEqual([2, 1, 0, 1])
    await releaseAndAppend(world, { set: { order_id: "o" } })
    expect(await revenue(world)).toBe("5.00")
    expect((await lying(world)).items).toEqual([])
    expect(await settled(world)).toEqual([2, 1, 1, 0])
  })

  test("that the client sends again, fixed, count once with the release: the copy after it", async () => {
    const world = await withBroken(broken("q1", "5"))
    await releaseAndAppend(world, { set: { order_id: "o" } })
    if (folded) await world.fold()
    await world.send([fixed("q1", "5"), broken("q1", "5")])
    expect(await revenue(world)).toBe("5.00")
    expect((await lying(world)).items).toEqual([])
    expect(await settled(world)).toEqual([3, 1, 2, 0])
  })

  test("that had no time of their own are released on the day on which they were heard", async () => {
    const world = await withBroken(broken("q1", "5", { timestamp: undefined }))
    world.clock.advance(5 * DAY)
    await releaseAndAppend(world, { set: { order_id: "o" } })
    expect(await world.total({ metric: "gross_revenue", from: "2026-05-10", to: "2026-05-10" })).toBe("5.00")
    expect(await settled(world)).toEqual([1, 1, 0, 0])
  })
})

test("what lies in quarantine is listed page by page, oldest first, by event and by reason", async () => {
  const world = await settle(table)
  const rated = (messageId: string) => call("Satisfaction Rated", "u", { rating: 9 }, { messageId })
  for (const records of [[broken("a", "1"), rated("b")], [broken("c", "1")], [rated("d")]]) {
    await world.send(records)
    world.clock.advance(1000)
    if (records.length === 1) await world.fold()
  }
  const ids = (page: Parameters<typeof listQuarantine>[1]) =>
    world.reading(async (reading) => {
      const { items, next } = await listQuarantine(reading, page)
      return { ids: items.map(({ id }) => id), next }
    })
  const all = (await ids({ limit: 100 })).ids
  expect([...all].sort()).toEqual(["a", "b", "c", "d"])
  expect(all.slice(2)).toEqual(["c", "d"])
  const paged: string[] = []
  for (let after: string | undefined; ; ) {
    const page = await ids({ limit: 1, ...(after === undefined ? {} : { after }) })
    paged.push(...page.ids)
    after = page.next
    if (after === undefined) break
  }
  expect(paged).toEqual(all)
  expect((await ids({ limit: 100, event: "Satisfaction Rated" })).ids.sort()).toEqual(["b", "d"])
  expect((await ids({ limit: 100, code: "schema" })).ids).toHaveLength(4)
  expect((await ids({ limit: 100, code: "plan" })).ids).toEqual([])
  expect((await ids({ limit: 4 })).next).toBeUndefined()
})

test("a released message whose worker died half way counts once when it comes again", async () => {
  const world = await settle(table)
  await world.send([broken("q1", "5")])
  await releasing(world, { set: { order_id: "o" } })
  const [message] = world.queue as [string]
  await world.append()
  world.queue.push(message, message)
  await world.append()
  expect(await settled(world)).toEqual([1, 1, 0, 0])
})

test("quarantine is searched by words, by a field's value, by source and by time, page by page", async () => {
  const world = await settle(table)
  await world.send([
    broken("s1", "5", { properties: { revenue: "5", note: "Blue Mug", parcel: { kg: 2 } } }),
    broken("s2", "6", { properties: { revenue: "6", note: "plate" } }),
  ])
  await world.send([broken("s3", "7", { properties: { revenue: "7", note: "blue cup" } })])
  const all = (await lying(world)).items
  const found = async (search: Search, limit = 10, after?: string) => {
    const page = await world.reading((reading) => listQuarantine(reading, { ...search, limit, after }))
    return { ids: page.items.map(({ id }) => id), next: page.next }
  }
  expect((await found({ text: "BLUE" })).ids).toEqual(["s1", "s3"])
  expect((await found({ field: "properties.parcel.kg", value: "2" })).ids).toEqual(["s1"])
  expect((await found({ field: "properties.parcel" })).ids).toEqual(["s1"])
  expect((await found({ field: "properties.note", value: "plate", source: "app" })).ids).toEqual(["s2"])
  expect((await found({ source: "another" })).ids).toEqual([])
  expect((await found({ to: all[0]!.receivedAt })).ids).toEqual([])
  expect((await found({ from: all[0]!.receivedAt })).ids.sort()).toEqual(["s1", "s2", "s3"])
  const first = await found({ text: "blue" }, 1)
  expect(first.ids).toEqual(["s1"])
  expect(await found({ text: "blue" }, 1, first.next)).toEqual({ ids: ["s3"], next: undefined })
})

test("an edit shows what it would change before it does, and is done to what a search finds alone", async () => {
  const world = await settle(table)
  await world.send([
    broken("e1", "5", { properties: { revenue: "5", number: "o1", secret: "x" } }),
    broken("e2", "6", { properties: { revenue: "6" } }),
  ])
  const wish = { match: { field: "properties.number" }, rename: { number: "order_id" }, remove: ["secret"] }
  expect(await releasing(world, { ...wish, dryRun: true })).toEqual({
    released: ["e1"],
    kept: [],
    changes: [
      { id: "e1", property: "number", before: "o1" },
      { id: "e1", property: "secret", before: "x" },
      { id: "e1", property: "order_id", after: "o1" },
    ],
  })
  expect((await lying(world)).items).toHaveLength(2)
  expect(await releaseAndAppend(world, wish)).toEqual({ released: ["e1"], kept: [] })
  expect((await lying(world)).items.map(({ id }) => id)).toEqual(["e2"])
  expect(await revenue(world)).toBe("5.00")
  expect(await settled(world)).toEqual([2, 1, 0, 1])
})
