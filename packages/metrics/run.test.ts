import { describe, expect, test } from "vitest"
import { addTo, emptySketch, toJson } from "#science/sketch.ts"
import { type BlockKind, type Cell, type Fragment, fromStored } from "./block.ts"
import { type MetricName, metricNames, metricOf } from "./catalogue.ts"
import { dimensionNames } from "./dimension.ts"
import { Query, type QueryInput, questionOf } from "./query.ts"
import { answeredByViews, parts, run, type Source } from "./run.ts"

type Rows = Record<string, Record<string, Cell>>

/** What was counted, as blocks by `kind sk`. */
function sourceOf(blocks: Record<string, Rows>, about: Partial<Source> = {}): Source {
  const all = Object.entries(blocks).map(([name, rows]): Fragment => {
    const [kind, sk] = name.split(" ") as [BlockKind, string]
    return { kind, sk, block: fromStored(rows) }
  })
  return {
    zone: "UTC",
    currency: "EUR",
    rename: (ordinal) => ordinal,
    fragments: async (kind, from, to) => all.filter((one) => one.kind === kind && one.sk >= from && one.sk <= to),
    ...about,
  }
}

const MAY = { from: "2026-05-01", to: "2026-05-03" }
const question = (query: Partial<QueryInput>) =>
  questionOf(Query.parse({ metric: "events", ...MAY, ...query }), "2026-05-03")
const asked = (source: Source, query: Partial<QueryInput>) => run(source, question(query))
const values = async (source: Source, query: Partial<QueryInput>) =>
  (await asked(source, query)).series.map(({ value }) => value)

const shop = sourceOf({
  "days 2026-04": { events: { "": [30, 100] }, orders: { "": [30, 1] }, gross_revenue: { "": [30, "10"] } },
  "days 2026-05": {
    events: { "": [1, 5, 3, 7, 4, 1000] },
    orders: { "": [1, 1, 3, 3] },
    gross_revenue: { "": [1, "12.5", 3, "0.1"] },
    refunds: { "": [3, "20"] },
  },
  "by#country 2026-05": {
    orders: { GR: [1, 1, 3, 1], DE: [3, 1] },
    gross_revenue: { GR: [1, "12"], DE: [3, "0.05"] },
  },
  "set# 2026-05": { active_customers: { "": [1, 0b001, 2, 0b101, 3, 0b1000] } },
})

