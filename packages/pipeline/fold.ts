import { shortHash } from "#core/hash.ts"
import { addDays, type Place } from "#core/zone.ts"
import type { Batch, Event } from "#events/event.ts"
import {
  type Amount,
  type Distinct,
  type Entity,
  type Metric,
  metrics,
  sketches,
  type Tally,
} from "#metrics/catalogue.ts"
import {
  type Dimension,
  type Dims,
  dimsOf,
  type EventDimension,
  isLineDimension,
  type LineDimension,
  lineDimensionNames,
  lineDimensions,
  sketchDimensions,
} from "#metrics/dimension.ts"
import type { Entities, EntityName } from "#metrics/entity.ts"
import { type Fact, factOf } from "#metrics/fact.ts"
import { addTo, emptySketch, TOO_LARGE } from "#science/sketch.ts"
import type { Entry } from "#store/journal.ts"
import { absorb, type Customer, type Give, learn, newCustomer, RECENT_ENTRIES, take } from "./customer.ts"
import {
  type Amounts,
  getOr,
  type Memory,
  mapAt,
  metricNumber,
  noAmounts,
  rootOf,
  sum,
  type Tallied,
} from "./memory.ts"

/**
 * What a question wants of the journal: events that pass, and what stands in dimensions that pass (sessions, first
 * visits, subscriptions, resolutions). Without `dims` the events that do not pass never were.
 */
export type Wanted = { event: (fact: Fact) => boolean; dims?: (dims: Dims) => boolean }

/**
 * The fold: every number is what this makes of the journal. The same function folds live, shows the tail of a read,
 * replays and recounts. It reads no clock, draws no number and waits for nothing: what it needs of the views has been
 * put into `memory` before (see `needsOf`).
 */
export function fold(memory: Memory, entry: Entry, filter?: Wanted) {
  memory.today = memory.zone.place(Date.parse(entry.at)).day
  memory.targets = undefined
  let [index, counted] = [0, 0]
  for (const batch of entry.batches) {
    counted += foldBatch(memory, batch, entry.position, index, filter)
    index += batch.events.length
  }
  // No timeline leads to an entry of which nothing counted.
  if (counted === 0) memory.copies.delete(entry.position)
  memory.position = entry.position
  memory.at = entry.at
}

/** Which messages' days and which identifiers the fold will ask its memory for. */
export function needsOf(entries: readonly Entry[]) {
  const days = new Set<string>()
  const ids = new Set<string>()
  for (const { batches } of entries) {
    for (const batch of batches) {
      for (const event of batch.events) {
        for (const day of seenDays(event)) days.add(day)
        for (const id of [event.userId, event.anonymousId, event.previousId]) if (id !== undefined) ids.add(id)
      }
      if (batch.rejected?.length) for (const day of around(batch.receivedAt.slice(0, 10))) days.add(day)
    }
  }
  return { days, ids }
}

const around = (day: string) => [day, addDays(day, -1), addDays(day, 1)]
/** A retry carries the same time, so it is looked for on that day; without a time of its own, on the days around. */
export const seenDays = (event: Event) => {
  const day = (event.original ?? event.at).slice(0, 10)
  return event.undated ? around(day) : [day]
}

/** How many of its events counted; `first` is the index of the first in its entry. */
function foldBatch(memory: Memory, batch: Batch, position: number, first: number, filter: Wanted | undefined) {
  const ledger = ledgerOf(memory, batch.receivedAt, batch.source)
  const receivedDay = batch.receivedAt.slice(0, 10)
  for (const { index } of batch.rejected ?? []) {
    ledger.received++
    ledger[isNew(memory, `rejected:${batch.id}:${index}`, around(receivedDay)) ? "rejected" : "duplicate"]++
  }
  let [index, counted] = [first - 1, 0]
  for (const event of batch.events) {
    index++
    const days = seenDays(event)
    if (event.quarantine) {
      ledger.received++
      if (isNew(memory, `quarantined:${event.id}`, days)) {
        ledger.quarantined++
        memory.quarantined.push({ event, source: batch.source, receivedAt: batch.receivedAt })
      } else ledger.duplicate++
      continue
    }
    let account = ledger
    if (event.released) {
      if (!isNew(memory, `released:${event.id}`, days)) {
        noteCopy(memory, position, index)
        continue
      }
      memory.released.push({ id: event.id, receivedAt: event.released.receivedAt })
      account = ledgerOf(memory, event.released.receivedAt, batch.source)
      account.quarantined--
    } else account.received++
    if (!isNew(memory, event.id, days)) {
      account.duplicate++
      noteCopy(memory, position, index)
      continue
    }
    account.counted++
    counted++
    foldEvent(memory, event, batch.source, position, filter)
  }
  return counted
}

