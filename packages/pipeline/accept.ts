import { type Clock, DAY, instant, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { sha256, shortHash } from "#core/hash.ts"
import { packText, unpackText } from "#core/pack.ts"
import type { Batch, Event, Reason, Rejection } from "#events/event.ts"
import { limits, toEvent } from "#events/message.ts"
import { type Plan, planBreach } from "#events/plan.ts"
import { type BatchHead, type BatchText, batchesOf, batchText } from "#store/journal.ts"
import { isTenantId, keys, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"

/** Limits of one request. */
export const requestLimits = { events: 1000, bytes: 1024 * 1024 } as const

/** What a request for one tenant carries, before its records are looked at. */
export type Request = {
  tenant: TenantId
  source: string
  records: readonly unknown[]
  /** The request's own `sentAt`. */
  sentAt?: string | undefined
  idempotencyKey?: string | undefined
  /** The vendor's id of the delivery. */
  deliveryId?: string | undefined
}

/** What became of a request: how many events were queued, and which records were refused and why. */
export type Accepted = { batchId: string; accepted: number; quarantined: number; rejected: Rejection[] }

/** Durably queues messages: resolves only when all of them are safe. */
export type Enqueue = (messages: readonly string[]) => Promise<void>

type Needs = {
  clock: Clock
  nonce: () => string
  table: Pick<Table, "put" | "get">
  enqueue: Enqueue
  /** What the tenant expects of its events; nothing if absent. */
  trackingPlan?: (tenant: TenantId) => Promise<Plan | undefined>
}

/** Raw bytes of a part: it fits into a queue message and an entry even if nothing in it can be compressed. */
const PART_BYTES = 256 * 1024
const CLAIM_DAYS = 30

/**
 * Takes a request in: parses its records, refuses the bad ones one by one, and queues the rest. When it resolves, the
 * bytes are durable. The batch id is derived, so that every redelivery carries the same one.
 */
export async function accept(needs: Needs, request: Request): Promise<Accepted> {
  const { records } = request
  if (records.length > requestLimits.events) {
    throw new Fault("payload_too_large", `a request may carry ${requestLimits.events} events`, { field: "batch" })
  }
  const receivedAt = await claimed(needs, request)
  const plan = await needs.trackingPlan?.(request.tenant)
  let made = 0
  const seed = request.idempotencyKey ?? request.deliveryId
  const messageId = () =>
    seed === undefined ? `octant-${needs.nonce()}` : `octant-${shortHash(`${seed}\u001f${made++}`)}`
  const events: Event[] = []
  const lines: string[] = []
  const rejected: Rejection[] = []
  for (const [index, record] of records.entries()) {
    const parsed = planned(plan, toEvent(record, { receivedAt, sentAt: request.sentAt, messageId }))
    const line = "code" in parsed ? "" : JSON.stringify(parsed)
    if ("code" in parsed) rejected.push({ index, ...parsed })
    else if (Buffer.byteLength(line) > limits.eventBytes) {
      rejected.push({ index, code: "too_large", field: "", message: `an event may take ${limits.eventBytes} bytes` })
    } else {
      events.push(parsed)
      lines.push(line)
    }
  }
  const batchId = request.deliveryId ?? derivedId(request.idempotencyKey, events, needs.nonce)
  const head = {
    id: batchId,
    source: request.source,
    receivedAt: instant(receivedAt),
    ...(rejected.length > 0 ? { rejected: rejected.map(({ index, code }) => ({ index, code })) } : {}),
  }
  if (records.length > 0) await needs.enqueue(messagesOf(request.tenant, head, lines))
  return {
    batchId,
    accepted: events.length,
    quarantined: events.filter(({ quarantine }) => quarantine).length,
    rejected,
  }
}

/** An event after the tracking plan: as it is, marked for quarantine, or refused. A broken schema is told first. */
function planned(plan: Plan | undefined, parsed: Event | Reason): Event | Reason {
  if (plan === undefined || "code" in parsed || parsed.quarantine) return parsed
  const breach = planBreach(plan, parsed)
  if (breach === undefined || breach.mode === "observe") return parsed
  return breach.mode === "reject" ? breach.reason : { ...parsed, quarantine: breach.reason }
}

/** The id of the vendor, of the client, or of the messages themselves. */
function derivedId(idempotencyKey: string | undefined, events: readonly Event[], nonce: () => string) {
  if (idempotencyKey !== undefined) return `key-${shortHash(idempotencyKey)}`
  if (events.length === 0) return `none-${nonce()}`
  return `ids-${shortHash(
    events
      .map(({ id }) => id)
      .sort()
      .join("\u001f"),
  )}`
}

/**
 * An idempotency key belongs to one body: the same key with another is refused, and a retry counts as received when
 * the first was, so that what it dates by our clock is dated the same.
 */
async function claimed({ clock, table }: Needs, { tenant, idempotencyKey, records }: Request): Promise<number> {
  const now = clock()
  if (idempotencyKey === undefined) return now
  if (!/^[\x21-\x7e]{1,255}$/.test(idempotencyKey)) {
    throw new Fault("invalid_request", "an Idempotency-Key has 1 to 255 visible ASCII characters", {
      field: "Idempotency-Key",
    })
  }
  const body = sha256(records.map(textOf).join("\n"))
  const key = keys.claim(tenant, idempotencyKey)
  const ttl = Math.ceil(now / SECOND) + (CLAIM_DAYS * DAY) / SECOND
  const mine = { ...key, body, at: now, ttl }
  // An old claim may lie there for days before the table forgets it.
  const expired = { attribute: "ttl", is: "<", value: Math.floor(now / SECOND), orAbsent: true } as const
  if (await table.put(mine, expired)) return now
  const claim = await table.get(key)
  if (claim && claim.body !== body) {
    throw new Fault("idempotency_conflict", "this Idempotency-Key was used with another body; send a new key", {
      field: "Idempotency-Key",
    })
  }
  return Number(claim?.at ?? now)
}

/** A record as text; one that nests too deep for that is refused anyway. */
function textOf(record: unknown): string {
  try {
    return JSON.stringify(record)
  } catch {
    return "(nests too deep)"
  }
}

/** A batch as messages that each fit into the queue and into an entry; they are the same whenever the batch is. */
function messagesOf(tenant: TenantId, head: BatchHead, lines: readonly string[]): string[] {
  const parts: string[][] = [[]]
  let bytes = 0
  for (const line of lines) {
    const size = Buffer.byteLength(line)
    if (bytes > 0 && bytes + size > PART_BYTES) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push(line)
    bytes += size
  }
  const { rejected: _, ...rest } = head
  return parts.map((part, i) => messageOf(tenant, batchText(i === 0 ? head : rest, part)))
}

/** SQS bills requests by 64 KiB, and hands over ten messages in one: one of a tenth of that costs nothing unpacked. */
const PLAIN_BYTES = 4_800

/** A message of the append queue: version, tenant, and the batch, packed unless it is small. */
const messageOf = (tenant: TenantId, text: string) => `1 ${tenant} ${packText(text, PLAIN_BYTES).toString("base64")}`

export const toMessage = (tenant: TenantId, { events, ...head }: Batch) =>
  messageOf(
    tenant,
    batchText(
      head,
      events.map((event) => JSON.stringify(event)),
    ),
  )

/** What a message carries; throws on a version, a tenant or bytes that are not ours. */
export function fromMessage(message: string): BatchText & { tenant: TenantId } {
  const [version, tenant, body] = message.split(" ")
  if (version !== "1" || body === undefined) throw new Error(`unknown message version ${version?.slice(0, 10)}`)
  if (!isTenantId(tenant)) throw new Error("a message names its tenant")
  const text = unpackText(Buffer.from(body, "base64"))
  return { tenant, text, batches: batchesOf(text) }
}
