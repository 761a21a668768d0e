import { type Clock, instant, SECOND } from "#core/clock.ts"
import type { Fields } from "#sources/generic.ts"
import { hmac } from "#sources/signature.ts"
import { whop } from "#sources/whop.ts"
import { bytes, jsonType, refused, type StandIn, serve, type Telling } from "./standin.ts"

type Thing = Fields & { id: string; created_at: string; updated_at: string }
const PAGE = 25

/** `GET /payments`, `/refunds` and `/memberships`, page by page behind a cursor. */
export async function whopStandIn(clock: Clock): Promise<StandIn> {
  const [secret, credential] = ["whop-standin", "whop-key"]
  const lists: Record<string, Thing[]> = { "/payments": [], "/refunds": [], "/memberships": [] }
  const server = await serve(whop, clock, ({ path, query, authorization }) => {
    const list = lists[path.replace(/^\/api\/v1/, "")]
    if (authorization !== `Bearer ${credential}` || query.get("company_id") !== "biz_1" || !list) return refused
    const within = (name: "created" | "updated", at: string) =>
      at >= (query.get(`${name}_after`) ?? "") && at < (query.get(`${name}_before`) ?? "~")
    const fitting = list.filter(
      ({ created_at, updated_at }) => within("created", created_at) && within("updated", updated_at),
    )
    const after = query.get("after")
    const start = after === null ? 0 : fitting.findIndex(({ id }) => id === after) + 1
    const data = fitting.slice(start, start + PAGE)
    const has_next_page = start + PAGE < fitting.length
    return { body: { data, page_info: { end_cursor: data.at(-1)?.id ?? null, has_next_page } } }
  })

  const told = (n: number, type: string, data: Fields) => {
    const [id, seconds] = [`msg_${n}`, String(Math.floor(clock() / SECOND))]
    const body = bytes({ id, api_version: "v1", timestamp: instant(clock()), type, company_id: "biz_1", data })
    const signature = `v1,${hmac("sha256", secret, [`${id}.${seconds}.`, body], "base64")}`
    const standard = { "webhook-id": id, "webhook-timestamp": seconds, "webhook-signature": signature }
    return [{ headers: { ...jsonType, ...standard }, body, tells: [id] }]
  }

  const happen = (n: number): Telling => {
    const at = instant(clock())
    const [made, user] = [{ created_at: at, updated_at: at }, { id: `user_${n}` }]
    if (n % 5 === 3) {
      const payment = { id: `pay_${n - 1}`, billing_reason: "one_time", user: { id: `user_${n - 1}` } }
      const refund = { id: `rfnd_${n}`, ...made, status: "succeeded", amount: 4, currency: "usd", payment }
      lists["/refunds"]!.push(refund)
      return { webhooks: told(n, "refund.created", refund), events: 1, refunded: 400 }
    }
    if (n % 5 === 4) {
      const membership = { id: `mem_${n}`, ...made, status: "active", user, plan: { id: "plan_1" } }
      lists["/memberships"]!.push(membership)
      return { webhooks: told(n, "membership.activated", membership), events: 1 }
    }
    const cents = 4000 + n
    const paid = { status: "paid", billing_reason: "one_time", total: cents / 100, currency: "usd", paid_at: at }
    const payment = { id: `pay_${n}`, ...made, ...paid, user, plan: { id: "plan_1" } }
    lists["/payments"]!.push(payment)
    return { webhooks: told(n, "payment.succeeded", payment), events: 1, ordered: cents }
  }
  return { vendor: "whop", credential, secret, happen, ...server, baseUrl: `${server.url}/api/v1?company_id=biz_1` }
}
