import { LRUCache } from "lru-cache"
import type { Clock } from "#core/clock.ts"
import { breath } from "#core/parallel.ts"
import { zoneOf } from "#core/zone.ts"
import type { Event } from "#events/event.ts"
import type { BlockKind, Fragment } from "#metrics/block.ts"
import { entriesAfter, eventsIn } from "#store/journal.ts"
import { keys, type TenantId, timelineKey } from "#store/keys.ts"
import type { Item, Table } from "#store/table.ts"
import { type Head, readHead } from "#store/views.ts"
import type { Customer } from "./customer.ts"
import { fold, isTaken, seenDays, type Wanted } from "./fold.ts"
import { fragmentsOf, renaming } from "./fragments.ts"
import { emptyMemory, getOr, type Lain, type Memory, quarantineKey, rootOf } from "./memory.ts"
import { allRows, type CustomerRow, rowsOf } from "./pages.ts"
import { Moved, memoryOf, prepare, prepareDays, type Snapshot, snapshotAt, unmoved } from "./snapshot.ts"

/**
 * What can be asked at one position of the journal: `views ⊕ fold(entries after the views)`. Exact at every moment,
 * in the middle of a fold too.
 */
export type Reading = {
  position: number
  /** What of it lies in the views already; `undefined` where there are none. */
  views?: { position: number; version: number }
  /** When the last entry was appended; `undefined` for an empty journal. */
  at: string | undefined
  zone: string
  currency: string
  /** Everything counted under a kind with keys in [from, to]; fragments of one key add up. */
  fragments(kind: BlockKind, from: string, to: string): Promise<Fragment[]>
  /** Sets hold ordinals: which one stands for an ordinal now. */
  rename(ordinal: number): number
  customer(id: string): Promise<Customer | undefined>
  /** All customers, in no particular order: for whoever must add them up. */
  customers(): AsyncIterable<Customer>
  /** Positions of entries with events of a customer that have left its row. */
  timeline(id: string): Promise<number[]>
  /** Which events of these entries did not count, by position. */
  copies(positions: readonly number[]): Promise<Map<number, readonly number[]>>
  /** What lies in quarantine, by the time it was received. */
  quarantine(): Promise<{ key: string; value: Lain }[]>
  /** Those of some events that have not been taken in. */
  untaken(events: readonly Event[]): Promise<Event[]>
}

export type ReadNeeds = { table: Table; clock: Clock; tails: Tails }

/** What warm functions keep: a snapshot of the views and the tail folded on top of it, by tenant. */
export type Tails = LRUCache<string, Tail>
type Tail = {
  snapshot: Snapshot
  /** As it was last read: later than the snapshot's by what changes nothing in it. */
  head: Head
  memory: Memory
  growing: Promise<void>
  /** How many read from it at this moment. */
  readers: number
  blocks: Blocks
}
/** What a memory has counted up to a position: made for each kind that is asked for, or for all before the memory grows. */
type Blocks = { position: number; of(kind: BlockKind): readonly Fragment[]; settle(): void }

const TENANTS_KEPT = 50
export const newTails = (): Tails => new LRUCache({ max: TENANTS_KEPT })

/** Answers from the present of a tenant: all that its journal holds. `work` is begun again if the views move under it. */
export function ask<T>(needs: ReadNeeds, tenant: TenantId, work: (reading: Reading) => Promise<T>): Promise<T> {
  return unmoved(async () => {
    const tail = await tailOf(needs, tenant)
    tail.growing = tail.growing.catch(() => {}).then(() => grow(needs, tenant, tail))
    try {
      await tail.growing
    } catch (error) {
      needs.tails.delete(tenant)
      throw error
    }
    const reading = onTop(tenant, tail)
    tail.readers++
    try {
      return await work(reading)
    } catch (error) {
      if (error instanceof Moved && needs.tails.get(tenant) === tail) needs.tails.delete(tenant)
      throw error
    } finally {
      tail.readers--
    }
  })
}

