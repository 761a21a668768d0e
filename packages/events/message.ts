import * as z from "zod/mini"
import { DAY, instant, MINUTE } from "#core/clock.ts"
import { catalogue, catalogueName } from "./catalogue.ts"
import { type Event, eventTypes, type Json, type JsonObject, type Reason } from "./event.ts"

/** Limits of one record; the request's own are in `accept`. */
export const limits = {
  eventBytes: 256 * 1024,
  idLength: 256,
  nameLength: 200,
  depth: 10,
  keys: 1000,
  keyLength: 256,
  traitsBytes: 32 * 1024,
  futureMs: DAY,
} as const

/**
 * A difference between the client's clock and ours below this is the network's: correcting by it would
 * move an event by a different amount at every retry.
 */
const SKEW_TOLERANCE_MS = MINUTE

const id = z.union([z.string(), z.number()])
const CONTROL = /[\u0000-\u001f\u007f]/
const name = z.string().check(
  z.minLength(1),
  z.maxLength(limits.nameLength),
  z.refine((text) => !CONTROL.test(text), { error: "must not hold control characters" }),
)
// Not `z.record`, which would look at every key: the walk in `shapeReason` does that anyway.
const object = z.custom<JsonObject>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "must be an object",
)

/** A record of the Segment HTTP Tracking API, as it may arrive: unknown fields are dropped, `null` means absent. */
export const Message = z.object({
  type: z.enum(eventTypes),
  messageId: z.nullish(id),
  userId: z.nullish(id),
  anonymousId: z.nullish(id),
  previousId: z.nullish(id),
  groupId: z.nullish(id),
  event: z.nullish(name),
  name: z.nullish(name),
  properties: z.nullish(object),
  traits: z.nullish(object),
  context: z.nullish(object),
  timestamp: z.nullish(z.string()),
  originalTimestamp: z.nullish(z.string()),
  sentAt: z.nullish(z.string()),
})
/** What vendors' readers and the simulator write: a tracking call before it is parsed. */
export type Message = Omit<z.input<typeof Message>, "properties" | "traits" | "context"> & {
  [part in "properties" | "traits" | "context"]?: Record<string, unknown> | null
}

export type Received = { receivedAt: number; sentAt?: string; messageId: () => string }

/**
 * One record → the event, quarantined if it breaks its own type's schema, or the reason why it is refused.
 * `received.sentAt` is the request's, used where the record has none; `received.messageId` makes an id where it has none.
 */
export function toEvent(record: unknown, received: Received): Event | Reason {
  if (typeof record !== "object" || record === null || Array.isArray(record)) {
    return { code: "invalid_record", field: "", message: "must be an object" }
  }
  const parsed = Message.safeParse(record)
  if (!parsed.success) return firstIssue(parsed.error.issues, "invalid_field")
  const message = parsed.data
  const ids = idsOf(message)
  if ("code" in ids) return ids
  const reason = refusal(message)
  if (reason) return reason
  const time = timeOf(message, received)
  if ("code" in time) return time
  const { messageId = received.messageId(), ...names } = ids
  const event: Event = { id: messageId, type: message.type, ...time, ...names }
  const called = message.event ?? message.name
  if (called != null) event.event = called
  if (message.properties != null) event.properties = message.properties
  if (message.traits != null) event.traits = message.traits
  if (message.context != null) event.context = message.context
  const broken = schemaReason(event)
  if (broken) event.quarantine = broken
  return event
}

const idFields = ["messageId", "userId", "anonymousId", "previousId", "groupId"] as const
type Ids = { [F in (typeof idFields)[number]]?: string }

/** Identifiers as text (numbers too) in Unicode's composed form, so that one name typed in two ways is one name. */
function idsOf(message: z.output<typeof Message>): Ids | Reason {
  const ids: Ids = {}
  for (const field of idFields) {
    const value = message[field]
    if (value == null) continue
    if (typeof value === "number" && !Number.isSafeInteger(value)) {
      return { code: "invalid_field", field, message: "is no whole number that JSON keeps exactly; send it as text" }
    }
    const text = String(value).normalize("NFC")
    if (text === "" || text.length > limits.idLength) {
      return { code: "invalid_field", field, message: `must have 1 to ${limits.idLength} characters` }
    }
    if (CONTROL.test(text) || !text.isWellFormed()) {
      return { code: "invalid_field", field, message: "must not hold control characters or half characters" }
    }
    ids[field] = text
  }
  return ids
}

/** Why an event breaks its own type's schema, if it does. */
export function schemaReason(event: Pick<Event, "type" | "event" | "properties">): Reason | undefined {
  if (event.type !== "track" || event.event === undefined) return undefined
  const known = catalogueName(event.event)
  if (!known) return undefined
  const parsed = catalogue[known].properties.safeParse(event.properties ?? {})
  return parsed.success ? undefined : firstIssue(parsed.error.issues, "schema", "properties")
}

type Issue = { path: PropertyKey[]; message: string; code?: string }

function firstIssue(issues: Issue[], code: string, under?: string): Reason {
  const issue = issues[0] ?? { path: [], message: "is invalid" }
  return { code, field: fieldPath([...(under ? [under] : []), ...issue.path]), message: issue.message }
}

/** `["batch", 3, "name"]` → `batch[3].name`. */
export const fieldPath = (path: PropertyKey[]) =>
  path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part)),
    "",
  )

