/** The six calls of the Segment HTTP Tracking API. */
export const eventTypes = ["track", "identify", "page", "screen", "group", "alias"] as const
export type EventType = (typeof eventTypes)[number]

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

/**
 * One thing that happened, as the journal keeps it: the one envelope for everything that comes in.
 * It is parsed at the door (`message.ts`) and trusted inside.
 */
export type Event = {
  /** The message id: unique within the tenant; the same id twice is the same fact. */
  id: string
  type: EventType
  /** A track event's or page's own name, as it was sent. */
  event?: string
  /** When it happened, ISO 8601 in UTC, corrected for the client's clock. */
  at: string
  /** When it happened by the client's own clock, only if that differs from `at`. A retry carries the same. */
  original?: string
  /** The client gave no time: `at` is when we heard. */
  undated?: true
  userId?: string
  anonymousId?: string
  previousId?: string
  groupId?: string
  properties?: JsonObject
  traits?: JsonObject
  context?: JsonObject
  /** Present when the event broke its own type's schema: it is kept, listed and can be released, but not counted. */
  quarantine?: Reason
  /** A released event: where its first, quarantined copy stands in the ledger. */
  released?: { receivedAt: string }
}

/** Why a record was refused or quarantined: a stable code, a path into the record, and what to do. */
export type Reason = { code: string; field: string; message: string }

/** A record of a request that was refused: only its place and the reason are kept. */
export type Rejection = Reason & { index: number }

/**
 * What one accepted request carried for one tenant: immutable, with a derived id, so that a client's retry,
 * a queue's redelivery and a dead letter's redrive all carry the same one.
 */
export type Batch = {
  id: string
  /** The id of the source, such as a tracking key's or a webhook's. */
  source: string
  /** ISO 8601 in UTC. */
  receivedAt: string
  events: Event[]
  /** Places of the request that were refused, for the conservation ledger. */
  rejected?: { index: number; code: string }[]
}
