import fc from "fast-check"
import { expect, test } from "vitest"
import * as z from "zod"
import { breachOfType, catalogueName } from "./catalogue.ts"
import type { Json } from "./event.ts"
import {
  amount,
  between,
  breachOf,
  currencyCode,
  flag,
  id,
  label,
  list,
  needed,
  oneOf,
  type Property,
  positive,
  text,
} from "./property.ts"

test("a name is found however its words are joined, and a name of the tenant's own is not", () => {
  expect(catalogueName("order_completed")).toBe("Order Completed")
  expect(catalogueName("Order Completed")).toBe("Order Completed")
  expect(catalogueName("Left The Building")).toBeUndefined()
})

test("an order needs a price somewhere, and says which field", () => {
  expect(breachOfType("Order Completed", { order_id: "1" })).toEqual({
    path: ["revenue"],
    must: "one of revenue, total or products is needed",
  })
  expect(breachOfType("Order Completed", { order_id: "1", products: [] })).toBeUndefined()
})

test.each(["NaN", "1e400", "", "12,50", "0.0000000000001", true, "-1"])("revenue of %j is refused", (revenue) => {
  expect(breachOfType("Order Completed", { order_id: "1", revenue })?.path).toEqual(["revenue"])
})

test("what is needed and not there is told first, with its name", () => {
  expect(breachOfType("Order Completed", { revenue: "x" })).toEqual({ path: ["order_id"], must: "is needed" })
})

test("a line of an order is held to what a product may be, and the place is told", () => {
  const lines: Json[] = [{ product_id: "p" }, { product_id: "q", price: "dear", other: { is: "kept" } }]
  expect(breachOfType("Order Completed", { order_id: "1", products: lines })?.path).toEqual(["products", 1, "price"])
  expect(breachOfType("Order Completed", { order_id: "1", products: ["p"] })).toEqual({
    path: ["products", 0],
    must: "must be an object",
  })
})

const kinds: [kind: Property, is: Json[], isNot: Json[]][] = [
  [id(""), ["a", "x".repeat(256), 7, -1.5], ["", "x".repeat(257), Number.POSITIVE_INFINITY, true, {}, []]],
  [label(""), ["a", "x".repeat(256), "😀".repeat(256)], ["", "x".repeat(257), "😀".repeat(257), 7, null]],
  [text("", 3), ["", "abc", "😀😀😀"], ["abcd", "😀😀😀😀", 3]],
  [amount(""), ["-12.50", 1e-7, 0, "999999999999999"], ["", "1e15", "x", true, {}]],
  [positive(""), ["0", 12.5], ["-0.01", -1]],
  [flag(""), [true, false], ["true", 1, null]],
  [oneOf(["day", "week"], ""), ["day", "week"], ["Day", "", 1]],
  [between(1, 5, ""), [1, 5, 2.5], [0.99, 5.01, "3"]],
  [currencyCode(""), ["USD", "eur"], ["US", "USDT", "U5D", 840]],
  [list({ a: needed(label("")) }, ""), [[], [{ a: "b" }]], [{}, "a", Array.from({ length: 5001 }, () => ({}))]],
]
test.each(kinds)("each kind of property takes what it says, and nothing else (%#)", (kind, is, isNot) => {
  for (const value of is) expect(breachOf({ kind }, { kind: value })).toBeUndefined()
  for (const value of isNot) expect(breachOf({ kind }, { kind: value })).toEqual({ path: ["kind"], must: kind.must })
})

/** An oracle: what a property takes is what its JSON Schema takes; decimals alone are finer than JSON Schema can say. */
test.each(kinds.filter(([kind]) => !/decimal/.test(kind.must)))("its JSON Schema says the same (%#)", (kind) => {
  const schema = z.fromJSONSchema(kind.schema as z.core.JSONSchema.JSONSchema)
  fc.assert(
    fc.property(
      fc.oneof(
        fc.jsonValue(),
        fc.string(),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.constantFrom("USD", "day", "a"),
      ),
      (value) => {
        expect(breachOf({ kind }, { kind: value as Json }) === undefined).toBe(schema.safeParse(value).success)
      },
    ),
  )
})
