import type { Clock } from "#core/clock.ts"
import { traced } from "#core/unit.ts"
import {
  addBlocks,
  type BlockKind,
  blockKind,
  type Fragment,
  fromStored,
  renameMembers,
  toStored,
} from "#metrics/block.ts"
import { type Distinct, type Metric, metrics } from "#metrics/catalogue.ts"
import { entriesAfter, eventsIn } from "#store/journal.ts"
import { keys, seenKey, type TenantId, timelineKey } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { commit, settle, type ViewItem } from "#store/views.ts"
import { fold } from "./fold.ts"
import { fragmentsOf, renaming } from "./fragments.ts"
import { type Memory, quarantineKey } from "./memory.ts"
import { changedPages } from "./pages.ts"
import { memoryOf, openSnapshot, prepare, type Snapshot, tried, unmoved } from "./snapshot.ts"

export type FoldNeeds = { table: Table; clock: Clock; nonce: () => string }

/** How many events one commit takes in at most: bounds the memory of a worker. */
const MOST_EVENTS = 50_000

/**
 * Folds what the journal holds beyond the views, commit by commit. "folded" when the views had to be changed,
 * "nothing" when they were up to date, "outrun" when another fold was faster (then it is its work to go on), "interrupted"
 * when `goOn` said so after a commit: the rest is for the next.
 */
export async function foldTenant(
  needs: FoldNeeds,
  tenant: TenantId,
  options: {
    generation?: number
    to?: number
    onProgress?: (position: number) => unknown
    goOn?: () => boolean
  } = {},
): Promise<"folded" | "nothing" | "outrun" | "interrupted"> {
  let outcome: "folded" | "nothing" = "nothing"
  for (;;) {
    const snapshot = await unmoved(() => openSnapshot(needs, tenant, options.generation))
    if (!snapshot) return outcome
    if (snapshot.head.pending) {
      await traced("settle", "internal", () => settle(needs, tenant, snapshot.head))
      outcome = "folded"
      continue
    }
    const memory = memoryOf(snapshot)
    const step = await traced("fold", "internal", () =>
      tried(async () => {
        const more = await takeIn(needs, tenant, snapshot, memory, options.to)
        const items = memory.position === snapshot.position ? [] : await changesOf(tenant, snapshot, memory)
        return { more, items }
      }),
    )
    if (step === "moved") continue
    if (memory.position === snapshot.position) return outcome
    const change = { to: memory.position, at: memory.at!, customerCount: memory.customerCount, items: step.items }
    const committed = await traced("commit", "internal", () => commit(needs, tenant, snapshot.head, change))
    if (!committed) return "outrun"
    await traced("settle", "internal", () => settle(needs, tenant, committed, step.items))
    outcome = "folded"
    await options.onProgress?.(memory.position)
    if (!step.more) return outcome
    if (options.goOn?.() === false) return "interrupted"
  }
}

/** Folds entries into a memory until there are enough; whether there may be more. */
async function takeIn(needs: FoldNeeds, tenant: TenantId, snapshot: Snapshot, memory: Memory, to: number | undefined) {
  let events = 0
  for await (const entries of entriesAfter(needs, tenant, memory.position, to === undefined ? {} : { to })) {
    await prepare(tenant, snapshot, memory, entries)
    for (const entry of entries) {
      fold(memory, entry)
      events += eventsIn(entry.batches)
    }
    if (events >= MOST_EVENTS) return true
  }
  return false
}

