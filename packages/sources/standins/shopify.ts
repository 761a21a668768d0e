import { type Clock, instant, SECOND } from "#core/clock.ts"
import type { Fields } from "#sources/generic.ts"
import { shopify } from "#sources/shopify.ts"
import { hmac } from "#sources/signature.ts"
import { bytes, dollars, jsonType, refused, type StandIn, serve, type Telling } from "./standin.ts"

type Order = Fields & { id: number; created_at: string; updated_at: string; refunds: Fields[] }
const PAGE = 60

/** `GET /admin/api/<version>/orders.json`: by their last change, the next page behind a token in the header `link`. */
export async function shopifyStandIn(clock: Clock): Promise<StandIn> {
  const [secret, credential] = ["shopify-standin", "shpat_standin"]
  const orders = new Map<number, Order>()
  const server = await serve(shopify, clock, ({ path, query, headers }) => {
    if (headers.get("x-shopify-access-token") !== credential) return refused
    if (/^\/admin\/api\/\d{4}-\d{2}\/orders\/count\.json$/.test(path)) {
      const [min, max] = [query.get("created_at_min") ?? "", query.get("created_at_max") ?? "~"]
      const made = [...orders.values()].filter(({ created_at }) => created_at >= min && created_at <= max)
      return { body: { count: made.length } }
    }
    if (!/^\/admin\/api\/\d{4}-\d{2}\/orders\.json$/.test(path)) return { status: 404, body: {} }
    const page = query.get("page_info")
    // A token stands for the whole query; with it, Shopify takes no other filter.
    if (page !== null && query.has("updated_at_min")) return { status: 400, body: {} }
    const of = page === null ? query : new URLSearchParams(Buffer.from(page, "base64url").toString())
    const [from, to] = [of.get("updated_at_min")!, of.get("updated_at_max")!]
    const start = Number(of.get("start") ?? 0)
    const fitting = [...orders.values()]
      .filter(({ updated_at }) => updated_at >= from && updated_at <= to)
      .sort((a, b) => a.updated_at.localeCompare(b.updated_at) || a.id - b.id)
    const next = new URLSearchParams({ updated_at_min: from, updated_at_max: to, start: String(start + PAGE) })
    const token = Buffer.from(String(next)).toString("base64url")
    const link = `<https://standin.myshopify.com${path}?limit=250&page_info=${token}>; rel="next"`
    return {
      body: { orders: fitting.slice(start, start + PAGE) },
      headers: start + PAGE < fitting.length ? { link } : {},
    }
  })

  let sent = 0
  const told = (topic: string, object: Fields) => {
    const body = bytes(object)
    const about = { "x-shopify-topic": topic, "x-shopify-webhook-id": `wh-${sent++}` }
    const signature = { "x-shopify-hmac-sha256": hmac("sha256", secret, body, "base64") }
    return { headers: { ...jsonType, ...about, ...signature }, body, tells: [about["x-shopify-webhook-id"]] }
  }
  const now = () => instant(Math.floor(clock() / SECOND) * SECOND)

  const happen = (n: number): Telling => {
    const back = orders.get(n - 2)
    if (n % 4 === 3 && back) {
      const money = [{ kind: "refund", status: "success", amount: "3.00", currency: "USD" }]
      const lines = [{ quantity: 1, subtotal: "3.00", line_item: { product_id: 7 } }]
      const refund = {
        id: 9000 + n,
        order_id: back.id,
        created_at: now(),
        refund_line_items: lines,
        transactions: money,
      }
      back.refunds.push(refund)
      back.updated_at = now()
      const webhooks = [told("refunds/create", refund), told("orders/updated", { ...back })]
      return { webhooks, events: 2, refunded: 300 }
    }
    const cents = 3000 + n
    const line = { product_id: 7, title: "A thing", price: dollars(cents), quantity: 1 }
    const amounts = { subtotal_price: dollars(cents), total_price: dollars(cents), currency: "USD" }
    const order = {
      id: n,
      created_at: now(),
      updated_at: now(),
      ...amounts,
      customer: { id: n },
      line_items: [line],
      refunds: [],
    }
    orders.set(n, order)
    return { webhooks: [told("orders/create", { ...order })], events: 1, ordered: cents }
  }
  return { vendor: "shopify", baseUrl: server.url, credential, secret, happen, ...server }
}
