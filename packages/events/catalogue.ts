import type { JsonObject } from "./event.ts"
import {
  amount,
  type Breach,
  between,
  breachOf,
  currencyCode,
  flag,
  id,
  label,
  list,
  needed,
  oneOf,
  type Properties,
  positive,
  type Rule,
  text,
} from "./property.ts"

/**
 * The catalogue of event types: the one list from which validation, types and documentation come.
 * Names follow Segment's e-commerce specification where it has one, and its Object Action form elsewhere.
 * An event whose name is not here is stored and counted as it is.
 */
const currency = currencyCode("ISO 4217 code; the tenant's currency if absent.")
const country = text("Country of the customer, as you name it.", 100)
const channel = label("Where it came from, such as email, ads or organic.")

const product = {
  product_id: id("The product; revenue and units of the line go to it."),
  sku: id("Stock-keeping unit; stands in for a missing product_id."),
  name: text("Name of the product."),
  category: label("Category of the product."),
  price: amount("Price of one unit."),
  quantity: amount("Units; 1 if absent."),
}
const products = list(product, "The lines.")
const anOrder = {
  order_id: needed(id("The order.")),
  revenue: positive("What the order earned, without shipping and tax."),
  total: positive("What the customer paid; used when revenue is absent."),
  shipping: amount("Shipping."),
  tax: amount("Tax."),
  discount: amount("Discount."),
  coupon: text("Coupon."),
  currency,
  country,
  channel,
  products,
}
const priced: Rule = {
  field: "revenue",
  must: "one of revenue, total or products is needed",
  holds: ({ revenue, total, products }) => revenue !== undefined || total !== undefined || products !== undefined,
}
const aSubscription = {
  subscription_id: needed(id("The subscription.")),
  plan: label("The plan."),
  mrr: positive("Monthly recurring revenue."),
  amount: positive("Price of one interval; used with interval when mrr is absent."),
  interval: oneOf(["day", "week", "month", "year"], "Billing interval of amount; month if absent."),
  currency,
}
const session = id("The session it belongs to.")
const chat = {
  session_id: session,
  model: label("The model."),
  tokens: positive("Tokens used."),
  response_time_ms: positive("Time to the whole answer, in milliseconds."),
  cost: positive("What it cost, in the tenant's currency."),
  text: text("The words, for sentiment."),
}

export type EventEntry = { description: string; properties: Properties; rule?: Rule }
const entry = (description: string, properties: Properties, rule?: Rule): EventEntry => ({
  description,
  properties,
  ...(rule ? { rule } : {}),
})

export const catalogue = {
  "Product Viewed": entry("A customer looked at a product.", { ...product, currency }),
  "Product Added": entry("A customer put a product into the cart.", { ...product, cart_id: id("The cart.") }),
  "Product Removed": entry("A customer took a product out of the cart.", { ...product }),
  "Product Updated": entry("A product of the shop was made, changed or taken out.", {
    product_id: needed(id("The product.")),
    name: text("Name of the product."),
    category: label("Category of the product."),
    brand: label("Who makes it."),
    sku: id("Stock-keeping unit of its first variant."),
    price: amount("Price of its first variant."),
    status: label("Such as active, draft, archived or deleted."),
    currency,
  }),
  "Products Searched": entry("A customer searched.", { query: text("The words searched for.") }),
  "Product List Viewed": entry("A customer looked at a list of products.", {
    category: label("Category of the list."),
    products,
  }),
  "Cart Viewed": entry("A customer looked at the cart.", { products }),
  "Checkout Started": entry("A customer began to check out.", { ...anOrder, order_id: id("The order.") }),
  "Payment Info Entered": entry("A customer entered how to pay.", { order_id: id("The order.") }),
  "Order Completed": entry(
    "An order was placed. Its revenue is revenue, else total, else the sum of its lines.",
    anOrder,
    priced,
  ),
  "Order Updated": entry("An order was changed.", anOrder),
  "Order Refunded": entry(
    "Money of an order was given back: revenue, else total, else the sum of its lines.",
    anOrder,
    priced,
  ),
  "Order Cancelled": entry("An order was cancelled before it was paid.", anOrder),
  "Signed Up": entry("Somebody became a user.", { channel, plan: label("The plan.") }),
  "Subscription Started": entry("A subscription became active.", aSubscription),
  "Subscription Changed": entry("A subscription's plan or price changed.", aSubscription),
  "Subscription Cancelled": entry("A subscription ended.", { ...aSubscription, reason: text("Why.") }),
  "Invoice Paid": entry("An invoice was paid.", {
    invoice_id: needed(id("The invoice.")),
    subscription_id: id("The subscription."),
    amount: needed(positive("What was paid.")),
    currency,
  }),
  "Course Enrolled": entry("A student enrolled in a course.", { course_id: needed(id("The course.")), channel }),
  "Lesson Completed": entry("A student finished a lesson.", {
    course_id: id("The course."),
    lesson_id: needed(id("The lesson.")),
  }),
  "Form Submitted": entry("A form was answered.", {
    form_id: needed(id("The form.")),
    text: text("The words of the answer, for sentiment."),
  }),
  "Feature Used": entry("A feature was used.", { feature: needed(label("The feature.")) }),
  "Role Migrated": entry("A user moved from one role to another.", {
    from_role: label("The role before."),
    to_role: needed(label("The role after.")),
    success: needed(flag("Whether the move succeeded.")),
    adaptation_days: positive("Days until the user worked in the new role as before."),
  }),
  "Error Occurred": entry("A user met an error.", { message: text("What the error said."), code: id("Its code.") }),
  "Ticket Opened": entry("A support ticket was opened.", {
    ticket_id: needed(id("The ticket.")),
    channel,
    text: text("The first words, for sentiment."),
  }),
  "Ticket Resolved": entry("A support ticket was resolved.", {
    ticket_id: needed(id("The ticket.")),
    resolution_seconds: positive("Time to resolution; from Ticket Opened if absent."),
  }),
  "Session Started": entry("A session began.", { session_id: needed(id("The session.")), model: chat.model }),
  "Message Sent": entry("A user sent a message to a model or a person.", chat),
  "Response Received": entry("A model answered.", chat),
  "Experiment Exposed": entry("A user saw a variant of an experiment.", {
    experiment_id: needed(id("The experiment.")),
    variant: needed(id("The variant.")),
  }),
  "Satisfaction Rated": entry("A user rated satisfaction.", {
    rating: needed(between(1, 5, "1 (worst) to 5 (best).")),
    text: text("The words, for sentiment."),
  }),
} as const satisfies Record<string, EventEntry>

export type CatalogueName = keyof typeof catalogue

const plain = (name: string) =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, " ")
    .trim()
const byPlainName = new Map(Object.keys(catalogue).map((name) => [plain(name), name as CatalogueName]))
const known = new Map<string, CatalogueName | undefined>()
const KNOWN_NAMES = 10_000

/** The catalogue's spelling of a name, so that `order_completed` is `Order Completed`; `undefined` for a name of the tenant's own. */
export function catalogueName(name: string): CatalogueName | undefined {
  if (known.has(name)) return known.get(name)
  if (known.size >= KNOWN_NAMES) known.clear()
  const found = byPlainName.get(plain(name))
  known.set(name, found)
  return found
}

/** What is wrong with the properties of an event of a type, if anything is. */
export function breachOfType(name: CatalogueName, properties: JsonObject): Breach | undefined {
  const { properties: known, rule }: EventEntry = catalogue[name]
  const breach = breachOf(known, properties)
  if (breach) return breach
  return rule && !rule.holds(properties) ? { path: [rule.field], must: rule.must } : undefined
}
