import type { Message } from "#events/message.ts"
import type { Day } from "./calendar.ts"
import type { Next } from "./distributions.ts"

export type BusinessName = "shop" | "academy" | "assistant"

/** A message before it has its id and its time. */
export type Told = Omit<Message, "messageId" | "timestamp">

/** What a business may use: numbers that the seed decides, its size, and a way to tell what happens and when. */
export type World = { next: Next; scale: number; tell(at: number, message: Told): void }

export type Business = {
  timeZone: string
  currency: string
  /** Opens for business; what comes back lives through one day, telling nothing from before it. */
  open(world: World): (day: Day) => void
}

/** An amount of smallest units as a decimal: `amount(1250)` is "12.50". */
export const amount = (units: number, places = 2) => {
  const digits = String(units).padStart(places + 1, "0")
  return `${digits.slice(0, -places)}.${digits.slice(-places)}`
}
