import { expect, test } from "vitest"
import type { Message } from "#events/message.ts"
import { truth } from "./truth.ts"

const track = (messageId: string, event: string, properties: object, who: object = { userId: "u1" }): Message => ({
  type: "track",
  messageId,
  timestamp: "2026-02-01T10:00:00.000Z",
  event,
  properties: { ...properties },
  ...who,
})

test("a message that comes twice counts once, and a broken one not at all", () => {
  const order = track("m1", "Order Completed", { order_id: "o1", revenue: "10.10" })
  const broken = track("m2", "Order Completed", { order_id: "o2", revenue: "-1" })
  expect(truth([order, broken, order])).toMatchObject({ events: 2, quarantined: 1, orders: 1, revenue: "10.10" })
})

test("an order is worth its revenue, else its total, else its lines, to the last penny", () => {
  const products = [{ price: "0.10", quantity: 3 }, { price: "19.99" }]
  const orders = [
    track("m1", "Order Completed", { order_id: "o1", revenue: "0.2", total: "99", products }),
    track("m2", "Order Completed", { order_id: "o2", total: 5, products }),
    track("m3", "Order Completed", { order_id: "o3", products }),
    track("m4", "Order Refunded", { order_id: "o3", revenue: "19.99" }),
  ]
  expect(truth(orders)).toMatchObject({ orders: 3, revenue: "25.49", refunds: 1, refunded: "19.99" })
})

test("somebody with two devices is one customer, and who never signs in is a stranger", () => {
  const view = (messageId: string, who: object) => track(messageId, "Product Viewed", {}, who)
  const views = [
    view("m1", { anonymousId: "phone" }),
    view("m2", { anonymousId: "phone", userId: "u1" }),
    view("m3", { anonymousId: "desk", userId: "u1" }),
    view("m4", { anonymousId: "library" }),
    view("m5", { userId: "u2" }),
  ]
  expect(truth(views)).toMatchObject({ customers: 2, strangers: 1 })
})
