import { instant, MINUTE, SECOND } from "#core/clock.ts"
import { decimal, toText } from "#core/decimal.ts"
import { Fault } from "#core/fault.ts"
import { shortHash } from "#core/hash.ts"
import type { Message } from "#events/message.ts"
import {
  ask,
  currency,
  type Fields,
  fields,
  identifying,
  iso,
  known,
  list,
  money,
  objectOf,
  required,
  sum,
  text,
  wholeNumber,
} from "./generic.ts"
import { type Fact, identify, track, type Who } from "./message.ts"
import { anySame, header, hmac, mismatch, missing, signedWith } from "./signature.ts"
import type { Counted, Delivery, Page, PollNeeds, Vendor } from "./source.ts"

/** Served until October 2027 at least; after that Shopify answers with the oldest version that it still serves. */
const API_VERSION = "2026-10"

const shopMoney = (set: unknown) => fields(fields(set).shop_money)
const linesOf = (values: unknown) => list(values).map(fields)

/** A refund is told without its customer, so whoever orders is also known by the order, and a guest by nothing else. */
function whoIs(customer: unknown, otherwise: string): Who {
  const id = text(customer)
  const anonymousId = `shopify:${otherwise}`
  return id === undefined ? { anonymousId } : { userId: `shopify:${id}`, anonymousId }
}

const product = (line: Fields, quantity: unknown) => ({
  product_id: text(line.product_id),
  sku: text(line.sku),
  name: text(line.title) ?? text(line.name),
  price: money(line.price),
  quantity: decimal(quantity) === undefined ? undefined : quantity,
})

/** `subtotal_price` is after discounts and without shipping; where prices hold tax, the lines' tax is taken out. */
function revenueOf(order: Fields): string | undefined {
  const subtotal = decimal(order.subtotal_price)
  if (subtotal === undefined || subtotal < 0n) return undefined
  const taxes = linesOf(order.line_items).flatMap((line) => linesOf(line.tax_lines).map(({ price }) => price))
  const net = order.taxes_included === true ? subtotal - sum(taxes) : subtotal
  return net < 0n ? undefined : toText(net, 2)
}

const amountsOf = (order: Fields) => ({
  revenue: revenueOf(order),
  total: money(order.total_price),
  tax: money(order.total_tax),
  shipping: money(shopMoney(order.total_shipping_price_set).amount),
  discount: money(order.total_discounts),
  coupon:
    linesOf(order.discount_codes)
      .map(({ code }) => text(code))
      .join(", ") || undefined,
  currency: currency(order.currency),
  country: text(fields(order.shipping_address).country_code) ?? text(fields(order.billing_address).country_code),
  channel: text(order.source_name),
  products: linesOf(order.line_items).map((line) => product(line, line.quantity)),
  test: order.test === true ? true : undefined,
})

function traitsOf(customer: Fields, fact: Fact): Message[] {
  const name = [text(customer.first_name), text(customer.last_name)].filter(Boolean).join(" ") || undefined
  const country = text(fields(customer.default_address).country_code)
  return identify(fact, { email: text(customer.email), name, country })
}

type Order = Fields & { id: string }

const factOf = (order: Order, state: string, time: unknown): Fact => ({
  id: `shopify:order_${order.id}${state}`,
  at: iso(time),
  who: whoIs(fields(order.customer).id, `order_${order.id}`),
})

function created(order: Order): Message[] {
  const completed = track("Order Completed", factOf(order, "", order.created_at), {
    order_id: order.id,
    ...amountsOf(order),
  })
  return [completed, ...traitsOf(fields(order.customer), factOf(order, ":customer", order.created_at))]
}

function updated(order: Order): Message[] {
  const fact = factOf(order, `:updated:${iso(order.updated_at)}`, order.updated_at)
  return [
    track("Order Updated", fact, { order_id: order.id, ...amountsOf(order), status: text(order.financial_status) }),
  ]
}

/** Without amounts: what was counted is taken back by the refund that Shopify makes of a cancelled order. */
function cancelled(order: Order): Message[] {
  const fact = factOf(order, ":cancelled", order.cancelled_at)
  return [
    track("Order Cancelled", fact, {
      order_id: order.id,
      reason: text(order.cancel_reason),
      currency: currency(order.currency),
    }),
  ]
}

