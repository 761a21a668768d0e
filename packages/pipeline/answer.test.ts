import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { Fault } from "#core/fault.ts"
import type { QueryInput } from "#metrics/query.ts"
import { startTable } from "#platform/fixture.ts"
import type { Table } from "#store/table.ts"
import { answer } from "./answer.ts"
import { call, order, type Settled, settle } from "./fixture.ts"
import { replay } from "./replay.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

const keyed = (keys: readonly { key: string; total: unknown }[] | undefined) =>
  Object.fromEntries((keys ?? []).map(({ key, total }) => [key, total]))
const faultOf = (asking: Promise<unknown>) =>
  asking.then(
    () => undefined,
    (error: unknown) => (error instanceof Fault ? { code: error.code, field: error.field } : error),
  )

test("an answer echoes the question with its defaults, and says at which position it is exact and how fresh", async () => {
  const world = await settle(table)
  expect(await world.ask({ metric: "events" })).toMatchObject({
    query: { metric: "events", from: "2026-04-11", to: "2026-05-10", grain: "day", limit: 100 },
    total: 0,
    position: 0,
    freshness: { at: null, seconds: null },
  })
  await world.send([order("u", "5")])
  world.clock.advance(90_400)
  expect(await world.ask({ metric: "events" })).toMatchObject({
    total: 1,
    position: 1,
    freshness: { at: "2026-05-10T12:00:00.000Z", seconds: 90 },
  })
  await world.fold()
  expect(await world.ask({ metric: "events" })).toMatchObject({ total: 1, position: 1, freshness: { seconds: 90 } })
})

test("today is the tenant's own day", async () => {
  const world = await settle(table, { timeZone: "Pacific/Auckland" })
  expect((await world.ask({ metric: "events" })).query.to).toBe("2026-05-11")
})

test("the same question has the same answer out of the tail, out of the views, and half of each", async () => {
  const world = await settle(table)
  const asked: QueryInput[] = [
    { metric: "net_revenue", grain: "week" },
    { metric: "active_customers", by: "country" },
    { metric: "sessions" },
    { metric: "orders", grain: "hour", from: "2026-05-05", to: "2026-05-05" },
  ]
  const all = () =>
    Promise.all(asked.map(async (query) => ({ ...(await world.ask(query)), position: 0, freshness: 0 })))
  await world.send([
    order("a", "5.10", { country: "GR" }),
    call("Order Refunded", "a", { order_id: "o", revenue: "1" }),
  ])
  const first = await all()
  await world.fold()
  expect(await all()).toEqual(first)
  await world.send([
    order("b", "7", { country: "DE" }, { anonymousId: "x" }),
    { ...call("x", "b"), type: "page", event: null },
  ])
  const both = await all()
  expect(both).not.toEqual(first)
  await world.fold()
  expect(await all()).toEqual(both)
})

describe("as of a moment", () => {
  /** Three entries, a minute apart, and the figures that were shown after each. */
  async function history() {
    const world = await settle(table)
    const shown: { at: string; total: unknown; customers: unknown; mrr: unknown }[] = []
    const look = async (asOf?: number | string) => ({
      total: await world.total({ metric: "gross_revenue", asOf }),
      customers: await world.total({ metric: "active_customers", asOf }),
      mrr: await world.total({ metric: "mrr", asOf }),
    })
    const steps = [
      [order("a", "1"), call("Subscription Started", "a", { subscription_id: "s", mrr: "10" })],
      [order("b", "2"), order("c", "4")],
      [
        { ...call("x", "a"), type: "alias", event: null, previousId: "b" },
        call("Subscription Cancelled", "a", { subscription_id: "s" }, { timestamp: "2026-05-06T00:00:00Z" }),
      ],
    ]
    for (const [i, records] of steps.entries()) {
      await world.send(records)
      if (i === 1) await world.fold()
      shown.push({ at: new Date(world.clock()).toISOString(), ...(await look()) })
      world.clock.advance(60_000)
    }
    return { world, shown, look }
  }

  test("as of a position is the number that was shown then, folded or not", async () => {
    const { world, shown, look } = await history()
    expect(shown.map(({ total, customers, mrr }) => [total, customers, mrr])).toEqual([
      ["1.00", 1, "10.00"],
      ["7.00", 3, "10.00"],
      ["7.00", 2, "0.00"],
    ])
    const check = async () => {
      for (const [i, { at: _, ...figures }] of shown.entries()) expect(await look(i + 1)).toEqual(figures)
      expect(await look(0)).toEqual({ total: "0.00", customers: 0, mrr: "0.00" })
    }
    await check()
    await world.fold()
    await check()
    expect((await world.ask({ metric: "events", asOf: 2 })).position).toBe(2)
  })

  test("as of an instant is the number that was shown then; before the first there was none", async () => {
    const { shown, look } = await history()
    for (const { at, ...figures } of shown) {
      expect(await look(at)).toEqual(figures)
      expect(await look(new Date(Date.parse(at) + 59_999).toISOString())).toEqual(figures)
    }
    expect((await look("2026-05-10T11:59:59.999Z")).total).toBe("0.00")
    expect((await look("2030-01-01")).total).toBe("7.00")
  })

  test("a position that the journal has not reached is refused", async () => {
    const { world } = await history()
    expect(await faultOf(world.ask({ metric: "events", asOf: 4 }))).toEqual({ code: "invalid_request", field: "asOf" })
    expect((await world.ask({ metric: "events", asOf: 3 })).position).toBe(3)
  })

  test("a filter, hours and a split go with it", async () => {
    const { world } = await history()
    const query = { metric: "orders", from: "2026-05-05", to: "2026-05-05", asOf: 2 } as const
    expect((await world.ask({ ...query, where: { field: "user_id", op: "eq", value: "b" } })).total).toBe(1)
    expect((await world.ask({ ...query, grain: "hour" })).series[12]).toMatchObject({ value: 3 })
    expect(keyed((await world.ask({ ...query, by: "source" })).keys)).toEqual({ app: 3 })
  })
})

