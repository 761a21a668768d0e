import { shortHash } from "#core/hash.ts"
import type { Place, Zone } from "#core/zone.ts"
import type { Event } from "#events/event.ts"
import { type Amount, metrics } from "#metrics/catalogue.ts"
import type { Dimension, Dims } from "#metrics/dimension.ts"
import type { Sketch } from "#science/sketch.ts"
import type { Customer } from "./customer.ts"

/** What became of the records of one source in one hour: received = counted + duplicate + rejected + quarantined. */
export type Tallied = { received: number; counted: number; duplicate: number; rejected: number; quarantined: number }

/** An event in quarantine. */
export type Lain = { event: Event; source: string; receivedAt: string }

/** Amounts by the number of their metric: every event adds to some thirty of them, which by name took twice as long. */
export type Amounts = (Amount | undefined)[]
export const metricNames = Object.keys(metrics)
const numbers = new Map(metricNames.map((name, number) => [name, number]))
export const metricNumber = (name: string) => numbers.get(name)!
export const noAmounts = (): Amounts => new Array<Amount | undefined>(metricNames.length)

/**
 * All that a fold knows and has changed. It begins with what the views say of the customers and messages at hand
 * (nothing, for a recount) and takes entries in; its increments are added to the views, or shown on top of them.
 */
export type Memory = {
  zone: Zone
  /** ISO 4217. */
  currency: string
  /** What a recount keeps beyond the views: hours instead of days under every key, and one more dimension of sets. */
  detail: { hourly?: boolean; dimension?: Dimension }
  /** The last entry taken in. */
  position: number
  /** When that was appended; undefined before the first. */
  at: string | undefined
  /** The local day on which that was: what happens on an earlier one comes late. */
  today: string
  /** Ordinals are given from here on. */
  customerCount: number

  customers: Map<string, Customer>
  /** Identifier → the identifier it was merged into. */
  pointers: Map<string, string>
  changedCustomers: Set<string>
  changedPointers: Set<string>
  /** Older positions of customers' entries that left their rows. */
  spilled: { id: string; upTo: number; entries: number[] }[]
  /** Day → short hashes of the messages counted (or otherwise settled) before. */
  seen: Map<string, Set<string>>
  fresh: Map<string, Set<string>>
  /** Position → which of the entry's events had been settled before, if others counted. */
  copies: Map<number, number[]>

  /** Day → hour (0…24) → amounts. */
  hours: Map<string, Map<number, Amounts>>
  /** What the last event was added to: what it changes of its session and its customer goes there too, as a rule. */
  targets: { dims: Dims; place: Place; all: Amounts[] } | undefined
  /** Day → the part of its amounts that was appended when the day was over. */
  late: Map<string, Amounts>
  /** Dimension → key → stamp → amounts. A stamp is a day, or an hour of a day (`2026-01-31T05`) in detail. */
  breakdowns: Map<string, Map<string, Map<string, Amounts>>>
  /** Sketch → dimension ("" for none) → key → stamp → sketch. */
  sketches: Map<string, Map<string, Map<string, Map<string, Sketch>>>>
  /** Set → dimension ("" for none) → key → month (day) → ordinal → its days (hours) as bits. */
  sets: Map<string, Map<string, Map<string, Map<string, Map<number, number>>>>>
  /** Ordinals that have become other names, with the months in which they may stand. */
  merged: Map<number, { into: number; from: string; to: string }>
  /** Hour in UTC (`2026-01-31T12`) → source → what became of its records. */
  ledger: Map<string, Map<string, Tallied>>
  quarantined: Lain[]
  /** Message ids whose quarantine ended. */
  released: { id: string; receivedAt: string }[]
}

export const emptyMemory = (start: {
  zone: Zone
  currency: string
  position?: number
  customerCount?: number
  detail?: Memory["detail"]
}): Memory => ({
  zone: start.zone,
  currency: start.currency,
  detail: start.detail ?? {},
  position: start.position ?? 0,
  at: undefined,
  today: "",
  customerCount: start.customerCount ?? 0,
  customers: new Map(),
  pointers: new Map(),
  changedCustomers: new Set(),
  changedPointers: new Set(),
  spilled: [],
  seen: new Map(),
  fresh: new Map(),
  copies: new Map(),
  hours: new Map(),
  targets: undefined,
  late: new Map(),
  breakdowns: new Map(),
  sketches: new Map(),
  sets: new Map(),
  merged: new Map(),
  ledger: new Map(),
  quarantined: [],
  released: [],
})

/** The value at a key, made by `make` when it is not there. */
export function getOr<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const there = map.get(key)
  if (there !== undefined) return there
  const made = make()
  map.set(key, made)
  return made
}

/** The map at a key of a map of maps, made when it is not there. */
export function mapAt<K, A, B>(map: Map<K, Map<A, B>>, key: K): Map<A, B> {
  const there = map.get(key)
  if (there !== undefined) return there
  const made = new Map<A, B>()
  map.set(key, made)
  return made
}

/** Whole numbers with whole numbers, decimals with decimals: a metric always gives the same kind. */
export const sum = (a: Amount | undefined, b: Amount): Amount =>
  a === undefined ? b : (((a as number) + (b as number)) as Amount)

/** The identifier that stands for this one. */
export function rootOf(memory: Pick<Memory, "pointers">, id: string): string {
  let root = id
  for (let next = memory.pointers.get(root); next !== undefined; next = memory.pointers.get(root)) root = next
  return root
}

/** Where a quarantined event lies: by when it was received, then by its message id. */
export const quarantineKey = (receivedAt: string, id: string) => `${receivedAt}#${shortHash(id)}`
