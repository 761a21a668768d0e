import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { Event, JsonObject } from "#events/event.ts"
import { factOf } from "./fact.ts"
import { type Comparison, Filter, fieldsOf, isShallow, matches, operators } from "./filter.ts"

const eventOf = (more: Partial<Event>): Event => ({
  id: "m",
  type: "track",
  event: "Tested",
  at: "2026-05-01T11:00:00.000Z",
  ...more,
})
/** Of Acme's shop, in euros. */
const factWith = (properties: JsonObject, more: Partial<Event> = {}, traits: JsonObject = {}) =>
  factOf(eventOf({ properties, userId: "u1", ...more }), "shop", traits, "EUR")
const passes = (filter: unknown, ...about: Parameters<typeof factWith>) =>
  matches(Filter.parse(filter), factWith(...about))
const where = (op: string, value?: unknown, field = "properties.x") => ({
  field,
  op,
  ...(value === undefined ? {} : { value }),
})
/** Whether a value of `properties.x` passes. */
const x = (found: unknown, op: string, value?: unknown) => passes(where(op, value), { x: found } as JsonObject)

describe("eq and ne", () => {
  test.each<[unknown, unknown, boolean]>([
    ["a", "a", true],
    ["a", "A", false],
    ["a", "a ", false],
    [12.5, 12.5, true],
    ["12.50", 12.5, true],
    [12.5, "12.50", true],
    ["1e2", 100, true],
    [0.1, "0.1", true],
    ["0", false, false],
    [true, true, true],
    [true, "true", false],
    [1, true, false],
    ["", "", true],
    ["é", "e\u0301", false],
    [9007199254740992, "9007199254740993", false],
  ])("%j and %j are equal: %s", (found, value, equal) => {
    expect([x(found, "eq", value), x(found, "ne", value)]).toEqual([equal, !equal])
  })
})

describe("in", () => {
  test.each<[unknown, unknown[], boolean]>([
    ["a", ["b", "a"], true],
    ["a", ["b"], false],
    ["2.0", [1, 2], true],
    [false, [false], true],
  ])("%j in %j: %s", (found, value, within) => {
    expect(x(found, "in", value)).toBe(within)
  })
})

describe("gt, gte, lt and lte", () => {
  const order = (found: unknown, value: unknown) =>
    ["gt", "gte", "lt", "lte"].filter((op) => x(found, op, value)).join(" ")
  test.each<[unknown, unknown, string]>([
    [2, 1, "gt gte"],
    [1, 2, "lt lte"],
    [1, 1, "gte lte"],
    ["10", 9, "gt gte"],
    ["10", "9", "gt gte"],
    ["-0.01", 0, "lt lte"],
    ["0.30", 0.3, "gte lte"],
    ["2026-01-31T00:00:00+02:00", "2026-01-30T22:00:00Z", "gte lte"],
    ["2026-01-31", "2026-01-30T23:59:59.999Z", "gt gte"],
    ["b", "a", "gt gte"],
    ["B", "a", "lt lte"],
    ["a", "a", "gte lte"],
    ["", "a", "lt lte"],
    ["a", 1, ""],
    [true, 0, ""],
    [true, false, ""],
  ])("%j against %j: %s", (found, value, holds) => {
    expect(order(found, value)).toBe(holds)
  })
})

describe("contains and starts_with", () => {
  test.each<[unknown, string, unknown, boolean]>([
    ["Blue Widget", "contains", "widget", true],
    ["Blue Widget", "contains", "BLUE W", true],
    ["Blue Widget", "contains", "gadget", false],
    ["Blue Widget", "contains", "", true],
    [12345, "contains", 234, true],
    ["/shop/shoes", "starts_with", "/shop", true],
    ["/shop/shoes", "starts_with", "/Shop", false],
    ["/shop", "starts_with", "/shop/", false],
    [true, "starts_with", "tr", true],
  ])("%j %s %j: %s", (found, op, value, holds) => {
    expect(x(found, op, value)).toBe(holds)
  })
})

