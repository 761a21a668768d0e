import { expect, test } from "vitest"
import { catalogue, catalogueName } from "./catalogue.ts"

test("a name is found however its words are joined, and a name of the tenant's own is not", () => {
  expect(catalogueName("order_completed")).toBe("Order Completed")
  expect(catalogueName("Order Completed")).toBe("Order Completed")
  expect(catalogueName("Left The Building")).toBeUndefined()
})

test("an order needs a price somewhere, and says which field", () => {
  const parsed = catalogue["Order Completed"].properties.safeParse({ order_id: "1" })
  expect(parsed.error?.issues[0]?.path).toEqual(["revenue"])
})

test.each(["NaN", "1e400", "", "12,50", "0.0000000000001", true])("an amount of %j is refused", (revenue) => {
  expect(catalogue["Order Completed"].properties.safeParse({ order_id: "1", revenue }).success).toBe(false)
})
