import { type Decimal, decimal, times, toText } from "#core/decimal.ts"
import type { Event, Json, JsonObject } from "#events/event.ts"
import { type Message, toEvent } from "#events/message.ts"

/** Headline figures by brute force over distinct message ids, without the quarantined: what the pipeline must find too. */
export function truth(messages: Iterable<Message>) {
  const distinct = new Map<string, Event>()
  for (const message of messages) {
    const event = toEvent(message, { receivedAt: Date.parse(message.timestamp ?? ""), messageId: () => "" })
    if (!("code" in event) && !distinct.has(event.id)) distinct.set(event.id, event)
  }
  const events = [...distinct.values()]
  const sound = events.filter((event) => !event.quarantine)
  const named = (name: string) => sound.filter((event) => event.event === name)
  const total = (name: string, value: (properties: JsonObject) => Decimal) =>
    named(name).reduce((sum, event) => sum + value(event.properties ?? {}), 0n)

  const joined = new Set(sound.filter((event) => event.userId).map((event) => event.anonymousId))
  const strangers = sound.filter((event) => !event.userId && !joined.has(event.anonymousId))
  return {
    events: events.length,
    quarantined: events.length - sound.length,
    /** Distinct users, and those whose anonymous id was never joined to one. */
    customers: new Set(sound.flatMap((event) => event.userId ?? [])).size,
    strangers: new Set(strangers.map((event) => event.anonymousId)).size,
    signUps: named("Signed Up").length,
    orders: named("Order Completed").length,
    revenue: toText(total("Order Completed", worth), 2),
    refunds: named("Order Refunded").length,
    refunded: toText(total("Order Refunded", worth), 2),
    enrolments: named("Course Enrolled").length,
    lessons: named("Lesson Completed").length,
    subscriptions: named("Subscription Started").length,
    invoiced: toText(total("Invoice Paid", field("amount")), 2),
    sessions: named("Session Started").length,
    messages: named("Message Sent").length,
    tokens: toText(total("Response Received", field("tokens"))),
    cost: toText(total("Response Received", field("cost")), 2),
  }
}

const field =
  (name: string) =>
  (properties: JsonObject): Decimal =>
    decimal(properties[name]) ?? 0n

const worth = (order: JsonObject): Decimal =>
  decimal(order.revenue) ?? decimal(order.total) ?? linesOf(order).reduce((sum, line) => sum + lineWorth(line), 0n)

const lineWorth = (line: JsonObject): Decimal => times(field("price")(line), decimal(line.quantity ?? 1) ?? 0n)

const linesOf = ({ products }: JsonObject) => (Array.isArray(products) ? products.filter(isLine) : [])

const isLine = (line: Json): line is JsonObject => typeof line === "object" && line !== null && !Array.isArray(line)