describe("a field that is not there", () => {
  test.each(operators.filter((op) => op !== "ne" && op !== "exists"))("fails under %s", (op) => {
    expect(passes(where(op, op === "in" ? ["a"] : "a"), {})).toBe(false)
  })

  test("passes under ne and exists: false, and so does null", () => {
    for (const properties of [{}, { x: null }] as JsonObject[]) {
      expect(passes(where("ne", "a"), properties)).toBe(true)
      expect(passes(where("exists", false), properties)).toBe(true)
      expect(passes(where("exists", true), properties)).toBe(false)
      expect(passes(where("exists"), properties)).toBe(false)
    }
  })

  test("is another thing than an empty text, nought or false", () => {
    for (const found of ["", 0, false, {}]) expect(x(found, "exists")).toBe(true)
    expect(x([], "exists")).toBe(false)
  })

  test("is not found in what every object has by nature", () => {
    for (const field of [
      "properties.constructor",
      "properties.__proto__",
      "properties.toString",
      "properties.a.length",
    ])
      expect(passes(where("exists", true, field), { a: "text" }), field).toBe(false)
  })
})

describe("fields", () => {
  const about = [
    { total: 5, country: "GR", deep: { er: { x: 1 } }, tags: ["new", 7], product_id: "sku-1", category: "shoes" },
    { anonymousId: "a1", event: "order_completed", context: { page: { path: "/p" }, userAgent: "iPhone" } },
    { plan: "pro", vip: true },
  ] as const as unknown as Parameters<typeof factWith>
  test.each<[string, unknown]>([
    ["properties.total", 5],
    ["properties.deep.er.x", 1],
    ["properties.tags", "new"],
    ["properties.tags", 7],
    ["context.page.path", "/p"],
    ["traits.vip", true],
    ["event", "order_completed"],
    ["type", "track"],
    ["user_id", "u1"],
    ["anonymous_id", "a1"],
    ["source", "shop"],
    ["country", "GR"],
    ["plan", "pro"],
    ["page", "/p"],
    ["device", "mobile"],
    ["product", "sku-1"],
    ["category", "shoes"],
  ])("%s can be %j", (field, value) => {
    expect(passes(where("eq", value, field), ...about)).toBe(true)
    expect(passes(where("ne", value, field), ...about)).toBe(false)
  })

  test("an order has one product for each of its lines: one that matches is enough, and ne wants none", () => {
    const order = { products: [{ product_id: "a", category: "x" }, { product_id: "b" }, { sku: 3 }] } as JsonObject
    expect(passes(where("eq", "b", "product"), order)).toBe(true)
    expect(passes(where("in", ["z", "3"], "product"), order)).toBe(true)
    expect(passes(where("ne", "b", "product"), order)).toBe(false)
    expect(passes(where("ne", "z", "product"), order)).toBe(true)
    expect(passes(where("exists", true, "category"), order)).toBe(true)
  })

  test("that a filter asks for are told", () => {
    const filter = Filter.parse({
      and: [
        where("eq", 1, "country"),
        { or: [{ not: where("exists", true, "properties.a.b") }, where("eq", 2, "event")] },
      ],
    })
    expect(fieldsOf(filter)).toEqual(["country", "properties.a.b", "event"])
  })
})

describe("and, or, not", () => {
  const [yes, no] = [where("eq", 1), where("eq", 2)]
  test.each<[unknown, boolean]>([
    [{ and: [yes, yes] }, true],
    [{ and: [yes, no] }, false],
    [{ or: [no, yes] }, true],
    [{ or: [no, no] }, false],
    [{ not: no }, true],
    [{ not: { not: yes } }, true],
    [{ and: [{ or: [no, yes] }, { not: { and: [yes, no] } }] }, true],
  ])("%j: %s", (filter, holds) => {
    expect(passes(filter, { x: 1 })).toBe(holds)
  })
})

const value = fc.constantFrom("a", "b", "10", 10, 9.5, true, "2026-01-31")
const comparison: fc.Arbitrary<Comparison> = fc
  .tuple(
    fc.constantFrom("properties.x", "properties.y", "country", "event"),
    fc.constantFrom(...operators),
    value,
    fc.array(value, { minLength: 1 }),
  )
  .map(([field, op, one, many]) => ({ field, op, value: op === "in" ? many : op === "exists" ? one === true : one }))
