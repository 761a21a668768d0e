import { type Decimal, decimal, ofCount, toNumber } from "#core/decimal.ts"
import type { CatalogueName } from "#events/catalogue.ts"
import { sentiment } from "#science/sentiment.ts"
import type { EventDimension } from "./dimension.ts"
import type { Entities, EntityName } from "./entity.ts"
import { at, type Fact, type Line, lineRevenue, orderRevenue } from "./fact.ts"

/**
 * The metric catalogue: one entry, one metric. Everything else (views, query, docs, the list of names) is derived
 * from it, and a new entry has its whole history after a replay.
 */
export type Unit = "count" | "money" | "ratio" | "score" | "rating" | "days" | "hours" | "milliseconds"
/** A whole number, or an exact decimal; one metric always gives the same kind. */
export type Amount = number | Decimal

type Described = { title: string; definition: string; unit: Unit }
/** Adds up over events: `value` of each event named in `on` ("*": of all). */
export type Tally = Described & {
  kind: "tally"
  on: readonly (CatalogueName | "page" | "screen" | "identify" | "*")[]
  value: (fact: Fact) => Amount | undefined
  /** What one line gives to its product and category; without it, the event's value is given to each product in it once. */
  line?: (line: Line, fact: Fact) => Amount | undefined
}
/** Adds up over what customers' histories are made of. A `gauge` is read at the end of a period, not over it. */
export type Entity = {
  [E in EntityName]: Described & {
    kind: "entity"
    of: E
    value: (entity: Entities[E]) => Amount | undefined
    gauge?: true
  }
}[EntityName]
/** Different customers with at least one such event, exactly, over whatever period is asked. */
export type Distinct = Described & { kind: "distinct"; on: Tally["on"]; dimensions: readonly EventDimension[] }
/** A quantile of a mergeable sketch (1 % relative error). */
export type Quantile = Described & { kind: "quantile"; of: SketchName; q: number }
/** Computed from other metrics of the same period and key. */
export type Formula = Described & {
  kind: "formula"
  from: readonly string[]
  compute: (...values: (Amount | undefined)[]) => Amount | undefined
  /** Money that was divided: it is rounded when it is said. */
  quotient?: true
}
export type Metric = Tally | Entity | Distinct | Quantile | Formula

/** Values whose distribution is kept. */
export const sketches = {
  response_time: {
    on: ["Response Received"],
    value: ({ properties }: Fact) => numberOf(properties.response_time_ms ?? properties.response_time),
  },
} as const satisfies Record<string, { on: Tally["on"]; value: (fact: Fact) => number | undefined }>
export type SketchName = keyof typeof sketches

const tally = (
  title: string,
  definition: string,
  unit: Unit,
  on: Tally["on"],
  value: Tally["value"],
  line?: Tally["line"],
): Tally => ({
  kind: "tally",
  title,
  definition,
  unit,
  on,
  value,
  ...(line ? { line } : {}),
})
const count = (title: string, definition: string, on: Tally["on"]) => tally(title, definition, "count", on, () => 1)
const money = (
  title: string,
  definition: string,
  on: Tally["on"],
  value: (fact: Fact) => Decimal | undefined,
  line?: Tally["line"],
) =>
  tally(
    title,
    definition,
    "money",
    on,
    (fact) => (fact.home ? value(fact) : undefined),
    line && ((one, fact) => (fact.home ? line(one, fact) : undefined)),
  )
const formula = (
  title: string,
  definition: string,
  unit: Unit,
  from: readonly string[],
  compute: Formula["compute"],
): Formula => ({
  kind: "formula",
  title,
  definition,
  unit,
  from,
  compute,
})
const quotient = (title: string, definition: string, from: readonly [string, string]): Formula => ({
  ...formula(title, definition, "money", from, divided),
  quotient: true,
})
const quantile = (q: number): Quantile => ({
  kind: "quantile",
  title: `Response time p${q * 100}`,
  definition: `Response Received: the ${q * 100}th percentile of response_time_ms (DDSketch, 1 % relative error).`,
  unit: "milliseconds",
  of: "response_time",
  q,
})

