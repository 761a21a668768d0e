import { keyOf, type RawItem, type RawTable } from "#platform/raw.ts"
import { entriesAfter, journalHead } from "#store/journal.ts"
import { belongs, keys, OPERATOR, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { AUDIT } from "./auditlog.ts"
import type { Copied } from "./files.ts"

type Needs = { table: Table; clock: () => number; raw: RawTable }
type Hear = { add(items: readonly RawItem[]): void; onItems(count: number): void; note(text: string): void }

/** Follows from the journal, and changes while it is read: it is built anew. */
const VIEWS = "views"
/** Copied up to a position without holes, so that the copy is a journal too, whatever is appended meanwhile. */
const journal = new Set(["journal", "head"])
/**
 * Copies a tenant, or all: first all but journals and views, then each journal. What was found first can speak only of
 * positions that the journal's copy has.
 */
export async function copy(needs: Needs, only: TenantId | undefined, { add, onItems, note }: Hear): Promise<Copied[]> {
  const tenants = new Set<TenantId>()
  for await (const page of needs.raw.scan()) {
    onItems(page.length)
    add(
      page.filter((item) => {
        const { tenant, kind } = belongs(keyOf(item))
        if (kind === VIEWS || kind === AUDIT || journal.has(kind) || (only !== undefined && tenant !== only))
          return false
        if (kind === "settings" && tenant !== undefined) tenants.add(tenant)
        return true
      }),
    )
  }
  for (const id of [...tenants, ...(only === undefined ? [OPERATOR] : [])]) await copyAudit(needs, id, add)
  const copied: Copied[] = []
  for (const id of [...tenants].sort()) copied.push(await copyJournal(needs, id, { add, note }))
  return copied
}

/** Up to what its head counted when that was read, so that its chain is whole. */
async function copyAudit({ raw }: Needs, id: TenantId, add: Hear["add"]) {
  for await (const heads of raw.upTo(keys.auditHead(id))) {
    add(heads)
    for (const { seq } of heads) for await (const rows of raw.upTo(keys.auditRow(id, Number(seq!.N)))) add(rows)
  }
}

async function copyJournal(
  { table, clock, raw }: Needs,
  id: TenantId,
  { add, note }: Pick<Hear, "add" | "note">,
): Promise<Copied> {
  const head = await journalHead({ table }, id)
  // Fills what writers who died have left open, and stops where one may still come.
  let position = 0
  for await (const entries of entriesAfter({ table, clock }, id, 0, { wanted: () => false }))
    position = entries.at(-1)?.position ?? position
  if (position < head.position)
    note(`${id}: what was just being appended, up to position ${head.position}, is not in this backup`)
  if (position === 0) return { id, position, events: 0 }
  let [entries, events] = [0, 0]
  for await (const page of raw.upTo(keys.entry(id, position))) {
    add(page)
    entries += page.length
    events += page.reduce((sum, { n }) => sum + Number(n?.N ?? 0), 0)
  }
  if (entries !== position) throw new Error(`the journal of ${id} has ${entries} entries up to position ${position}`)
  const { pk, sk } = keys.sequencer(id)
  add([{ pk: { S: pk }, sk: { S: sk }, seq: { N: String(position) }, events: { N: String(events) } }])
  return { id, position, events }
}
