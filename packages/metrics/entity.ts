import type { Decimal } from "#core/decimal.ts"

/**
 * What a customer's history is made of, besides single events. Each is a function of the customer's events in the
 * journal's order, and each stands at one instant; when it changes, what it gave before is taken back.
 */
export type Session = {
  /** Events without a pause of 30 minutes, or those that name the same session. */
  start: number
  end: number
  events: number
  pages: number
  converted: boolean
}

/** A customer's first event. */
export type Arrival = { at: number }

/** A subscription that began, ended, or moved: what it added to (or took from) a plan at that instant. */
export type Move = { at: number; active: -1 | 0 | 1; mrr: Decimal }

/** A ticket that has been resolved; seconds from opening, or as stated. */
export type Resolution = { at: number; seconds: Decimal }

export type Entities = { session: Session; arrival: Arrival; move: Move; resolution: Resolution }
export type EntityName = keyof Entities