/** a ÷ b as a number; `undefined` when there is nothing to divide by. */
const ratio = (a: Amount | undefined, b: Amount | undefined) => {
  const [x, y] = [numeric(a ?? 0), numeric(b ?? 0)]
  return y === 0 ? undefined : x / y
}
const numeric = (amount: Amount) => (typeof amount === "bigint" ? toNumber(amount) : amount)
const exact = (amount: Amount | undefined): Decimal =>
  amount === undefined ? 0n : typeof amount === "bigint" ? amount : ofCount(amount)
const numberOf = (value: unknown) => {
  const parsed = decimal(value)
  return parsed === undefined ? undefined : toNumber(parsed)
}
const divided = (a: Amount | undefined, b: Amount | undefined) => {
  const [x, y] = [exact(a), exact(b)]
  return y === 0n ? undefined : (x * ofCount(1)) / y
}
const tokensOf = ({ properties }: Fact) => decimal(properties.tokens ?? properties.token_count)
const spoken = ["Form Submitted", "Message Sent", "Ticket Opened", "Satisfaction Rated"] as const
const textIn = ({ properties }: Fact) => {
  const text = properties.text ?? properties.comment ?? at(properties, "answers", "text")
  return typeof text === "string" && text.trim() !== "" ? text : undefined
}
const CLIENT = ["page", "screen"] as const

