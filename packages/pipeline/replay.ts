import { type BlockKind, blockKind } from "#metrics/block.ts"
import { dimensionNames, sketchDimensions } from "#metrics/dimension.ts"
import { type AuditNeeds, audited } from "#store/audit.ts"
import { journalHead } from "#store/journal.ts"
import { BUCKETS, keys, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { firstHead, readHead, theSwitch, unreadGenerations } from "#store/views.ts"
import { type FoldNeeds, foldTenant, setKinds } from "./folding.ts"

type Settings = { zone: string; currency: string }

/**
 * Builds the views anew from the journal, beside those that are read, and switches to them when they have caught up:
 * nobody waits, and nobody sees a half. With other settings, history is seen by another calendar or currency.
 * A replay that was cut off goes on where it was.
 */
export async function replay(
  needs: FoldNeeds & AuditNeeds,
  tenant: TenantId,
  options: Partial<Settings> & {
    onProgress?: (position: number, of: number) => unknown
  } = {},
): Promise<{ generation: number; position: number }> {
  return (await replayWhile(needs, tenant, options))!
}

/** The same, but only for as long as `goOn` says so between two commits: `undefined` if there is more to be done. */
export async function replayWhile(
  needs: FoldNeeds & AuditNeeds,
  tenant: TenantId,
  options: Partial<Settings> & {
    onProgress?: (position: number, of: number) => unknown
    goOn?: () => boolean
  },
): Promise<{ generation: number; position: number } | undefined> {
  const current = await readHead(needs, tenant)
  if (!current) throw new Error("this tenant has no views")
  const settings = { zone: options.zone ?? current.zone, currency: options.currency ?? current.currency }
  const generation = await nextGeneration(needs, tenant, current.generation, settings)
  const goal = (await journalHead(needs, tenant)).position
  const foldIt = () =>
    foldTenant(needs, tenant, {
      generation,
      onProgress: (position) => options.onProgress?.(position, goal),
      ...(options.goOn ? { goOn: options.goOn } : {}),
    })
  let outcome = await foldIt()
  // Another replay with the same settings is at it too: nobody switches to what is half done.
  while (outcome === "outrun") outcome = await foldIt()
  if (outcome === "interrupted") return undefined
  const built = (await readHead(needs, tenant, generation))!
  const deed = { action: "views.switch", subject: `views ${generation}`, details: { before: current.generation } }
  const switched = await audited(needs, tenant, deed, [
    theSwitch(tenant, current.generation, generation, needs.clock()),
    { set: keys.settings(tenant), values: { timeZone: settings.zone, currency: settings.currency } },
  ])
  if (!switched) throw new Error("another replay was faster; its views are the current ones")
  return { generation, position: built.position }
}

/** The next generation, or one that a replay with the same settings had begun. */
async function nextGeneration(needs: FoldNeeds & AuditNeeds, tenant: TenantId, current: number, settings: Settings) {
  for (let generation = current + 1; ; generation++) {
    const deed = { action: "views.replay", subject: `views ${generation}`, details: settings }
    const head = { put: firstHead(tenant, generation, settings), condition: "absent" } as const
    if (await audited(needs, tenant, deed, [head])) return generation
    const begun = await readHead(needs, tenant, generation)
    if (begun?.zone === settings.zone && begun.currency === settings.currency) return generation
  }
}

/** Every kind of block that views are made of. */
export const blockKinds: BlockKind[] = [
  "days",
  "late",
  "hours",
  "ledger",
  ...dimensionNames.map((dimension) => blockKind("by", dimension)),
  ...["", ...sketchDimensions].map((dimension) => blockKind("sketch", dimension)),
  ...setKinds,
]

/** Deletes views that a replay has replaced, when their last reader has gone. */
export async function dropOldViews(needs: Pick<FoldNeeds, "table" | "clock">, tenant: TenantId) {
  for (const generation of await unreadGenerations(needs, tenant, needs.clock()))
    await dropGeneration(needs, tenant, generation)
}

async function dropGeneration({ table }: { table: Table }, tenant: TenantId, generation: number) {
  const partitions = [
    ...blockKinds.map((kind) => keys.block(tenant, generation, kind)),
    ...Array.from({ length: BUCKETS }, (_, bucket) => keys.customers(tenant, generation, bucket)),
    keys.seen(tenant, generation),
    keys.timeline(tenant, generation),
    keys.copies(tenant, generation),
    keys.quarantine(tenant, generation),
    keys.redo(tenant, generation),
  ]
  for (const pk of partitions)
    for await (const items of table.pages(pk)) await table.deleteMany(items.map(({ sk }) => ({ pk, sk })))
  await table.delete(keys.viewHead(tenant, generation))
}
