import { shortHash } from "#core/hash.ts"
import { limits, type Message } from "#events/message.ts"
import { iso, known } from "./generic.ts"

/** Whom a message is about: a customer, or for want of one the resource itself. */
export type Who = { userId: string; anonymousId?: string } | { anonymousId: string }

/** One fact at a vendor: the id that all its tellings share, when it happened there, and whom it is about. */
export type Fact = { id: string; at: string | undefined; who: Who }

export const track = (event: string, { id, at, who }: Fact, properties: Record<string, unknown>): Message => ({
  type: "track",
  event: event.slice(0, limits.nameLength).toWellFormed(),
  messageId: id,
  timestamp: at,
  ...who,
  properties: known(properties),
})

/** What is known of a customer, as a list of one message, or of none if that is nothing. */
export function identify({ id, at, who }: Fact, traits: Record<string, unknown>): Message[] {
  const told = known(traits)
  return Object.keys(told).length === 0
    ? []
    : [{ type: "identify", messageId: id, timestamp: at, ...who, traits: told }]
}

/** An id made of what is known of its parts; what would be too long for the door is hashed behind the first. */
export function idOf(vendor: string, ...parts: (string | undefined)[]): string {
  const id = [vendor, ...parts.filter((part) => part !== undefined)].join(":")
  return id.length <= limits.idLength ? id : `${vendor}:${shortHash(id)}`
}

const EXCERPT = 2000

/** The first words, never half of a character. */
export const excerpt = (words: unknown) =>
  typeof words === "string" && words !== "" ? words.slice(0, EXCERPT).toWellFormed() : undefined

/** Whole seconds from one instant to a later one; `undefined` if either is unknown. */
export function seconds(from: unknown, to: unknown): number | undefined {
  const [start, end] = [iso(from), iso(to)]
  if (start === undefined || end === undefined || end < start) return undefined
  return Math.round((Date.parse(end) - Date.parse(start)) / 1000)
}

/** A user known by nothing but an address. Addresses differ in case without being different. */
export const emailId = (address: string) => `email:${address.trim().toLowerCase()}`