export const metrics = {
  events: count("Events", "Everything that was counted, of any type.", ["*"]),
  active_customers: {
    kind: "distinct",
    title: "Active customers",
    definition: "Different customers with at least one event, after identities were merged.",
    unit: "count",
    on: ["*"],
    dimensions: ["source", "country", "channel", "plan", "role", "device"],
  },
  new_customers: {
    kind: "entity",
    title: "New customers",
    definition: "Customers whose first event happened then.",
    unit: "count",
    of: "arrival",
    value: () => 1,
  },
  return_rate: formula(
    "Return rate",
    "Share of active customers who were not new: 1 − new_customers ÷ active_customers.",
    "ratio",
    ["new_customers", "active_customers"],
    (fresh, active) => {
      const share = ratio(fresh, active)
      return share === undefined ? undefined : 1 - share
    },
  ),

  sessions: {
    kind: "entity",
    title: "Sessions",
    definition:
      "Visits: events of a customer's client without a pause of 30 minutes, or with the same session id; counted where they began.",
    unit: "count",
    of: "session",
    value: () => 1,
  },
  bounced_sessions: {
    kind: "entity",
    title: "Bounced sessions",
    definition: "Sessions of a single event.",
    unit: "count",
    of: "session",
    value: ({ events }) => (events === 1 ? 1 : undefined),
  },
  engaged_sessions: {
    kind: "entity",
    title: "Engaged sessions",
    definition: "Sessions of at least 10 seconds, or two pages, or with an order, a sign-up or an enrolment.",
    unit: "count",
    of: "session",
    value: ({ start, end, pages, converted }) => (end - start >= 10_000 || pages >= 2 || converted ? 1 : undefined),
  },
  bounce_rate: formula("Bounce rate", "bounced_sessions ÷ sessions.", "ratio", ["bounced_sessions", "sessions"], ratio),
  engagement_rate: formula(
    "Engagement rate",
    "engaged_sessions ÷ sessions.",
    "ratio",
    ["engaged_sessions", "sessions"],
    ratio,
  ),
  engagement_score: formula(
    "Engagement score",
    "0 to 100: 40 % engagement_rate, 30 % return_rate, 30 % feature_adoption; a part that has no data counts as 0.",
    "score",
    ["engagement_rate", "return_rate", "feature_adoption"],
    (engaged, returned, adopted) =>
      engaged === undefined && returned === undefined
        ? undefined
        : 40 * numeric(engaged ?? 0) + 30 * numeric(returned ?? 0) + 30 * Math.min(1, numeric(adopted ?? 0)),
  ),
  page_views: count("Page views", "Page and screen calls.", CLIENT),

  orders: count("Orders", "Order Completed events.", ["Order Completed"]),
  gross_revenue: money(
    "Gross revenue",
    "Order Completed: revenue, else total, else the sum of its lines, in the tenant's currency.",
    ["Order Completed"],
    orderRevenue,
    lineRevenue,
  ),
  refunds: money(
    "Refunds",
    "Order Refunded: revenue, else total, else the sum of its lines, in the tenant's currency, as a positive amount.",
    ["Order Refunded"],
    orderRevenue,
    lineRevenue,
  ),
  refunded_orders: count("Refunded orders", "Order Refunded events.", ["Order Refunded"]),
  net_revenue: formula(
    "Net revenue",
    "gross_revenue − refunds.",
    "money",
    ["gross_revenue", "refunds"],
    (gross, back) => exact(gross) - exact(back),
  ),
  units: tally(
    "Units",
    "Quantities of the lines of Order Completed.",
    "count",
    ["Order Completed"],
    ({ lines }) => lines.reduce((sum, { quantity }) => sum + quantity, 0n),
    ({ quantity }) => quantity,
  ),
  average_order_value: quotient("Average order value", "gross_revenue ÷ orders.", ["gross_revenue", "orders"]),
  buyers: {
    kind: "distinct",
    title: "Buyers",
    definition: "Different customers with at least one Order Completed.",
    unit: "count",
    on: ["Order Completed"],
    dimensions: ["source", "country", "channel", "device"],
  },
  checkouts: count("Checkouts", "Checkout Started events.", ["Checkout Started"]),
  product_views: count("Product views", "Product Viewed events.", ["Product Viewed"]),
  invoices_paid: count("Invoices paid", "Invoice Paid events.", ["Invoice Paid"]),
  invoiced_revenue: money(
    "Invoiced revenue",
    "Invoice Paid: amount, in the tenant's currency.",
    ["Invoice Paid"],
    ({ properties }) => decimal(properties.amount),
  ),

  sign_ups: count("Sign-ups", "Signed Up events.", ["Signed Up"]),
  enrolments: count("Enrolments", "Course Enrolled events.", ["Course Enrolled"]),
  lessons_completed: count("Lessons completed", "Lesson Completed events.", ["Lesson Completed"]),
  active_subscriptions: {
    kind: "entity",
    title: "Active subscriptions",
    definition: "Subscriptions started and not cancelled, at the end of the period.",
    unit: "count",
    of: "move",
    value: ({ active }) => active,
    gauge: true,
  },
  mrr: {
    kind: "entity",
    title: "Monthly recurring revenue",
    definition:
      "Sum over active subscriptions of mrr (or amount by its interval as a month), at the end of the period.",
    unit: "money",
    of: "move",
    value: ({ mrr }) => mrr,
    gauge: true,
  },

  form_responses: count("Form responses", "Form Submitted events.", ["Form Submitted"]),
  ratings: count("Ratings", "Satisfaction Rated events.", ["Satisfaction Rated"]),
  rating_sum: tally(
    "Sum of ratings",
    "Satisfaction Rated: rating.",
    "rating",
    ["Satisfaction Rated"],
    ({ properties }) => decimal(properties.rating),
  ),
  satisfaction: formula(
    "Satisfaction",
    "Mean rating, 1 (worst) to 5 (best).",
    "rating",
    ["rating_sum", "ratings"],
    ratio,
  ),
  texts: tally("Texts", "Events with words to judge.", "count", spoken, (fact) =>
    textIn(fact) === undefined ? undefined : 1,
  ),
  sentiment_sum: tally("Sum of sentiment", "VADER compound of each text.", "score", spoken, (fact) => {
    const text = textIn(fact)
    return text === undefined ? undefined : decimal(sentiment(text))
  }),
  sentiment: formula(
    "Sentiment",
    "Mean VADER compound of the texts, −1 (worst) to 1 (best) (Hutto & Gilbert, ICWSM 2014).",
    "score",
    ["sentiment_sum", "texts"],
    ratio,
  ),

  feature_uses: count("Feature uses", "Feature Used events.", ["Feature Used"]),
  feature_users: {
    kind: "distinct",
    title: "Feature users",
    definition: "Different customers with at least one Feature Used.",
    unit: "count",
    on: ["Feature Used"],
    dimensions: ["feature", "plan", "role"],
  },
  feature_adoption: formula(
    "Feature adoption",
    "feature_users ÷ active_customers.",
    "ratio",
    ["feature_users", "active_customers/total"],
    ratio,
  ),
  role_migrations: count("Role migrations", "Role Migrated events.", ["Role Migrated"]),
  successful_role_migrations: tally(
    "Successful role migrations",
    "Role Migrated with success.",
    "count",
    ["Role Migrated"],
    ({ properties }) => (properties.success === true ? 1 : undefined),
  ),
  role_migration_success_rate: formula(
    "Role-migration success rate",
    "successful_role_migrations ÷ role_migrations.",
    "ratio",
    ["successful_role_migrations", "role_migrations"],
    ratio,
  ),
  adaptation_days_sum: tally(
    "Sum of adaptation days",
    "Role Migrated: adaptation_days.",
    "days",
    ["Role Migrated"],
    ({ properties }) => decimal(properties.adaptation_days),
  ),
  adapted_roles: tally(
    "Adapted roles",
    "Role Migrated with adaptation_days.",
    "count",
    ["Role Migrated"],
    ({ properties }) => (decimal(properties.adaptation_days) === undefined ? undefined : 1),
  ),
  adaptation_days: formula(
    "Adaptation days",
    "Mean adaptation_days of Role Migrated.",
    "days",
    ["adaptation_days_sum", "adapted_roles"],
    ratio,
  ),

  tickets_opened: count("Tickets opened", "Ticket Opened events.", ["Ticket Opened"]),
  tickets_resolved: count("Tickets resolved", "Ticket Resolved events.", ["Ticket Resolved"]),
  resolution_seconds_sum: {
    kind: "entity",
    title: "Sum of resolution times",
    definition:
      "Seconds from Ticket Opened to Ticket Resolved, or resolution_seconds where stated; counted when resolved.",
    unit: "count",
    of: "resolution",
    value: ({ seconds }) => seconds,
  },
  timed_resolutions: {
    kind: "entity",
    title: "Timed resolutions",
    definition: "Resolved tickets whose time to resolution is known.",
    unit: "count",
    of: "resolution",
    value: () => 1,
  },
  resolution_hours: formula(
    "Resolution time",
    "Mean hours from opened to resolved.",
    "hours",
    ["resolution_seconds_sum", "timed_resolutions"],
    (seconds, resolved) => {
      const mean = ratio(seconds, resolved)
      return mean === undefined ? undefined : mean / 3600
    },
  ),

  messages: count("Messages", "Message Sent events.", ["Message Sent"]),
  responses: count("Responses", "Response Received events.", ["Response Received"]),
  tokens: tally(
    "Tokens",
    "tokens of Message Sent and Response Received.",
    "count",
    ["Message Sent", "Response Received"],
    tokensOf,
  ),
  ai_cost: money(
    "AI cost",
    "cost of Message Sent and Response Received.",
    ["Message Sent", "Response Received"],
    ({ properties }) => decimal(properties.cost),
  ),
  cost_per_session: quotient("AI cost per session", "ai_cost ÷ sessions.", ["ai_cost", "sessions"]),
  response_time_p50: quantile(0.5),
  response_time_p95: quantile(0.95),
  response_time_p99: quantile(0.99),
  errors: count("Errors", "Error Occurred events.", ["Error Occurred"]),
  error_rate: formula("Error rate", "errors ÷ events.", "ratio", ["errors", "events"], ratio),
} as const satisfies Record<string, Metric>

export type MetricName = keyof typeof metrics
export const metricNames = Object.keys(metrics) as MetricName[]
/** The same record, for whoever looks a metric up by a name that came in. */
export const metricOf = (name: MetricName): Metric => metrics[name]
