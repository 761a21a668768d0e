import type { Clock } from "#core/clock.ts"
import { slices } from "#core/parallel.ts"
import { toStored } from "#metrics/block.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { fragmentsOf } from "./fragments.ts"
import { quarantineKey } from "./memory.ts"
import { allRows, type CustomerRow, pageOf } from "./pages.ts"
import { recount } from "./reading.ts"
import { blockKinds } from "./replay.ts"
import { openSnapshot, unmoved } from "./snapshot.ts"

/** A value of the views that is not what the journal says. */
export type Difference = { what: string; stored: unknown; recounted: unknown }
export type Reconciled = { position: number; events: number; compared: number; differences: Difference[] }

const PARTITIONS_AT_ONCE = 12
const MOST_DIFFERENCES = 1000

/** Folds the journal again from its first entry, without the views, and compares every value that the views hold. */
export function reconcile(
  needs: { table: Table; clock: Clock },
  tenant: TenantId,
  onProgress?: (events: number, position: number) => unknown,
): Promise<Reconciled> {
  return unmoved(async () => {
    const snapshot = await openSnapshot(needs, tenant)
    if (!snapshot) throw new Error("this tenant has no views")
    const { zone, currency, generation } = snapshot.head
    let events = 0
    const memory = await recount(needs, tenant, {
      zone,
      currency,
      to: snapshot.position,
      onProgress: async (count, position) => {
        events = count
        await onProgress?.(count, position)
      },
    })

    const expected = new Map<string, string>()
    const expect = (pk: string, sk: string, value: unknown) => expected.set(`${pk}|${sk}`, JSON.stringify(value))
    for (const { kind, sk, block } of fragmentsOf(memory))
      if (block.size > 0) expect(keys.block(tenant, generation, kind), sk, toStored(block))
    const expectRow = (id: string, row: CustomerRow) => {
      const { pk, sk } = pageOf(tenant, snapshot, id)
      expect(pk, `${sk}|${id}`, row)
    }
    for (const [id, customer] of memory.customers) expectRow(id, customer)
    for (const [id, root] of memory.pointers) expectRow(id, { root })
    for (const [position, copies] of memory.copies) {
      const { pk, sk } = keys.copied(tenant, generation, position)
      expect(pk, sk, copies)
    }
    const released = new Set(memory.released.map(({ id, receivedAt }) => quarantineKey(receivedAt, id)))
    for (const { event, source, receivedAt } of memory.quarantined) {
      const sk = quarantineKey(receivedAt, event.id)
      if (!released.has(sk)) expect(keys.quarantine(tenant, generation), sk, { event, source, receivedAt })
    }

    const differences: Difference[] = []
    const differ = (what: string, stored: string | undefined, recounted: string | undefined) => {
      if (differences.length < MOST_DIFFERENCES) {
        differences.push({ what, stored: stored && JSON.parse(stored), recounted: recounted && JSON.parse(recounted) })
      }
    }
    let compared = 0
    const partitions = [
      ...blockKinds.map((kind) => keys.block(tenant, generation, kind)),
      keys.copies(tenant, generation),
      keys.quarantine(tenant, generation),
    ]
    const compare = (name: string, value: unknown) => {
      const stored = JSON.stringify(value)
      const recounted = expected.get(name)
      expected.delete(name)
      compared++
      const nothing = stored === "{}" || stored === "null"
      if (stored !== recounted && !(nothing && recounted === undefined)) differ(name, stored, recounted)
    }
    for (const some of slices(partitions, PARTITIONS_AT_ONCE)) {
      const found = await Promise.all(some.map(async (pk) => ({ pk, values: await snapshot.values(pk) })))
      for (const { pk, values } of found) for (const { sk, value } of values) compare(`${pk}|${sk}`, value)
    }
    for await (const { page, rows } of allRows(tenant, snapshot))
      for (const [id, row] of rows) compare(`${page.pk}|${page.sk}|${id}`, JSON.parse(row))
    for (const [name, recounted] of expected) differ(name, undefined, recounted)

    const hashes = new Set<string>()
    for (const { sk, value } of await snapshot.values(keys.seen(tenant, generation))) {
      for (const hash of (value as string).match(/.{16}/g) ?? []) hashes.add(`${sk.slice(0, 10)}#${hash}`)
    }
    const recounted = new Set([...memory.fresh].flatMap(([day, seen]) => [...seen].map((hash) => `${day}#${hash}`)))
    compared += recounted.size
    if (hashes.symmetricDifference(recounted).size > 0) {
      differ(
        "messages seen",
        JSON.stringify(hashes.difference(recounted).size),
        JSON.stringify(recounted.difference(hashes).size),
      )
    }
    return { position: snapshot.position, events, compared, differences }
  })
}
