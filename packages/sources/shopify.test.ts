import { describe, expect, test } from "vitest"
import { Fault } from "#core/fault.ts"
import { toEvent } from "#events/message.ts"
import type { Fields } from "./generic.ts"
import { shopify } from "./shopify.ts"

const NOW = Date.UTC(2026, 10, 21, 9)
const AT = "2026-11-21T03:00:00-05:00"
const IN_UTC = "2026-11-21T08:00:00.000Z"

const read = (topic: string, body: string | Fields, headers: Record<string, string> = {}) =>
  shopify.read({
    method: "POST",
    url: "",
    headers: {
      "x-shopify-topic": topic,
      "x-shopify-shop-domain": "acme.myshopify.com",
      "x-shopify-webhook-id": "hook-1",
      ...headers,
    },
    body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
    receivedAt: NOW,
  })

const told = (...given: Parameters<typeof read>) => {
  const { messages } = read(...given)
  for (const message of messages) {
    const kept = toEvent(message, { receivedAt: NOW, messageId: () => "made" })
    expect(kept).not.toHaveProperty("code")
    expect(kept).not.toHaveProperty("quarantine")
  }
  return messages
}

const shopMoney = (amount: string) => ({ shop_money: { amount, currency_code: "EUR" } })
const order = {
  id: 1001,
  created_at: AT,
  updated_at: AT,
  currency: "EUR",
  subtotal_price: "40.00",
  total_price: "52.60",
  total_tax: "7.60",
  total_discounts: "10.00",
  total_shipping_price_set: shopMoney("5.00"),
  discount_codes: [{ code: "WELCOME" }],
  financial_status: "pending",
  source_name: "web",
  customer: {
    id: 7,
    email: "ada@example.com",
    first_name: "Ada",
    last_name: "Lovelace",
    default_address: { country_code: "GB" },
  },
  shipping_address: { country_code: "DE" },
  line_items: [
    { id: 1, product_id: 11, sku: "TEA", title: "Tea", price: "15.00", quantity: 2, tax_lines: [{ price: "4.79" }] },
    { id: 2, product_id: null, sku: "", title: "Gift wrap", price: "20.00", quantity: 1, tax_lines: [] },
  ],
}

describe("an order", () => {
  test("is counted when it is made, with its lines, for the customer and under the order's own name", () => {
    expect(told("orders/create", order)).toEqual([
      {
        type: "track",
        event: "Order Completed",
        messageId: "shopify:order_1001",
        userId: "shopify:7",
        anonymousId: "shopify:order_1001",
        timestamp: IN_UTC,
        properties: {
          order_id: "1001",
          revenue: "40.00",
          total: "52.60",
          tax: "7.60",
          shipping: "5.00",
          discount: "10.00",
          coupon: "WELCOME",
          currency: "EUR",
          country: "DE",
          channel: "web",
          products: [
            { product_id: "11", sku: "TEA", name: "Tea", price: "15.00", quantity: 2 },
            { name: "Gift wrap", price: "20.00", quantity: 1 },
          ],
        },
      },
      {
        type: "identify",
        messageId: "shopify:order_1001:customer",
        userId: "shopify:7",
        anonymousId: "shopify:order_1001",
        timestamp: IN_UTC,
        traits: { email: "ada@example.com", name: "Ada Lovelace", country: "GB" },
      },
    ])
  })

  test("is not counted again when it is paid", () => {
    const [paid, ...more] = told("orders/paid", order, { "x-shopify-event-id": "event-1" })
    expect(paid).toMatchObject({
      event: "orders/paid",
      messageId: "shopify:orders/paid:1001:event-1",
      userId: "shopify:7",
      properties: { id: "1001" },
    })
    expect(more).toEqual([])
  })

  test("whose prices hold tax earned what is left without it", () => {
    expect(told("orders/create", { ...order, taxes_included: true })[0]?.properties).toMatchObject({ revenue: "35.21" })
  })

  test("of a guest is the order's own", () => {
    const [completed, ...more] = told("orders/create", { ...order, customer: null })
    expect(completed).toMatchObject({ anonymousId: "shopify:order_1001" })
    expect(completed).not.toHaveProperty("userId")
    expect(more).toEqual([])
  })

  test("with an id beyond what a double can hold keeps every digit", () => {
    const body = JSON.stringify({ ...order, id: 1 }).replace('"id":1,', '"id":820982911946154508,')
    expect(told("orders/create", body)[0]).toMatchObject({ messageId: "shopify:order_820982911946154508" })
  })

  test("that was a test says so", () => {
    expect(told("orders/create", { ...order, test: true })[0]?.properties).toMatchObject({ test: true })
  })

  test("that is changed is told once for each change", () => {
    const [changed] = told("orders/updated", { ...order, updated_at: "2026-11-21T03:30:00-05:00" })
    expect(changed).toMatchObject({
      event: "Order Updated",
      messageId: "shopify:order_1001:updated:2026-11-21T08:30:00.000Z",
    })
  })

  test("that is cancelled says why, and no amount, which its refund takes back", () => {
    const [gone] = told("orders/cancelled", { ...order, cancelled_at: AT, cancel_reason: "customer" })
    expect(gone).toMatchObject({
      event: "Order Cancelled",
      messageId: "shopify:order_1001:cancelled",
      properties: { order_id: "1001", reason: "customer", currency: "EUR" },
    })
    expect(gone?.properties).not.toHaveProperty("revenue")
  })
})