describe("filtered", () => {
  let world: Settled
  beforeAll(async () => {
    world = await settle(table)
    const at = (day: number) => ({ timestamp: `2026-05-0${day}T09:30:00Z` })
    await world.send([
      order("a", "10", { country: "GR", coupon: "SUMMER" }, at(1)),
      order("a", "20", { country: "DE", channel: "ads" }, at(2)),
      order("b", "40", { country: "GR", channel: "7" }, at(3)),
      call("Feature Used", "b", { feature: "search", country: "FR" }, at(3)),
    ])
    await world.fold()
    await world.send([
      order("c", "80", { country: "GR", coupon: "WINTER" }, at(3)),
      { type: "identify", userId: "c", messageId: "i", traits: { plan: "pro" }, ...at(1) },
      order("c", "160", {}, at(4)),
      {
        type: "page",
        anonymousId: "x",
        messageId: "p",
        name: "Home",
        context: { location: { country: "GR" } },
        ...at(4),
      },
    ])
  })

  const filters: QueryInput["where"][] = [
    { field: "country", op: "eq", value: "GR" },
    { field: "country", op: "in", value: ["GR", "DE"] },
    { field: "country", op: "eq", value: "XX" },
    { field: "source", op: "eq", value: "app" },
    { field: "plan", op: "eq", value: "pro" },
    { field: "channel", op: "eq", value: "ads" },
  ]
  const asked = [
    "events",
    "orders",
    "gross_revenue",
    "net_revenue",
    "average_order_value",
    "active_customers",
    "units",
  ] as const

  test.each(filters)("out of the views as out of the journal: %j", async (where) => {
    for (const metric of asked) {
      const query = { metric, from: "2026-04-01", to: "2026-05-31", where } as const
      const forced = { ...query, where: { and: [where!, where!] } }
      const [views, scan] = [await world.ask(query), await world.ask(forced)]
      expect([metric, views.series, views.total]).toEqual([metric, scan.series, scan.total])
    }
  })

  test("by a country the figures are those of its events alone", async () => {
    const where = { field: "country", op: "eq", value: "GR" } as const
    expect(await world.total({ metric: "gross_revenue", where })).toBe("130.00")
    expect(await world.total({ metric: "active_customers", where })).toBe(4)
    expect(await world.total({ metric: "buyers", where })).toBe(3)
  })

  test.each<[QueryInput["where"], string, number]>([
    [{ field: "properties.coupon", op: "eq", value: "SUMMER" }, "10.00", 1],
    [{ field: "properties.coupon", op: "in", value: ["SUMMER", "WINTER"] }, "90.00", 2],
    [{ field: "event", op: "eq", value: "Order Completed" }, "310.00", 5],
    [{ field: "type", op: "eq", value: "page" }, "0.00", 1],
    [{ field: "user_id", op: "eq", value: "c" }, "240.00", 3],
    [{ field: "traits.plan", op: "eq", value: "pro" }, "160.00", 2],
    [{ field: "channel", op: "eq", value: 7 }, "40.00", 1],
    [{ field: "properties.revenue", op: "gte", value: 40 }, "280.00", 3],
    [{ not: { field: "country", op: "exists" } }, "160.00", 2],
    [
      {
        or: [
          { field: "country", op: "eq", value: "DE" },
          { field: "feature", op: "eq", value: "search" },
        ],
      },
      "20.00",
      2,
    ],
  ])("%j: revenue %s, events %i", async (where, revenue, events) => {
    expect([
      await world.total({ metric: "gross_revenue", where }),
      await world.total({ metric: "events", where }),
    ]).toEqual([revenue, events])
  })

  test("new customers are those whose first event lies in the period and matches", async () => {
    const where = { field: "country", op: "in", value: ["GR"] } as const
    const { series } = await world.ask({ metric: "new_customers", from: "2026-05-01", to: "2026-05-04", where })
    expect(series.map(({ value }) => value)).toEqual([1, 0, 1, 1])
  })

  test("a subscription passes by where it stands, whichever of its events say so", async () => {
    const world = await settle(table)
    const on = (day: number) => ({ timestamp: `2026-05-0${day}T12:00:00Z` })
    const s1 = { subscription_id: "s1" }
    await world.send([
      call("Subscription Started", "u", { ...s1, plan: "pro", mrr: 30 }, on(1)),
      call("Subscription Changed", "u", { ...s1, mrr: 45.5 }, on(3)),
      call("Subscription Cancelled", "u", s1, on(5)),
    ])
    const where = { field: "plan", op: "eq", value: "pro" } as const
    const may = { from: "2026-05-01", to: "2026-05-06", where }
    const values = async (metric: "active_subscriptions" | "mrr") =>
      (await world.ask({ metric, ...may })).series.map(({ value }) => value)
    expect(await values("active_subscriptions")).toEqual([1, 1, 1, 1, 0, 0])
    expect(await values("mrr")).toEqual(["30.00", "30.00", "45.50", "45.50", "0.00", "0.00"])
  })

  test("what a metric cannot be split by is refused", async () => {
    const world = await settle(table)
    expect(await faultOf(world.ask({ metric: "sessions", by: "product" }))).toEqual({
      code: "invalid_request",
      field: "by",
    })
  })

  test("it may be split by another dimension, and by the hour", async () => {
    const where = { field: "country", op: "eq", value: "GR" } as const
    const may = { from: "2026-05-01", to: "2026-05-04" }
    expect(keyed((await world.ask({ metric: "orders", by: "channel", where, ...may })).keys)).toEqual({
      "7": 1,
      "(none)": 2,
    })
    const { series } = await world.ask({ metric: "orders", grain: "hour", from: "2026-05-03", to: "2026-05-03", where })
    expect(series.filter(({ value }) => value !== 0)).toEqual([{ at: "2026-05-03T09:00:00.000Z", value: 2 }])
  })

  test("a period long before or after reads nothing into it", async () => {
    const where = { field: "properties.coupon", op: "exists" } as const
    for (const day of ["2025-05-01", "2026-04-30", "2026-05-05", "2027-01-01"])
      expect((await world.ask({ metric: "orders", from: day, to: day, where })).total).toBe(0)
    expect((await world.ask({ metric: "orders", from: "2026-05-03", to: "2026-05-03", where })).total).toBe(1)
  })

  test("compared with the days before, the filter goes for both", async () => {
    const where = { field: "properties.revenue", op: "gt", value: 15 } as const
    const { total, compare } = await world.ask({
      metric: "gross_revenue",
      from: "2026-05-03",
      to: "2026-05-04",
      where,
      compare: "previous",
    })
    expect([total, compare?.total, compare?.change]).toEqual(["280.00", "20.00", 13])
  })
})

