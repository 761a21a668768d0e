import "#core/words.ts"
import * as z from "zod/mini"
import { decimal } from "#core/decimal.ts"

/**
 * The catalogue of event types: the one list from which validation, types and documentation come.
 * Names follow Segment's e-commerce specification where it has one, and its Object Action form elsewhere.
 * An event whose name is not here is stored and counted as it is.
 */

/** Told to the registry rather than to the schema, where it would be one more check at every parse. */
const described = <T extends z.ZodMiniType>(schema: T, description: string): T => {
  z.globalRegistry.add(schema, { description })
  return schema
}

const decimalText = z.union([z.number(), z.string()])
const isAmount = z.refine<number | string>((value) => decimal(value) !== undefined, {
  error: "must be a decimal such as 12.50, below 10^15, with at most 12 places",
})
const isPositive = z.refine<number | string>((value) => (decimal(value) ?? 0n) >= 0n, { error: "must not be negative" })
const amount = (description: string) =>
  described(decimalText.check(isAmount), `${description} A number or a decimal string.`)
const positive = (description: string) =>
  described(decimalText.check(isAmount, isPositive), `${description} A number or a decimal string, not negative.`)
const id = (description: string) =>
  described(z.union([z.string().check(z.minLength(1), z.maxLength(256)), z.number()]), description)
const text = (description: string) => described(z.string().check(z.maxLength(10_000)), description)
const label = (description: string) => described(z.string().check(z.minLength(1), z.maxLength(256)), description)
const flag = (description: string) => described(z.boolean(), description)
const currency = z.optional(
  described(z.string().check(z.regex(/^[A-Za-z]{3}$/)), "ISO 4217 code; the tenant's currency if absent."),
)
const country = z.optional(described(z.string().check(z.maxLength(100)), "Country of the customer, as you name it."))
const channel = z.optional(label("Where it came from, such as email, ads or organic."))

const product = z.looseObject({
  product_id: z.optional(id("The product; revenue and units of the line go to it.")),
  sku: z.optional(id("Stock-keeping unit; stands in for a missing product_id.")),
  name: z.optional(text("Name of the product.")),
  category: z.optional(label("Category of the product.")),
  price: z.optional(amount("Price of one unit.")),
  quantity: z.optional(amount("Units; 1 if absent.")),
})
const products = z.optional(described(z.array(product).check(z.maxLength(5000)), "The lines."))
const anOrder = {
  order_id: id("The order."),
  revenue: z.optional(positive("What the order earned, without shipping and tax.")),
  total: z.optional(positive("What the customer paid; used when revenue is absent.")),
  shipping: z.optional(amount("Shipping.")),
  tax: z.optional(amount("Tax.")),
  discount: z.optional(amount("Discount.")),
  coupon: z.optional(text("Coupon.")),
  currency,
  country,
  channel,
  products,
}
const priced = z.refine<{ revenue?: unknown; total?: unknown; products?: unknown }>(
  (order) => order.revenue !== undefined || order.total !== undefined || order.products !== undefined,
  { path: ["revenue"], error: "one of revenue, total or products is needed" },
)
const aSubscription = {
  subscription_id: id("The subscription."),
  plan: z.optional(label("The plan.")),
  mrr: z.optional(positive("Monthly recurring revenue.")),
  amount: z.optional(positive("Price of one interval; used with interval when mrr is absent.")),
  interval: z.optional(
    described(z.enum(["day", "week", "month", "year"]), "Billing interval of amount; month if absent."),
  ),
  currency,
}
const session = z.optional(id("The session it belongs to."))
const chat = {
  session_id: session,
  model: z.optional(label("The model.")),
  tokens: z.optional(positive("Tokens used.")),
  response_time_ms: z.optional(positive("Time to the whole answer, in milliseconds.")),
  cost: z.optional(positive("What it cost, in the tenant's currency.")),
  text: z.optional(text("The words, for sentiment.")),
}

/** A schema is made when it is first asked for: a function starts without those of thirty types that it may never meet. */
function entry<T extends z.ZodMiniType>(description: string, make: () => T) {
  let made: T | undefined
  return {
    description,
    get properties(): T {
      made ??= make()
      return made
    },
  }
}