describe("what an answer says", () => {
  test("every step of the range, those without anything as nought, and the total of the range alone", async () => {
    expect(await asked(shop, {})).toEqual({
      unit: "count",
      series: [
        { at: "2026-05-01", value: 5 },
        { at: "2026-05-02", value: 0 },
        { at: "2026-05-03", value: 7 },
      ],
      total: 12,
    })
  })

  test("money as exact decimals with the places of its currency, and its currency", async () => {
    expect(await asked(shop, { metric: "gross_revenue" })).toMatchObject({
      unit: "money",
      currency: "EUR",
      series: [{ value: "12.50" }, { value: "0.00" }, { value: "0.10" }],
      total: "12.60",
    })
    const yen = { ...shop, currency: "JPY" }
    expect(await values(yen, { metric: "refunds" })).toEqual(["0", "0", "20"])
    expect(await values({ ...shop, currency: "KWD" }, { metric: "refunds" })).toEqual(["0.000", "0.000", "20.000"])
  })

  test("a sum of money keeps what is smaller than a cent; a quotient is rounded half away from nought", async () => {
    const source = sourceOf({
      "days 2026-05": {
        orders: { "": [1, 8, 2, 3, 3, 8] },
        gross_revenue: { "": [1, "0.06", 2, "2", 3, "-0.06"] },
        ai_cost: { "": [1, "0.000125"] },
      },
    })
    expect(await values(source, { metric: "ai_cost" })).toEqual(["0.000125", "0.00", "0.00"])
    expect(await values(source, { metric: "average_order_value" })).toEqual(["0.01", "0.67", "-0.01"])
  })

  test("what cannot be said, because there is nothing to divide by, is null", async () => {
    expect(await asked(shop, { metric: "average_order_value", from: "2026-05-02", to: "2026-05-02" })).toMatchObject({
      series: [{ at: "2026-05-02", value: null }],
      total: null,
    })
    expect(await values(shop, { metric: "response_time_p50" })).toEqual([null, null, null])
  })

  test("a formula is computed from the sums of each step, and of the whole", async () => {
    expect(await asked(shop, { metric: "net_revenue" })).toMatchObject({
      series: [{ value: "12.50" }, { value: "0.00" }, { value: "-19.90" }],
      total: "-7.40",
    })
    expect((await asked(shop, { metric: "average_order_value" })).total).toBe("3.15")
  })

  test("customers are counted once in each step and once in the whole, whatever other names they had", async () => {
    expect(await asked(shop, { metric: "active_customers" })).toMatchObject({
      series: [{ value: 2 }, { value: 0 }, { value: 1 }],
      total: 2,
    })
    const merged = { ...shop, rename: (ordinal: number) => (ordinal === 2 ? 1 : ordinal) }
    expect(await asked(merged, { metric: "active_customers" })).toMatchObject({
      series: [{ value: 1 }, { value: 0 }, { value: 1 }],
      total: 1,
    })
  })

  test("several fragments of one name add up", async () => {
    const tail = sourceOf({ "days 2026-05": { events: { "": [1, -5, 2, 1] } } })
    const both = {
      ...shop,
      fragments: async (...about: Parameters<Source["fragments"]>) => [
        ...(await shop.fragments(...about)),
        ...(await tail.fragments(...about)),
      ],
    }
    expect(await values(both, {})).toEqual([0, 1, 7])
  })
})

test("sums are the same by the day, the week, the month and in total, and by the hour", async () => {
  const days = { from: "2026-04-27", to: "2026-05-10" }
  const sum = async (grain: "day" | "week" | "month" | "total") => {
    const { series, total } = await asked(shop, { ...days, grain })
    return [series.reduce((whole, { value }) => whole + Number(value), 0), total]
  }
  for (const grain of ["day", "week", "month", "total"] as const) expect(await sum(grain)).toEqual([1112, 1112])
  expect(await values(shop, { ...days, grain: "week" })).toEqual([112, 1000])
  expect(await values(shop, { ...days, grain: "month" })).toEqual([100, 1012])
})

test("by the hour each instant is a step, also where the clocks are moved", async () => {
  const source = sourceOf({ "hours 2026-10-25": { events: { "": [0, 1, 3, 2, 24, 3] } } }, { zone: "Europe/Athens" })
  const day = "2026-10-25"
  const { series, total } = await asked(source, { from: day, to: day, grain: "hour" })
  expect(total).toBe(6)
  expect(series.filter(({ value }) => value !== 0)).toEqual([
    { at: "2026-10-24T21:00:00.000Z", value: 1 },
    { at: "2026-10-25T00:00:00.000Z", value: 2 },
    { at: "2026-10-25T21:00:00.000Z", value: 3 },
  ])
})

