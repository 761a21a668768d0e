import { keyOf, type RawItem, type RawTable } from "#platform/raw.ts"
import { belongs, keys, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"

type Needs = { table: Table; raw: RawTable }
type Log = { owner: TenantId; items: RawItem[] }

export const AUDIT = "audit"
export const isOfLog = (item: RawItem) => belongs(keyOf(item)).kind === AUDIT

/** Audit logs of a backup, each with its owner: the operator has one too. */
export function logsIn(items: readonly RawItem[]): Log[] {
  const byOwner = Map.groupBy(items, ({ pk }) => pk.S.split("#")[1] as TenantId)
  return [...byOwner].map(([owner, own]) => ({ owner, items: own }))
}

/**
 * Puts back what a log lacks. What was written since the backup stays: nobody loses their traces by a restore. Only a log
 * that the backup's does not lead to is replaced by it; so many rows are gone then, which is the answer.
 */
export async function putBackLog({ table, raw }: Needs, { owner, items }: Log): Promise<number> {
  const pk = keys.audit(owner)
  const rows = items.filter((item) => item.pk.S === pk)
  const heads = items.filter((item) => item.pk.S !== pk)
  const there = new Map((await table.query(pk)).map(({ sk, hash }) => [sk, hash]))
  const isAnother = rows.some(({ sk, hash }) => there.has(sk.S) && there.get(sk.S) !== hash!.S)
  if (isAnother) await table.deleteMany([...there.keys()].map((sk) => ({ pk, sk })))
  await raw.put(isAnother ? rows : rows.filter(({ sk }) => !there.has(sk.S)))
  const counted = isAnother ? 0 : Number((await table.get(keys.auditHead(owner)))?.seq ?? 0)
  await raw.put(heads.filter(({ seq }) => Number(seq!.N) > counted))
  return isAnother ? there.size : 0
}
