import { HOUR, MINUTE, SECOND } from "#core/clock.ts"
import { decimal, toNumber } from "#core/decimal.ts"
import type { Batch, Event, Json } from "#events/event.ts"
import { at, isObject, textOf } from "#metrics/fact.ts"
import { addTo, emptySketch, mergeInto, type Sketch, TOO_LARGE } from "#science/sketch.ts"
import type { Entry } from "#store/journal.ts"

/**
 * What one source sent in one hour (UTC, by when it was received), as far as its quality can be told from it. A pure
 * function of the journal, copies included: whose counts must be exact are the ledger's.
 */
export type Hour = {
  events: number
  /** Events in each minute of the hour. */
  minutes: number[]
  /** Seconds from when an event happened until we heard of it. */
  lag: Sketch
  maxLag: number
  /** Events that by their own clock happen later than we heard of them. */
  ahead: number
  /** Events older than a day when they came: imports and phones that were off. They have no part in the lag. */
  old: number
  /** Events whose clock was wrong and, because the client told its own time, could be put right. */
  corrected: number
  names: Record<string, { n: number; fields: Record<string, number> }>
  /** Field → value → events. */
  values: Record<string, Record<string, number>>
  /** `Order Completed.revenue` → its amounts. */
  amounts: Record<string, Sketch>
  /** Code and field → records that were refused or quarantined for it. */
  reasons: Record<string, number>
}

/** One source's day: its hours (`00` to `23`, UTC), true up to a position of the journal. */
export type Day = { position: number; hours: Record<string, Hour> }

/** Names come from strangers: one called `constructor` must be a name like any other. */
const table = <T>(): Record<string, T> => Object.create(null) as Record<string, T>

export const emptyHour = (): Hour => ({
  events: 0,
  minutes: new Array(60).fill(0),
  lag: emptySketch(),
  maxLag: 0,
  ahead: 0,
  old: 0,
  corrected: 0,
  names: table(),
  values: table(),
  amounts: table(),
  reasons: table(),
})

/** Bounds on what one hour of one source keeps; what is beyond is not looked at. */
const MOST_NAMES = 100
const MOST_FIELDS = 60
const MOST_VALUES = 50
const OTHER = "(other)"
/** Clocks that differ by less are called right. */
export const AHEAD_MS = 5 * MINUTE
const OLD_MS = 24 * HOUR

/** Adds an entry to the days it belongs to, except where a day has it already. */
export function observe(dayOf: (day: string, source: string) => Day, { position, batches }: Entry) {
  for (const batch of batches) {
    const day = dayOf(batch.receivedAt.slice(0, 10), batch.source)
    if (position > day.position) observeBatch(day, batch)
  }
}

function observeBatch(day: Day, batch: Batch) {
  const name = batch.receivedAt.slice(11, 13)
  day.hours[name] ??= emptyHour()
  const hour = day.hours[name]
  for (const { code } of batch.rejected ?? []) count(hour.reasons, code, MOST_VALUES)
  const received = Date.parse(batch.receivedAt)
  for (const event of batch.events) {
    if (event.released) continue
    hour.minutes[Number(batch.receivedAt.slice(14, 16))]!++
    if (event.quarantine) count(hour.reasons, reasonOf(event), MOST_VALUES)
    else observeEvent(hour, event, received)
  }
}

const reasonOf = ({ event, quarantine }: Event) =>
  `${quarantine!.code} ${event ?? ""} ${quarantine!.field}`.slice(0, 200)

