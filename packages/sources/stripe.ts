import { MINUTE, SECOND } from "#core/clock.ts"
import { type Decimal, decimal, ofCount, over, times, toText } from "#core/decimal.ts"
import { Fault } from "#core/fault.ts"
import type { Message } from "#events/message.ts"
import { ask, currency, type Fields, fields, identifying, iso, list, objectOf, required, sum, text } from "./generic.ts"
import { type Fact, identify, track } from "./message.ts"
import { anySame, header, hmac, mismatch, missing, secondsOf, signedWith, stale, withinTolerance } from "./signature.ts"
import type { Counted, Page, PollNeeds, Vendor } from "./source.ts"

/** What Stripe counts in units other than hundredths. Its API takes ISK and UGX in hundredths, which ISO 4217 does not. */
const PLACES: Record<string, number> = Object.fromEntries([
  ..."BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split(" ").map((code) => [code, 0]),
  ..."BHD JOD KWD OMR TND".split(" ").map((code) => [code, 3]),
])

const placesOf = (code: unknown) => PLACES[currency(code) ?? ""] ?? 2

/** Minor units as text in major ones. */
function major(minor: unknown, code: unknown): string | undefined {
  const [amount, places] = [decimal(minor), placesOf(code)]
  return amount === undefined ? undefined : toText(amount / 10n ** BigInt(places), places)
}

/** Major units as whole minor ones. */
function minor(amount: unknown, code: unknown): string | undefined {
  const exact = decimal(amount)
  return exact === undefined ? undefined : toText(exact * 10n ** BigInt(placesOf(code)), 0)
}

type StripeEvent = { id: string; type: string; object: Fields; previous: Fields; fact: Fact }

/** The id of what is referred to, which Stripe may have put there whole. */
const reference = (value: unknown) => text(value) ?? text(fields(value).id)

const first = (values: unknown) => fields(list(fields(values).data)[0])

/** How many times an interval goes into a month, as a fraction. */
const MONTHLY: Record<string, [number, number]> = { day: [365, 12], week: [365, 84], month: [1, 1], year: [1, 12] }

/** What a subscription brings a month at list prices, in minor units: without coupons, without what is metered. */
function monthly(subscription: Fields): Decimal {
  if (!["active", "past_due", "canceled"].includes(text(subscription.status) ?? "")) return 0n
  if (endedInTrial(subscription)) return 0n
  return list(fields(subscription.items).data)
    .map(fields)
    .reduce<Decimal>((total, item) => {
      const price = { ...fields(item.plan), ...fields(item.price) }
      const terms = { ...fields(item.plan), ...fields(price.recurring) }
      const unit = decimal(price.unit_amount_decimal ?? price.unit_amount ?? price.amount_decimal ?? price.amount)
      const [share, of] = MONTHLY[text(terms.interval) ?? ""] ?? [0, 1]
      const every = decimal(terms.interval_count ?? 1) ?? 0n
      if (unit === undefined || terms.usage_type === "metered" || every <= 0n) return total
      const charged = times(unit, decimal(item.quantity ?? 1) ?? 0n)
      return total + (over(charged * BigInt(share), times(every, ofCount(of)), 12) ?? 0n)
    }, 0n)
}

const endedInTrial = ({ status, ended_at, trial_end }: Fields) =>
  status === "canceled" && typeof ended_at === "number" && typeof trial_end === "number" && ended_at <= trial_end

const planOf = (subscription: Fields) => {
  const { price, plan } = first(subscription.items)
  return text(fields(price).lookup_key) ?? reference(price) ?? reference(plan)
}

function subscribed(name: string, { object, fact }: StripeEvent): Message {
  const mrr = over(monthly(object), ofCount(10 ** placesOf(object.currency)), 2)
  const price = { mrr: mrr === undefined || mrr < 0n ? undefined : toText(mrr, 2), currency: currency(object.currency) }
  const reason = name === "Subscription Cancelled" ? text(fields(object.cancellation_details).reason) : undefined
  const state = { plan: planOf(object), status: text(object.status), reason }
  return track(name, fact, { subscription_id: text(object.id), ...state, ...price })
}

/** Trials count as subscriptions that bring nothing yet; `incomplete` ones do not count until they are paid. */
const runs = (status: unknown) => ["trialing", "active", "past_due", "unpaid", "paused"].includes(text(status) ?? "")

