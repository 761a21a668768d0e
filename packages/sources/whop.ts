import { DAY, instant, MINUTE, SECOND } from "#core/clock.ts"
import { toText } from "#core/decimal.ts"
import { standardKey } from "#core/standard.ts"
import type { Message } from "#events/message.ts"
import {
  ask,
  currency,
  type Fields,
  fields,
  identifying,
  iso,
  list,
  money,
  objectOf,
  required,
  sum,
  text,
} from "./generic.ts"
import { type Fact, identify, track, type Who } from "./message.ts"
import type { Page, PollNeeds, Vendor } from "./source.ts"
import { standardHeaders, standardId, standardVerdict } from "./standard-webhooks.ts"

const idIn = (value: unknown) => text(fields(value).id)

/** Whop's own dollar is a dollar. */
const currencyOf = (value: unknown) => (value === "whop_usd" || value === "usdt" ? "USD" : currency(value))

function whoIs(user: unknown, otherwise: string | undefined): Who {
  const id = idIn(user)
  return id === undefined ? { anonymousId: `whop:${otherwise ?? "company"}` } : { userId: `whop:${id}` }
}

function traitsOf(user: unknown, country: unknown, fact: Fact): Message[] {
  const { email, name, username } = fields(user)
  const traits = { email: text(email), name: text(name), username: text(username), country: text(country) }
  return idIn(user) === undefined ? [] : identify({ ...fact, id: `${fact.id}:user` }, traits)
}

type Resource = Fields & { id: string }

/** Payments of one kind have one id at every telling, and so has their refund. */
function paid(payment: Resource, heardAt?: unknown): Message[] {
  const who = whoIs(payment.user, payment.id)
  const fact = {
    id: `whop:${payment.id}:paid`,
    at: iso(payment.paid_at) ?? iso(heardAt) ?? iso(payment.created_at),
    who,
  }
  const total = money(payment.total ?? payment.settlement_amount)
  if (total === undefined || total.startsWith("-")) return []
  const aside = traitsOf(payment.user, fields(payment.billing_address).country, fact)
  const bought = { plan: idIn(payment.plan), product_id: idIn(payment.product), currency: currencyOf(payment.currency) }
  if (payment.billing_reason !== "one_time") {
    const ids = {
      invoice_id: payment.id,
      subscription_id: idIn(payment.membership),
      billing_reason: text(payment.billing_reason),
    }
    return [track("Invoice Paid", fact, { ...ids, amount: total, ...bought }), ...aside]
  }
  const net = sum([total]) - sum([payment.tax_amount])
  const amounts = { revenue: net < 0n ? undefined : toText(net, 2), total, tax: money(payment.tax_amount) }
  return [track("Order Completed", fact, { order_id: payment.id, ...amounts, ...bought }), ...aside]
}

/** Of an order alone: what is given back of a subscription's payment was never an order. */
function refunded(refund: Resource): Message[] {
  const payment = fields(refund.payment)
  if (payment.billing_reason !== "one_time") return []
  const total = money(refund.amount)
  if (refund.status !== "succeeded" || total === undefined || total.startsWith("-")) return []
  const order = text(payment.id) ?? refund.id
  const fact = { id: `whop:${refund.id}:refunded`, at: iso(refund.created_at), who: whoIs(payment.user, order) }
  return [
    track("Order Refunded", fact, {
      order_id: order,
      refund_id: refund.id,
      total,
      currency: currencyOf(refund.currency),
    }),
  ]
}

const planOf = (membership: Resource) => ({
  subscription_id: membership.id,
  plan: idIn(membership.plan),
  product_id: idIn(membership.product),
  status: text(membership.status),
  currency: currencyOf(membership.currency),
})

/** The first time has an id that the list knows too; a membership that comes back has one for each period it begins. */
function activated(membership: Resource): Message[] {
  const [createdAt, periodAt] = [iso(membership.created_at), iso(membership.renewal_period_start)]
  const again = createdAt !== undefined && periodAt !== undefined && Date.parse(periodAt) - Date.parse(createdAt) > DAY
  const id = `whop:${membership.id}:activated${again ? `:${periodAt}` : ""}`
  const fact = { id, at: again ? periodAt : createdAt, who: whoIs(membership.user, membership.id) }
  return [track("Subscription Started", fact, planOf(membership)), ...traitsOf(membership.user, undefined, fact)]
}

