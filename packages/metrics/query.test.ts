import { describe, expect, test } from "vitest"
import { addDays, daysBetween } from "#core/zone.ts"
import { previousPeriod, yearBefore } from "./calendar.ts"
import { metricNames } from "./catalogue.ts"
import { Query, questionOf, tooManyHours } from "./query.ts"

const TODAY = "2026-05-15"
const asked = (query: object) => questionOf(Query.parse({ metric: "events", ...query }), TODAY)
/** The first thing that is wrong. */
const refused = (query: object) => {
  const parsed = Query.safeParse({ metric: "events", ...query })
  const issue = parsed.error?.issues[0]
  return issue && { field: issue.path.join("."), message: issue.message }
}

test("a question that names only a metric is about the last 30 days, by the day", () => {
  expect(asked({})).toEqual({ metric: "events", from: "2026-04-16", to: "2026-05-15", grain: "day", limit: 100 })
  const { from, to } = asked({})
  expect(daysBetween(from, to) + 1).toBe(30)
})

test("30 days end on the day that is asked, and a beginning alone goes on to today", () => {
  expect(asked({ to: "2026-03-01" })).toMatchObject({ from: "2026-01-31", to: "2026-03-01" })
  expect(asked({ from: "2026-05-01" })).toMatchObject({ from: "2026-05-01", to: "2026-05-15" })
})

test("everything that can be asked is echoed as it was asked", () => {
  const query = {
    metric: "net_revenue",
    from: "2026-01-01",
    to: "2026-03-31",
    grain: "week",
    by: "country",
    where: { field: "plan", op: "eq", value: "pro" },
    compare: "year",
    limit: 3,
    asOf: 17,
  }
  expect(asked(query)).toEqual(query)
  expect(asked({ asOf: "2026-01-31T12:00:00Z" }).asOf).toBe("2026-01-31T12:00:00Z")
})

test("every metric can be asked for", () => {
  for (const metric of metricNames) expect(Query.safeParse({ metric }).success, metric).toBe(true)
})

describe("a question is refused, with the field that is wrong", () => {
  test.each<[string, object, string, string]>([
    ["no metric", { metric: undefined }, "metric", "is not a metric; GET /v1/metrics lists them"],
    ["a metric that does not exist", { metric: "revenue" }, "metric", "is not a metric; GET /v1/metrics lists them"],
    [
      "a name that every object knows",
      { metric: "constructor" },
      "metric",
      "is not a metric; GET /v1/metrics lists them",
    ],
    ["a date in another form", { from: "31/01/2026" }, "from", "must be a date such as 2026-01-31"],
    ["a day that does not exist", { to: "2026-02-30" }, "to", "must be a date such as 2026-01-31"],
    ["an instant for a date", { from: "2026-01-31T00:00:00Z" }, "from", "must be a date such as 2026-01-31"],
    ["an end before the beginning", { from: "2026-02-01", to: "2026-01-31" }, "to", "must not be before from"],
    [
      "more than ten years",
      { from: "2010-01-01", to: "2026-01-01" },
      "to",
      "may be 3700 days after from by the hour or day, else 36600",
    ],
    ["a grain that does not exist", { grain: "minute" }, "grain", ""],
    ["a dimension that does not exist", { by: "colour" }, "by", ""],
    ["a comparison that does not exist", { compare: "decade" }, "compare", ""],
    ["a limit of none", { limit: 0 }, "limit", ""],
    ["a limit above ten thousand", { limit: 10_001 }, "limit", ""],
    ["a limit that is not whole", { limit: 1.5 }, "limit", ""],
    ["a position below nought", { asOf: -1 }, "asOf", ""],
    ["an instant that is none", { asOf: "yesterday" }, "asOf", "must be an instant such as 2026-01-31T12:00:00Z"],
    ["a filter of an unknown field", { where: { field: "colour", op: "eq", value: 1 } }, "where.field", ""],
    ["a filter of an unknown operator", { where: { field: "country", op: "is", value: 1 } }, "where", ""],
    ["a field that questions do not have", { groupBy: "country" }, "", 'Unrecognized key: "groupBy"'],
  ])("%s", (_, query, field, message) => {
    expect(refused(query)).toMatchObject({ field, ...(message ? { message } : {}) })
  })

  test("a filter that nests too deep, however deep", () => {
    const nots = (levels: number) => {
      let filter: object = { field: "country", op: "eq", value: "GR" }
      for (let i = 0; i < levels; i++) filter = { not: filter }
      return filter
    }
    expect(refused({ where: nots(8) })).toBeUndefined()
    for (const levels of [9, 100, 20_000])
      expect(refused({ where: nots(levels) })).toEqual({ field: "where", message: "nests too deep" })
  })
})

test.each([
  ["day", 3700],
  ["total", 36_600],
] as const)("by the %s %i days can be asked, and not one more", (grain, days) => {
  const from = addDays(TODAY, 1 - days)
  expect(refused({ from, to: TODAY, grain })).toBeUndefined()
  expect(refused({ from: addDays(from, -1), to: TODAY, grain })).toMatchObject({ field: "to" })
})

test("a beginning after today is about today", () => {
  expect(asked({ from: "2026-06-01" })).toMatchObject({ from: TODAY, to: TODAY })
})

test("no date is accepted whose steps, or those of the period before, have no date of four digits", () => {
  const edges = [
    "0000-01-01",
    "0000-12-31",
    "0001-01-01",
    "0001-12-31",
    "0011-01-01",
    "9998-12-31",
    "9999-01-01",
    "9999-12-31",
  ]
  const wellFormed = /^(?!0000)\d{4}-\d\d-\d\d$/
  const broken = edges.filter((day) => {
    if (refused({ from: day, to: day })) return false
    try {
      const dates = [
        addDays(day, 1),
        addDays(day, 32),
        addDays(day, -3700),
        ...Object.values(previousPeriod(day, day)),
        ...Object.values(yearBefore(day, day)),
      ]
      return !dates.every((date) => wellFormed.test(date))
    } catch {
      return true
    }
  })
  expect(broken).toEqual([])
})

test("by the hour, 92 days are not too many and 93 are", () => {
  const hours = (days: number) => tooManyHours(asked({ from: addDays(TODAY, 1 - days), to: TODAY, grain: "hour" }))
  expect([1, 91, 92, 93].map(hours)).toEqual([false, false, false, true])
  expect(tooManyHours(asked({ from: "2025-01-01", to: TODAY }))).toBe(false)
})
