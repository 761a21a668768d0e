import { verify as isSigned } from "node:crypto"
import { crc32 } from "node:zlib"
import { DAY, instant, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { type Message, parseInstant } from "#events/message.ts"
import { type Issue, keyAt } from "./certificate.ts"
import { ask, currency, type Fields, fields, iso, list, money, objectOf, required, text } from "./generic.ts"
import { emailId, excerpt, type Fact, identify, track } from "./message.ts"
import { header, mismatch, missing, signedWith, stale, TOLERANCE_MS } from "./signature.ts"
import type { Counted, Delivery, FetchText, Page, PollNeeds, Secrets, Vendor, Verdict } from "./source.ts"

/**
 * | PayPal                                                 | Octant                                                        |
 * |--------------------------------------------------------|---------------------------------------------------------------|
 * | PAYMENT.CAPTURE.COMPLETED; PAYMENT.SALE.COMPLETED      | Order Completed: order_id `id`, total, tax, shipping          |
 * | PAYMENT.SALE.COMPLETED with `billing_agreement_id`     | Invoice Paid: invoice_id `id`, subscription_id, amount        |
 * | PAYMENT.CAPTURE and SALE, REFUNDED and REVERSED        | Order Refunded: order_id of what is given back, total         |
 * | BILLING.SUBSCRIPTION.ACTIVATED, RE-ACTIVATED           | Subscription Started: `id`, plan `plan_id`, amount, interval  |
 * | BILLING.SUBSCRIPTION.UPDATED                           | Subscription Changed: the same                                |
 * | BILLING.SUBSCRIPTION.CANCELLED, SUSPENDED, EXPIRED     | Subscription Cancelled: the same, reason                      |
 * | any other event                                        | its own `event_type`: `resource_type`, id, status, amount     |
 * | `payer_id`, else the e-mail address of payer or subscriber | userId `paypal:…`, else `email:…`; traits email and name  |
 *
 * order_id is the id of the capture or sale: the one that a refund names. A payment for a subscription names no payer:
 * it is told of anonymousId `paypal:<subscription>`, to which the subscription's own events tie the payer.
 */
type Event = { type: string; kind: unknown; resource: Fields; fact: Fact }

const one = (value: unknown, field: string, is: string): Fields =>
  list(value)
    .map(fields)
    .find((entry) => entry[field] === is) ?? {}

function payerOf(resource: Fields) {
  const given: Fields = { ...fields(resource.payer), ...fields(resource.subscriber) }
  const person: Fields = { ...given, ...fields(given.payer_info) }
  const name: Fields = { ...person, ...fields(person.name) }
  const names = [text(name.given_name) ?? text(name.first_name), text(name.surname) ?? text(name.last_name)]
  const full = names.filter((part) => part !== undefined).join(" ")
  const email = text(person.email_address) ?? text(person.email)
  return { id: text(person.payer_id), traits: { email, name: full === "" ? undefined : full } }
}

/** An amount as the second version writes it (`value`, `currency_code`), or as the first did (`total`, `currency`). */
const priceOf = (amount: Fields) => ({
  value: money(amount.value ?? amount.total)?.replace(/^-/, ""),
  currency: currency(amount.currency_code ?? amount.currency),
})

function paid({ resource, fact }: Event): Message {
  const amount = fields(resource.amount)
  const { value, currency } = priceOf(amount)
  const subscription_id = text(resource.billing_agreement_id)
  const id = text(resource.id)
  if (subscription_id) return track("Invoice Paid", fact, { invoice_id: id, subscription_id, amount: value, currency })
  const { tax, shipping } = fields(amount.details)
  const merchants = { invoice_id: text(resource.invoice_id), custom_id: text(resource.custom_id ?? resource.custom) }
  const order = { order_id: id, total: value, tax: money(tax), shipping: money(shipping), currency, ...merchants }
  const { order_id: paypal_order_id } = fields(fields(resource.supplementary_data).related_ids)
  return track("Order Completed", fact, { ...order, paypal_order_id: text(paypal_order_id) })
}

function refunded({ type, resource, fact }: Event): Message {
  const capture = /\/captures\/([^/?]+)/.exec(text(one(resource.links, "rel", "up").href) ?? "")?.[1]
  const id = text(resource.id)
  const { value, currency } = priceOf(fields(resource.amount))
  const reason = type.endsWith("REVERSED") ? "reversed" : undefined
  const order_id = capture ?? text(resource.sale_id) ?? id
  return track("Order Refunded", fact, { order_id, total: value, currency, refund_id: id, reason })
}

const INTERVALS = ["day", "week", "month", "year"]

/** What one interval costs is only in the first version's resource; the second names the plan. */
function subscription({ resource }: Event) {
  const plan = fields(resource.plan)
  const regular = one(plan.payment_definitions, "type", "REGULAR")
  const unit = text(regular.frequency)?.toLowerCase() ?? ""
  const priced = INTERVALS.includes(unit) && text(regular.frequency_interval) === "1"
  return {
    subscription_id: text(resource.id),
    plan: text(resource.plan_id) ?? text(plan.name),
    ...(priced ? { amount: priceOf(fields(regular.amount)).value, interval: unit } : {}),
    currency: currency(plan.curr_code ?? fields(regular.amount).currency),
  }
}

function other({ type, kind, resource, fact }: Event): Message {
  const { value, currency } = priceOf(fields(resource.amount ?? resource.dispute_amount ?? resource.gross_amount))
  const resource_id = text(resource.id) ?? text(resource.dispute_id)
  const status = text(resource.status) ?? text(resource.state)
  return track(type, fact, { resource_type: text(kind), resource_id, status, amount: value, currency })
}

const started = (event: Event) => track("Subscription Started", event.fact, subscription(event))
const changed = (event: Event) => track("Subscription Changed", event.fact, subscription(event))
const ended = (word: string) => (event: Event) => {
  const reason = excerpt(event.resource.status_change_note) ?? word
  return track("Subscription Cancelled", event.fact, { ...subscription(event), reason })
}

const tellings: Record<string, (event: Event) => Message> = {
  "PAYMENT.CAPTURE.COMPLETED": paid,
  "PAYMENT.SALE.COMPLETED": paid,
  "PAYMENT.CAPTURE.REFUNDED": refunded,
  "PAYMENT.SALE.REFUNDED": refunded,
  "PAYMENT.CAPTURE.REVERSED": refunded,
  "PAYMENT.SALE.REVERSED": refunded,
  "BILLING.SUBSCRIPTION.ACTIVATED": started,
  "BILLING.SUBSCRIPTION.RE-ACTIVATED": started,
  "BILLING.SUBSCRIPTION.UPDATED": changed,
  "BILLING.SUBSCRIPTION.CANCELLED": ended("cancelled"),
  "BILLING.SUBSCRIPTION.SUSPENDED": ended("suspended"),
  "BILLING.SUBSCRIPTION.EXPIRED": ended("expired"),
}

/** An event, just as PayPal sends and lists it. `at` is its place in a list. */
function messagesOf(body: Fields, at = ""): Message[] {
  const [id, type] = [required(body.id, `${at}id`), required(body.event_type, `${at}event_type`)]
  const resource = fields(body.resource)
  const times = [body.create_time, resource.status_update_time, resource.update_time, resource.create_time].map(iso)
  const payer = payerOf(resource)
  const userId = payer.id ? `paypal:${payer.id}` : payer.traits.email && emailId(payer.traits.email)
  const anonymousId = `paypal:${text(resource.billing_agreement_id) ?? text(resource.id) ?? id}`
  const fact = {
    id: `paypal:${id}`,
    at: times.find((time) => time !== undefined),
    who: userId ? { userId } : { anonymousId },
  }
  const message = (Object.hasOwn(tellings, type) ? tellings[type]! : other)({
    type,
    kind: body.resource_type,
    resource,
    fact,
  })
  if (!userId) return [message]
  const who = type.startsWith("BILLING.SUBSCRIPTION.") ? { userId, anonymousId } : { userId }
  return [message, ...identify({ ...fact, id: `${fact.id}:payer`, who }, payer.traits)]
}

const LISTED = "/v1/notifications/webhooks-events"
const KEPT_MS = 30 * DAY

async function bearer(needs: PollNeeds): Promise<string> {
  if (!needs.credential.includes(":")) return `Bearer ${needs.credential}`
  const body = new URLSearchParams({ grant_type: "client_credentials" })
  const posting: typeof fetch = (url, init) => needs.fetch(url, { ...init, method: "POST", body })
  const authorization = `Basic ${Buffer.from(needs.credential).toString("base64")}`
  const answer = await ask("PayPal", { ...needs, fetch: posting }, "/v1/oauth2/token", {}, { authorization })
  const token = answer.body.access_token
  if (typeof token !== "string") throw new Fault("unavailable", "PayPal gave no token")
  return `Bearer ${token}`
}

/**
 * The credential is `client id:secret` or an access token; the cursor is the next query. A window of time is listed page
 * by page, as far back as PayPal keeps events; the next begins five minutes before its end, for events listed late.
 */
async function poll(needs: PollNeeds, cursor: string | undefined, since: number): Promise<Page> {
  const start_time = instant(Math.max(since, needs.now - KEPT_MS))
  const resumed = cursor ? Object.fromEntries(new URLSearchParams(cursor)) : { start_time }
  const query = { page_size: "100", end_time: instant(needs.now), ...resumed }
  const { body } = await ask("PayPal", needs, LISTED, query, { authorization: await bearer(needs) })
  const messages = list(body.events).flatMap((event, i) => messagesOf(fields(event), `events[${i}].`))
  messages.sort((a, b) => (a.timestamp ?? "").localeCompare(b.timestamp ?? ""))
  const { href } = one(body.links, "rel", "next")
  const next = typeof href === "string" ? URL.parse(href, needs.baseUrl)?.searchParams : undefined
  const late: Record<string, string> = { start_time: instant(Date.parse(query.end_time) - TOLERANCE_MS) }
  const after = next ? { end_time: query.end_time, ...Object.fromEntries(next) } : late
  return { messages, cursor: String(new URLSearchParams(after)), done: next === undefined }
}

/** PayPal's `count` is that of a page: its list is read to the end. */
const MOST_PAGES = 50

async function count(needs: PollNeeds, from: number, to: number): Promise<Counted | undefined> {
  const authorization = await bearer(needs)
  const span = { start_time: instant(from), end_time: instant(to - 1) }
  let [query, found]: [Record<string, string>, number] = [{ page_size: "100", ...span }, 0]
  for (let page = 0; page < MOST_PAGES; page++) {
    const { body } = await ask("PayPal", needs, LISTED, query, { authorization })
    found += list(body.events).flatMap((event, i) => messagesOf(fields(event), `events[${i}].`)).length
    const { href } = one(body.links, "rel", "next")
    const next = typeof href === "string" ? URL.parse(href, needs.baseUrl)?.searchParams : undefined
    if (!next) return { metric: "events", count: found, of: `GET ${LISTED}` }
    query = { ...span, ...Object.fromEntries(next) }
  }
  return undefined
}

const RETRIED_MS = 3 * DAY
const certificates: Issue = {
  allows: ({ hostname, pathname, search }) =>
    hostname.endsWith(".paypal.com") && pathname.startsWith("/v1/notifications/certs/") && search === "",
  names: () => ["messageverificationcerts.paypal.com", "messageverificationcerts.sandbox.paypal.com"],
}

/** What PayPal signs. The webhook's id is in it, so an event for another endpoint is not genuine here. */
export const baseString = (transmissionId: string, time: string, webhookId: string, body: Uint8Array) =>
  `${transmissionId}|${time}|${webhookId}|${crc32(body)}`

async function verify(delivery: Delivery, secrets: Secrets, needs: { fetchText: FetchText }): Promise<Verdict> {
  const names = ["transmission-id", "transmission-time", "transmission-sig", "cert-url", "auth-algo"]
  const [id, time, signature, location, algorithm] = names.map((name) => header(delivery, `paypal-${name}`))
  if (!id || !time || !signature || !location || !algorithm) return missing(`paypal- ${names.join(", ")}`)
  if (algorithm.toUpperCase() !== "SHA256WITHRSA") return mismatch
  const age = delivery.receivedAt - (parseInstant(time) ?? Number.NaN)
  if (!(age >= -TOLERANCE_MS && age <= RETRIED_MS + TOLERANCE_MS)) return stale
  const key = await keyAt(location, certificates, needs.fetchText, delivery.receivedAt)
  if ("code" in key) return key
  const signed = signedWith(secrets, (webhookId) => baseString(id, time, webhookId, delivery.body))
  const bytes = Buffer.from(signature, "base64")
  return signed.some((words) => isSigned("sha256", Buffer.from(words), key, bytes)) ? "genuine" : mismatch
}

export const paypal = {
  id: "paypal",
  name: "PayPal",
  docs: "https://developer.paypal.com/api/rest/webhooks/rest/",
  facts: { timeoutMs: 30 * SECOND, retries: "25 times in 3 days" },
  secretFrom: "vendor",
  pasted: "the webhook's id, from the app's webhooks in the PayPal dashboard",
  /**
   * The secret is the webhook's id. A transmission may be as old as PayPal's last retry, since it is not documented
   * that a retry carries a new time; a replay within those days is the same event id, and counts nothing.
   */
  verify,
  read({ body }) {
    const event = objectOf(body)
    return { id: `paypal:${required(event.id, "id")}`, messages: messagesOf(event) }
  },
  poll,
  count,
  api: { url: "https://api-m.paypal.com", hosts: /^api-m(\.sandbox)?\.paypal\.com$/ },
  /** Unsigned: only PayPal holds the key. Its dashboard's simulator signs, with `WEBHOOK_ID` for a webhook's id. */
  sample(_secret, now) {
    const amount = { currency_code: "USD", value: "30.00" }
    const resource = { id: "12A34567BC123456S", status: "COMPLETED", amount, create_time: instant(now) }
    const event = { id: `WH-SAMPLE-${now}`, event_type: "PAYMENT.CAPTURE.COMPLETED", resource }
    return { method: "POST", headers: { "content-type": "application/json" }, body: Buffer.from(JSON.stringify(event)) }
  },
} satisfies Vendor
