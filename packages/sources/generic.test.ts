import { existsSync, readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { Fault } from "#core/fault.ts"
import { toEvent } from "#events/message.ts"
import { currency, type Fields, generic, identifying, iso, jsonOf, money, sum, text } from "./generic.ts"
import { shopify } from "./shopify.ts"
import { slack } from "./slack.ts"
import type { Delivery, Vendor } from "./source.ts"
import { standardWebhooks } from "./standard-webhooks.ts"
import { stripe } from "./stripe.ts"
import { whop } from "./whop.ts"

const NOW = Date.UTC(2026, 10, 21, 9)
const needs = { fetchText: () => Promise.reject(new Error("no certificate is needed")) }
const deliver = (body: string | Uint8Array, headers: Record<string, string> = {}): Delivery => ({
  method: "POST",
  url: "https://collect.example.com/v1/hooks/acme",
  headers,
  body: typeof body === "string" ? Buffer.from(body) : body,
  receivedAt: NOW,
})

const shop = generic({
  id: "pos",
  signature: { kind: "bearer" },
  event: "/kind",
  messageId: "/sale/number",
  userId: "/sale/buyer/id",
  timestamp: "/at",
  properties: { order_id: "/sale/number", total: "/sale/total", "a/b": "/sale/a~1b" },
})

describe("a sender that is only described", () => {
  const sale = {
    kind: "Order Completed",
    at: 1795248000,
    sale: { number: 17, total: "12.50", buyer: { id: "b-1" }, "a/b": true },
  }

  test("is read by its paths", () => {
    expect(shop.read(deliver(JSON.stringify(sale)))).toEqual({
      id: "pos:17",
      messages: [
        {
          type: "track",
          event: "Order Completed",
          messageId: "pos:17",
          userId: "b-1",
          anonymousId: undefined,
          timestamp: "2026-11-21T08:00:00.000Z",
          properties: { order_id: 17, total: "12.50", "a/b": true },
        },
      ],
    })
  })

  test("that gives no id has one made of its body, and that names nobody is one sender", () => {
    const read = (body: string) => shop.read(deliver(body)).messages[0]
    expect(read('{"kind":"Opened"}')).toMatchObject({ anonymousId: "pos", properties: {} })
    expect(read('{"kind":"Opened"}')?.messageId).toBe(read('{"kind":"Opened"}')?.messageId)
    expect(read('{"kind":"Opened"}')?.messageId).not.toBe(read('{"kind":"Opened" }')?.messageId)
  })

  test("may send one kind of event, and all of its body as properties of it", () => {
    const one = generic({
      signature: { kind: "bearer" },
      event: "Sale Made",
      properties: "/sale",
      anonymousId: "/sale/number",
    })
    expect(one.read(deliver(JSON.stringify(sale))).messages).toMatchObject([
      { event: "Sale Made", anonymousId: "17", properties: sale.sale },
    ])
  })

  test("whose body has no name for the event is refused, saying where it should be", () => {
    expect(() => shop.read(deliver("{}"))).toThrow(expect.objectContaining({ code: "invalid_request", field: "/kind" }))
    expect(() => shop.read(deliver("[]"))).toThrow(Fault)
    expect(() => shop.read(deliver("sale"))).toThrow(Fault)
  })

  test("cannot reach what no body holds", () => {
    const reaching = generic({ signature: { kind: "bearer" }, event: "Sent", properties: { made: "/toString" } })
    expect(reaching.read(deliver("{}")).messages[0]?.properties).toEqual({})
  })

  test.each([
    ["Bearer s3cret", "genuine"],
    ["bearer s3cret", "genuine"],
    ["s3cret", "genuine"],
    ["Bearer s3cre", "bad_signature"],
    ["Bearer ", "missing_signature"],
    [undefined, "missing_signature"],
  ])("that shows %j is judged %s", async (authorization, expected) => {
    const verdict = await shop.verify(
      deliver("{}", authorization ? { authorization } : {}),
      ["other", "s3cret", ""],
      needs,
    )
    expect(verdict === "genuine" ? verdict : verdict.code).toBe(expected)
  })

  test.each([
    ["hex", "sha1", "SHA1="],
    ["base64", "sha256", ""],
    ["hex", "sha256", ""],
  ] as const)("may sign in %s with %s", async (encoding, algorithm, prefix) => {
    const vendor = generic({
      signature: { kind: "hmac", header: "X-Sign", algorithm, encoding, prefix },
      event: "/type",
    })
    const sample = { ...deliver(""), ...vendor.sample("s", NOW, "") }
    expect(await vendor.verify(sample, ["s"], needs)).toBe("genuine")
    expect(await vendor.verify(sample, ["t"], needs)).toMatchObject({ code: "bad_signature" })
    const upper = { ...sample, headers: { "x-sign": sample.headers["x-sign"]!.replace(prefix, "").toUpperCase() } }
    upper.headers["x-sign"] = prefix + upper.headers["x-sign"]
    expect(await vendor.verify(upper, ["s"], needs)).toEqual(
      encoding === "hex" ? "genuine" : expect.objectContaining({ code: "bad_signature" }),
    )
  })

  test("has a description that is checked when it is given", () => {
    expect(() => generic({ signature: { kind: "bearer" }, event: "" })).toThrow()
    expect(() => generic({ signature: { kind: "bearer" }, event: "A", userId: "user.id" })).toThrow()
    expect(() => generic({ id: "not an id", signature: { kind: "bearer" }, event: "A" })).toThrow()
  })
})

describe("what is read of any JSON", () => {
  test("keeps whole numbers that a double cannot hold, digit for digit", () => {
    expect(jsonOf('{"id":820982911946154508,"n":9007199254740991,"x":-9007199254740993,"f":1.5}')).toEqual({
      id: "820982911946154508",
      n: 9007199254740991,
      x: "-9007199254740993",
      f: 1.5,
    })
  })

  test.each([
    ["2026-11-21T03:00:00-05:00", "2026-11-21T08:00:00.000Z"],
    [1795248000, "2026-11-21T08:00:00.000Z"],
    [1795248000123, "2026-11-21T08:00:00.123Z"],
    ["1795248000", "2026-11-21T08:00:00.000Z"],
    ["1795248000.000100", "2026-11-21T08:00:00.000Z"],
    ["yesterday", undefined],
    [-1, undefined],
    [Number.NaN, undefined],
    [1e300, undefined],
    [null, undefined],
  ])("an instant of %j", (value, expected) => expect(iso(value)).toBe(expected))

  test("amounts, currencies and ids are what they say or nothing", () => {
    expect([money("12.5"), money(0.1), money("x"), money(null)]).toEqual(["12.50", "0.10", undefined, undefined])
    expect([currency("usd"), currency("usdt"), currency(1)]).toEqual(["USD", undefined, undefined])
    expect([text(1), text("a\u0000b"), text(""), text("\u0007"), text({}), text(Number.POSITIVE_INFINITY)]).toEqual([
      "1",
      "ab",
      undefined,
      undefined,
      undefined,
      undefined,
    ])
    expect(sum(["0.1", 0.2, "x"])).toBe(300_000_000_000n)
  })

  test("of what is only passed on, only ids and states are kept", () => {
    const given = {
      id: 1,
      shop_id: 2,
      status: "open",
      email: "ada@example.com",
      client_secret: "s",
      note: "n",
      customer: { id: 3 },
      charge: "ch_1",
    }
    expect(identifying(given, ["charge"])).toEqual({ id: "1", shop_id: "2", status: "open", charge: "ch_1" })
  })
})

/** Field names of all the vendors, so that arbitrary bodies come close to real ones. */
const names =
  "id object type action event data created created_at updated_at timestamp customer user status currency amount amount_total amount_paid amount_refunded mode payment_status payment_intent items price plan recurring interval interval_count quantity unit_amount_decimal previous_attributes total_details customer_details line_items refund_line_items transactions refunds order_adjustments subtotal subtotal_price tax_lines taxes_included discount_codes order_id payment membership renewal_period_start billing_reason total lesson course team_id event_id event_time bot_id authorizations bot_profile item challenge payload actions __proto__ constructor".split(
    " ",
  )
const wild = fc.string({ unit: "binary" })
const leaf = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  wild,
  fc.constantFrom(
    "usd",
    "active",
    "payment",
    "paid",
    "month",
    "refund",
    "success",
    "succeeded",
    "2026-11-21T08:00:00Z",
    "12.50",
    "-1",
    1795248000,
    -1,
    1e300,
  ),
)
const resource = fc
  .array(fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...names) }, fc.string()), { maxLength: 12 })
  .chain((keys) =>
    fc
      .array(
        fc.oneof(
          leaf,
          fc.record({
            id: leaf,
            data: fc.array(fc.record({ id: leaf, price: leaf, plan: leaf, quantity: leaf })),
            amount: leaf,
            status: leaf,
          }),
        ),
        {
          minLength: keys.length,
          maxLength: keys.length,
        },
      )
      .map((values) => Object.fromEntries(keys.map((key, i) => [key, values[i]]))),
  )
