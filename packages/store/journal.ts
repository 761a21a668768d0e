import { type Clock, instant, SECOND } from "#core/clock.ts"
import { packText, unpackText } from "#core/pack.ts"
import { traced } from "#core/unit.ts"
import type { Batch, Event } from "#events/event.ts"
import { keys, padded, type TenantId } from "./keys.ts"
import type { Item, Table } from "./table.ts"

/**
 * The journal of one tenant: a list of immutable entries, appended as in CORFU (Balakrishnan et al., NSDI 2012).
 * A position is taken from the sequencer, then the entry is put there if nothing is. No transaction, no lock.
 */
export type Entry = {
  /** 1, 2, 3, … without holes. */
  position: number
  /** When it was appended, ISO 8601 in UTC. */
  at: string
  batches: Batch[]
}

export const eventsIn = (batches: readonly Batch[]) => batches.reduce((sum, { events }) => sum + events.length, 0)

type Needs = { table: Table; clock: Clock }
type AppendNeeds = Needs & { nonce: () => string }

/** A writer that has not filled its place by now has died, or will find the place taken and ask for another. */
const HOLE_PATIENCE_MS = 5 * SECOND
const FILL_ATTEMPTS = 100

type Appended = { position: number; events: number }

/** Appends one entry; its position, and how many events the journal has taken in all. */
export const append = (needs: AppendNeeds, tenant: TenantId, carried: readonly BatchText[]): Promise<Appended> =>
  traced("journal write", "internal", () => write(needs, tenant, carried))

async function write(
  { table, clock, nonce }: AppendNeeds,
  tenant: TenantId,
  carried: readonly BatchText[],
): Promise<Appended> {
  const batches = carried.flatMap((one) => one.batches)
  const events = batches.reduce((sum, batch) => sum + batch.events.length, 0)
  const body = packText(carried.map(({ text }) => text).join("\n"))
  const writer = nonce()
  let counted = events
  for (let attempt = 0; attempt < FILL_ATTEMPTS; attempt++) {
    const head = await table.add(keys.sequencer(tenant), { seq: 1, events: counted })
    counted = 0
    const item = { ...keys.entry(tenant, head.seq!), at: instant(clock()), n: events, ...spanOf(batches), writer, body }
    if (await table.put(item, "absent")) return { position: head.seq!, events: head.events! }
    const there = await table.get(keys.entry(tenant, head.seq!))
    if (there?.writer === writer) return { position: head.seq!, events: head.events! }
  }
  throw new Error("the journal gave no free place")
}

/**
 * Entries after a position, in order, up to the first hole that may still be filled by its writer.
 * A hole that is older than any writer is filled with an empty entry, so that a prefix once read never changes.
 */
export async function* entriesAfter(
  needs: Needs,
  tenant: TenantId,
  position: number,
  options: { to?: number; wanted?: (item: Item) => boolean } = {},
): AsyncGenerator<Entry[]> {
  const { table, clock } = needs
  let next = position + 1
  const range = { from: padded(next), ...(options.to === undefined ? {} : { to: padded(options.to) }) }
  for await (const items of table.pages(keys.journal(tenant), range)) {
    const entries: Entry[] = []
    for (const item of items) {
      const at = Number(item.sk)
      for (; next < at; next++) {
        const filled = await fill(needs, tenant, next, clock() - Date.parse(String(item.at)) > HOLE_PATIENCE_MS)
        if (!filled) return yield entries
        entries.push(filled)
      }
      entries.push(
        options.wanted && !options.wanted(item) ? { position: at, at: String(item.at), batches: [] } : toEntry(item),
      )
      next = at + 1
    }
    yield entries
  }
}

async function fill({ table, clock }: Needs, tenant: TenantId, position: number, patienceIsOver: boolean) {
  const key = keys.entry(tenant, position)
  const there = await table.get(key)
  if (there) return toEntry(there)
  if (!patienceIsOver) return undefined
  const empty = { ...key, at: instant(clock()), n: 0, writer: "filler", body: packBatches([]) }
  if (await table.put(empty, "absent")) return toEntry(empty)
  const late = await table.get(key)
  return late && toEntry(late)
}

/** The last position handed out, and the events that entries were appended with; zeros for a new tenant. */
export async function journalHead({ table }: Pick<Needs, "table">, tenant: TenantId) {
  const head = await table.get(keys.sequencer(tenant))
  return { position: Number(head?.seq ?? 0), events: Number(head?.events ?? 0) }
}

/** Some entries by position, in no particular order, without filling holes. */
export async function entriesAt({ table }: Pick<Needs, "table">, tenant: TenantId, positions: readonly number[]) {
  return (await table.getMany(positions.map((position) => keys.entry(tenant, position)))).map(toEntry)
}

export type BatchHead = Omit<Batch, "events">
/** Batches with the text they are kept as: a line for each batch, then a line for each of its events. */
export type BatchText = { batches: readonly Batch[]; text: string }

/** The text of one batch whose events are lines already. It compresses well, and single lines of it can be read. */
export const batchText = (head: BatchHead, lines: readonly string[]) =>
  [JSON.stringify({ ...head, n: lines.length }), ...lines].join("\n")

export const packBatches = (batches: readonly Batch[]) =>
  packText(
    batches
      .map(({ events, ...head }) =>
        batchText(
          head,
          events.map((event) => JSON.stringify(event)),
        ),
      )
      .join("\n"),
  )

/** Batches back from bytes. Throws on an unknown version and on corrupt bytes. */
export const unpackBatches = (body: Uint8Array): Batch[] => batchesOf(unpackText(body))

/** Batches back from their text; throws if it is not what `batchText` wrote. */
export function batchesOf(text: string): Batch[] {
  if (text === "") return []
  // A line feed within JSON is escaped, so that each one here ends a line: all are parsed at once.
  const lines = JSON.parse(`[${text.replaceAll("\n", ",")}]`) as unknown[]
  const batches: Batch[] = []
  for (let i = 0; i < lines.length; ) {
    const { n, ...batch } = lines[i] as Omit<Batch, "events"> & { n: number }
    const head = [batch.id, batch.source, batch.receivedAt]
    if (!head.every((part) => typeof part === "string")) throw new Error("a batch has no head")
    const events = lines.slice(i + 1, i + 1 + n) as Event[]
    if (events.length !== n) throw new Error("a batch is cut off")
    batches.push({ ...batch, events })
    i += 1 + n
  }
  return batches
}

const toEntry = (item: Item): Entry => ({
  position: Number(item.sk),
  at: String(item.at),
  batches: unpackBatches(item.body as Uint8Array),
})

/** Between which instants the events of an entry happened, by their own clocks and by ours. */
function spanOf(batches: readonly Batch[]): { from?: string; to?: string } {
  let [from, to] = ["~", ""]
  for (const { events } of batches) {
    for (const { at, original = at } of events) {
      const [early, late] = at < original ? [at, original] : [original, at]
      if (early < from) from = early
      if (late > to) to = late
    }
  }
  return to === "" ? {} : { from, to }
}
