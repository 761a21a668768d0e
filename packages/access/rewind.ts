import { HOUR, instant } from "#core/clock.ts"
import { type AuditNeeds, audited } from "#store/audit.ts"
import { isStill } from "#store/item.ts"
import { keys, ownerOf, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"

/** A list is read again at most so often, whatever is thought to be missing. */
const REWIND_EVERY_MS = HOUR

/** Has the next poll of a source begin at `since`, and not before the source was made. */
export async function rewindPoll(
  needs: AuditNeeds & { table: Table },
  tenant: TenantId,
  id: string,
  since: number,
): Promise<"asked" | "asked lately" | "not polled"> {
  const { table, clock } = needs
  const item = ownerOf(id) === tenant ? await table.get(keys.source(tenant, id)) : undefined
  if (!item || item.paused === true || !(item.credential instanceof Uint8Array)) return "not polled"
  const now = clock()
  if (now - Number(item.rewoundAt ?? 0) < REWIND_EVERY_MS) return "asked lately"
  const rewindTo = Math.max(since, Date.parse(String(item.createdAt)))
  const deed = { action: "remedy.backpoll", subject: id, details: { since: instant(rewindTo) } }
  const change = { set: keys.source(tenant, id), values: { rewindTo, rewoundAt: now }, condition: isStill(item) }
  return (await audited(needs, tenant, deed, [change])) ? "asked" : "not polled"
}
