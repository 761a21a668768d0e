import { shortHash } from "#core/hash.ts"
import { pack, unpack } from "#core/pack.ts"
import type { DomainEvent } from "./domain-event.ts"
import { keys, type TenantId } from "./keys.ts"
import type { Table, Write } from "./table.ts"

/** An event of a type about a subject: an alert opens once, so that its id and the type say which event it is. */
export const happened = (
  tenant: TenantId,
  type: string,
  subject: string,
  { at, data }: Pick<DomainEvent, "at" | "data">,
): DomainEvent => ({ id: `evt_${shortHash([tenant, type, subject].join("\u001f"))}`, type, tenant, at, data })

/**
 * A write that goes with the change of which the event tells. What was changed is told then, even if whoever changed it
 * dies before: it stays here until the bus has taken it.
 */
export const toTell = (event: DomainEvent): Write => ({
  put: { ...keys.untold(event.tenant, event.id), body: pack(event) },
})

/** What the bus has not taken yet. */
export const untold = async ({ table }: { table: Pick<Table, "query"> }, tenant: TenantId): Promise<DomainEvent[]> =>
  (await table.query(keys.outbox(tenant))).map(({ body }) => unpack<DomainEvent>(body as Uint8Array))
