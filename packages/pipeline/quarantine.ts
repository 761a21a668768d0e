import { instant } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { shortHash } from "#core/hash.ts"
import type { Event, JsonObject, Reason } from "#events/event.ts"
import { isShapely, limits, schemaReason } from "#events/message.ts"
import { type AuditNeeds, announced } from "#store/audit.ts"
import type { TenantId } from "#store/keys.ts"
import { type Enqueue, toMessage } from "./accept.ts"
import type { Lain } from "./memory.ts"
import type { Reading } from "./reading.ts"

/** An event that broke its own type's schema: kept whole, not counted, until it is released. */
export type Quarantined = { id: string; source: string; receivedAt: string; reason: Reason; event: Event }

/** One page of what lies in quarantine, oldest first, after a cursor. */
export async function listQuarantine(
  reading: Reading,
  page: { after?: string; limit: number; code?: string; event?: string },
): Promise<{ items: Quarantined[]; next?: string }> {
  const lying = await reading.quarantine()
  const wanted = lying.filter(
    ({ key, value: { event } }) =>
      key > (page.after ?? "") &&
      (page.event === undefined || event.event === page.event) &&
      (page.code === undefined || event.quarantine?.code === page.code),
  )
  const shown = wanted.slice(0, page.limit)
  return {
    items: shown.map(({ value }) => toQuarantined(value)),
    ...(wanted.length > shown.length ? { next: shown.at(-1)!.key } : {}),
  }
}

const toQuarantined = ({ event, source, receivedAt }: Lain): Quarantined => {
  const { quarantine, ...rest } = event
  return { id: event.id, source, receivedAt, reason: quarantine!, event: rest }
}

/** What to release: all, or some by message id; `set` replaces properties first (a fix for all of them alike). */
export type Release = { ids?: readonly string[]; set?: JsonObject; dryRun?: boolean }
export type Released = { released: string[]; kept: { id: string; reason: Reason }[] }

/** What is released is no larger than what the door lets in. */
function checkSize({ id, properties, ...rest }: Event) {
  const tooMuch = (what: string) => `"set" would make the event ${id} ${what}; release it alone with fewer properties`
  if (!isShapely(properties))
    throw new Fault("invalid_request", tooMuch(`have more than ${limits.keys} properties`), { field: "set" })
  if (Buffer.byteLength(JSON.stringify({ id, properties, ...rest })) > limits.eventBytes)
    throw new Fault("payload_too_large", tooMuch(`larger than ${limits.eventBytes} bytes`), { field: "set" })
}

/** An audit row tells so many by their ids; the subject tells how many there were. */
const IDS_NAMED = 100

/**
 * Sends what now passes its schema back through the queue, to be counted where it belongs; what still breaks it stays.
 * Releasing twice changes nothing.
 */
export async function release(
  needs: AuditNeeds & { enqueue: Enqueue },
  reading: Reading,
  tenant: TenantId,
  wish: Release,
): Promise<Released> {
  const lying = await reading.quarantine()
  const wanted = wish.ids === undefined ? lying : lying.filter(({ value }) => wish.ids!.includes(value.event.id))
  const missing = wish.ids?.find((id) => !lying.some(({ value }) => value.event.id === id))
  if (missing !== undefined)
    throw new Fault("not_found", `nothing with the id ${missing} lies in quarantine`, { field: "ids" })
  const outcome: Released = { released: [], kept: [] }
  const messages: string[] = []
  for (const { value } of wanted) {
    const { quarantine: _, ...event } = value.event
    const fixed = wish.set ? { ...event, properties: { ...event.properties, ...wish.set } } : event
    const reason = schemaReason(fixed)
    if (reason) {
      outcome.kept.push({ id: event.id, reason })
      continue
    }
    if (wish.set) checkSize(fixed)
    outcome.released.push(event.id)
    const batch = {
      id: `release-${shortHash(event.id)}`,
      source: value.source,
      receivedAt: instant(needs.clock()),
      events: [{ ...fixed, released: { receivedAt: value.receivedAt } }],
    }
    messages.push(toMessage(tenant, batch))
  }
  if (messages.length > 0 && !wish.dryRun) {
    const details = {
      ids: outcome.released.slice(0, IDS_NAMED),
      edited: Object.keys(wish.set ?? {}),
      kept: outcome.kept.length,
    }
    const deed = { action: "quarantine.release", subject: `${outcome.released.length} events`, details }
    await announced(needs, tenant, deed, () => needs.enqueue(messages))
  }
  return outcome
}