const noteCopy = (memory: Memory, position: number, index: number) =>
  void getOr(memory.copies, position, (): number[] => []).push(index)

function ledgerOf(memory: Memory, receivedAt: string, source: string): Tallied {
  const hour = getOr(memory.ledger, receivedAt.slice(0, 13), () => new Map<string, Tallied>())
  return getOr(hour, source, () => ({ received: 0, counted: 0, duplicate: 0, rejected: 0, quarantined: 0 }))
}

/** Whether nothing with this id was seen on any of the days; it is noted on the first. */
function isNew(memory: Memory, id: string, days: readonly string[]) {
  const hash = shortHash(id)
  for (const day of days) if (memory.seen.get(day)?.has(hash) || memory.fresh.get(day)?.has(hash)) return false
  getOr(memory.fresh, days[0]!, () => new Set<string>()).add(hash)
  return true
}

/** Whether a message with this id has been taken in already. What the views say of its days must be in the memory. */
export function isTaken(memory: Memory, event: Event): boolean {
  const hash = shortHash(event.id)
  return seenDays(event).some((day) => memory.seen.get(day)?.has(hash) || memory.fresh.get(day)?.has(hash))
}

function foldEvent(memory: Memory, event: Event, source: string, position: number, filter: Wanted | undefined) {
  const give: Give = (entity, before, after, ms, dims) => {
    if (filter?.dims?.(dims) !== false) giveEntity(memory, entity, before, after, ms, dims)
  }
  const customer = identify(memory, event, give)
  const ms = Date.parse(event.at)
  learn(customer, event, ms)
  const fact = factOf(event, source, customer.traits, memory.currency)
  const isWanted = filter === undefined || filter.event(fact)
  if (!isWanted && !filter.dims) return
  const dims = dimsOf(fact)
  const place = memory.zone.place(ms)
  remember(memory, customer, position)
  take(customer, fact, ms, dims, give)
  if (!isWanted) return

  const named = getOr(listening, fact.name, () => listeningTo(fact.name))
  const targets = targetsOf(memory, dims, place)
  for (const [number, metric] of named.tallies) {
    const amount = metric.value(fact)
    if (amount === undefined) continue
    for (const amounts of targets) amounts[number] = sum(amounts[number], amount)
    if (fact.lines.length > 0) tallyLines(memory, number, metric, amount, fact, place)
  }
  for (const [name, metric] of named.distincts) note(memory, name, metric, customer.ordinal, fact, dims, place)
  for (const [name, sketch] of named.sketches) {
    const value = sketch.value(fact)
    if (value === undefined || value < 0 || value >= TOO_LARGE) continue
    const when = stamp(memory, place)
    addTo(sketchAt(memory, name, "", "", when), value)
    for (const [dimension, key] of keysOf(memory, sketchDimensions, fact, dims))
      addTo(sketchAt(memory, name, dimension, key, when), value)
  }
}

/** A row keeps the positions of its last entries; when there are twice as many, the older ones are spilled. */
function remember(memory: Memory, customer: Customer, position: number) {
  if (customer.entries.at(-1) === position) return
  customer.entries.push(position)
  if (customer.entries.length < 2 * RECENT_ENTRIES) return
  const entries = customer.entries.splice(0, customer.entries.length - RECENT_ENTRIES)
  customer.spilled = (customer.spilled ?? 0) + entries.length
  memory.spilled.push({ id: customer.id, upTo: customer.spilled, entries })
}

type SketchRule = (typeof sketches)[keyof typeof sketches]
type Listening = { tallies: [number, Tally][]; distincts: [string, Distinct][]; sketches: [string, SketchRule][] }