/** revenue: the lines at what they were sold for, less what was kept back; total: the money that went back. */
function refunded(refund: Fields): Message[] {
  const [id, order] = [text(refund.id), text(refund.order_id)]
  if (id === undefined || order === undefined) return []
  const lines = linesOf(refund.refund_line_items)
  const paid = linesOf(refund.transactions).filter(({ kind, status }) => kind === "refund" && status === "success")
  const kept = linesOf(refund.order_adjustments).filter(({ kind }) => kind !== "shipping_refund")
  const net = sum(lines.map(({ subtotal }) => subtotal)) - sum(kept.map(({ amount }) => amount))
  const revenue =
    net < 0n || (lines.length === 0 && kept.length === 0 && paid.length === 0) ? undefined : toText(net, 2)
  const total = paid.length === 0 ? undefined : toText(sum(paid.map(({ amount }) => amount)), 2)
  if (revenue === undefined && total === undefined) return []
  const code = currency(shopMoney(lines[0]?.subtotal_set).currency_code) ?? currency(paid[0]?.currency)
  const products = lines.map((line) => product(fields(line.line_item), line.quantity))
  const fact = { id: `shopify:refund_${id}`, at: iso(refund.created_at), who: whoIs(undefined, `order_${order}`) }
  return [track("Order Refunded", fact, { order_id: order, refund_id: id, revenue, total, currency: code, products })]
}

function checkout(object: Order): Message[] {
  const fact = {
    id: `shopify:checkout_${object.id}`,
    at: iso(object.created_at),
    who: whoIs(fields(object.customer).id, `checkout_${object.id}`),
  }
  return [track("Checkout Started", fact, { checkout_id: object.id, ...amountsOf(object) })]
}

function disputed(dispute: Order): Message[] {
  const who = whoIs(undefined, `order_${text(dispute.order_id) ?? "unknown"}`)
  const state = {
    amount: money(dispute.amount),
    currency: currency(dispute.currency),
    reason: text(dispute.reason),
    status: text(dispute.status),
  }
  const fact = { id: `shopify:dispute_${dispute.id}`, at: iso(dispute.initiated_at), who }
  return [track("Dispute Opened", fact, { dispute_id: dispute.id, order_id: text(dispute.order_id), ...state })]
}

function customer(object: Order): Message[] {
  const id = `shopify:customer_${object.id}:${iso(object.updated_at) ?? iso(object.created_at)}`
  return traitsOf(object, {
    id,
    at: iso(object.updated_at) ?? iso(object.created_at),
    who: { userId: `shopify:${object.id}` },
  })
}

/**
 * | Shopify                        | Octant                                                                | messageId shopify:…      |
 * |--------------------------------|-----------------------------------------------------------------------|--------------------------|
 * | orders/create                  | Order Completed with lines; identify from `customer`                  | order_<id>               |
 * | orders/updated                 | Order Updated                                                         | order_<id>:updated:<at>  |
 * | orders/cancelled               | Order Cancelled                                                       | order_<id>:cancelled     |
 * | refunds/create, order.refunds  | Order Refunded with lines                                             | refund_<id>              |
 * | customers/create, /update      | identify: `email`, name, `default_address.country_code`               | customer_<id>:<at>       |
 * | checkouts/create               | Checkout Started with lines                                           | checkout_<id>            |
 * | disputes/create                | Dispute Opened                                                        | dispute_<id>             |
 * | products/create, /update, /delete | Product Updated: `id`, `title`, `product_type`, `vendor`, first variant | <topic>:<id>:<event id> |
 * | any other (orders/paid too)    | its topic, with ids and state                                         | <topic>:<id>:<event id>  |
 * | `subtotal_price`, `total_price` | revenue (less the lines' `tax_lines` if `taxes_included`), total     |                          |
 * | `total_tax`, `total_discounts`, `total_shipping_price_set` | tax, discount, shipping                   |                          |
 * | `discount_codes[].code`, `source_name`, `currency` | coupon, channel, currency                         |                          |
 * | `shipping_address`, else `billing_address`: `country_code` | country                                   |                          |
 * | `line_items[]`: `product_id`, `sku`, `title`, `price`, `quantity` | products[]: the same, title as name |                         |
 * | a refund's lines' `subtotal` less what was kept; `transactions[].amount` | revenue; total              |                          |
 * | `customer.id`, and the order's id | userId `shopify:<id>`, anonymousId `shopify:order_<id>`            |                          |
 *
 * An order counts once, when it is created, paid or not, as in Shopify's own reports of sales.
 */
const readers = new Map<string, (object: Order) => Message[]>([
  ["orders/create", created],
  ["orders/updated", updated],
  ["orders/cancelled", cancelled],
  ["refunds/create", refunded],
  ["customers/create", customer],
  ["customers/update", customer],
  ["checkouts/create", checkout],
  ["disputes/create", disputed],
])