function deactivated(membership: Resource, heardAt: unknown): Message[] {
  const id = `whop:${membership.id}:deactivated:${iso(membership.renewal_period_end) ?? "once"}`
  const fact = { id, at: iso(heardAt), who: whoIs(membership.user, membership.id) }
  return [
    track("Subscription Cancelled", fact, {
      ...planOf(membership),
      reason: text(membership.cancellation_reason) ?? text(membership.cancel_option),
    }),
  ]
}

function completed(interaction: Resource, heardAt: unknown): Message[] {
  const { course, lesson, user } = interaction
  if (idIn(lesson) === undefined) return []
  const fact = {
    id: `whop:${interaction.id}:completed`,
    at: iso(heardAt) ?? iso(interaction.created_at),
    who: whoIs(user, interaction.id),
  }
  const ids = { course_id: idIn(course), lesson_id: idIn(lesson), chapter_id: idIn(fields(lesson).chapter) }
  return [track("Lesson Completed", fact, { ...ids, lesson: text(fields(lesson).title) })]
}

function disputed(dispute: Resource): Message[] {
  const payment = fields(dispute.payment)
  const fact = {
    id: `whop:${dispute.id}:opened`,
    at: iso(dispute.created_at),
    who: whoIs(payment.user, text(payment.id)),
  }
  const state = {
    amount: money(dispute.amount),
    currency: currencyOf(dispute.currency),
    reason: text(dispute.reason),
    status: text(dispute.status),
  }
  return [track("Dispute Opened", fact, { dispute_id: dispute.id, order_id: text(payment.id), ...state })]
}

/**
 * | Whop                                       | Octant                                                      | messageId whop:…          |
 * |--------------------------------------------|-------------------------------------------------------------|---------------------------|
 * | payment.succeeded                          | Invoice Paid, or Order Completed if `one_time`; identify    | <payment>:paid            |
 * | refund.created, .updated, once `succeeded` | Order Refunded of the payment, if that is `one_time`        | <refund>:refunded         |
 * | membership.activated                       | Subscription Started; identify. Whop tells no price with it | <membership>:activated    |
 * | membership.deactivated                     | Subscription Cancelled                                      | <membership>:deactivated:<period's end> |
 * | course_lesson_interaction.completed        | Lesson Completed                                            | <interaction>:completed   |
 * | dispute.created                            | Dispute Opened                                              | <dispute>:opened          |
 * | any other (invoice.paid too: it is a payment as well) | its own type, with ids and state                 | the delivery's id         |
 */
const readers = new Map<string, (resource: Resource, heardAt: unknown) => Message[]>([
  ["payment.succeeded", paid],
  ["refund.created", refunded],
  ["refund.updated", refunded],
  ["membership.activated", activated],
  ["membership.deactivated", deactivated],
  ["course_lesson_interaction.completed", completed],
  ["dispute.created", disputed],
])

type Stage = {
  path: string
  span: (from: string, to: string) => Record<string, string>
  read: (resource: Resource) => Message[]
}

const made = (from: string, to: string) => ({ created_after: from, created_before: to })
const stages: readonly Stage[] = [
  {
    path: "/payments",
    span: (from, to) => ({ updated_after: from, updated_before: to, order: "created_at" }),
    read: (payment) => (payment.status === "paid" ? paid(payment) : []),
  },
  { path: "/refunds", span: made, read: refunded },
  {
    path: "/memberships",
    span: (from, to) => ({ ...made(from, to), order: "created_at" }),
    read: (membership) =>
      begun.has(membership.status) ? activated({ ...membership, renewal_period_start: undefined }) : [],
  },
]
const begun = new Set<unknown>(["trialing", "active", "past_due", "canceling", "completed", "canceled", "expired"])
const over = new Set<unknown>(["canceled", "expired"])

type Walk = { after?: string; since: string; began: string }
type Place = { from: string; to?: string; stage?: number; after?: string; walk?: Walk }

const PAGE = "100"
const SETTLED_MS = MINUTE

/**
 * A round lists the payments that changed and the refunds and memberships that were made since the last one; then it takes
 * one page of a walk through all memberships, as Whop cannot list those that ended. The walk tells an end that it has not
 * passed before. An API key lists one company: `baseUrl` names it, as in `https://api.whop.com/api/v1?company_id=biz_1`.
 */
