import type { Clock } from "#core/clock.ts"
import type { Log } from "#core/log.ts"
import type { Batch } from "#events/event.ts"
import { append, type BatchText } from "#store/journal.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { fromMessage } from "./accept.ts"
import { Unreadable } from "./failures.ts"

type Needs = {
  table: Table
  clock: Clock
  nonce: () => string
  log: Log
  requestFold: (tenant: TenantId, step: string) => Promise<void>
  /** Hears why a message failed. */
  failed?: (index: number, error: unknown) => void
}

/** Raw bytes of an entry: it fits into an item of 400 KB even if nothing in it can be compressed. */
const ENTRY_BYTES = 390 * 1024
const ENTRY_EVENTS = 5000
/** A fold is asked for whenever the journal has grown by this many events. */
export const FOLD_EVERY = 20_000

/**
 * Appends what messages carry, the batches of one tenant merged into as few entries as hold them. Gives for each
 * message whether it is done: one that cannot be read fails alone.
 */
export async function appendMessages(needs: Needs, messages: readonly string[]): Promise<("done" | "failed")[]> {
  const outcomes = messages.map((): "done" | "failed" => "failed")
  const tenants = new Map<TenantId, Carried[]>()
  for (const [index, message] of messages.entries()) {
    try {
      const { tenant, ...carried } = fromMessage(message)
      tenants.set(tenant, [...(tenants.get(tenant) ?? []), { index, ...carried, events: eventsIn(carried.batches) }])
    } catch (error) {
      // Stays "failed": the queue gives it back, and in the end to the dead letters.
      needs.failed?.(index, new Unreadable((error as Error).message))
      needs.log("append.unreadable", { code: (error as Error).name, bytes: message.length })
    }
  }
  const appendTenant = async ([tenant, carried]: [TenantId, Carried[]]) => {
    for (const group of groupsOf(carried)) {
      try {
        if (!(await needs.table.get(keys.settings(tenant)))) throw new Error("there is no such tenant")
        const { events } = await append(needs, tenant, group)
        for (const { index } of group) outcomes[index] = "done"
        const before = events - group.reduce((sum, one) => sum + one.events, 0)
        const step = Math.floor(events / FOLD_EVERY)
        if (step > Math.floor(before / FOLD_EVERY)) await needs.requestFold(tenant, String(step))
      } catch (error) {
        for (const { index } of group) if (outcomes[index] === "failed") needs.failed?.(index, error)
        needs.log("append.failed", { tenant, code: (error as Error).name, count: group.length })
      }
    }
  }
  await Promise.all([...tenants].map(appendTenant))
  return outcomes
}

type Carried = BatchText & { index: number; events: number }
const eventsIn = (batches: readonly Batch[]) => batches.reduce((sum, batch) => sum + batch.events.length, 0)

/** Cuts what came together so that each group fits into an entry. */
function groupsOf(carried: readonly Carried[]): Carried[][] {
  const groups: Carried[][] = []
  let [bytes, events] = [Number.POSITIVE_INFINITY, 0]
  for (const one of carried) {
    const size = Buffer.byteLength(one.text)
    if (bytes + size > ENTRY_BYTES || events + one.events > ENTRY_EVENTS) {
      groups.push([])
      ;[bytes, events] = [0, 0]
    }
    groups.at(-1)!.push(one)
    bytes += size
    events += one.events
  }
  return groups
}