function started(event: StripeEvent): Message[] {
  return runs(event.object.status) ? [subscribed("Subscription Started", event)] : []
}

/** Renewals, cards and flags are no change: plan, price or whether it is paid for must differ. */
function changed(event: StripeEvent): Message[] {
  const before: Fields = { ...event.object, ...event.previous, items: event.previous.items ?? event.object.items }
  if (!runs(event.object.status)) return []
  if (!runs(before.status)) return started(event)
  const same = monthly(before) === monthly(event.object) && planOf(before) === planOf(event.object)
  return same ? [] : [subscribed("Subscription Changed", event)]
}

function identified(event: StripeEvent, of: Fields): Message[] {
  if (!("userId" in event.fact.who)) return []
  const traits = { email: text(of.email), name: text(of.name), country: text(fields(of.address).country) }
  const isAside = event.object.object !== "customer"
  return identify({ ...event.fact, id: isAside ? `${event.fact.id}:traits` : event.fact.id }, traits)
}

function invoiced(event: StripeEvent): Message[] {
  const { object, fact } = event
  const amount = major(object.amount_paid, object.currency)
  if (amount === undefined) return []
  const parent = fields(fields(object.parent).subscription_details)
  const subscription_id = reference(object.subscription) ?? reference(parent.subscription)
  const ids = { invoice_id: text(object.id), subscription_id, billing_reason: text(object.billing_reason) }
  const traits = { email: object.customer_email, name: object.customer_name, address: object.customer_address }
  const paid = { ...ids, amount, currency: currency(object.currency) }
  return [track("Invoice Paid", fact, paid), ...identified(event, traits)]
}

const OF_STRIPES = /^(in|cs|prod|plink|sub)_/
const BILLED = /^(Subscription (creation|update|cycle)|Payment for Invoice)/

/**
 * What a payment or a charge is part of. An older API names the invoice; since 2025 a payment carries a reference that
 * Stripe sets for invoices and for Checkout, and a charge has nothing but the description that Stripe gives by itself.
 */
function partOf(payment: Fields): "invoice" | "checkout" | undefined {
  const ordered = text(fields(payment.payment_details).order_reference) ?? ""
  if (reference(payment.invoice) || ordered.startsWith("in_") || ordered.startsWith("sub_")) return "invoice"
  if (BILLED.test(text(payment.description) ?? "")) return "invoice"
  return OF_STRIPES.test(ordered) ? "checkout" : undefined
}

/** One fact by whatever event or table tells it: an order is its payment. */
const factOfOrder = (fact: Fact, order_id: string | undefined): Fact => ({ ...fact, id: `stripe:${order_id}:paid` })

/** A payment of its own is an order. A charge is told by its payment, unless it has none. */
function paid({ object, fact }: StripeEvent): Message[] {
  const amount = major(object.amount_received ?? object.amount, object.currency)
  if (partOf(object) || reference(object.payment_intent) || amount === undefined) return []
  const order_id = text(object.id)
  const amounts = { revenue: amount, total: amount, currency: currency(object.currency) }
  return [track("Order Completed", factOfOrder(fact, order_id), { order_id, ...amounts })]
}

/** Of Checkout only what is paid once and without an invoice: the rest comes as an invoice. */
function ordered(event: StripeEvent): Message[] {
  const { object } = event
  const buyer = fields(object.customer_details)
  const counts = object.mode === "payment" && object.payment_status !== "unpaid" && !reference(object.invoice)
  const aside = identified(event, buyer)
  return counts && decimal(object.amount_total) !== undefined ? [order(event, buyer), ...aside] : aside
}

function order({ object, fact }: StripeEvent, buyer: Fields): Message {
  const of = (minor: unknown) => major(minor, object.currency)
  const { amount_tax, amount_shipping, amount_discount } = fields(object.total_details)
  const net = (decimal(object.amount_total) ?? 0n) - sum([amount_tax, amount_shipping])
  const added = { tax: of(amount_tax), shipping: of(amount_shipping), discount: of(amount_discount) }
  const amounts = { revenue: net < 0n ? undefined : of(toText(net)), total: of(object.amount_total), ...added }
  const ids = { order_id: reference(object.payment_intent) ?? text(object.id), checkout_session_id: text(object.id) }
  const where = { currency: currency(object.currency), country: text(fields(buyer.address).country) }
  return track("Order Completed", factOfOrder(fact, ids.order_id), {
    ...ids,
    client_reference_id: text(object.client_reference_id),
    ...amounts,
    ...where,
  })
}