describe("split by what no view keeps", () => {
  test("buyers by product are counted from the journal, each once for each product", async () => {
    const world = await settle(table)
    const bought = (user: string, ...products: string[]) =>
      call("Order Completed", user, {
        order_id: user,
        products: products.map((product_id) => ({ product_id, price: 1 })),
      })
    await world.send([bought("a", "x", "y", "x"), bought("b", "x")])
    await world.fold()
    await world.send([bought("a", "x"), bought("c", "z")])
    const { keys, total } = await world.ask({ metric: "buyers", by: "product", from: "2026-05-01", to: "2026-05-31" })
    expect([keyed(keys), total]).toEqual([{ x: 2, y: 1, z: 1 }, 3])
  })

  test("customers and quantiles by any other dimension too", async () => {
    const world = await settle(table)
    const answered = (user: string, feature: string, ms: number) =>
      call("Response Received", user, { response_time_ms: ms, feature })
    await world.send([answered("a", "chat", 100), answered("b", "chat", 100), answered("b", "search", 9000)])
    const may = { from: "2026-05-01", to: "2026-05-31", by: "feature" } as const
    expect(keyed((await world.ask({ metric: "active_customers", ...may })).keys)).toEqual({ chat: 2, search: 1 })
    const { keys } = await world.ask({ metric: "response_time_p50", ...may })
    expect(
      keys?.map(({ key, total }) => [key, Math.abs(Number(total) / (key === "chat" ? 100 : 9000) - 1) < 0.01]),
    ).toEqual([
      ["search", true],
      ["chat", true],
    ])
  })

  test("by the hour and a dimension at once", async () => {
    const world = await settle(table, { timeZone: "Europe/Athens" })
    const at = (time: string) => ({ timestamp: `2026-03-29T${time}:00Z` })
    await world.send([
      order("a", "1", { country: "GR" }, at("00:30")),
      order("a", "2", { country: "GR" }, at("01:30")),
      order("b", "4", { country: "DE" }, at("01:59")),
    ])
    await world.fold()
    const day = { from: "2026-03-29", to: "2026-03-29", grain: "hour", by: "country" } as const
    const revenue = await world.ask({ metric: "gross_revenue", ...day })
    expect(revenue.series).toEqual([
      { at: "2026-03-29T00:00:00.000Z", value: "1.00", key: "GR" },
      { at: "2026-03-29T01:00:00.000Z", value: "4.00", key: "DE" },
      { at: "2026-03-29T01:00:00.000Z", value: "2.00", key: "GR" },
    ])
    const customers = await world.ask({ metric: "active_customers", ...day })
    expect(customers.series.map(({ at: hour, key, value }) => `${hour.slice(11, 13)} ${key} ${value}`)).toEqual([
      "00 GR 1",
      "01 DE 1",
      "01 GR 1",
    ])
    expect(keyed(customers.keys)).toEqual({ GR: 1, DE: 1 })
  })
})