/** The new values of all items that a memory changes. */
export async function changesOf(tenant: TenantId, snapshot: Snapshot, memory: Memory): Promise<ViewItem[]> {
  const { generation } = snapshot.head
  const blocks = await addedBlocks(tenant, snapshot, memory)
  return [
    ...blocks,
    ...(await changedPages(tenant, snapshot, memory)),
    ...memory.spilled.map(({ id, upTo, entries }) => ({
      pk: keys.timeline(tenant, generation),
      sk: timelineKey(id, upTo),
      value: entries,
    })),
    ...[...memory.fresh].map(([day, hashes]) => ({
      pk: keys.seen(tenant, generation),
      sk: seenKey(day, memory.position),
      value: [...hashes].sort().join(""),
    })),
    ...[...memory.copies].map(([position, value]) => ({ ...keys.copied(tenant, generation, position), value })),
    ...quarantineItems(tenant, generation, memory),
  ]
}

/** Rows of the quarantine: what lies there, and since when it does not. */
function quarantineItems(tenant: TenantId, generation: number, memory: Memory): ViewItem[] {
  const pk = keys.quarantine(tenant, generation)
  const items = new Map<string, ViewItem>()
  for (const { event, source, receivedAt } of memory.quarantined) {
    const sk = quarantineKey(receivedAt, event.id)
    items.set(sk, { pk, sk, value: { event, source, receivedAt } })
  }
  for (const { id, receivedAt } of memory.released) {
    const sk = quarantineKey(receivedAt, id)
    items.set(sk, { pk, sk, value: null })
  }
  return [...items.values()]
}

/** The memory's blocks added to the stored ones, and sets in which customers changed their names. */
async function addedBlocks(tenant: TenantId, snapshot: Snapshot, memory: Memory): Promise<ViewItem[]> {
  const { generation } = snapshot.head
  const renamed = await renamedSets(snapshot, memory)
  const fragments = [...fragmentsOf(memory), ...setKinds.flatMap((kind) => renamed.map(({ sk }) => emptyOf(kind, sk)))]
  const names = Map.groupBy(fragments, ({ kind, sk }) => `${kind}|${sk}`)
  const stored = new Map(renamed.map(({ kind, sk, block }) => [`${keys.block(tenant, generation, kind)}|${sk}`, block]))
  const wanted = [...names.values()]
    .map(([first]) => ({ pk: keys.block(tenant, generation, first!.kind), sk: first!.sk }))
    .filter(({ pk, sk }) => !stored.has(`${pk}|${sk}`))
  for (const { pk, sk, value } of await snapshot.get(wanted)) stored.set(`${pk}|${sk}`, fromStored(value))
  const rename = renaming(memory)
  return [...names.values()].flatMap((parts) => {
    const { kind, sk } = parts[0]!
    const pk = keys.block(tenant, generation, kind)
    const there = stored.get(`${pk}|${sk}`)
    const before = there === undefined ? new Map() : kind.startsWith("set") ? renameMembers(there, rename) : there
    const after = parts.reduce((sum, { block }) => addBlocks(kind, sum, block), before)
    return there === undefined && after.size === 0 ? [] : [{ pk, sk, value: toStored(after) }]
  })
}

const emptyOf = (kind: BlockKind, sk: string): Fragment => ({ kind, sk, block: new Map() })

/**
 * The stored whole sets of the months in which a merged customer may stand: there, all sets are renamed. Who stands in
 * the set of a key stands in the whole too, so a month without one has none.
 */
async function renamedSets(snapshot: Snapshot, memory: Memory): Promise<Fragment[]> {
  const spans = [...memory.merged.values()].filter(({ from }) => from !== "")
  if (spans.length === 0) return []
  const first = spans.reduce((least, { from }) => (from < least ? from : least), spans[0]!.from)
  const last = spans.reduce((most, { to }) => (to > most ? to : most), "")
  const standing = await snapshot.blocks(blockKind("set", ""), first, last)
  return standing.filter(({ sk }) => spans.some(({ from, to }) => from <= sk && sk <= to))
}

export const setKinds: BlockKind[] = [
  ...new Set(
    Object.values<Metric>(metrics)
      .filter((metric): metric is Distinct => metric.kind === "distinct")
      .flatMap(({ dimensions }) => ["", ...dimensions].map((dimension) => blockKind("set", dimension))),
  ),
]
