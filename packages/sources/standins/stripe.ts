import { type Clock, SECOND } from "#core/clock.ts"
import type { Fields } from "#sources/generic.ts"
import { hmac } from "#sources/signature.ts"
import { stripe } from "#sources/stripe.ts"
import { bytes, jsonType, refused, type StandIn, serve, type Telling } from "./standin.ts"

type Event = Fields & { id: string; created: number }

/** `GET /v1/events`: the newest first, parted by `starting_after` (older) and `ending_before` (newer). */
export async function stripeStandIn(clock: Clock): Promise<StandIn> {
  const [secret, credential] = ["whsec_standin", "rk_standin"]
  const events: Event[] = []
  const server = await serve(stripe, clock, ({ path, query, authorization }) => {
    if (authorization !== `Bearer ${credential}` || path !== "/v1/events") return refused
    const [from, to] = [Number(query.get("created[gte]") ?? 0), Number(query.get("created[lte]"))]
    const fitting = events.filter(({ created }) => created >= from && created <= to)
    const at = (name: string) => fitting.findIndex(({ id }) => id === query.get(name))
    const limit = Number(query.get("limit"))
    if (query.has("ending_before")) {
      const newer = fitting.slice(at("ending_before") + 1)
      return { body: { data: newer.slice(0, limit).toReversed(), has_more: newer.length > limit } }
    }
    const older = (query.has("starting_after") ? fitting.slice(0, at("starting_after")) : fitting).toReversed()
    return { body: { data: older.slice(0, limit), has_more: older.length > limit } }
  })

  const told = (n: number, type: string, object: Fields, previous_attributes?: Fields) => {
    const created = Math.floor(clock() / SECOND)
    const event = { id: `evt_${n}`, object: "event", type, created, data: { object, previous_attributes } }
    events.push(event)
    const body = bytes(event)
    const signature = `t=${created},v1=${hmac("sha256", secret, [`${created}.`, body], "hex")}`
    return [{ headers: { ...jsonType, "stripe-signature": signature }, body, tells: [event.id] }]
  }

  const happen = (n: number): Telling => {
    const cents = 1000 + n
    const session = {
      id: `cs_${n}`,
      mode: "payment",
      payment_status: "paid",
      payment_intent: `pi_${n}`,
      currency: "usd",
    }
    if (n % 5 === 3) {
      const charge = { id: `ch_${n}`, payment_intent: `pi_${n - 3}`, currency: "usd", amount_refunded: 500 }
      return { webhooks: told(n, "charge.refunded", charge, { amount_refunded: 0 }), events: 1, refunded: 500 }
    }
    if (n % 5 === 4) {
      const items = {
        data: [{ price: { id: "price_1", unit_amount: 900, recurring: { interval: "month" } }, quantity: 1 }],
      }
      const subscription = { id: `sub_${n}`, customer: `cus_${n}`, status: "active", currency: "usd", items }
      return { webhooks: told(n, "customer.subscription.created", subscription), events: 1 }
    }
    return {
      webhooks: told(n, "checkout.session.completed", { ...session, amount_total: cents }),
      events: 1,
      ordered: cents,
    }
  }
  return { vendor: "stripe", baseUrl: server.url, credential, secret, happen, ...server }
}