async function tailOf({ table, tails }: ReadNeeds, tenant: TenantId): Promise<Tail> {
  const kept = tails.get(tenant)
  const head = await readHead({ table }, tenant)
  if (!head) throw new Error("this tenant has no views")
  if (kept && (sameViews(kept.snapshot.head, head) || isLeaving(kept.snapshot.head, head)))
    return Object.assign(kept, { head })
  const snapshot = await snapshotAt({ table }, tenant, head)
  const memory = memoryOf(snapshot)
  const tail = { snapshot, head, memory, growing: Promise.resolve(), readers: 0, blocks: blocksOf(memory) }
  tails.set(tenant, tail)
  return tail
}

/** The items of a commit are the same values whether they are read from the redo or from their places. */
const sameViews = (kept: Head, head: Head) =>
  kept.generation === head.generation && (kept.pending?.to ?? kept.position) === (head.pending?.to ?? head.position)

/**
 * A commit is being put in place of the views that are kept. What has not been touched yet is as true as before, and the
 * tail has the rest: the redo, which may be megabytes, is only read by whoever comes upon something that has moved.
 */
const isLeaving = (kept: Head, head: Head) =>
  kept.generation === head.generation &&
  kept.pending === undefined &&
  head.pending !== undefined &&
  kept.position === head.position

/** So many are folded in some milliseconds. */
const EVENTS_A_BREATH = 200

async function grow(needs: ReadNeeds, tenant: TenantId, tail: Tail) {
  const { snapshot, memory } = tail
  for await (const entries of entriesAfter(needs, tenant, memory.position)) {
    await prepare(tenant, snapshot, memory, entries)
    // Whoever reads goes on at the position where they began.
    if (tail.readers > 0) tail.blocks.settle()
    let events = 0
    for (const entry of entries) {
      if (events >= EVENTS_A_BREATH) {
        await breath()
        events = 0
      }
      fold(memory, entry)
      events += eventsIn(entry.batches)
    }
  }
}

function blocksOf(memory: Memory): Blocks {
  const known = new Map<BlockKind, Fragment[]>()
  let isSettled = false
  return {
    position: memory.position,
    of: (kind) => getOr(known, kind, () => (isSettled ? [] : fragmentsOf(memory, kind))),
    settle: () => {
      if (isSettled) return
      for (const [kind, all] of Map.groupBy(fragmentsOf(memory), ({ kind }) => kind)) known.set(kind, all)
      isSettled = true
    },
  }
}

function onTop(tenant: TenantId, tail: Tail): Reading {
  const { snapshot, memory } = tail
  if (tail.blocks.position !== memory.position) tail.blocks = blocksOf(memory)
  const { blocks } = tail
  return {
    position: memory.position,
    views: { position: tail.head.position, version: tail.head.version },
    at: memory.at ?? snapshot.at,
    zone: snapshot.head.zone,
    currency: snapshot.head.currency,
    fragments: async (kind, from, to) => [
      ...(await snapshot.blocks(kind, from, to)),
      ...blocks.of(kind).filter(({ sk }) => sk >= from && sk <= to),
    ],
    rename: renaming(memory),
    customer: (id) => customerIn(tenant, snapshot, memory, id),
    customers: () => customersIn(tenant, snapshot, memory),
    timeline: async (id) => {
      const stored = await snapshot.values(keys.timeline(tenant, snapshot.head.generation), {
        from: timelineKey(id),
        to: timelineKey(id, Number.MAX_SAFE_INTEGER),
      })
      const spilled = memory.spilled.filter((spill) => spill.id === id)
      return [...stored.flatMap(({ value }) => value as number[]), ...spilled.flatMap(({ entries }) => entries)]
    },
    copies: async (positions) => {
      const wanted = positions.map((position) => keys.copied(tenant, snapshot.head.generation, position))
      const stored = await snapshot.get(wanted)
      return new Map([...stored.map(({ sk, value }) => [Number(sk), value as number[]] as const), ...memory.copies])
    },
    quarantine: async () => lyingIn(await snapshot.values(keys.quarantine(tenant, snapshot.head.generation)), memory),
    untaken: async (events) => {
      await prepareDays(tenant, snapshot, memory, new Set(events.flatMap(seenDays)))
      return events.filter((event) => !isTaken(memory, event))
    },
  }
}