const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4 },
    comparison,
    fc.record({ and: fc.array(tie("filter"), { minLength: 1, maxLength: 3 }) }),
    fc.record({ or: fc.array(tie("filter"), { minLength: 1, maxLength: 3 }) }),
    fc.record({ not: tie("filter") }),
  ),
}))
const properties = fc.record(
  { x: fc.oneof(value, fc.constant(null)), y: value, country: fc.constantFrom("a", "b") },
  { requiredKeys: [] },
) as fc.Arbitrary<JsonObject>

test("de Morgan: not (a and b) is (not a) or (not b), and the other way round, for every event", () => {
  fc.assert(
    fc.property(filter, filter, properties, (a, b, found) => {
      const fact = factWith(found)
      expect(matches({ not: { and: [a, b] } }, fact)).toBe(matches({ or: [{ not: a }, { not: b }] }, fact))
      expect(matches({ not: { or: [a, b] } }, fact)).toBe(matches({ and: [{ not: a }, { not: b }] }, fact))
      expect(matches({ not: a }, fact)).toBe(!matches(a, fact))
      expect(matches({ and: [a, { or: [a, b] }] }, fact)).toBe(matches(a, fact))
    }),
  )
})

test("ne is not eq, and in is eq with one of several, for every event", () => {
  fc.assert(
    fc.property(value, value, properties, (one, other, found) => {
      const fact = factWith(found)
      const eq = (val: typeof one) => matches({ field: "properties.x", op: "eq", value: val }, fact)
      expect(matches({ field: "properties.x", op: "ne", value: one }, fact)).toBe(!eq(one))
      expect(matches({ field: "properties.x", op: "in", value: [one, other] }, fact)).toBe(eq(one) || eq(other))
    }),
  )
})

test("whatever can be written as a filter is accepted as it is", () => {
  fc.assert(
    fc.property(filter, (any) => {
      expect(Filter.parse(JSON.parse(JSON.stringify(any)))).toEqual(any)
    }),
  )
})

describe("what is no filter", () => {
  test.each<[string, unknown]>([
    ["nothing", undefined],
    ["a text", "country = GR"],
    ["an empty object", {}],
    ["an empty and", { and: [] }],
    ["an or of 101", { or: Array.from({ length: 101 }, () => where("eq", 1)) }],
    ["and beside or", { and: [where("eq", 1)], or: [where("eq", 1)] }],
    ["a not of a list", { not: [where("eq", 1)] }],
    ["an unknown field", where("eq", 1, "colour")],
    ["properties without a path", where("eq", 1, "properties")],
    ["a path with a gap", where("eq", 1, "properties..x")],
    ["a path that ends in a point", where("eq", 1, "properties.x.")],
    ["an unknown operator", where("like", "a")],
    ["something more in a comparison", { ...where("eq", 1), also: 1 }],
    ["a list without in", where("eq", ["a"])],
    ["in without a list", where("in", "a")],
    ["in with an empty list", where("in", [])],
    [
      "in with more than a thousand",
      where(
        "in",
        Array.from({ length: 1001 }, (_, i) => i),
      ),
    ],
    ["eq without a value", where("eq")],
    ["exists with a text", where("exists", "yes")],
    ["a value that is an object", where("eq", {})],
    ["a value that is null", where("eq", null)],
  ])("%s", (_, bad) => {
    expect(Filter.safeParse(bad).success).toBe(false)
  })
})

const nots = (levels: number): unknown => (levels === 0 ? where("in", ["a"]) : { not: nots(levels - 1) })

test("a filter may nest eight levels of and, or and not, and no more", () => {
  expect([6, 7, 8, 9, 10].filter((levels) => isShallow(nots(levels)))).toEqual([6, 7, 8])
  expect(isShallow({ and: [where("eq", 1), { or: [where("eq", 1)] }] })).toBe(true)
})