/** A charge tells all that was given back so far; the difference to before is this refund. An invoice's is no order's. */
function refunded({ object, previous, fact }: StripeEvent): Message[] {
  const given = (decimal(object.amount_refunded) ?? 0n) - (decimal(previous.amount_refunded) ?? 0n)
  if (given <= 0n || partOf(object) === "invoice") return []
  const ids = { order_id: reference(object.payment_intent) ?? text(object.id), charge_id: text(object.id) }
  return [
    track("Order Refunded", fact, {
      ...ids,
      total: major(toText(given), object.currency),
      currency: currency(object.currency),
    }),
  ]
}

function disputed({ object, fact }: StripeEvent): Message[] {
  const ids = { dispute_id: text(object.id), order_id: reference(object.payment_intent) ?? reference(object.charge) }
  const amount = major(object.amount, object.currency)
  const state = {
    amount,
    currency: currency(object.currency),
    reason: text(object.reason),
    status: text(object.status),
  }
  return [track("Dispute Opened", fact, { ...ids, ...state })]
}

/**
 * | Stripe                                        | Octant                                                             |
 * |-----------------------------------------------|--------------------------------------------------------------------|
 * | customer.created, .updated                    | identify: `email`, `name`, `address.country`                       |
 * | customer.subscription.created, once it runs   | Subscription Started: `id`, first price's lookup key or id, mrr    |
 * | customer.subscription.updated                 | Subscription Started (begins to run), Changed (plan or mrr differ) |
 * | customer.subscription.deleted                 | Subscription Cancelled: mrr is what it brought                     |
 * | invoice.paid                                  | Invoice Paid: `amount_paid`, its subscription; identify            |
 * | checkout.session.completed, …async_payment_succeeded | Order Completed if mode is payment, it is paid and has no invoice; identify |
 * | payment_intent.succeeded; charge.succeeded without payment | Order Completed if it is no part of an invoice or a Checkout |
 * | charge.refunded                               | Order Refunded: what `amount_refunded` grew by; not of an invoice  |
 * | charge.dispute.created                        | Dispute Opened                                                     |
 * | any other, and those above that say nothing   | its own type, with ids and state                                   |
 * | `items[].price`: `unit_amount` × `quantity` by interval | mrr, at list prices a month, without what is metered     |
 * | `amount_total` − `amount_tax` − `amount_shipping` | revenue; total is `amount_total`; all in major units           |
 * | `payment_intent`, else the object's id        | order_id: of the order, its refunds and its disputes               |
 * | `customer`, else the payment                  | userId `stripe:cus_…`, else anonymousId `stripe:pi_…`              |
 *
 * messageId is the event's id; an order's is `stripe:<order_id>:paid`, so that a payment that two events or the CSV tell
 * counts once. An older API does not say that a payment is Checkout's: the first telling holds, and the payment's revenue
 * is all that was paid. The customer is the user, else the payment a guest. Send `payment_intent.succeeded` wherever
 * `charge.refunded` is sent, or what is given back has no order.
 */
const readers = new Map<string, (event: StripeEvent) => Message[]>([
  ["customer.created", (event) => identified(event, event.object)],
  ["customer.updated", (event) => identified(event, event.object)],
  ["customer.subscription.created", started],
  ["customer.subscription.updated", changed],
  ["customer.subscription.deleted", (event) => [subscribed("Subscription Cancelled", event)]],
  ["invoice.paid", invoiced],
  ["checkout.session.completed", ordered],
  ["checkout.session.async_payment_succeeded", ordered],
  ["payment_intent.succeeded", paid],
  ["charge.succeeded", paid],
  ["charge.refunded", refunded],
  ["charge.dispute.created", disputed],
])

const REFERENCES = ["customer", "charge", "payment_intent", "invoice", "subscription", "payment_link", "payment_method"]