function observeEvent(hour: Hour, event: Event, received: number) {
  hour.events++
  observeTime(hour, event, received)
  const name = nameOf(event)
  if (!Object.hasOwn(hour.names, name)) {
    if (Object.keys(hour.names).length >= MOST_NAMES) return
    hour.names[name] = { n: 0, fields: table() }
  }
  const named = hour.names[name]!
  named.n++
  for (const field of fieldsOf(event)) count(named.fields, field, MOST_FIELDS, false)
  for (const [field, read] of Object.entries(watched)) {
    const value = read(event)
    if (value === undefined) continue
    hour.values[field] ??= table()
    count(hour.values[field], value.slice(0, 60), MOST_VALUES)
  }
  for (const field of amountFields) {
    const amount = decimal(event.properties?.[field])
    if (amount === undefined || amount < 0n) continue
    const number = toNumber(amount)
    hour.amounts[`${name}.${field}`] ??= emptySketch()
    if (number < TOO_LARGE) addTo(hour.amounts[`${name}.${field}`]!, number)
  }
}

function observeTime(hour: Hour, event: Event, received: number) {
  if (event.original !== undefined) hour.corrected++
  if (event.undated) return
  const lag = received - Date.parse(event.at)
  if (lag > OLD_MS) hour.old++
  else {
    if (lag < -AHEAD_MS) hour.ahead++
    addTo(hour.lag, Math.max(0, lag) / SECOND)
    hour.maxLag = Math.max(hour.maxLag, lag / SECOND)
  }
}

/** Fields whose distribution is watched. */
const watched: Record<string, (event: Event) => string | undefined> = {
  currency: ({ properties }) => textOf(properties?.currency)?.toUpperCase(),
  country: ({ properties, context, traits }) =>
    textOf(properties?.country) ?? textOf(at(context, "location", "country")) ?? textOf(traits?.country),
  plan: ({ properties, traits }) => textOf(properties?.plan) ?? textOf(traits?.plan),
}
const amountFields = ["revenue", "total", "amount", "price"] as const

/** A track event's own name, else the call's. */
export const nameOf = ({ type, event }: Pick<Event, "type" | "event">) =>
  type === "track" ? (event ?? "track").slice(0, 200) : type

/** What an event has: paths of its first level that say something. */
export function fieldsOf(event: Event): string[] {
  const part = event.type === "identify" || event.type === "group" ? "traits" : "properties"
  const own = (["userId", "anonymousId"] as const).filter((id) => event[id] !== undefined)
  return [...own, ...saying(event[part]).map((field) => `${part}.${field}`)]
}

const saying = (object: Json | undefined) =>
  isObject(object) ? Object.keys(object).filter((key) => object[key] !== null && object[key] !== "") : []

function count(counts: Record<string, number>, key: string, most: number, other = true) {
  const known = Object.hasOwn(counts, key)
  if (!known && Object.keys(counts).length >= most) {
    if (other) counts[OTHER] = (counts[OTHER] ?? 0) + 1
    return
  }
  counts[key] = (known ? counts[key]! : 0) + 1
}

/** Several hours as one; none of them is changed. */
export function together(hours: Iterable<Hour>): Hour {
  const sum = emptyHour()
  for (const hour of hours) {
    sum.events += hour.events
    sum.ahead += hour.ahead
    sum.old += hour.old
    sum.corrected += hour.corrected
    sum.maxLag = Math.max(sum.maxLag, hour.maxLag)
    for (let i = 0; i < 60; i++) sum.minutes[i]! += hour.minutes[i]!
    mergeInto(sum.lag, hour.lag)
    for (const [name, { n, fields }] of Object.entries(hour.names)) {
      sum.names[name] ??= { n: 0, fields: table() }
      sum.names[name].n += n
      addCounts(sum.names[name].fields, fields)
    }
    for (const [field, values] of Object.entries(hour.values)) {
      sum.values[field] ??= table()
      addCounts(sum.values[field], values)
    }
    for (const [field, sketch] of Object.entries(hour.amounts)) {
      sum.amounts[field] ??= emptySketch()
      mergeInto(sum.amounts[field], sketch)
    }
    addCounts(sum.reasons, hour.reasons)
  }
  return sum
}

function addCounts(into: Record<string, number>, counts: Record<string, number>) {
  for (const [key, n] of Object.entries(counts)) into[key] = (into[key] ?? 0) + n
}
