import { DAY, instant, MINUTE } from "#core/clock.ts"
import { breachOfType, catalogueName } from "./catalogue.ts"
import { type Event, type EventType, eventTypes, type Json, type JsonObject, type Reason } from "./event.ts"

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

const CONTROL = /[\u0000-\u001f\u007f]/

/** A call of the Segment HTTP Tracking API before it is parsed: unknown fields are dropped, `null` means absent. */
export type Message = {
  type: EventType
  messageId?: string | number | null
  userId?: string | number | null
  anonymousId?: string | number | null
  previousId?: string | number | null
  groupId?: string | number | null
  event?: string | null
  name?: string | null
  properties?: Record<string, unknown> | null
  traits?: Record<string, unknown> | null
  context?: Record<string, unknown> | null
  timestamp?: string | null
  originalTimestamp?: string | null
  sentAt?: string | null
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
  const misfit = misfitIn(record as Record<string, unknown>)
  if (misfit) return misfit
  const message = record as Message
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
  if (message.properties != null) event.properties = message.properties as JsonObject
  if (message.traits != null) event.traits = message.traits as JsonObject
  if (message.context != null) event.context = message.context as JsonObject
  const broken = schemaReason(event)
  if (broken) event.quarantine = broken
  return event
}

const types: ReadonlySet<unknown> = new Set(eventTypes)

/** Why a record is not made as a call must be. By hand, for each event passes here: a schema took four times as long. */
function misfitIn(record: Record<string, unknown>): Reason | undefined {
  const must = (field: string, what: string): Reason => ({ code: "invalid_field", field, message: `must be ${what}` })
  if (!types.has(record.type)) return must("type", `one of ${eventTypes.join(", ")}`)
  for (const field of idFields) {
    const value = record[field]
    if (value != null && typeof value !== "string" && typeof value !== "number") return must(field, "text or a number")
  }
  for (const field of ["event", "name"]) {
    const value = record[field]
    if (value == null) continue
    if (typeof value !== "string" || value === "" || value.length > limits.nameLength || CONTROL.test(value)) {
      return must(field, `text of 1 to ${limits.nameLength} characters, none of them control characters`)
    }
  }
  for (const field of objectFields) {
    const value = record[field]
    if (value != null && (typeof value !== "object" || Array.isArray(value))) return must(field, "an object")
  }
  for (const field of ["timestamp", "originalTimestamp", "sentAt"]) {
    if (record[field] != null && typeof record[field] !== "string") return must(field, "text")
  }
  return undefined
}

const objectFields = ["properties", "traits", "context"] as const
const idFields = ["messageId", "userId", "anonymousId", "previousId", "groupId"] as const
const PLAIN_ID = /^[ -~]{1,256}$/
type Ids = { [F in (typeof idFields)[number]]?: string }

/** Identifiers as text (numbers too) in Unicode's composed form, so that one name typed in two ways is one name. */
function idsOf(message: Message): Ids | Reason {
  const ids: Ids = {}
  for (const field of idFields) {
    const value = message[field]
    if (value == null) continue
    if (typeof value === "number" && !Number.isSafeInteger(value)) {
      return { code: "invalid_field", field, message: "is no whole number that JSON keeps exactly; send it as text" }
    }
    if (typeof value === "string" && PLAIN_ID.test(value)) {
      ids[field] = value
      continue
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
  const breach = breachOfType(known, saying(event.properties ?? {}))
  return breach && { code: "schema", field: fieldPath(["properties", ...breach.path]), message: breach.must }
}

const saysNothing = (value: Json | undefined) => value === null || value === ""

/** Without what says nothing: SDKs send `null` and empty text for what they do not know, in lines as well. */
function saying(properties: JsonObject): JsonObject {
  const said = without(properties)
  const { products } = said
  if (!Array.isArray(products)) return said
  return { ...said, products: products.map((line) => (isObject(line) ? without(line) : line)) }
}

function without(object: JsonObject): JsonObject {
  for (const name in object) {
    if (saysNothing(object[name]))
      return Object.fromEntries(Object.entries(object).filter(([, value]) => !saysNothing(value)))
  }
  return object
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** `["batch", 3, "name"]` → `batch[3].name`. */
export const fieldPath = (path: PropertyKey[]) =>
  path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part)),
    "",
  )

function refusal(message: Message): Reason | undefined {
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
  for (const field of objectFields) {
    const misshapen = message[field] && misshape(message[field] as JsonObject, limits.depth)
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

/** What every SDK sends, and quickly told. Years below 100 would be taken for those of the last century. */
const CANONICAL = /^(?!00)\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}Z$/
/** Days are named by four digits. */
const YEAR_ONE = Date.parse("0001-01-01T00:00:00.000Z")
const YEAR_10000 = Date.parse("9999-12-31T23:59:59.999Z") + 1
const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?\s*(Z|[+-]\d{2}:?\d{2})?)?$/i

/** Milliseconds since 1970 of an ISO 8601 instant; without a zone it is UTC. `undefined` for a day or time that does not exist. */
export function parseInstant(text: string): number | undefined {
  if (CANONICAL.test(text)) return canonicalInstant(text)
  const match = ISO.exec(text.trim())
  if (!match) return undefined
  const [, year, month, day, hour = "00", minute = "00", second = "00", zone = "Z"] = match
  const days = daysIn(Number(year), Number(month))
  if (Number(month) < 1 || Number(month) > 12 || Number(day) < 1 || Number(day) > days || Number(year) < 1)
    return undefined
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined
  const fraction = /[.,](\d{1,9})/.exec(text)?.[1]?.padEnd(3, "0").slice(0, 3) ?? "000"
  const offset = /^z$/i.test(zone) ? "Z" : `${zone.slice(0, 3)}:${zone.slice(-2)}`
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction}${offset}`)
  return Number.isNaN(ms) ? undefined : ms
}

function canonicalInstant(text: string): number | undefined {
  const two = (at: number) => (text.charCodeAt(at) - 48) * 10 + text.charCodeAt(at + 1) - 48
  const [year, month, day, hour] = [two(0) * 100 + two(2), two(5), two(8), two(11)]
  if (month < 1 || month > 12 || day < 1 || hour > 23 || (day > 28 && day > daysIn(year, month))) return undefined
  return Date.UTC(year, month - 1, day, hour, two(14), two(17), two(20) * 10 + text.charCodeAt(22) - 48)
}

const daysIn = (year: number, month: number) => new Date(Date.UTC(year, month, 0)).getUTCDate()

function timeOf(message: Message, received: Received): Pick<Event, "at" | "original" | "undated"> | Reason {
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
  const original = CANONICAL.test(text) ? text : instant(stated)
  return at === stated ? { at: original } : { at: instant(at), original }
}
