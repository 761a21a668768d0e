import { SECOND } from "#core/clock.ts"
import { foldTenant } from "#pipeline/folding.ts"
import { keyOf, type RawItem, type RawTable } from "#platform/raw.ts"
import { noted } from "#store/audit.ts"
import { journalHead } from "#store/journal.ts"
import { belongs, keys, OPERATOR, type TenantId } from "#store/keys.ts"
import type { Key, Table } from "#store/table.ts"
import { firstHead, theSwitch } from "#store/views.ts"
import { Usage } from "../failure.ts"
import { AUDIT, isOfLog, logsIn, putBackLog } from "./auditlog.ts"
import type { Backup, Copied } from "./files.ts"

type Needs = { table: Table; clock: () => number; nonce: () => string; raw: RawTable }
type Wish = { force: boolean; onItems(count: number): void }

/** By these a tenant is found and let in: they come last, so that nobody meets a half of it. */
const opening = new Set(["settings", "keys", "tenants", "polled"])

/** Puts tenants of a backup into a table and builds their views. Refuses to touch one that is there, unless forced. */
export async function putBack(needs: Needs, backup: Backup, tenants: readonly Copied[], { force, onItems }: Wish) {
  const wanted = new Set<TenantId>(tenants.map(({ id }) => id))
  const everybody = tenants.length === backup.manifest.tenants.length
  const there = (await Promise.all([...wanted].map(async (id) => ((await isThere(needs, id)) ? [id] : [])))).flat()
  if (there.length > 0 && !force)
    throw new Usage(
      `there is data of ${there.join(", ")} already; --force deletes it first (also after a restore that was cut off)`,
    )
  // A restore may be cut off, and put another log in the place of theirs: that they were deleted stands in the operator's.
  for (const id of there) await noted(needs, OPERATOR, { action: "tenant.drop", subject: id })
  if (there.length > 0) await drop(needs, new Set(there))

  const last: RawItem[] = []
  const log: RawItem[] = []
  for (const items of backup.items()) {
    const now: RawItem[] = []
    for (const item of items) {
      const { tenant, kind } = belongs(keyOf(item))
      if (tenant === undefined ? !everybody : !wanted.has(tenant)) continue
      const at = isOfLog(item) ? log : opening.has(kind) ? last : now
      at.push(item)
    }
    await needs.raw.put(now)
    onItems(items.length)
  }
  // One that no warm function has ever read: what it remembers of the views before belongs to another.
  const generation = Math.floor(needs.clock() / SECOND)
  const settings = new Map(last.map((item) => [keyName(keyOf(item)), item]))
  for (const { id, position, events } of tenants) {
    const head = await journalHead(needs, id)
    if (head.position !== position || head.events !== events)
      throw new Error(`the journal of ${id} was put back up to ${head.position}, and should reach ${position}`)
    const item = settings.get(keyName(keys.settings(id)))!
    const { timeZone, currency } = item
    const empty = firstHead(id, generation, { zone: String(timeZone!.S), currency: String(currency!.S) })
    await needs.table.put(empty, "absent")
    await foldTenant(needs, id, { generation })
    const current = theSwitch(id, 0, generation, needs.clock())
    await needs.table.put(current.put, current.condition)
  }
  await needs.raw.put(last)
  const replaced = new Map<TenantId, number>()
  for (const one of logsIn(log)) replaced.set(one.owner, await putBackLog(needs, one))
  for (const { id, position, events } of tenants) {
    const gone = replaced.get(id) ?? 0
    const details = { position, events, ...(gone > 0 ? { auditRowsReplaced: gone } : {}) }
    await noted(needs, id, { action: "tenant.restore", subject: id, details })
  }
}

const keyName = ({ pk, sk }: Key) => `${pk}|${sk}`

async function isThere({ table }: Needs, id: TenantId) {
  const known = await table.getMany([keys.settings(id), keys.sequencer(id), keys.currentViews(id)])
  return known.length > 0 || (await table.query(keys.journal(id), { limit: 1 })).length > 0
}

async function drop({ table, raw }: Needs, tenants: ReadonlySet<TenantId>) {
  for await (const page of raw.scan()) {
    const theirs = page.map(keyOf).filter((key) => {
      const { tenant, kind } = belongs(key)
      return tenant !== undefined && tenants.has(tenant) && kind !== AUDIT
    })
    await table.deleteMany(theirs)
  }
}