async function poll(needs: PollNeeds, cursor: string | undefined, since: number): Promise<Page> {
  const place = cursor === undefined ? { from: instant(since) } : (objectOf(cursor) as Place)
  const { from, to = instant(needs.now - SETTLED_MS), stage: at = 0, after } = place
  const walk = place.walk ?? { since: from, began: to }
  if (from >= to) return { messages: [], cursor: JSON.stringify({ from, walk }), done: true }
  const stage = stages[at]
  if (stage === undefined) {
    const { items, next } = await listed(needs, "/memberships", { order: "created_at" }, walk.after)
    const ended = items.filter(({ status, updated_at }) => over.has(status) && (iso(updated_at) ?? to) >= walk.since)
    const onward = next === undefined ? { since: walk.began, began: to } : { ...walk, after: next }
    const messages = ended.flatMap((membership) => deactivated(membership, membership.updated_at))
    return { messages, cursor: JSON.stringify({ from: instant(Date.parse(to) - SECOND), walk: onward }), done: true }
  }
  const { items, next } = await listed(needs, stage.path, stage.span(from, to), after)
  const onward = next === undefined ? { stage: at + 1 } : { stage: at, after: next }
  return { messages: items.flatMap(stage.read), cursor: JSON.stringify({ from, to, walk, ...onward }), done: false }
}

async function listed(needs: PollNeeds, path: string, span: Record<string, string>, after: string | undefined) {
  const query = { first: PAGE, direction: "asc", ...span, ...(after === undefined ? {} : { after }) }
  const { body } = await ask("Whop", needs, path, query, { authorization: `Bearer ${needs.credential}` })
  const items = list(body.data).map((one): Resource => ({ ...fields(one), id: required(fields(one).id, "data.id") }))
  const { end_cursor, has_next_page } = fields(body.page_info)
  const isLast = has_next_page === false || items.length === 0 || typeof end_cursor !== "string" || end_cursor === ""
  return { items, next: isLast ? undefined : end_cursor }
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
/** What base64 must hold to be a key: the standard asks for 24 bytes. A shorter one would be easier to guess than the secret. */
const KEY_BYTES = 24

/** The key is the secret as Whop shows it, byte by byte; in the standard's own form, with its prefix or without, what is inside. */
function keysOf(secret: string): Uint8Array[] {
  const inside = standardKey(secret)
  const isStandard = secret.startsWith("whsec_") || (BASE64.test(secret) && inside.length >= KEY_BYTES)
  return isStandard ? [Buffer.from(secret), inside] : [Buffer.from(secret)]
}

export const whop = {
  id: "whop",
  name: "Whop",
  docs: "https://docs.whop.com/developer/guides/webhooks",
  facts: { timeoutMs: 15 * SECOND, retries: "3 times: after 10, 20 and 40 seconds", requestsPerSecond: 2 },
  secretFrom: "vendor",
  verify: (delivery, secrets) => standardVerdict(delivery, secrets.flatMap(keysOf)),
  read(delivery) {
    const body = objectOf(delivery.body)
    const type = required(body.type ?? body.action, "type")
    const delivered = `whop:${text(standardId(delivery)) ?? required(body.id, "id")}`
    const data = fields(body.data)
    const id = text(data.id)
    const told = id === undefined ? [] : (readers.get(type)?.({ ...data, id }, body.timestamp) ?? [])
    if (told.length > 0) return { id: delivered, messages: told }
    const who = whoIs(data.user ?? fields(data.payment).user ?? fields(data.message).user, text(body.company_id))
    const fact = { id: delivered, at: iso(body.timestamp), who }
    return { id: delivered, messages: [track(type, fact, { company_id: text(body.company_id), ...identifying(data) })] }
  },
  poll,
  api: { hosts: /^api\.whop\.com$/ },
  sample(secret, now) {
    const user = { id: "user_sample", email: "sample@example.com", name: "Sample", username: "sample" }
    const about = {
      user,
      membership: { id: "mem_sample", status: "active" },
      plan: { id: "plan_sample" },
      billing_reason: "subscription_cycle",
    }
    const data = {
      id: `pay_sample_${now}`,
      status: "paid",
      total: 12.5,
      currency: "usd",
      paid_at: instant(now),
      ...about,
    }
    const event = {
      id: `msg_sample_${now}`,
      api_version: "v1",
      timestamp: instant(now),
      type: "payment.succeeded",
      company_id: "biz_sample",
      data,
    }
    const body = JSON.stringify(event)
    return { method: "POST", headers: standardHeaders(Buffer.from(secret), now, body), body: Buffer.from(body) }
  },
} satisfies Vendor