/** Which metrics listen to an event of a name: worked out when the first comes. Names are the catalogue's, so they are few. */
const listening = new Map<string | undefined, Listening>()

function listeningTo(name: string | undefined): Listening {
  const hears = (on: readonly string[]) => on.includes("*") || (name !== undefined && on.includes(name))
  const all = Object.entries<Metric>(metrics)
  return {
    tallies: all.flatMap(([name, metric]): [number, Tally][] =>
      metric.kind === "tally" && hears(metric.on) ? [[metricNumber(name), metric]] : [],
    ),
    distincts: all.filter((pair): pair is [string, Distinct] => pair[1].kind === "distinct" && hears(pair[1].on)),
    sketches: Object.entries<SketchRule>(sketches).filter(([, rule]) => hears(rule.on)),
  }
}

const entityMetrics = Map.groupBy(
  Object.entries<Metric>(metrics).flatMap(([name, metric]): [number, Entity][] =>
    metric.kind === "entity" ? [[metricNumber(name), metric]] : [],
  ),
  ([, metric]) => metric.of,
)

/** What an entity gives to its metrics: the difference of what it gave before and gives now. */
function giveEntity<E extends EntityName>(
  memory: Memory,
  entity: E,
  before: Entities[E] | undefined,
  after: Entities[E] | undefined,
  ms: number,
  dims: Dims,
) {
  let targets: Amounts[] | undefined
  for (const [number, metric] of entityMetrics.get(entity) ?? []) {
    const value = (metric as { value: (entity: Entities[E]) => Amount | undefined }).value
    const given = (before && value(before)) || undefined
    const gives = (after && value(after)) || undefined
    if (given === gives) continue
    const difference = sum(
      given === undefined ? undefined : (-given as Amount),
      gives ?? ((typeof given === "bigint" ? 0n : 0) as Amount),
    )
    targets ??= targetsOf(memory, dims, memory.zone.place(ms))
    for (const amounts of targets) amounts[number] = sum(amounts[number], difference)
  }
}

/** Where what an event counts is added to: its hour, its day under each of its keys, and what came late for that day. */
function targetsOf(memory: Memory, dims: Dims, place: Place): Amounts[] {
  if (memory.targets?.dims === dims && memory.targets.place === place) return memory.targets.all
  const targets = [hourAt(memory, place)]
  if (place.day < memory.today) targets.push(getOr(memory.late, place.day, noAmounts))
  const when = stamp(memory, place)
  for (const dimension in dims) targets.push(keyAt(memory, dimension, dims[dimension as EventDimension]!, when))
  memory.targets = { dims, place, all: targets }
  return targets
}

const hourAt = (memory: Memory, { day, hour }: Place): Amounts => getOr(mapAt(memory.hours, day), hour, noAmounts)

const keyAt = (memory: Memory, dimension: string, key: string, when: string): Amounts =>
  getOr(mapAt(mapAt(memory.breakdowns, dimension), key), when, noAmounts)

function tallyLines(memory: Memory, number: number, metric: Tally, amount: Amount, fact: Fact, place: Place) {
  const when = stamp(memory, place)
  for (const dimension of lineDimensionNames) {
    for (const [key, part] of lineParts(fact, dimension, metric, amount)) {
      const amounts = keyAt(memory, dimension, key, when)
      amounts[number] = sum(amounts[number], part)
    }
  }
}

/** What each product (or category) of an event gets of its amount. */
function lineParts(fact: Fact, dimension: LineDimension, metric: Tally, amount: Amount): Map<string, Amount> {
  const parts = new Map<string, Amount>()
  for (const line of fact.lines) {
    const key = lineDimensions[dimension](line)
    const part = metric.line ? metric.line(line, fact) : amount
    if (key === undefined || part === undefined) continue
    parts.set(key, metric.line ? sum(parts.get(key), part) : part)
  }
  return parts
}

const sketchAt = (memory: Memory, name: string, dimension: string, key: string, when: string) =>
  getOr(
    getOr(
      getOr(
        getOr(memory.sketches, name, () => new Map()),
        dimension,
        () => new Map(),
      ),
      key,
      () => new Map(),
    ),
    when,
    emptySketch,
  )

