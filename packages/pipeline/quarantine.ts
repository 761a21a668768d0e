import { instant } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { shortHash } from "#core/hash.ts"
import type { Event, Json, JsonObject, Reason } from "#events/event.ts"
import { isShapely, limits, schemaReason } from "#events/message.ts"
import { at } from "#metrics/fact.ts"
import { type AuditNeeds, announced, noted } from "#store/audit.ts"
import type { TenantId } from "#store/keys.ts"
import { type Enqueue, toMessage } from "./accept.ts"
import type { Lain } from "./memory.ts"
import type { Reading } from "./reading.ts"

/** An event that broke its own type's schema: kept whole, not counted, until it is released. */
export type Quarantined = { id: string; source: string; receivedAt: string; reason: Reason; event: Event }

/** What is looked for; all that is named must hold. */
export type Search = {
  event?: string | undefined
  code?: string | undefined
  source?: string | undefined
  /** Words that stand anywhere in the event or in why it lies there, in any case. */
  text?: string | undefined
  /** A path such as `properties.total`, and what it is there; without a value: that there is anything. */
  field?: string | undefined
  value?: string | undefined
  /** Instants between which it was received; the last is not in it. */
  from?: string | undefined
  to?: string | undefined
}

function fits({ event, source, receivedAt }: Lain, { text, field, value, ...search }: Search): boolean {
  const found = field === undefined ? undefined : at(event as unknown as Json, ...field.split("."))
  return (
    (search.event === undefined || event.event === search.event) &&
    (search.code === undefined || event.quarantine?.code === search.code) &&
    (search.source === undefined || source === search.source) &&
    (search.from === undefined || receivedAt >= search.from) &&
    (search.to === undefined || receivedAt < search.to) &&
    (field === undefined || (found !== undefined && (value === undefined || written(found) === value))) &&
    (text === undefined || JSON.stringify(event).toLowerCase().includes(text.toLowerCase()))
  )
}

const written = (value: Json) => (typeof value === "string" ? value : JSON.stringify(value))

/** One page of what lies in quarantine, oldest first, after a cursor. */
export async function listQuarantine(
  reading: Reading,
  { after = "", limit, ...search }: Search & { after?: string | undefined; limit: number },
): Promise<{ items: Quarantined[]; next?: string }> {
  const lying = await reading.quarantine()
  const wanted = lying.filter(({ key, value }) => key > after && fits(value, search))
  const shown = wanted.slice(0, limit)
  return {
    items: shown.map(({ value }) => toQuarantined(value)),
    ...(wanted.length > shown.length ? { next: shown.at(-1)!.key } : {}),
  }
}

const toQuarantined = ({ event, source, receivedAt }: Lain): Quarantined => {
  const { quarantine, ...rest } = event
  return { id: event.id, source, receivedAt, reason: quarantine!, event: rest }
}

/** An edit for all events alike, before they are looked at again: properties are renamed, then removed, then set. */
export type Edit = { rename?: Record<string, string>; remove?: readonly string[]; set?: JsonObject }
/** What to release: all, some by message id, or what a search finds. */
export type Release = Edit & { ids?: readonly string[]; match?: Search; dryRun?: boolean }
/** What one edit does to one property; absent where there is none. */
export type Change = { id: string; property: string; before?: Json; after?: Json }
export type Released = {
  released: string[]
  kept: { id: string; reason: Reason }[]
  /** Of a dry run: what would be another. */
  changes?: Change[]
}

export function edited(properties: JsonObject = {}, { rename = {}, remove = [], set = {} }: Edit): JsonObject {
  const renamed = Object.entries(properties).map(([name, value]): [string, Json] => [
    Object.hasOwn(rename, name) ? rename[name]! : name,
    value,
  ])
  const kept = renamed.filter(([name]) => !remove.includes(name))
  return Object.fromEntries([...kept, ...Object.entries(set)])
}

function changesOf(id: string, before: JsonObject, after: JsonObject): Change[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return names.flatMap((property) => {
    const [was, is] = [before, after].map((one) => (Object.hasOwn(one, property) ? one[property] : undefined))
    if (JSON.stringify(was) === JSON.stringify(is)) return []
    return [{ id, property, ...(was === undefined ? {} : { before: was }), ...(is === undefined ? {} : { after: is }) }]
  })
}

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
  const named = new Set(wish.ids)
  const wanted = lying.filter(
    ({ value }) => (wish.ids === undefined || named.has(value.event.id)) && fits(value, wish.match ?? {}),
  )
  const missing = wish.ids?.find((id) => !lying.some(({ value }) => value.event.id === id))
  if (missing !== undefined)
    throw new Fault("not_found", `nothing with the id ${missing} lies in quarantine`, { field: "ids" })
  const outcome: Released = { released: [], kept: [], ...(wish.dryRun ? { changes: [] } : {}) }
  // Its answer shows what the events say.
  if (wish.dryRun)
    await noted(needs, tenant, {
      action: "quarantine.read",
      subject: `${wanted.length} events`,
      details: { dryRun: true },
    })
  const messages: string[] = []
  for (const { value } of wanted) {
    const { quarantine: _, ...event } = value.event
    const properties = edited(event.properties, wish)
    const changes = changesOf(event.id, event.properties ?? {}, properties)
    outcome.changes?.push(...changes)
    const fixed = changes.length > 0 ? { ...event, properties } : event
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
