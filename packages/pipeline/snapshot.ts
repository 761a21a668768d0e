import { inFlight } from "#core/parallel.ts"
import { zoneOf } from "#core/zone.ts"
import type { BlockKind, Fragment } from "#metrics/block.ts"
import { fromStored } from "#metrics/block.ts"
import type { Entry } from "#store/journal.ts"
import { keys, seenKey, type TenantId } from "#store/keys.ts"
import type { Key, Table } from "#store/table.ts"
import { getValues, type Head, readHead, readRedo, readValues, type Viewed } from "#store/views.ts"
import { needsOf } from "./fold.ts"
import { emptyMemory, type Memory, rootOf } from "./memory.ts"
import { rowsOf } from "./pages.ts"

/** The views went on while they were read: begin again with a new snapshot. */
export class Moved extends Error {}

const MOST_LOOKS = 50

/** The answer of `work`, or "moved" if the views went on meanwhile. */
export async function tried<T>(work: () => Promise<T>): Promise<T | "moved"> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Moved) return "moved"
    throw error
  }
}

/** Looks again until the views stand still for one look; they move seldom (once for thousands of events). */
export async function unmoved<T>(work: () => Promise<T>): Promise<T> {
  for (let look = 0; look < MOST_LOOKS; look++) {
    const answer = await tried(work)
    if (answer !== "moved") return answer
  }
  throw new Error("the views move too fast to be read")
}

/** The views of one tenant as they were at one position, whatever a fold does meanwhile. */
export type Snapshot = {
  head: Head
  /** True up to here: the head's position, or that of the commit that is being put in place. */
  position: number
  customerCount: number
  at: string | undefined
  /** Values by range of sort keys; throws `Moved`. */
  values(pk: string, range?: { from?: string; to?: string }): Promise<Viewed[]>
  get(wanted: readonly Key[]): Promise<(Viewed & Key)[]>
  /** Stored blocks with keys in [from, to], decoded once. */
  blocks(kind: BlockKind, from: string, to: string): Promise<Fragment[]>
}

type Needs = { table: Table }
const BLOCKS_KEPT = 400
const DAYS_IN_FLIGHT = 8

/** The current views, or those of a generation; `undefined` for a tenant that has none. */
export async function openSnapshot(needs: Needs, tenant: TenantId, generation?: number): Promise<Snapshot | undefined> {
  const head = await readHead(needs, tenant, generation)
  return head && snapshotAt(needs, tenant, head)
}

/** The views of a head that was just read. Throws `Moved` if they went on since. */
export async function snapshotAt(needs: Needs, tenant: TenantId, head: Head): Promise<Snapshot> {
  const redo = await readRedo(needs, tenant, head)
  if (!redo) throw new Moved()
  const position = head.pending?.to ?? head.position
  const overlay = new Map(redo.map((item) => [`${item.pk}|${item.sk}`, item]))
  const seenBlocks = new Map<string, Promise<Fragment[]>>()

  const checked = <T extends Viewed>(found: T): T => {
    if (found.position > position) throw new Moved()
    return found
  }
  const values: Snapshot["values"] = async (pk, range = {}) => {
    const found = new Map((await readValues(needs, pk, range)).map((value) => [value.sk, value]))
    for (const item of redo) {
      const inRange = item.pk === pk && item.sk >= (range.from ?? "") && (range.to === undefined || item.sk <= range.to)
      if (inRange) found.set(item.sk, { sk: item.sk, position, value: item.value })
    }
    return [...found.values()].map(checked).sort((a, b) => (a.sk < b.sk ? -1 : 1))
  }
  return {
    head,
    position,
    customerCount: head.pending?.customerCount ?? head.customerCount,
    at: head.pending?.at ?? head.at,
    values,
    get: async (wanted) => {
      const fresh = wanted.flatMap(({ pk, sk }) => overlay.get(`${pk}|${sk}`) ?? [])
      const missing = wanted.filter(({ pk, sk }) => !overlay.has(`${pk}|${sk}`))
      const stored = missing.length === 0 ? [] : await getValues(needs, missing)
      return [...stored.map(checked), ...fresh.map(({ pk, sk, value }) => ({ pk, sk, value, position }))]
    },
    blocks: (kind, from, to) => {
      const name = `${kind}|${from}|${to}`
      const known = seenBlocks.get(name)
      if (known) return known
      if (seenBlocks.size >= BLOCKS_KEPT) seenBlocks.clear()
      const reading = values(keys.block(tenant, head.generation, kind), { from, to }).then((found) =>
        found.map(({ sk, value }) => ({ kind, sk, block: fromStored(value) })),
      )
      seenBlocks.set(name, reading)
      reading.catch(() => seenBlocks.delete(name))
      return reading
    },
  }
}

/** A memory that goes on from a snapshot. */
export const memoryOf = ({ head, position, customerCount }: Snapshot): Memory =>
  emptyMemory({ zone: zoneOf(head.zone), currency: head.currency, position, customerCount })

/** Puts into a memory what the fold of these entries will ask it for. */
export async function prepare(tenant: TenantId, snapshot: Snapshot, memory: Memory, entries: readonly Entry[]) {
  const { days, ids } = needsOf(entries)
  const unknown = (id: string) => !memory.customers.has(id) && !memory.pointers.has(id)
  const customers = async () => {
    let wanted = [...ids].map((id) => rootOf(memory, id)).filter(unknown)
    while (wanted.length > 0) {
      const roots: string[] = []
      for (const [id, row] of await rowsOf(tenant, snapshot, wanted)) {
        if ("root" in row) {
          memory.pointers.set(id, row.root)
          roots.push(row.root)
        } else memory.customers.set(id, row)
      }
      wanted = roots.map((id) => rootOf(memory, id)).filter(unknown)
    }
  }
  await Promise.all([customers(), prepareDays(tenant, snapshot, memory, days)])
}

/** Puts into a memory which messages of these days have been taken in. */
export async function prepareDays(tenant: TenantId, snapshot: Snapshot, memory: Memory, days: Iterable<string>) {
  const seen = async (day: string) => {
    const chunks = await snapshot.values(keys.seen(tenant, snapshot.head.generation), {
      from: seenKey(day),
      to: seenKey(day, Number.MAX_SAFE_INTEGER),
    })
    memory.seen.set(day, new Set(chunks.flatMap(({ value }) => hashesOf(value as string))))
  }
  const unknown = [...days].filter((day) => !memory.seen.has(day))
  await inFlight(unknown, DAYS_IN_FLIGHT, seen)
}

const HASH_LENGTH = 16
const hashesOf = (text: string) =>
  Array.from({ length: text.length / HASH_LENGTH }, (_, i) => text.slice(i * HASH_LENGTH, (i + 1) * HASH_LENGTH))