function eventOf(body: Fields): StripeEvent {
  const id = required(body.id, "id")
  const data = fields(body.data)
  const object = fields(data.object ?? body.related_object)
  const customer = object.object === "customer" ? text(object.id) : reference(object.customer)
  const isPayment = object.object === "payment_intent" || object.object === "charge"
  const payment = reference(object.payment_intent) ?? (isPayment ? text(object.id) : undefined)
  const guest = payment ?? text(body.account) ?? "account"
  const who = customer === undefined ? { anonymousId: `stripe:${guest}` } : { userId: `stripe:${customer}` }
  const fact = { id: `stripe:${id}`, at: iso(body.created), who }
  return { id, type: required(body.type, "type"), object, previous: fields(data.previous_attributes), fact }
}

function messagesOf(body: Fields): Message[] {
  const event = eventOf(body)
  const told = text(event.object.id) === undefined ? [] : (readers.get(event.type)?.(event) ?? [])
  if (told.some(({ type, messageId }) => type === "track" || messageId === event.fact.id)) return told
  const { object, fact, type } = event
  const amount = { amount: major(object.amount, object.currency), currency: currency(object.currency) }
  return [track(type, fact, { ...identifying(object, REFERENCES), ...amount }), ...told]
}

const PAGE = 100
/** Events of the last minute are left to the next round: by then none comes in before one that was listed. */
const SETTLED_MS = MINUTE

type Place = { since: string; seek?: string; after?: string }

/**
 * The list is newest first. To read it oldest first, a new cursor first seeks the list's end (`starting_after`: pages
 * without messages); from there `ending_before` climbs page by page, and later rounds go on from where it stopped.
 * A place that Stripe has forgotten (events are kept for 30 days) is sought anew.
 */
async function poll(needs: PollNeeds, cursor: string | undefined, since: number): Promise<Page> {
  const place = cursor === undefined ? { since: secondsText(since) } : (objectOf(cursor) as Place)
  const listed = await events(needs, place)
  if (listed === "forgotten") return { messages: [], cursor: JSON.stringify({ since: place.since }), done: false }
  const { data, more } = listed
  const go = (to: Omit<Place, "since">) => JSON.stringify({ since: place.since, ...to })
  if (more && !place.after) return { messages: [], cursor: go({ seek: text(data.at(-1)?.id) }), done: false }
  const after = text(data[0]?.id) ?? place.after
  return { messages: data.toReversed().flatMap(messagesOf), cursor: go({ after }), done: !more && !place.seek }
}

async function events(needs: PollNeeds, { since, seek, after }: Place) {
  const query: Record<string, string> = { limit: String(PAGE), "created[lte]": secondsText(needs.now - SETTLED_MS) }
  if (after) query.ending_before = after
  else query["created[gte]"] = since
  if (seek) query.starting_after = seek
  try {
    const { body } = await ask("Stripe", needs, "/v1/events", query, { authorization: `Bearer ${needs.credential}` })
    const data = list(body.data).map(fields)
    return { data, more: body.has_more === true && data.length > 0 }
  } catch (fault) {
    const isGone = fault instanceof Fault && (fault.code === "invalid_request" || fault.code === "not_found")
    if (isGone && (seek || after)) return "forgotten"
    throw fault
  }
}

/**
 * A line of the dashboard's CSV of payments, as the event that tells of such a payment. It has no event's id: an
 * order is known again by its payment, but an invoice is not, so it is for the time before there were webhooks.
 */
function paymentOfTable(payment: Record<string, string>): Fields {
  const of = (...names: string[]) =>
    names.map((name) => payment[name]).find((cell) => cell !== undefined && cell !== "")
  const [id, code, invoice] = [of("id"), of("Currency"), of("Invoice ID")]
  const paid = ["paid", "refunded", "partial refund"].includes(of("Status")?.toLowerCase() ?? "")
  const amount = minor(of("Amount"), code)
  const [customer, email, name] = [of("Customer ID"), of("Customer Email"), of("Customer Description")]
  const about = { currency: code?.toLowerCase(), customer, payment_intent: of("PaymentIntent ID") }
  const object = invoice
    ? { ...about, id: invoice, amount_paid: amount, customer_email: email, customer_name: name }
    : {
        ...{ ...about, id, mode: "payment", payment_status: "paid", amount_total: amount, amount },
        customer_details: { email, name },
      }
  const type = !paid ? "charge.failed" : invoice ? "invoice.paid" : "checkout.session.completed"
  const created = of("Created date (UTC)", "Created (UTC)")?.replace(" ", "T")
  return { id: id && `csv_${id}`, type, created: created && `${created}Z`, data: { object } }
}

