import { slices } from "#core/parallel.ts"
import type { DomainEvent } from "#store/domain-event.ts"
import { keys, type TenantId } from "#store/keys.ts"
import { untold } from "#store/outbox.ts"
import type { Table } from "#store/table.ts"

/** Puts events on the bus, ten at most; the ids of those that it did not take. */
export type Publish = (events: readonly DomainEvent[]) => Promise<ReadonlySet<string>>

const AT_ONCE = 10

/** What the bus did not take; it is published again. */
export class BusRefused extends Error {
  override name = "BusRefused"
}

/**
 * Tells the bus what it was not told yet, of this change and of all that died before they could: how many events that
 * were. An event is forgotten when the bus has it; one of which that is not known comes again, by the same id.
 */
export async function publishUntold(
  { table, publish }: { table: Pick<Table, "query" | "delete">; publish: Publish },
  tenant: TenantId,
): Promise<number> {
  const events = await untold({ table }, tenant)
  let refused = 0
  for (const some of slices(events, AT_ONCE)) {
    const left = await publish(some)
    refused += left.size
    for (const { id } of some) if (!left.has(id)) await table.delete(keys.untold(tenant, id))
  }
  if (refused > 0) throw new BusRefused(`the bus refused ${refused} of ${events.length} events`)
  return events.length
}