async function customerIn(
  tenant: TenantId,
  snapshot: Snapshot,
  memory: Memory,
  id: string,
): Promise<Customer | undefined> {
  let root = rootOf(memory, id)
  for (;;) {
    const known = memory.customers.get(root)
    if (known) return known
    const row = (await rowsOf(tenant, snapshot, [root])).get(root)
    if (!row) return undefined
    if (!("root" in row)) return row
    root = rootOf(memory, row.root)
  }
}

async function* customersIn(tenant: TenantId, snapshot: Snapshot, memory: Memory): AsyncGenerator<Customer> {
  yield* memory.customers.values()
  for await (const { rows } of allRows(tenant, snapshot)) {
    for (const [id, text] of rows) {
      if (memory.customers.has(id) || memory.pointers.has(id)) continue
      const row = JSON.parse(text) as CustomerRow
      if (!("root" in row)) yield row
    }
  }
}

/** What a memory alone has counted: for time travel, for filters that no view knows, and for the recount. */
export function readMemory(memory: Memory): Reading {
  const blocks = blocksOf(memory)
  return {
    position: memory.position,
    at: memory.at,
    zone: memory.zone.name,
    currency: memory.currency,
    fragments: async (kind, from, to) => blocks.of(kind).filter(({ sk }) => sk >= from && sk <= to),
    rename: renaming(memory),
    customer: async (id) => memory.customers.get(rootOf(memory, id)),
    customers: async function* () {
      yield* memory.customers.values()
    },
    timeline: async (id) => memory.spilled.filter((spill) => spill.id === id).flatMap(({ entries }) => entries),
    copies: async () => memory.copies,
    quarantine: async () => lyingIn([], memory),
    untaken: async (events) => events.filter((event) => !isTaken(memory, event)),
  }
}

/** Rows of the quarantine, with what a memory adds and takes away. */
function lyingIn(stored: { sk: string; value: unknown }[], memory: Pick<Memory, "quarantined" | "released">) {
  const rows = new Map(stored.filter(({ value }) => value !== null).map(({ sk, value }) => [sk, value as Lain]))
  for (const lain of memory.quarantined) rows.set(quarantineKey(lain.receivedAt, lain.event.id), lain)
  for (const { id, receivedAt } of memory.released) rows.delete(quarantineKey(receivedAt, id))
  return [...rows].map(([key, value]) => ({ key, value })).sort((a, b) => (a.key < b.key ? -1 : 1))
}

/** Which entries, and which events of them, a recount takes. */
export type Recount = {
  zone: string
  currency: string
  /** The last position to take; the whole journal if absent. */
  to?: number
  /** Entries none of whose events happened in here are passed over (dates in UTC, inclusive). */
  between?: { from: string; to: string }
  filter?: Wanted
  /** Breakdowns, sets and sketches by the hour instead of by the day, and by one more dimension than views keep. */
  detail?: Memory["detail"]
  /** Asked after each page, and waited for; may throw to end it. */
  onProgress?: (events: number, position: number) => unknown
}

/** Folds the journal from its beginning into an empty memory: the same function over the same entries, without views. */
export async function recount(
  needs: Pick<ReadNeeds, "table" | "clock">,
  tenant: TenantId,
  options: Recount,
): Promise<Memory> {
  const memory = emptyMemory({
    zone: zoneOf(options.zone),
    currency: options.currency,
    ...(options.detail ? { detail: options.detail } : {}),
  })
  const { between } = options
  const wanted = between
    ? (item: Item) =>
        item.to !== undefined && String(item.to) >= between.from && String(item.from).slice(0, 10) <= between.to
    : undefined
  let events = 0
  for await (const entries of entriesAfter(needs, tenant, 0, {
    ...(options.to === undefined ? {} : { to: options.to }),
    ...(wanted ? { wanted } : {}),
  })) {
    for (const entry of entries) {
      fold(memory, entry, options.filter)
      for (const batch of entry.batches) events += batch.events.length
    }
    await options.onProgress?.(events, memory.position)
  }
  return memory
}