function refusal(message: z.output<typeof Message>): Reason | undefined {
  if (message.type === "track" && message.event == null) {
    return { code: "missing_field", field: "event", message: "a track call needs the name of its event" }
  }
  if (message.userId == null && message.anonymousId == null) {
    return { code: "missing_field", field: "userId", message: "one of userId and anonymousId is needed" }
  }
  if (message.type === "alias" && (message.userId == null || message.previousId == null)) {
    const field = message.userId == null ? "userId" : "previousId"
    return { code: "missing_field", field, message: "an alias call needs userId and previousId" }
  }
  if (message.type === "group" && message.groupId == null) {
    return { code: "missing_field", field: "groupId", message: "a group call needs groupId" }
  }
  for (const field of ["properties", "traits", "context"] as const) {
    const misshapen = message[field] && misshape(message[field], limits.depth)
    if (misshapen)
      return { code: misshapen.code, field: fieldPath([field, ...misshapen.path]), message: misshapen.message }
  }
  if (message.traits && Buffer.byteLength(JSON.stringify(message.traits)) > limits.traitsBytes) {
    return { code: "too_large", field: "traits", message: `traits may take ${limits.traitsBytes} bytes as JSON` }
  }
  return undefined
}

/** Whether a value may stand among an event's properties: an object that does not nest too deep or hold odd keys. */
export const isShapely = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !misshape(value as JsonObject, limits.depth)

type Misshape = { code: string; path: PropertyKey[]; message: string }

/** Walks before anything else does, so that no later step meets a tower of a thousand arrays. */
function misshape(value: JsonObject | Json[], depth: number): Misshape | undefined {
  if (depth === 0) return { code: "too_deep", path: [], message: `may nest ${limits.depth} levels` }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const within = inner(value[i]!, i, depth)
      if (within) return within
    }
    return undefined
  }
  let keys = 0
  for (const key in value) {
    if (++keys > limits.keys) return { code: "too_many_keys", path: [], message: `may have ${limits.keys} keys` }
    if (key.length > limits.keyLength) {
      return { code: "key_too_long", path: [], message: `a key may have ${limits.keyLength} characters` }
    }
    if (key === "__proto__") return { code: "invalid_key", path: [], message: "__proto__ cannot be a key" }
    const within = inner(value[key]!, key, depth)
    if (within) return within
  }
  return undefined
}

function inner(value: Json, key: PropertyKey, depth: number): Misshape | undefined {
  if (typeof value !== "object" || value === null) return undefined
  const within = misshape(value, depth - 1)
  within?.path.unshift(key)
  return within
}

/** `2026-01-31T12:00:00.000Z`: what every SDK sends, and quickly told. */
const CANONICAL_LENGTH = 24
/** Days are named by four digits. */
const YEAR_ONE = Date.parse("0001-01-01T00:00:00.000Z")
const YEAR_10000 = Date.parse("9999-12-31T23:59:59.999Z") + 1
const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?\s*(Z|[+-]\d{2}:?\d{2})?)?$/i

/** Milliseconds since 1970 of an ISO 8601 instant; without a zone it is UTC. `undefined` for a day or time that does not exist. */
export function parseInstant(text: string): number | undefined {
  if (text.length === CANONICAL_LENGTH) {
    const ms = Date.parse(text)
    if (!Number.isNaN(ms) && instant(ms) === text) return ms
  }
  const match = ISO.exec(text.trim())
  if (!match) return undefined
  const [, year, month, day, hour = "00", minute = "00", second = "00", zone = "Z"] = match
  const days = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  if (Number(month) < 1 || Number(month) > 12 || Number(day) < 1 || Number(day) > days || Number(year) < 1)
    return undefined
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined
  const fraction = /[.,](\d{1,9})/.exec(text)?.[1]?.padEnd(3, "0").slice(0, 3) ?? "000"
  const offset = /^z$/i.test(zone) ? "Z" : `${zone.slice(0, 3)}:${zone.slice(-2)}`
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction}${offset}`)
  return Number.isNaN(ms) ? undefined : ms
}

function timeOf(
  message: z.output<typeof Message>,
  received: Received,
): Pick<Event, "at" | "original" | "undated"> | Reason {
  const field = message.timestamp == null ? "originalTimestamp" : "timestamp"
  const text = message.timestamp ?? message.originalTimestamp
  if (text == null) return { at: instant(received.receivedAt), undated: true }
  const stated = parseInstant(text)
  if (stated === undefined || stated < YEAR_ONE || stated >= YEAR_10000) {
    return { code: "invalid_time", field, message: "must be an instant in ISO 8601 such as 2026-01-31T12:00:00.000Z" }
  }
  const sentAt = message.sentAt ?? received.sentAt
  const sent = sentAt == null ? undefined : parseInstant(sentAt)
  const skew = sent === undefined ? 0 : received.receivedAt - sent
  const at = Math.abs(skew) > SKEW_TOLERANCE_MS ? stated + skew : stated
  if (at > received.receivedAt + limits.futureMs) {
    return { code: "in_the_future", field, message: "may be at most 24 hours ahead" }
  }
  if (at < YEAR_ONE || at >= YEAR_10000) {
    return { code: "invalid_time", field: "sentAt", message: "would put the event out of the years 1 to 9999" }
  }
  return at === stated ? { at: instant(at) } : { at: instant(at), original: instant(stated) }
}