const types = fc.constantFrom(
  ..."customer.created customer.subscription.created customer.subscription.updated customer.subscription.deleted invoice.paid checkout.session.completed charge.refunded charge.dispute.created payment.succeeded refund.created membership.activated membership.deactivated course_lesson_interaction.completed dispute.created event_callback url_verification app_rate_limited constructor __proto__ toString".split(
    " ",
  ),
)
const topics = fc.constantFrom(
  ..."orders/create orders/updated orders/cancelled refunds/create customers/update checkouts/create disputes/create products/update constructor".split(
    " ",
  ),
)
const contents = fc.constantFrom("application/json", "application/x-www-form-urlencoded")
const anything = generic({
  signature: { kind: "bearer" },
  event: "/type",
  messageId: "/id",
  userId: "/user",
  timestamp: "/created",
  properties: "/data",
})
const readable: Vendor[] = [stripe, shopify, whop, slack, standardWebhooks, shop, anything]

/** Reads, and gives what the door says of each message; `undefined` for a body that is refused with a Fault. */
function admitted(vendor: Vendor, delivery: Delivery) {
  try {
    return vendor
      .read(delivery)
      .messages.map((message) => toEvent(message, { receivedAt: NOW, messageId: () => "made" }))
  } catch (fault) {
    expect(fault).toBeInstanceOf(Fault)
    expect(fault).toMatchObject({ code: "invalid_request" })
    return undefined
  }
}