describe("split by a dimension", () => {
  test("the largest comes first, and what has no value is said as (none)", async () => {
    const { keys, series, total } = await asked(shop, { metric: "orders", by: "country" })
    expect(total).toBe(4)
    expect(keys).toEqual([
      { key: "GR", total: 2 },
      { key: "(none)", total: 1 },
      { key: "DE", total: 1 },
    ])
    expect(series).toEqual([
      { at: "2026-05-01", value: 1, key: "GR" },
      { at: "2026-05-03", value: 1, key: "GR" },
      { at: "2026-05-03", value: 1, key: "(none)" },
      { at: "2026-05-03", value: 1, key: "DE" },
    ])
  })

  test("the keys add up to the whole, to the last place", async () => {
    expect((await asked(shop, { metric: "gross_revenue", by: "country" })).keys).toEqual([
      { key: "GR", total: "12.00" },
      { key: "(none)", total: "0.55" },
      { key: "DE", total: "0.05" },
    ])
  })

  test("a limit keeps the largest keys and the whole's total", async () => {
    const { keys, series, total } = await asked(shop, { metric: "orders", by: "country", limit: 1 })
    expect([keys, series.map(({ key }) => key), total]).toEqual([[{ key: "GR", total: 2 }], ["GR", "GR"], 4])
  })

  test("a key that really is called (none) does not swallow what has none", async () => {
    const source = sourceOf({
      "days 2026-05": { orders: { "": [1, 10] } },
      "by#country 2026-05": { orders: { "(none)": [1, 3], GR: [1, 5] } },
    })
    const { keys } = await asked(source, { metric: "orders", by: "country" })
    expect(keys).toEqual([
      { key: "(none)", total: 5 },
      { key: "GR", total: 5 },
    ])
  })

  test("what has no value is shown in its steps, even if over the whole period it is nothing", async () => {
    const source = sourceOf({
      "days 2026-05": { gross_revenue: { "": [1, "100", 2, "80"] } },
      "by#product 2026-05": { gross_revenue: { a: [1, "90", 2, "90"] } },
    })
    const { series } = await asked(source, { metric: "gross_revenue", by: "product" })
    expect(series.filter(({ at }) => at === "2026-05-01").map(({ value }) => Number(value))).toEqual([90, 10])
  })

  test("a formula is computed for each key", async () => {
    expect((await asked(shop, { metric: "average_order_value", by: "country" })).keys).toEqual([
      { key: "GR", total: "6.00" },
      { key: "(none)", total: "0.55" },
      { key: "DE", total: "0.05" },
    ])
  })

  test("the share of a feature's users is that of all active customers, not of the feature's own", async () => {
    const source = sourceOf({
      "set# 2026-05": {
        active_customers: { "": [1, 1, 2, 1, 3, 1, 4, 2] },
        feature_users: { "": [1, 1, 2, 1] },
      },
      "set#feature 2026-05": { feature_users: { search: [1, 1, 2, 1], export: [2, 1] } },
    })
    const { keys, total, series } = await asked(source, { metric: "feature_adoption", by: "feature" })
    expect(total).toBe(0.5)
    expect(keys).toEqual([
      { key: "search", total: 0.5 },
      { key: "export", total: 0.25 },
    ])
    expect(series.filter(({ at }) => at === "2026-05-01")).toEqual([
      { at: "2026-05-01", value: 0.666667, key: "search" },
      { at: "2026-05-01", value: 0.333333, key: "export" },
    ])
  })
})

describe("levels", () => {
  const source = sourceOf({
    "days 2025-11": { active_subscriptions: { "": [5, 3] }, mrr: { "": [5, "90"] } },
    "days 2026-05": { active_subscriptions: { "": [2, -1, 9, 5] }, mrr: { "": [2, "-30", 3, "4.5"] } },
    "by#plan 2025-11": { active_subscriptions: { pro: [5, 2] } },
    "by#plan 2026-05": { active_subscriptions: { pro: [2, -2], free: [2, 1] } },
    "hours 2026-05-02": { active_subscriptions: { "": [7, -1] } },
    "hours 2025-11-05": { active_subscriptions: { "": [1, 3] } },
  })

  test("are what there is at the end of each step, with all that was before the range", async () => {
    expect(await asked(source, { metric: "active_subscriptions" })).toMatchObject({
      series: [{ value: 3 }, { value: 2 }, { value: 2 }],
      total: 2,
    })
    expect(await values(source, { metric: "mrr" })).toEqual(["90.00", "60.00", "64.50"])
  })

  test("are the same at the end of a week, a month and the whole", async () => {
    for (const grain of ["week", "month", "total"] as const)
      expect((await asked(source, { metric: "mrr", grain })).series.at(-1)?.value).toBe("64.50")
  })

  test("stand still where nothing moves, before the first and after the last", async () => {
    const early = { from: "2025-11-04", to: "2025-11-06", metric: "active_subscriptions" } as const
    expect(await values(source, early)).toEqual([0, 3, 3])
    expect(await values(source, { ...early, from: "2027-01-01", to: "2027-01-02" })).toEqual([7, 7])
  })

  test("are told by the hour", async () => {
    const day = { from: "2026-05-02", to: "2026-05-02", grain: "hour", metric: "active_subscriptions" } as const
    expect((await values(source, day)).slice(5, 9)).toEqual([3, 3, 2, 2])
  })

  test("are told by plan, with those that have none", async () => {
    expect(await asked(source, { metric: "active_subscriptions", by: "plan" })).toMatchObject({
      total: 2,
      keys: [
        { key: "(none)", total: 1 },
        { key: "free", total: 1 },
        { key: "pro", total: 0 },
      ],
    })
  })
})

