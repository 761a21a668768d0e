import { sign } from "node:crypto"
import { type Clock, instant } from "#core/clock.ts"
import { signer } from "#sources/fixtures.ts"
import type { Fields } from "#sources/generic.ts"
import { baseString, paypal } from "#sources/paypal.ts"
import { basic, bytes, dollars, jsonType, refused, type StandIn, serve, type Telling } from "./standin.ts"

const PAGE = 40

/** `GET /v1/notifications/webhooks-events`: a window of time, the newest first, the next page behind a link. */
export async function paypalStandIn(clock: Clock): Promise<StandIn> {
  const [secret, credential] = ["4JH86294D6297924G", "client:secret"]
  const events: (Fields & { create_time: string })[] = []
  const server = await serve(paypal, clock, ({ method, path, query, authorization }, url) => {
    if (path === "/v1/oauth2/token" && method === "POST" && authorization === basic(credential))
      return { body: { access_token: "A21", expires_in: 32_400 } }
    if (authorization !== "Bearer A21" || path !== "/v1/notifications/webhooks-events") return refused
    const [from, to] = [query.get("start_time")!, query.get("end_time")!]
    const start = Number(query.get("start_index") ?? 0)
    const fitting = events.filter(({ create_time }) => create_time >= from && create_time <= to).toReversed()
    const next = new URLSearchParams({ start_time: from, end_time: to, start_index: String(start + PAGE) })
    const links = start + PAGE < fitting.length ? [{ rel: "next", href: `${url}${path}?${next}` }] : []
    return { body: { events: fitting.slice(start, start + PAGE), count: PAGE, links } }
  })

  const told = (n: number, event_type: string, resource: Fields) => {
    const event = { id: `WH-${n}`, create_time: instant(clock()), event_type, resource }
    events.push(event)
    const [body, id, time] = [bytes(event), `transmission-${event.id}`, instant(clock())]
    const signature = sign("sha256", Buffer.from(baseString(id, time, secret, body)), signer.key).toString("base64")
    const headers = {
      ...jsonType,
      "paypal-transmission-id": id,
      "paypal-transmission-time": time,
      "paypal-transmission-sig": signature,
      "paypal-cert-url": "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-b0d12406",
      "paypal-auth-algo": "SHA256withRSA",
    }
    return [{ headers, body, tells: [event.id] }]
  }

  const happen = (n: number): Telling => {
    const cents = 2000 + n
    const amount = (value: number) => ({ currency_code: "USD", value: dollars(value) })
    if (n % 4 === 3) {
      const links = [{ rel: "up", href: `${server.url}/v2/payments/captures/CAP${n - 1}` }]
      const refund = { id: `REF${n}`, status: "COMPLETED", amount: amount(700), links }
      return { webhooks: told(n, "PAYMENT.CAPTURE.REFUNDED", refund), events: 1, refunded: 700 }
    }
    const capture = { id: `CAP${n}`, status: "COMPLETED", amount: amount(cents) }
    return { webhooks: told(n, "PAYMENT.CAPTURE.COMPLETED", capture), events: 1, ordered: cents }
  }
  return { vendor: "paypal", baseUrl: server.url, credential, secret, happen, ...server }
}