/** Of the shop, for a product is nobody's; under the id that it would be passed on with. */
function stocked(delivery: Delivery, topic: string, object: Fields): Message {
  const [variant = {}] = linesOf(object.variants)
  const about = {
    product_id: text(object.id),
    name: text(object.title),
    category: text(object.product_type),
    brand: text(object.vendor),
    sku: text(variant.sku),
    price: money(variant.price),
    status: topic === "products/delete" ? "deleted" : text(object.status),
  }
  return track("Product Updated", factOfTopic(delivery, topic, object), about)
}

const passedOn = (delivery: Delivery, topic: string, object: Fields) =>
  track(topic, factOfTopic(delivery, topic, object), identifying(object))

function factOfTopic(delivery: Delivery, topic: string, object: Fields): Fact {
  const shop = text(header(delivery, "x-shopify-shop-domain")) ?? "shop"
  const event =
    text(header(delivery, "x-shopify-event-id")) ??
    text(header(delivery, "x-shopify-webhook-id")) ??
    shortHash(delivery.body)
  const isCustomer = topic.startsWith("customers/") ? object.id : undefined
  const whose = isCustomer ?? fields(object.customer).id ?? object.customer_id
  const order = topic.startsWith("orders/") ? text(object.id) : text(object.order_id)
  const who =
    order === undefined && text(whose) !== undefined
      ? { userId: `shopify:${text(whose)}` }
      : whoIs(whose, order === undefined ? shop : `order_${order}`)
  const at = iso(header(delivery, "x-shopify-triggered-at")) ?? iso(object.updated_at) ?? iso(object.created_at)
  return { id: `shopify:${topic}:${text(object.id) ?? ""}:${event}`, at, who }
}

const PAGE = "250"
/** Changes of the last minute are left to the next round, when all that came with them can be seen. */
const SETTLED_MS = MINUTE

type Place = { from: string; to?: string; page?: string }

/** Orders by their last change, with their refunds. Of the link to the next page only its token is used: we ask nobody else. */
async function poll(needs: PollNeeds, cursor: string | undefined, since: number): Promise<Page> {
  const place = cursor === undefined ? { from: wholeSecond(since) } : (objectOf(cursor) as Place)
  const to = place.to ?? wholeSecond(needs.now - SETTLED_MS)
  if (place.from > to) return { messages: [], cursor: JSON.stringify({ from: place.from }), done: true }
  const span = { status: "any", order: "updated_at asc", updated_at_min: place.from, updated_at_max: to }
  const query = place.page ? { page_info: place.page } : span
  const path = `/admin/api/${API_VERSION}/orders.json`
  const { body, headers } = await ask(
    "Shopify",
    needs,
    path,
    { limit: PAGE, ...query },
    { "x-shopify-access-token": needs.credential },
  )
  const messages = linesOf(body.orders).flatMap(listed)
  const page = nextPage(headers.get("link"))
  const next = page === undefined ? { from: instant(Date.parse(to) + SECOND) } : { from: place.from, to, page }
  return { messages, cursor: JSON.stringify(next), done: page === undefined }
}

/** Orders by when they were made, as Shopify counts them. */
async function count(needs: PollNeeds, from: number, to: number): Promise<Counted | undefined> {
  const path = `/admin/api/${API_VERSION}/orders/count.json`
  const span = { created_at_min: instant(from), created_at_max: instant(to - SECOND) }
  const headers = { "x-shopify-access-token": needs.credential }
  const { body } = await ask("Shopify", needs, path, { status: "any", ...span }, headers)
  return { metric: "orders", count: wholeNumber("Shopify", body.count), of: "GET orders/count.json" }
}

/** Shopify's times are whole seconds, so spans that follow each other part between two of them. */
const wholeSecond = (ms: number) => instant(Math.floor(ms / SECOND) * SECOND)

/** An order as it stands now: what was told of it while it came to this. */
function listed(given: Fields): Message[] {
  const order: Order = { ...given, id: required(given.id, "orders.id") }
  return [
    ...created(order),
    ...(iso(order.updated_at) === iso(order.created_at) ? [] : updated(order)),
    ...(iso(order.cancelled_at) === undefined ? [] : cancelled(order)),
    ...linesOf(given.refunds).flatMap((refund) => refunded({ order_id: order.id, ...refund })),
  ]
}

type Cells = Record<string, string>
/** `2026-01-31 12:00:00 -0500`, as Shopify's tables write instants. */
const instantOf = (cell: string | undefined) =>
  cell?.replace(/^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([+-]\d\d):?(\d\d)$/, "$1T$2$3:$4")