const stamp = ({ detail }: Memory, { day, hour }: Place) =>
  detail.hourly ? `${day}T${String(hour).padStart(2, "0")}` : day

/** The keys that an event has in the dimensions that something is kept by, and in the one asked for besides. */
function keysOf({ detail }: Memory, kept: readonly EventDimension[], fact: Fact, dims: Dims): [Dimension, string][] {
  const keys: [Dimension, string][] = []
  for (const dimension of kept) if (dims[dimension] !== undefined) keys.push([dimension, dims[dimension]])
  const more = detail.dimension
  if (more === undefined || kept.includes(more as EventDimension)) return keys
  if (isLineDimension(more)) {
    const values = new Set(fact.lines.map((line) => lineDimensions[more](line)))
    return [
      ...keys,
      ...[...values].flatMap((value): [Dimension, string][] => (value === undefined ? [] : [[more, value]])),
    ]
  }
  return dims[more] === undefined ? keys : [...keys, [more, dims[more]]]
}

/** Sets a customer's bit for a day, for the whole and for each dimension that the set is kept by. */
function note(
  memory: Memory,
  name: string,
  metric: Distinct,
  ordinal: number,
  fact: Fact,
  dims: Dims,
  { day, hour }: Place,
) {
  const [period, slot] = memory.detail.hourly ? [day, hour] : [day.slice(0, 7), Number(day.slice(8)) - 1]
  const dimensions = getOr(memory.sets, name, () => new Map())
  setBit(
    getOr(dimensions, "", () => new Map()),
    "",
    period,
    ordinal,
    1 << slot,
  )
  for (const [dimension, key] of keysOf(memory, metric.dimensions, fact, dims)) {
    setBit(
      getOr(dimensions, dimension, () => new Map()),
      key,
      period,
      ordinal,
      1 << slot,
    )
  }
}

function setBit(
  keys: Map<string, Map<string, Map<number, number>>>,
  key: string,
  month: string,
  ordinal: number,
  bit: number,
) {
  const members = getOr(
    getOr(keys, key, () => new Map()),
    month,
    () => new Map<number, number>(),
  )
  members.set(ordinal, (members.get(ordinal) ?? 0) | bit)
}

/**
 * Whose event it is. A user id and an anonymous id that come together are one customer, unless the anonymous id already
 * belongs to another user (a shared device); `alias` joins two whatever they are. Joining again changes nothing.
 */
function identify(memory: Memory, event: Event, give: Give): Customer {
  const { userId, anonymousId, previousId } = event
  const customer = customerOf(memory, (userId ?? anonymousId)!)
  if (userId !== undefined && !customer.known) customer.known = true
  if (event.type === "alias" && previousId !== undefined) unite(memory, customer, previousId, true, give)
  if (userId !== undefined && anonymousId !== undefined) unite(memory, customer, anonymousId, false, give)
  memory.changedCustomers.add(customer.id)
  return customer
}

function customerOf(memory: Memory, id: string): Customer {
  const root = rootOf(memory, id)
  return getOr(memory.customers, root, () => newCustomer(root, ++memory.customerCount))
}

function unite(memory: Memory, into: Customer, id: string, evenIfKnown: boolean, give: Give) {
  const root = rootOf(memory, id)
  if (root === into.id) return
  const other = memory.customers.get(root)
  if (other) {
    if (other.known && !evenIfKnown) return
    merge(memory, into, other, give)
  } else {
    into.aliases = [...new Set([...(into.aliases ?? []), root])].sort()
  }
  memory.pointers.set(root, into.id)
  memory.changedPointers.add(root)
}

function merge(memory: Memory, into: Customer, from: Customer, give: Give) {
  const span = {
    from: from.events > 0 ? memory.zone.place(from.firstSeen).day.slice(0, 7) : "",
    to: from.events > 0 ? memory.zone.place(from.lastSeen).day.slice(0, 7) : "",
  }
  absorb(into, from, give)
  memory.customers.delete(from.id)
  memory.changedCustomers.delete(from.id)
  memory.merged.set(from.ordinal, { into: into.ordinal, ...span })
}