describe("compared", () => {
  test("with the days before, or the year before, and the change as a share", async () => {
    const source = sourceOf({
      "days 2026-05": { events: { "": [1, 30] } },
      "days 2026-04": { events: { "": [28, 5, 29, 5, 30, 10, 27, 99] } },
      "days 2025-05": { events: { "": [2, 60] } },
    })
    expect((await asked(source, { compare: "previous", grain: "total" })).compare).toEqual({
      from: "2026-04-28",
      to: "2026-04-30",
      unit: "count",
      series: [{ at: "2026-04-28", value: 20 }],
      total: 20,
      change: 0.5,
    })
    expect((await asked(source, { compare: "year" })).compare).toMatchObject({
      from: "2025-05-01",
      to: "2025-05-03",
      total: 60,
      change: -0.5,
    })
  })

  test("with nothing there is no change to tell", async () => {
    expect((await asked(shop, { compare: "year" })).compare).toMatchObject({ total: 0, change: null })
    expect((await asked(shop, { metric: "average_order_value", compare: "year" })).compare).toMatchObject({
      total: null,
      change: null,
    })
  })

  test("from a loss to a gain is upwards", async () => {
    const source = sourceOf({
      "days 2026-05": { gross_revenue: { "": [1, "10"] } },
      "days 2026-04": { refunds: { "": [30, "10"] } },
    })
    expect((await asked(source, { metric: "net_revenue", compare: "previous" })).compare?.change).toBe(2)
  })
})

test("a quantile of a period is that of all its values together", async () => {
  const sketch = (...all: number[]) => {
    const made = emptySketch()
    for (const value of all) addTo(made, value)
    return toJson(made)
  }
  const source = sourceOf({
    "sketch# 2026-05": { response_time: { "": [1, sketch(100, 100, 100), 3, sketch(4000)] as Cell } },
    "sketch#model 2026-05": { response_time: { m: [3, sketch(4000)] as Cell } },
  })
  const { series, total } = await asked(source, { metric: "response_time_p50" })
  expect(Math.abs(Number(series[2]?.value) - 4000)).toBeLessThanOrEqual(40)
  expect(Math.abs(Number(total) - 100)).toBeLessThanOrEqual(1)
  const { keys } = await asked(source, { metric: "response_time_p99", by: "model" })
  expect(keys?.map(({ key }) => key)).toEqual(["m"])
})

describe("a step that was over when more came", () => {
  const source = sourceOf({
    "days 2026-05": { events: { "": [1, 10, 2, 4, 3, 5] }, gross_revenue: { "": [1, "10"] }, sessions: { "": [2, 3] } },
    "late 2026-05": { events: { "": [1, 3, 2, 4] }, gross_revenue: { "": [1, "2.5"] }, sessions: { "": [2, -1] } },
    "by#country 2026-05": { events: { GR: [1, 10] } },
  })

  test("is told with what it said then and what it says now", async () => {
    expect((await asked(source, {})).restated).toEqual([{ at: "2026-05-01", from: 7, to: 10 }])
    expect((await asked(source, { metric: "gross_revenue" })).restated).toEqual([
      { at: "2026-05-01", from: "7.50", to: "10.00" },
    ])
    expect((await asked(source, { metric: "sessions" })).restated).toEqual([{ at: "2026-05-02", from: 4, to: 3 }])
    expect((await asked(source, { grain: "total" })).restated).toEqual([{ at: "2026-05-01", from: 12, to: 19 }])
  })

  test("is not told where nothing was restated, nor of formulas, levels, keys and filters", async () => {
    const filtered = { where: { field: "country", op: "eq", value: "GR" } } as const
    for (const query of [
      { metric: "orders" },
      { metric: "net_revenue" },
      { metric: "mrr" },
      { by: "country" },
      filtered,
    ] as const)
      expect(await asked(source, query)).not.toHaveProperty("restated")
  })
})

