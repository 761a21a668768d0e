import { expect, test } from "vitest"
import { toText } from "#core/decimal.ts"
import type { Event, Json, JsonObject } from "#events/event.ts"
import { factOf, orderRevenue } from "./fact.ts"

const EVENT: Event = { id: "m", type: "track", event: "Order Completed", at: "2026-05-05T12:00:00.000Z", userId: "u" }
const order = (properties: JsonObject) => factOf({ ...EVENT, properties }, "app", {}, "EUR")

test.each<[string, { quantity?: Json }, string]>([
  ["is not said is one", {}, "9.99"],
  ["is null is one", { quantity: null }, "9.99"],
  ["is empty is one", { quantity: "" }, "9.99"],
  ["is a text of a number is that number", { quantity: "2" }, "19.98"],
  ["is nought is nought", { quantity: 0 }, "0"],
  ["is no number is nought", { quantity: "many" }, "0"],
])("a line whose quantity %s", (_, quantity, revenue) =>
  expect(toText(orderRevenue(order({ products: [{ product_id: "mug", price: "9.99", ...quantity }] })))).toBe(revenue),
)

test.each<[string, { currency?: Json }, boolean]>([
  ["names none", {}, true],
  ["has an empty one", { currency: "" }, true],
  ["has null for one", { currency: null }, true],
  ["names it in small letters", { currency: "eur" }, true],
  ["names another", { currency: "USD" }, false],
])("an order that %s: whether it counts in the tenant's currency", (_, currency, home) =>
  expect(order({ revenue: "1", ...currency }).home).toBe(home),
)
