import { instant } from "#core/clock.ts"
import { seededNumbers } from "#core/random.ts"
import type { Message } from "#events/message.ts"
import { academy } from "./academy.ts"
import { assistant } from "./assistant.ts"
import { calendar } from "./calendar.ts"
import { chance, type Next } from "./distributions.ts"
import { uuid } from "./people.ts"
import { shop } from "./shop.ts"
import type { Business, BusinessName, Told } from "./world.ts"

export const businesses = { shop, academy, assistant } satisfies Record<BusinessName, Business>

export type Simulation = {
  seed: number
  business: BusinessName
  /** The first day, by the business's own calendar, such as 2026-01-31. */
  from: string
  days: number
  /** Size of the business; 1 if absent. */
  scale?: number
}

/**
 * The tracking calls of an invented business, in time order. The same options give the same calls, byte for byte,
 * and more days only add calls at the end. About one record in a thousand breaks its own type's schema.
 */
export function* simulate({ seed, business, from, days, scale = 1 }: Simulation): Generator<Message> {
  const told: { at: number; message: Told }[] = []
  const live = businesses[business].open({
    next: seededNumbers(seed),
    scale,
    tell: (at, message) => void told.push({ at, message }),
  })
  const dayOf = calendar(from, businesses[business].timeZone)
  const finish = finisher(seededNumbers(seed ^ 0x0c7a47))
  for (let index = 0; index < days; index++) {
    const day = dayOf(index)
    live(day)
    told.sort((a, b) => a.at - b.at)
    const later = told.findIndex(({ at }) => at >= day.end)
    for (const { at, message } of told.splice(0, later < 0 ? told.length : later)) yield finish(at, message)
  }
}

const BROKEN = 0.001

/** What breaks a record of a type: never one that says who somebody is. */
const flaws: Record<string, object> = {
  "Product Viewed": { price: "12,50" },
  "Product Added": { quantity: "two" },
  "Order Completed": { revenue: "-19.99" },
  "Satisfaction Rated": { rating: 9 },
  "Lesson Completed": { lesson_id: "" },
  "Feature Used": { feature: "" },
  "Message Sent": { session_id: false },
  "Response Received": { tokens: -120 },
}

/** Gives each call its id and its time, and breaks the few: a draw that falls on a sound type is owed by the next that can break. */
function finisher(next: Next) {
  let owed = 0
  return (at: number, { type, ...told }: Told): Message => {
    const message: Message = { type, messageId: uuid(next), timestamp: instant(at), ...told }
    if (chance(next, BROKEN)) owed++
    const flaw = flaws[message.event ?? ""]
    if (owed === 0 || !flaw) return message
    owed--
    return { ...message, properties: { ...message.properties, ...flaw } }
  }
}