/** The lines of one order in the CSV of the orders' page, as the Admin API would give it; only the first tells of the order. */
function orderOfTable(lines: readonly Cells[]): Fields {
  const [order = {}] = lines
  const code = order.Currency
  return known({
    id: order.Id?.replace(/^'/, ""),
    created_at: instantOf(order["Created at"]),
    updated_at: instantOf(order["Created at"]),
    cancelled_at: instantOf(order["Cancelled at"]) || undefined,
    currency: code,
    subtotal_price: order.Subtotal,
    total_price: order.Total,
    total_tax: order.Taxes,
    total_discounts: order["Discount Amount"],
    total_shipping_price_set: { shop_money: { amount: order.Shipping, currency_code: code } },
    discount_codes: order["Discount Code"] ? [{ code: order["Discount Code"] }] : [],
    shipping_address: { country_code: order["Shipping Country"] },
    billing_address: { country_code: order["Billing Country"] },
    source_name: order.Source,
    financial_status: order["Financial Status"],
    customer: { email: order.Email, first_name: order["Billing Name"] },
    line_items: lines.map((line) => ({
      title: line["Lineitem name"],
      price: line["Lineitem price"],
      quantity: Number(line["Lineitem quantity"]),
      sku: line["Lineitem sku"],
    })),
  })
}

const nextPage = (link: string | null) => {
  const next = /<([^>]*)>;\s*rel="next"/.exec(link ?? "")?.[1]
  return next === undefined ? undefined : (URL.parse(next)?.searchParams.get("page_info") ?? undefined)
}

const sign = (secret: string, body: Uint8Array) => hmac("sha256", secret, body, "base64")

export const shopify = {
  id: "shopify",
  name: "Shopify",
  docs: "https://shopify.dev/docs/apps/build/webhooks",
  facts: { timeoutMs: 5 * SECOND, retries: "8 times in 4 hours with growing pauses", requestsPerSecond: 2 },
  secretFrom: "vendor",
  verify(delivery, secrets) {
    const signature = header(delivery, "x-shopify-hmac-sha256")
    if (!signature) return missing("X-Shopify-Hmac-Sha256")
    return anySame(
      [signature],
      signedWith(secrets, (secret) => sign(secret, delivery.body)),
    )
      ? "genuine"
      : mismatch
  },
  read(delivery) {
    const topic = text(header(delivery, "x-shopify-topic"))
    if (topic === undefined) throw new Fault("invalid_request", "the header X-Shopify-Topic is needed")
    const object = objectOf(delivery.body)
    const id = text(object.id)
    const told = id === undefined ? [] : (readers.get(topic)?.({ ...object, id }) ?? [])
    const rest = /^products\/(create|update|delete)$/.test(topic) && id !== undefined ? stocked : passedOn
    const event = text(header(delivery, "x-shopify-webhook-id")) ?? shortHash(delivery.body)
    return { id: `shopify:${event}`, messages: told.length > 0 ? told : [rest(delivery, topic, object)] }
  },
  poll,
  count,
  api: { hosts: /^[a-z0-9][a-z0-9-]*\.myshopify\.com$/ },
  /** Of an export of orders, as the Admin API lists them. */
  exported: (order) => listed(fields(order)),
  table: {
    groupBy: "Name",
    object: orderOfTable,
    leavesOut: ([order = {}]) =>
      (decimal(order["Refunded Amount"]) ?? 0n) > 0n
        ? "an order's refunds, which the CSV gives neither an id nor a time: import the Admin API's orders for them"
        : undefined,
  },
  sample(secret, now) {
    const at = instant(now)
    const line = { id: 1, product_id: 632910392, title: "Sample", price: "12.50", quantity: 1 }
    const amounts = { subtotal_price: "12.50", total_price: "12.50", total_tax: "0.00", currency: "EUR", test: true }
    const order = {
      id: now,
      created_at: at,
      updated_at: at,
      ...amounts,
      customer: { id: 1, email: "sample@example.com" },
      line_items: [line],
    }
    const body = Buffer.from(JSON.stringify(order))
    const about = {
      "x-shopify-topic": "orders/create",
      "x-shopify-shop-domain": "sample.myshopify.com",
      "x-shopify-webhook-id": `sample-${now}`,
    }
    return {
      method: "POST",
      headers: { "content-type": "application/json", "x-shopify-hmac-sha256": sign(secret, body), ...about },
      body,
    }
  },
} satisfies Vendor