describe("whether the views can answer", () => {
  const byViews = (query: Partial<QueryInput>) => answeredByViews(question(query))
  const where = (field: string, value: unknown = "GR", op = "eq") =>
    ({ where: { field, op, value } }) as Partial<QueryInput>

  test("any metric, by any step but the hours of customers, quantiles and levels", () => {
    for (const metric of metricNames) {
      for (const grain of ["day", "week", "month", "total"] as const) expect(byViews({ metric, grain })).toBe(true)
      const simple = parts(metric).every((part) => part.kind === "tally" || (part.kind === "entity" && !part.gauge))
      expect(byViews({ metric, grain: "hour" }), metric).toBe(simple)
    }
  })

  test("sums by every dimension; customers and quantiles by those that they are kept by", () => {
    for (const by of dimensionNames) {
      expect(byViews({ metric: "net_revenue", by })).toBe(true)
      expect(byViews({ metric: "events", by, grain: "hour" })).toBe(false)
    }
    expect(dimensionNames.filter((by) => byViews({ metric: "buyers", by }))).toEqual([
      "source",
      "country",
      "channel",
      "device",
    ])
    expect(dimensionNames.filter((by) => byViews({ metric: "response_time_p95", by }))).toEqual([
      "source",
      "country",
      "plan",
      "model",
    ])
  })

  test("a filter of one event dimension by a text or several", () => {
    expect(byViews(where("country"))).toBe(true)
    expect(byViews(where("country", ["GR", "DE"], "in"))).toBe(true)
    expect(byViews({ metric: "active_customers", ...where("plan", "pro") })).toBe(true)
  })

  test.each<[string, Partial<QueryInput>]>([
    ["of a property", where("properties.coupon", "SUMMER")],
    ["of the event's name", where("event", "Order Completed")],
    ["of the type", where("type", "track")],
    ["of a user", where("user_id", "u1")],
    ["of a trait", where("traits.vip", "yes")],
    ["of a product", where("product", "sku-1")],
    ["of a number", where("country", 7)],
    ["of a text that is a number", where("country", "7")],
    ["of several, one of which is a number", where("country", ["GR", "1e3"], "in")],
    ["by another operator", where("country", "GR", "ne")],
    ["of two conditions", { where: { and: [{ field: "country", op: "eq", value: "GR" }] } }],
    ["beside a split", { by: "plan", ...where("country") }],
    ["by the hour", { grain: "hour", ...where("country") }],
    ["of customers by a dimension that they are not kept by", { metric: "buyers", ...where("plan", "pro") }],
    ["of visits", { metric: "sessions", ...where("country") }],
    ["of levels", { metric: "mrr", ...where("country") }],
    ["of quantiles", { metric: "response_time_p50", ...where("country") }],
  ])("but not a filter %s", (_, query) => {
    expect(byViews(query)).toBe(false)
  })
})

test("every formula is made of metrics that exist", () => {
  for (const name of metricNames) for (const part of parts(name)) expect(part.kind).not.toBe("formula")
  expect(parts("engagement_score").map(({ title }) => title)).toEqual([
    "Engaged sessions",
    "Sessions",
    "New customers",
    "Active customers",
    "Feature users",
    "Active customers",
  ])
  for (const name of metricNames) expect(metricOf(name as MetricName).definition).not.toBe("")
})