export const catalogue = {
  "Product Viewed": entry("A customer looked at a product.", () => z.looseObject({ ...product.shape, currency })),
  "Product Added": entry("A customer put a product into the cart.", () =>
    z.looseObject({ ...product.shape, cart_id: z.optional(id("The cart.")) }),
  ),
  "Product Removed": entry("A customer took a product out of the cart.", () => z.looseObject({ ...product.shape })),
  "Product Updated": entry("A product of the shop was made, changed or taken out.", () =>
    z.looseObject({
      product_id: id("The product."),
      name: z.optional(text("Name of the product.")),
      category: z.optional(label("Category of the product.")),
      brand: z.optional(label("Who makes it.")),
      sku: z.optional(id("Stock-keeping unit of its first variant.")),
      price: z.optional(amount("Price of its first variant.")),
      status: z.optional(label("Such as active, draft, archived or deleted.")),
      currency,
    }),
  ),
  "Products Searched": entry("A customer searched.", () =>
    z.looseObject({ query: z.optional(text("The words searched for.")) }),
  ),
  "Product List Viewed": entry("A customer looked at a list of products.", () =>
    z.looseObject({ category: z.optional(label("Category of the list.")), products }),
  ),
  "Cart Viewed": entry("A customer looked at the cart.", () => z.looseObject({ products })),
  "Checkout Started": entry("A customer began to check out.", () =>
    z.looseObject({ ...anOrder, order_id: z.optional(id("The order.")) }),
  ),
  "Payment Info Entered": entry("A customer entered how to pay.", () =>
    z.looseObject({ order_id: z.optional(id("The order.")) }),
  ),
  "Order Completed": entry("An order was placed. Its revenue is revenue, else total, else the sum of its lines.", () =>
    z.looseObject(anOrder).check(priced),
  ),
  "Order Updated": entry("An order was changed.", () => z.looseObject(anOrder)),
  "Order Refunded": entry("Money of an order was given back: revenue, else total, else the sum of its lines.", () =>
    z.looseObject(anOrder).check(priced),
  ),
  "Order Cancelled": entry("An order was cancelled before it was paid.", () => z.looseObject(anOrder)),
  "Signed Up": entry("Somebody became a user.", () => z.looseObject({ channel, plan: z.optional(label("The plan.")) })),
  "Subscription Started": entry("A subscription became active.", () => z.looseObject(aSubscription)),
  "Subscription Changed": entry("A subscription's plan or price changed.", () => z.looseObject(aSubscription)),
  "Subscription Cancelled": entry("A subscription ended.", () =>
    z.looseObject({ ...aSubscription, reason: z.optional(text("Why.")) }),
  ),
  "Invoice Paid": entry("An invoice was paid.", () =>
    z.looseObject({
      invoice_id: id("The invoice."),
      subscription_id: z.optional(id("The subscription.")),
      amount: positive("What was paid."),
      currency,
    }),
  ),
  "Course Enrolled": entry("A student enrolled in a course.", () =>
    z.looseObject({ course_id: id("The course."), channel }),
  ),
  "Lesson Completed": entry("A student finished a lesson.", () =>
    z.looseObject({ course_id: z.optional(id("The course.")), lesson_id: id("The lesson.") }),
  ),
  "Form Submitted": entry("A form was answered.", () =>
    z.looseObject({ form_id: id("The form."), text: z.optional(text("The words of the answer, for sentiment.")) }),
  ),
  "Feature Used": entry("A feature was used.", () => z.looseObject({ feature: label("The feature.") })),
  "Role Migrated": entry("A user moved from one role to another.", () =>
    z.looseObject({
      from_role: z.optional(label("The role before.")),
      to_role: label("The role after."),
      success: flag("Whether the move succeeded."),
      adaptation_days: z.optional(positive("Days until the user worked in the new role as before.")),
    }),
  ),
  "Error Occurred": entry("A user met an error.", () =>
    z.looseObject({ message: z.optional(text("What the error said.")), code: z.optional(id("Its code.")) }),
  ),
  "Ticket Opened": entry("A support ticket was opened.", () =>
    z.looseObject({ ticket_id: id("The ticket."), channel, text: z.optional(text("The first words, for sentiment.")) }),
  ),
  "Ticket Resolved": entry("A support ticket was resolved.", () =>
    z.looseObject({
      ticket_id: id("The ticket."),
      resolution_seconds: z.optional(positive("Time to resolution; from Ticket Opened if absent.")),
    }),
  ),
  "Session Started": entry("A session began.", () =>
    z.looseObject({ session_id: id("The session."), model: chat.model }),
  ),
  "Message Sent": entry("A user sent a message to a model or a person.", () => z.looseObject(chat)),
  "Response Received": entry("A model answered.", () => z.looseObject(chat)),
  "Experiment Exposed": entry("A user saw a variant of an experiment.", () =>
    z.looseObject({ experiment_id: id("The experiment."), variant: id("The variant.") }),
  ),
  "Satisfaction Rated": entry("A user rated satisfaction.", () =>
    z.looseObject({
      rating: described(z.number().check(z.gte(1), z.lte(5)), "1 (worst) to 5 (best)."),
      text: z.optional(text("The words, for sentiment.")),
    }),
  ),
} as const

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