test("compared with the month before and with the year before", async () => {
  const world = await settle(table)
  const on = (day: string) => ({ timestamp: `${day}T12:00:00Z` })
  await world.send([
    order("a", "30", {}, on("2026-04-30")),
    order("a", "10", {}, on("2026-04-01")),
    order("a", "50", {}, on("2026-03-02")),
    order("a", "20", {}, on("2025-04-15")),
  ])
  const april = { metric: "gross_revenue", from: "2026-04-01", to: "2026-04-30", grain: "total" } as const
  expect((await world.ask({ ...april, compare: "previous" })).compare).toMatchObject({
    from: "2026-03-01",
    to: "2026-03-31",
    total: "50.00",
    change: -0.2,
  })
  expect((await world.ask({ ...april, compare: "year" })).compare).toMatchObject({
    from: "2025-04-01",
    to: "2025-04-30",
    total: "20.00",
    change: 1,
  })
})

test("a limit keeps the largest, and says the whole all the same", async () => {
  const world = await settle(table)
  await world.send(["1", "5", "3"].map((revenue) => order("a", revenue, { country: `C${revenue}` })))
  const { keys, total } = await world.ask({ metric: "gross_revenue", by: "country", limit: 2, from: "2026-05-01" })
  expect([keys, total]).toEqual([
    [
      { key: "C5", total: "5.00" },
      { key: "C3", total: "3.00" },
    ],
    "9.00",
  ])
})

describe("what is too much to ask", () => {
  test("more than 92 days by the hour", async () => {
    const world = await settle(table)
    const asking = world.ask({ metric: "events", grain: "hour", from: "2026-01-01", to: "2026-05-01" })
    expect(await faultOf(asking)).toEqual({ code: "invalid_request", field: "to" })
  })

  test("more than 3700 days up to today, though no end was named", async () => {
    const world = await settle(table)
    expect(await faultOf(world.ask({ metric: "events", from: "2016-03-24" }))).toBeUndefined()
    expect(await faultOf(world.ask({ metric: "events", from: "1900-01-01" }))).toMatchObject({
      code: "invalid_request",
    })
  })
})

test("an answer that was begun before a replay and ends after it is right", async () => {
  const world = await settle(table)
  await world.send([order("a", "5"), order("b", "7")])
  await world.fold()
  let replayed = false
  const slow: Table = {
    ...table,
    query: async (pk, range) => {
      if (!replayed && pk.endsWith("#days")) {
        replayed = true
        await replay(world.needs, world.tenant)
      }
      return table.query(pk, range)
    },
  }
  const query = { metric: "gross_revenue", grain: "total", limit: 1, from: "2026-05-01", to: "2026-05-31" } as const
  expect((await answer({ ...world.needs, table: slow }, world.tenant, query)).total).toBe("12.00")
  expect(replayed).toBe(true)
})