/** Stripe has no count: its list is read to the end. */
const MOST_PAGES = 50

async function count(needs: PollNeeds, from: number, to: number): Promise<Counted | undefined> {
  const headers = { authorization: `Bearer ${needs.credential}` }
  const span = { limit: String(PAGE), "created[gte]": secondsText(from), "created[lte]": secondsText(to - 1) }
  let found = 0
  for (let [page, after] = [0, undefined as string | undefined]; page < MOST_PAGES; page++) {
    const query = after === undefined ? span : { ...span, starting_after: after }
    const { body } = await ask("Stripe", needs, "/v1/events", query, headers)
    const listed = list(body.data).map(fields)
    found += listed.flatMap(messagesOf).length
    if (body.has_more !== true || listed.length === 0) return { metric: "events", count: found, of: "GET /v1/events" }
    after = text(listed.at(-1)!.id)
  }
  return undefined
}

const secondsText = (ms: number) => String(Math.floor(ms / SECOND))

/** `t=<seconds>,v1=<hex>[,v1=<hex>]`; other schemes, as the test mode's v0, are passed over. */
function parts(signature: string) {
  const pairs = signature.split(",").map((pair) => pair.trim().split("=", 2))
  const of = (name: string) => pairs.flatMap(([key, value]) => (key === name && value ? [value] : []))
  return { seconds: of("t").at(-1), signatures: of("v1") }
}

/** The whole secret is the key, `whsec_` included. */
const sign = (secret: string, seconds: string, body: Uint8Array) => hmac("sha256", secret, [`${seconds}.`, body], "hex")

export const stripe = {
  id: "stripe",
  name: "Stripe",
  docs: "https://docs.stripe.com/webhooks",
  facts: {
    timeoutMs: 15 * SECOND,
    retries: "for 3 days with growing pauses; 3 times within hours in a sandbox",
    requestsPerSecond: 25,
  },
  secretFrom: "vendor",
  verify(delivery, secrets) {
    const { seconds, signatures } = parts(header(delivery, "stripe-signature") ?? "")
    if (!seconds || signatures.length === 0) return missing("Stripe-Signature with t and v1")
    if (
      !anySame(
        signatures,
        signedWith(secrets, (secret) => sign(secret, seconds, delivery.body)),
      )
    )
      return mismatch
    return withinTolerance(secondsOf(seconds), delivery.receivedAt) ? "genuine" : stale
  },
  read(delivery) {
    const body = objectOf(delivery.body)
    return { id: `stripe:${required(body.id, "id")}`, messages: messagesOf(body) }
  },
  poll,
  count,
  api: { url: "https://api.stripe.com", hosts: /^api\.stripe\.com$/ },
  /** Of an export of events. */
  exported: (event) => messagesOf(fields(event)),
  table: {
    groupBy: "id",
    object: ([payment = {}]) => paymentOfTable(payment),
    leavesOut: ([payment = {}]) =>
      (decimal(payment["Amount Refunded"]) ?? 0n) > 0n
        ? "what was given back of a payment, of which the CSV has no time: import the events for it"
        : undefined,
  },
  sample(secret, now) {
    const created = Math.floor(now / SECOND)
    const customer = { customer: "cus_sample", customer_email: "sample@example.com", customer_name: "Sample" }
    const paid = { amount_paid: 1250, currency: "eur", status: "paid", billing_reason: "subscription_cycle" }
    const object = { id: `in_sample_${now}`, object: "invoice", subscription: "sub_sample", ...customer, ...paid }
    const event = {
      id: `evt_sample_${now}`,
      object: "event",
      type: "invoice.paid",
      created,
      livemode: false,
      data: { object },
    }
    const body = Buffer.from(JSON.stringify(event))
    const signature = `t=${created},v1=${sign(secret, String(created), body)}`
    return { method: "POST", headers: { "content-type": "application/json", "stripe-signature": signature }, body }
  },
} satisfies Vendor