describe.each(readable.map((vendor) => [vendor.id, vendor] as const))("%s, given anything at all,", (_id, vendor) => {
  const headers = { "x-shopify-topic": "orders/create", "webhook-id": "msg_1" }

  test("reads it or refuses it", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.json(), fc.string()),
        contents,
        (body, type) => void admitted(vendor, deliver(body, { ...headers, "content-type": type })),
      ),
    )
    fc.assert(fc.property(fc.uint8Array(), (body) => void admitted(vendor, deliver(body, headers))))
    expect(admitted(vendor, deliver("[".repeat(200_000)))).toBeUndefined()
  })

  test("gives nothing that the door turns away, but for its time or for what it was told to take whole", () => {
    const body = fc.record({
      id: fc.oneof(wild, fc.integer(), leaf),
      type: types,
      created: leaf,
      timestamp: leaf,
      event_id: leaf,
      event: resource,
      data: fc.oneof(resource, fc.record({ object: resource, previous_attributes: resource })),
    })
    fc.assert(
      fc.property(fc.oneof(body, resource), topics, (sent, topic) => {
        for (const kept of admitted(vendor, deliver(JSON.stringify(sent), { ...headers, "x-shopify-topic": topic })) ??
          []) {
          if ("code" in kept) expect(["in_the_future", "invalid_key", "too_deep"]).toContain(kept.code)
        }
      }),
      { numRuns: 200 },
    )
  })
})

const samples = new URL("../../../shared/data/webhooks/samples/", import.meta.url)
type Sample = { name: string; body: Fields; extraHeaders?: Record<string, string> }

/** Real bodies, collected by Hookdeck (MIT), lie beside the repository on some machines only. */
describe.skipIf(!existsSync(samples))("of the vendors' own samples", () => {
  const events = (vendor: Vendor) =>
    (JSON.parse(readFileSync(new URL(`${vendor.id}.json`, samples), "utf8")) as Sample[]).map(
      ({ name, body, extraHeaders }) => {
        const kept = admitted(vendor, deliver(JSON.stringify(body), { "webhook-id": "msg_1", ...extraHeaders })) ?? []
        for (const event of kept) {
          expect([name, event]).toEqual([name, expect.not.objectContaining({ code: expect.anything() })])
          expect([name, event]).toEqual([name, expect.not.objectContaining({ quarantine: expect.anything() })])
        }
        return [name, kept.map((event) => ("code" in event ? event.code : (event.event ?? event.type)))] as const
      },
    )

  test("Stripe's are what they tell", () => {
    expect(Object.fromEntries(events(stripe))).toEqual({
      "checkout.session.completed": ["checkout.session.completed", "identify"],
      "customer.created": ["identify"],
      "customer.subscription.created": ["Subscription Started"],
      "customer.updated": ["identify"],
      "invoice.created": ["invoice.created"],
      "invoice.finalized": ["invoice.finalized"],
      "invoice.paid": ["Invoice Paid", "identify"],
      "invoice.payment_succeeded": ["invoice.payment_succeeded"],
      "payment_link.created": ["payment_link.created"],
      "payment_link.updated": ["payment_link.updated"],
      "payment_method.attached": ["payment_method.attached"],
      "setup_intent.created": ["setup_intent.created"],
      "setup_intent.succeeded": ["setup_intent.succeeded"],
    })
  })

  test("Shopify's are what they tell: all 181, of which eleven count", () => {
    const told = Object.fromEntries(events(shopify))
    expect(Object.keys(told)).toHaveLength(181)
    const mapped = Object.entries(told).filter(([topic, names]) => names[0] !== topic)
    expect(Object.fromEntries(mapped)).toEqual({
      "orders/create": ["Order Completed", "identify"],
      "orders/updated": ["Order Updated"],
      "orders/cancelled": ["Order Cancelled"],
      "refunds/create": ["Order Refunded"],
      "customers/create": ["identify"],
      "customers/update": ["identify"],
      "checkouts/create": ["Checkout Started"],
      "disputes/create": ["Dispute Opened"],
      "products/create": ["Product Updated"],
      "products/update": ["Product Updated"],
      "products/delete": ["Product Updated"],
    })
  })

  test("Slack's are what they tell", () => {
    expect(events(slack).map(([, names]) => names)).toEqual([
      ["Slack app_mention"],
      ["Slack message"],
      ["Slack reaction_added"],
      ["Slack member_joined_channel"],
      ["Slack app_home_opened"],
    ])
  })
})