describe("a refund", () => {
  const line = {
    quantity: 1,
    subtotal: 15,
    subtotal_set: shopMoney("15.00"),
    line_item: { product_id: 11, sku: "TEA", title: "Tea", price: "15.00" },
  }
  const sent = { kind: "refund", status: "success", amount: "22.85", currency: "EUR" }
  const refund = {
    id: 501,
    order_id: 1001,
    created_at: AT,
    refund_line_items: [line],
    transactions: [sent],
    order_adjustments: [] as Fields[],
  }

  test("takes back the lines, and says what money went back, for whoever ordered", () => {
    expect(told("refunds/create", refund)).toEqual([
      {
        type: "track",
        event: "Order Refunded",
        messageId: "shopify:refund_501",
        anonymousId: "shopify:order_1001",
        timestamp: IN_UTC,
        properties: {
          order_id: "1001",
          refund_id: "501",
          revenue: "15.00",
          total: "22.85",
          currency: "EUR",
          products: [{ product_id: "11", sku: "TEA", name: "Tea", price: "15.00", quantity: 1 }],
        },
      },
    ])
  })

  test.each([
    [
      "less than its lines, as something was kept back",
      { order_adjustments: [{ amount: "5.00", kind: "refund_discrepancy" }] },
      "10.00",
      "22.85",
    ],
    [
      "shipping alone",
      { refund_line_items: [], order_adjustments: [{ amount: "-5.00", kind: "shipping_refund" }] },
      "0.00",
      "22.85",
    ],
    [
      "an amount without lines",
      { refund_line_items: [], order_adjustments: [{ amount: "-22.85", kind: "refund_discrepancy" }] },
      "22.85",
      "22.85",
    ],
    ["lines that were never paid", { transactions: [] }, "15.00", undefined],
    [
      "what failed to go back beside what did",
      { transactions: [sent, { ...sent, status: "failure" }] },
      "15.00",
      "22.85",
    ],
  ])("of %s", (_words, differently, revenue, total) => {
    const [given] = told("refunds/create", { ...refund, ...differently })
    expect(given).toMatchObject({ event: "Order Refunded" })
    expect(given?.properties?.revenue).toBe(revenue)
    expect(given?.properties?.total).toBe(total)
  })

  test("of nothing is only passed on", () => {
    const nothing = { ...refund, refund_line_items: [], transactions: [] }
    expect(told("refunds/create", nothing)[0]).toMatchObject({
      event: "refunds/create",
      properties: { id: "501", order_id: "1001" },
    })
  })
})

test("a customer is known by Shopify's id", () => {
  const customer = {
    id: 7,
    email: "ada@example.com",
    first_name: "Ada",
    last_name: null,
    updated_at: AT,
    default_address: { country_code: "GB" },
  }
  expect(told("customers/update", customer)).toEqual([
    {
      type: "identify",
      messageId: `shopify:customer_7:${IN_UTC}`,
      userId: "shopify:7",
      timestamp: IN_UTC,
      traits: { email: "ada@example.com", name: "Ada", country: "GB" },
    },
  ])
})

test("a request to forget a customer is passed on without what is to be forgotten", () => {
  const redact = {
    shop_id: 1,
    shop_domain: "acme.myshopify.com",
    customer: { id: 7, email: "ada@example.com", phone: "1" },
    orders_to_redact: [1],
  }
  const [passed] = told("customers/redact", redact)
  expect(passed).toMatchObject({ event: "customers/redact", userId: "shopify:7", properties: { shop_id: "1" } })
  expect(JSON.stringify(passed)).not.toContain("ada@")
})

test("a product is told of the shop, once for each event of Shopify's", () => {
  const headers = { "x-shopify-event-id": "event-2", "x-shopify-triggered-at": "2026-11-21T08:00:00.480992003Z" }
  expect(
    told(
      "products/update",
      {
        id: 11,
        title: "Tea",
        status: "active",
        product_type: "Drinks",
        vendor: "Acme",
        variants: [{ sku: "T", price: "4.00" }],
      },
      headers,
    ),
  ).toEqual([
    {
      type: "track",
      event: "Product Updated",
      messageId: "shopify:products/update:11:event-2",
      anonymousId: "shopify:acme.myshopify.com",
      timestamp: "2026-11-21T08:00:00.480Z",
      properties: {
        ...{ product_id: "11", name: "Tea", category: "Drinks", brand: "Acme", sku: "T", price: "4.00" },
        status: "active",
      },
    },
  ])
  expect(told("products/delete", { id: 11 }, headers)).toMatchObject([
    { event: "Product Updated", properties: { product_id: "11", status: "deleted" } },
  ])
})

test("a delivery without a topic is none of Shopify's", () => {
  expect(() => read("", order)).toThrow(Fault)
  expect(() => read("orders/create", "[]")).toThrow(Fault)
})

/** Shopify's list of orders: sorted by their last change, with a Link to the next page that carries nothing but a token. */
function standIn(orders: Fields[], size = 2) {
  const asked: URL[] = []
  const answer = async (input: string | URL | Request, init?: RequestInit) => {
    const url = new URL(String(input))
    asked.push(url)
    expect(url.pathname).toBe("/admin/api/2026-10/orders.json")
    expect(new Headers(init?.headers).get("x-shopify-access-token")).toBe("shpat_1")
    const token = url.searchParams.get("page_info")
    if (token && [...url.searchParams.keys()].some((name) => !["page_info", "limit"].includes(name))) {
      return new Response("{}", { status: 400 })
    }
    if (!token) expect(url.searchParams.get("order")).toBe("updated_at asc")
    const spanned = token ?? `${url.searchParams.get("updated_at_min")}|${url.searchParams.get("updated_at_max")}|0`
    const [min, max, from] = Buffer.from(spanned, token ? "base64url" : "utf8")
      .toString()
      .split("|")
    const changed = orders
      .filter(
        ({ updated_at }) =>
          Date.parse(String(updated_at)) >= Date.parse(min!) && Date.parse(String(updated_at)) <= Date.parse(max!),
      )
      .toSorted((a, b) => Date.parse(String(a.updated_at)) - Date.parse(String(b.updated_at)))
    const next = Buffer.from(`${min}|${max}|${Number(from) + size}`).toString("base64url")
    const previous =
      '<https://acme.myshopify.com/admin/api/2026-10/orders.json?limit=250&page_info=back>; rel="previous"'
    const link = `${from === "0" ? "" : `${previous}, `}<https://elsewhere.test/admin/api/2026-10/orders.json?limit=250&page_info=${next}>; rel="next"`
    const more = Number(from) + size < changed.length
    return new Response(JSON.stringify({ orders: changed.slice(Number(from), Number(from) + size) }), {
      headers: more ? { link } : {},
    })
  }
  return { asked, fetch: answer as typeof fetch }
}

const needs = (server: { fetch: typeof fetch }, now = NOW) => ({
  fetch: server.fetch,
  credential: "shpat_1",
  baseUrl: "https://acme.myshopify.com",
  now,
})

describe("a back-poll", () => {
  const since = NOW - 86_400_000
  const made = (id: number, minutesAgo: number, more: Fields = {}): Fields => {
    const at = new Date(NOW - minutesAgo * 60_000).toISOString()
    return { ...order, id, created_at: at, updated_at: at, ...more }
  }

  async function drain(server: ReturnType<typeof standIn>, cursor?: string, now = NOW) {
    const ids: unknown[] = []
    for (let i = 0; i < 50; i++) {
      const page = await shopify.poll(needs(server, now), cursor, since)
      ids.push(...page.messages.map(({ messageId }) => messageId))
      cursor = page.cursor
      if (page.done) return { ids, cursor }
    }
    throw new Error("never done")
  }

  test("lists orders by their last change over several pages, asking nobody but the shop, and then only what is new", async () => {
    const orders = [5, 4, 3, 2, 1].map((id) => made(id, id * 10))
    const server = standIn(orders)
    const first = await drain(server)
    expect(first.ids.filter((id) => !String(id).endsWith(":customer"))).toEqual(
      [5, 4, 3, 2, 1].map((id) => `shopify:order_${id}`),
    )
    expect(server.asked.map(({ hostname }) => hostname)).toEqual(Array(3).fill("acme.myshopify.com"))
    orders.push(made(6, -5))
    expect((await drain(server, first.cursor, NOW + 600_000)).ids).toEqual([
      "shopify:order_6",
      "shopify:order_6:customer",
    ])
  })

  test("tells of an order what its webhooks told, refunds and cancellation included, under the same ids", async () => {
    const refund = {
      id: 501,
      order_id: 9,
      created_at: order.created_at,
      refund_line_items: [{ quantity: 1, subtotal: "15.00", line_item: {} }],
      transactions: [],
    }
    const changed = made(9, 60, {
      updated_at: new Date(NOW - 600_000).toISOString(),
      cancelled_at: AT,
      refunds: [refund],
    })
    const page = await shopify.poll(needs(standIn([changed])), undefined, since)
    const heard = [
      ...told("orders/create", changed),
      ...told("orders/updated", changed),
      ...told("orders/cancelled", changed),
      ...told("refunds/create", refund),
    ]
    expect(page.messages).toEqual(heard)
    expect(new Set(heard.map(({ messageId }) => messageId)).size).toBe(5)
  })

  test("that finds its place already reached asks nothing", async () => {
    const server = standIn([])
    const { cursor } = await drain(server)
    expect(await shopify.poll(needs(server, NOW + 500), cursor, since)).toMatchObject({ messages: [], done: true })
    expect(server.asked).toHaveLength(1)
  })

  test("that is told to wait says for how long", async () => {
    const refuse = (async () => new Response("{}", { status: 429, headers: { "retry-after": "2.0" } })) as typeof fetch
    await expect(shopify.poll(needs({ fetch: refuse }), undefined, since)).rejects.toMatchObject({
      code: "rate_limited",
      retryAfter: 2,
    })
  })
})
