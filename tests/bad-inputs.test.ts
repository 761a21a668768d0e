import { on, once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { Worker } from "node:worker_threads"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { createKey, revokeKey } from "#access/key.ts"
import { DAY, fakeClock, HOUR, instant, MINUTE, SECOND } from "#core/clock.ts"
import { packText } from "#core/pack.ts"
import type { DevTenant } from "#local/home.ts"
import { talk } from "#local/talk.ts"
import { accept, toMessage } from "#pipeline/accept.ts"
import { foldTenant } from "#pipeline/folding.ts"
import { reconcile } from "#pipeline/reconcile.ts"
import { appendWorker } from "#platform/append-worker.ts"
import { slack } from "#sources/slack.ts"
import type { Delivery, Vendor } from "#sources/source.ts"
import { standardWebhooks } from "#sources/standard-webhooks.ts"
import { stripe } from "#sources/stripe.ts"
import { whop } from "#sources/whop.ts"
import { zendesk } from "#sources/zendesk.ts"
import type { TenantId } from "#store/keys.ts"
import { type Counts, dayOf, nothing, over, type Reply, type Sending, startWorld, type World } from "./world.ts"

/**
 * The 76 bad inputs of docs/performance.md, by their numbers: each is answered as documented, within ten seconds,
 * never by a 5xx; and what has been counted has not changed, or has grown by exactly what was valid.
 */
let world: World
const now = Date.now()

type Case = {
  no: number
  words: string
  /** The body of a batch; `who` is a customer whom no other case knows. */
  body: (who: string) => unknown
  sending?: Sending & { path?: string }
  status: number
  code?: string
  field?: string
  /** Of the one record that was refused or quarantined. */
  record?: { code: string; field: string }
  /** What counters grow by; nothing if absent. */
  adds?: Partial<Counts>
  /** The day on which it counts, if it is not one of these. */
  day?: string
  /** The event as the customer's timeline shows it. */
  kept?: object
}

const track = (who: string, more: object = {}) => ({ type: "track", event: "Tested", userId: who, ...more })
const batch = (who: string, more: object = {}) => ({ batch: [track(who, more)] })
/** For what `JSON.stringify` does not write. */
const written = (properties: string, more = '"event":"Tested"') => {
  return (who: string) => `{"batch":[{"type":"track","userId":"${who}",${more},"properties":${properties}}]}`
}
const order = (properties: string) => written(`{"order_id":"o",${properties}}`, '"event":"Order Completed"')
const nested = (levels: number, inner = "1") => `${"[".repeat(levels)}${inner}${"]".repeat(levels)}`

const one = { received: 1, counted: 1, events: 1 }
const taken = { status: 200, adds: one }
const refused = (status: number, code: string, field?: string) => ({ status, code, ...(field ? { field } : {}) })
const notARequest = refused(400, "invalid_request")
const notJson = refused(400, "invalid_json")
/** The only record of a batch. */
const refusedRecord = (code: string, field: string) => ({
  ...refused(400, "invalid_request", field ? `batch[0].${field}` : "batch[0]"),
  record: { code, field },
  adds: { received: 1, rejected: 1 },
})
const quarantined = (field: string) => ({
  status: 200,
  record: { code: "schema", field },
  adds: { received: 1, quarantined: 1 },
})
const header = (name: string, value: string) => ({ sending: { headers: { [name]: value } } })
const api = (path: string): Pick<Case, "sending"> => ({ sending: { path } })
/** 15 times 64 MB of zeros, in about 1 MB. */
const bomb = () => Buffer.concat(new Array<Buffer>(15).fill(gzipSync(Buffer.alloc(64 * 1024 * 1024))))
const people = "👩‍👩‍👧 مرحبا \u200b z\u0301\u0302\u0303"

const cases: Case[] = [
  { no: 1, words: "no body", body: () => "", ...notJson },
  { no: 2, words: "only blanks", body: () => " \r\n\t ", ...notJson },
  { no: 3, words: "null", body: () => "null", ...notARequest },
  { no: 4, words: "an empty list", body: () => "[]", ...notARequest },
  { no: 5, words: "an empty object", body: () => "{}", ...refused(400, "invalid_request", "batch") },
  { no: 6, words: "a text", body: () => '"str"', ...notARequest },
  { no: 7, words: "a number", body: () => "17", ...notARequest },
  { no: 8, words: "JSON that breaks off", body: (who) => JSON.stringify(batch(who)).slice(0, -3), ...notJson },
  { no: 9, words: "a comma too many", body: (who) => `{"batch":[${JSON.stringify(track(who))},]}`, ...notJson },
  { no: 10, words: "NaN", body: written('{"a":NaN}'), ...notJson },
  { no: 10, words: "-Infinity", body: written('{"a":-Infinity}'), ...notJson },
  {
    no: 11,
    words: "a key twice: the last one stands",
    body: written('{"a":1,"a":2}', '"event":"First","event":"Last"'),
    ...taken,
    kept: { event: "Last", properties: { a: 2 } },
  },
  { no: 12, words: "a byte order mark", body: (who) => `\ufeff${JSON.stringify(batch(who))}`, ...taken },
  {
    no: 13,
    words: "UTF-16 with its mark",
    body: (who) => Buffer.from(`\ufeff${JSON.stringify(batch(who))}`, "utf16le"),
    ...refused(400, "invalid_encoding"),
  },
  {
    no: 13,
    words: "UTF-16 without a mark",
    body: (who) => Buffer.from(JSON.stringify(batch(who)), "utf16le"),
    ...notJson,
  },
  {
    no: 14,
    words: "bytes that are not UTF-8",
    body: (who) => Buffer.from(JSON.stringify(batch(who, { event: "Caf\u00e9" })), "latin1"),
    ...refused(400, "invalid_encoding"),
  },
  {
    no: 15,
    words: "half a surrogate pair in an id",
    body: () => batch("\ud800"),
    ...refusedRecord("invalid_field", "userId"),
  },
  {
    no: 15,
    words: "half a surrogate pair in a property",
    body: (who) => batch(who, { properties: { country: "\ud800", "\udfff": 1 } }),
    ...taken,
    kept: { properties: { country: "\ud800", "\udfff": 1 } },
  },
  { no: 16, words: "NUL in an id", body: () => batch("a\u0000b"), ...refusedRecord("invalid_field", "userId") },
  {
    no: 16,
    words: "NUL in a name",
    body: (who) => batch(who, { event: "a\u0000b" }),
    ...refusedRecord("invalid_field", "event"),
  },
  {
    no: 16,
    words: "NUL in properties",
    body: (who) => batch(who, { properties: { country: "\u0000", "\u0000": "\u0000" } }),
    ...taken,
    kept: { properties: { country: "\u0000", "\u0000": "\u0000" } },
  },
  {
    no: 17,
    words: "10,000 levels in a property",
    body: written(`{"a":${nested(10_000)}}`),
    status: 400,
    code: "invalid_request",
    field: `batch[0].properties.a${"[0]".repeat(9)}`,
    record: { code: "too_deep", field: `properties.a${"[0]".repeat(9)}` },
    adds: { received: 1, rejected: 1 },
  },
  {
    no: 17,
    words: "11 levels, one more than there may be",
    body: written(`{"a":${nested(10)}}`),
    ...refusedRecord("too_deep", `properties.a${"[0]".repeat(9)}`),
  },
  { no: 17, words: "10 levels", body: written(`{"a":${nested(9)}}`), ...taken },
  {
    no: 17,
    words: "10,000 levels beside the known fields",
    body: written("{}", `"event":"Tested","more":${nested(10_000)}`),
    ...taken,
  },
  {
    no: 17,
    words: "10,000 levels instead of a record",
    body: () => `{"batch":[${nested(10_000)}]}`,
    ...refusedRecord("invalid_record", ""),
  },
  {
    no: 17,
    words: "10,000 levels under an idempotency key",
    body: () => `{"batch":[${nested(10_000)}]}`,
    ...header("Idempotency-Key", "deep"),
    ...refusedRecord("invalid_record", ""),
  },
  {
    no: 17,
    words: "10,000 levels of a question",
    body: () => `{"metric":"events","where":${'{"not":'.repeat(10_000)}{}${"}".repeat(10_000)}}`,
    ...api("/v1/query"),
    ...refused(400, "invalid_request", "where"),
  },
  {
    no: 17,
    words: "10,000 levels of what is to be set in quarantine",
    body: () => `{"all":true,"set":{"a":${nested(10_000)}}}`,
    ...api("/v1/quarantine/release"),
    ...refused(400, "invalid_request", "set"),
  },
  {
    no: 18,
    words: "10,000 keys",
    body: (who) =>
      batch(who, { properties: Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i])) }),
    ...refusedRecord("too_many_keys", "properties"),
  },
  {
    no: 19,
    words: "a key of 1 MB",
    body: (who) => batch(who, { properties: { ["k".repeat(1024 * 1024)]: 1 } }),
    ...refused(413, "payload_too_large"),
  },
  {
    no: 19,
    words: "a key of 257 characters",
    body: (who) => batch(who, { properties: { a: { ["k".repeat(257)]: 1 } } }),
    ...refusedRecord("key_too_long", "properties.a"),
  },
  { no: 20, words: "10 MB", body: () => " ".repeat(10_000_000), ...refused(413, "payload_too_large") },
  {
    no: 24,
    words: "a gzip bomb, 1 MB that becomes 1 GB",
    body: bomb,
    ...header("Content-Encoding", "gzip"),
    ...refused(413, "payload_too_large"),
  },
  {
    no: 25,
    words: "gzip by its header, plain by its bytes",
    body: batch,
    ...header("Content-Encoding", "gzip"),
    ...refused(400, "invalid_encoding", "Content-Encoding"),
  },
  {
    no: 26,
    words: "an encoding that nobody knows",
    body: batch,
    ...header("Content-Encoding", "rot13"),
    ...refused(415, "unsupported_media_type", "Content-Encoding"),
  },
  { no: 27, words: "JSON as text/plain", body: batch, ...header("Content-Type", "text/plain"), ...taken },
  {
    no: 28,
    words: "multipart",
    body: () => '--x\r\nContent-Disposition: form-data; name="batch"\r\n\r\n[]\r\n--x--\r\n',
    ...header("Content-Type", "multipart/form-data; boundary=x"),
    ...refused(415, "unsupported_media_type", "Content-Type"),
  },
  {
    no: 29,
    words: "charset=latin1",
    body: batch,
    ...header("Content-Type", "application/json; charset=latin1"),
    ...refused(415, "unsupported_media_type", "Content-Type"),
  },

  {
    no: 30,
    words: "__proto__ as a property",
    body: written('{"__proto__":{"polluted":true}}'),
    ...refusedRecord("invalid_key", "properties"),
  },
  {
    no: 30,
    words: "__proto__ within a trait",
    body: (who) => `{"batch":[{"type":"identify","userId":"${who}","traits":{"a":{"__proto__":1}}}]}`,
    ...refusedRecord("invalid_key", "traits.a"),
  },
  {
    no: 30,
    words: "__proto__ of the request and of the record",
    body: written("{}", '"event":"Tested","__proto__":{"type":"alias","polluted":true}'),
    ...taken,
    kept: { type: "track", event: "Tested" },
  },
  {
    no: 30,
    words: "__proto__ as the value of a dimension",
    body: (who) => batch(who, { properties: { country: "__proto__", channel: "constructor", plan: "toString" } }),
    ...taken,
    kept: { properties: { country: "__proto__", channel: "constructor", plan: "toString" } },
  },
  ...[
    { no: 31, words: "constructor.prototype", part: { constructor: { prototype: { polluted: true } } } },
    { no: 32, words: "toJSON", part: { toJSON: "x", nested: { toJSON: { toJSON: 1 } } } },
    { no: 33, words: "hasOwnProperty as a key", part: { hasOwnProperty: 1, valueOf: null, toString: "x" } },
    { no: 34, words: "properties named pk, sk and ttl", part: { pk: "T#globex", sk: "settings", ttl: 1, body: "x" } },
  ].flatMap(({ no, words, part }): Case[] => [
    {
      no,
      words,
      body: (who) => batch(who, { properties: part, context: part }),
      ...taken,
      kept: { properties: part, context: part },
    },
    {
      no,
      words: `${words} in traits, which become the customer's`,
      body: (who) => ({ batch: [{ type: "identify", userId: who, traits: part }] }),
      ...taken,
      kept: { traits: part },
    },
  ]),
  {
    no: 34,
    words: "pk, sk, ttl and tenant beside the known fields",
    body: (who) => batch(who, { pk: "T#globex", sk: "x", ttl: 1, tenant: "globex", source: "theirs", quarantine: {} }),
    ...taken,
    kept: { event: "Tested", source: "default" },
  },
  {
    no: 35,
    words: "a name of 201 characters",
    body: (who) => batch(who, { event: "n".repeat(201) }),
    ...refusedRecord("invalid_field", "event"),
  },
  { no: 35, words: "a name of 200 characters", body: (who) => batch(who, { event: "n".repeat(200) }), ...taken },
  {
    no: 36,
    words: "an empty name",
    body: (who) => batch(who, { event: "" }),
    ...refusedRecord("invalid_field", "event"),
  },
  { no: 36, words: "no name", body: (who) => batch(who, { event: null }), ...refusedRecord("missing_field", "event") },
  ...["c_x, s_y", "#c", ":v = :v", "a.b[0]", "SET x"].map((event): Case => {
    return { no: 37, words: `the name ${event}`, body: (who) => batch(who, { event }), ...taken, kept: { event } }
  }),
  ...["T#globex#AGG", "T#globex#journal#0", "T#acme#views#1#customers#0"].map((id): Case => {
    const ids = { messageId: id, anonymousId: `anonymous ${id}`, groupId: id }
    const body = (who: string) => batch(`${id} ${who}`, { ...ids, messageId: `${id} ${who}`, event: id })
    return { no: 38, words: `${id} as an id`, body, ...taken, kept: { groupId: id, event: id } }
  }),
  ...["#", "/", "a/b#c", "../../keys", "%2F%23", "a~b", "a~000000000001", "|"].map(
    (id): Case => ({ no: 39, words: `${id} in an id`, body: (who) => batch(`${id}${who}`), ...taken, kept: {} }),
  ),
  {
    no: 40,
    words: "emoji, right to left, no width, combining marks",
    body: (who) => batch(`${people} ${who}`, { event: people, properties: { [people]: people, country: people } }),
    ...taken,
    kept: { event: people, properties: { [people]: people, country: people } },
  },
  { no: 42, words: "1e308 of revenue", body: order('"revenue":1e308'), ...quarantined("properties.revenue") },
  { no: 42, words: "1e309 of revenue", body: order('"revenue":1e309'), ...quarantined("properties.revenue") },
  {
    no: 42,
    words: "-0 of revenue",
    body: order('"revenue":-0'),
    ...taken,
  },
  {
    no: 43,
    words: "2^53 + 1 of revenue",
    body: order('"revenue":9007199254740993'),
    ...quarantined("properties.revenue"),
  },
  {
    no: 43,
    words: "2^53 + 1 as an id, which is another's when it is read as a number",
    body: () => '{"batch":[{"type":"track","event":"Tested","userId":9007199254740993}]}',
    ...refusedRecord("invalid_field", "userId"),
  },
  {
    no: 44,
    words: "a number of 39 digits",
    body: order(`"revenue":${"1".repeat(39)}`),
    ...quarantined("properties.revenue"),
  },
  {
    no: 44,
    words: "a text of 39 digits",
    body: order(`"revenue":"${"1".repeat(39)}"`),
    ...quarantined("properties.revenue"),
  },
  { no: 45, words: '"NaN" as an amount', body: order('"revenue":"NaN"'), ...quarantined("properties.revenue") },
  { no: 46, words: "true as an amount", body: order('"revenue":true'), ...quarantined("properties.revenue") },
  {
    no: 46,
    words: "true as an id",
    body: () => '{"batch":[{"type":"page","userId":true}]}',
    ...refusedRecord("invalid_field", "userId"),
  },
  {
    no: 47,
    words: "a list where an object belongs",
    body: (who) => batch(who, { properties: [] }),
    ...refusedRecord("invalid_field", "properties"),
  },
  {
    no: 47,
    words: "a list where a record belongs",
    body: () => ({ batch: [[]] }),
    ...refusedRecord("invalid_record", ""),
  },
  {
    no: 47,
    words: "an object where a list belongs",
    body: () => ({ batch: {} }),
    ...refused(400, "invalid_request", "batch"),
  },
  {
    no: 48,
    words: "one event of 400 KB",
    body: (who) => batch(who, { properties: { text: "x".repeat(400 * 1024) } }),
    ...refusedRecord("too_large", ""),
  },

  {
    no: 49,
    words: "the first instant of 1970",
    body: (who) => batch(who, { timestamp: "1970-01-01T00:00:00.000Z" }),
    ...taken,
    day: "1970-01-01",
    kept: { at: "1970-01-01T00:00:00.000Z" },
  },
  {
    no: 49,
    words: "a time before 1970",
    body: (who) => batch(who, { timestamp: "1969-07-20T20:17:40Z" }),
    ...taken,
    day: "1969-07-20",
    kept: { at: "1969-07-20T20:17:40.000Z" },
  },
  ...["0000-06-15T12:00:00.000Z", "0001-01-01T00:00:00+14:00"].map(
    (timestamp): Case => ({
      no: 49,
      words: `before the year 1: ${timestamp}`,
      body: (who) => batch(who, { timestamp }),
      ...refusedRecord("invalid_time", "timestamp"),
    }),
  ),
  {
    no: 50,
    words: "the year 9999",
    body: (who) => batch(who, { timestamp: "9999-12-31T23:59:59.999Z" }),
    ...refusedRecord("in_the_future", "timestamp"),
  },
  {
    no: 50,
    words: "sent in the year 9999, which would put it long before the year 1",
    body: (who) => batch(who, { timestamp: instant(now), sentAt: "9999-12-31T23:59:59.999Z" }),
    ...refusedRecord("invalid_time", "sentAt"),
  },
  {
    no: 51,
    words: "a day and a minute ahead",
    body: (who) => batch(who, { timestamp: instant(Date.now() + DAY + MINUTE) }),
    ...refusedRecord("in_the_future", "timestamp"),
  },
  {
    no: 51,
    words: "a day ahead",
    body: (who) => batch(who, { timestamp: instant(Date.now() + DAY) }),
    ...taken,
  },
  {
    no: 52,
    words: "no zone: it is UTC",
    body: (who) => batch(who, { timestamp: "2024-01-31T12:00:00" }),
    ...taken,
    day: "2024-01-31",
    kept: { at: "2024-01-31T12:00:00.000Z" },
  },
  ...["2024-02-30T12:00:00.000Z", "2023-02-29T12:00:00Z", "2024-04-31", "2024-13-01", "2024-00-10"].map(
    (timestamp): Case => ({
      no: 53,
      words: `a day that does not exist: ${timestamp}`,
      body: (who) => batch(who, { timestamp }),
      ...refusedRecord("invalid_time", "timestamp"),
    }),
  ),
  ...["2016-12-31T23:59:60Z", "2016-12-31T23:59:60.000Z"].map(
    (timestamp): Case => ({
      no: 54,
      words: `a leap second: ${timestamp}`,
      body: (who) => batch(who, { timestamp }),
      ...refusedRecord("invalid_time", "timestamp"),
    }),
  ),
  ...[1_704_067_200, 1_704_067_200_000].flatMap((timestamp): Case[] => [
    {
      no: 55,
      words: `the number ${timestamp} as a time`,
      body: (who) => batch(who, { timestamp }),
      ...refusedRecord("invalid_field", "timestamp"),
    },
    {
      no: 55,
      words: `the text "${timestamp}" as a time`,
      body: (who) => batch(who, { timestamp: String(timestamp) }),
      ...refusedRecord("invalid_time", "timestamp"),
    },
  ]),
  ...["2024-01-31T24:00:00Z", "2024-01-31T24:00:00.000Z"].map(
    (timestamp): Case => ({
      no: 56,
      words: `a 25th hour: ${timestamp}`,
      body: (who) => batch(who, { timestamp }),
      ...refusedRecord("invalid_time", "timestamp"),
    }),
  ),
  {
    no: 58,
    words: "31 days late",
    body: (who) => batch(who, { timestamp: instant(now - 31 * DAY) }),
    ...taken,
    day: dayOf(now - 31 * DAY),
    kept: { at: instant(now - 31 * DAY) },
  },

  {
    no: 59,
    words: "a message id twice in one batch",
    body: (who) => ({ batch: [track(who, { messageId: who }), track(who, { messageId: who })] }),
    status: 200,
    adds: { received: 2, counted: 1, duplicate: 1, events: 1 },
  },
  ...["k".repeat(256), "", "a b", "\u00e9"].map(
    (key): Case => ({
      no: 63,
      words: `an idempotency key of ${key.length} characters: "${key.slice(0, 3)}"`,
      body: batch,
      ...header("Idempotency-Key", key),
      ...refused(400, "invalid_request", "Idempotency-Key"),
    }),
  ),
  {
    no: 63,
    words: "an idempotency key of 255 characters",
    body: batch,
    ...header("Idempotency-Key", "k".repeat(255)),
    ...taken,
  },
  { no: 73, words: "no events", body: () => ({ batch: [] }), ...refused(400, "invalid_request", "batch") },
  {
    no: 73,
    words: "1,000 events",
    body: (who) => ({ batch: new Array(1000).fill(track(who)) }),
    status: 200,
    adds: { received: 1000, counted: 1000, events: 1000 },
  },
  {
    no: 73,
    words: "1,001 events",
    body: (who) => ({ batch: new Array(1001).fill(track(who)) }),
    ...refused(413, "payload_too_large", "batch"),
  },
]

/** Conversations that last: they go on beside everything else, each about a tenant of its own. */
type Conversation = {
  no: number
  words: string
  say: (socket: Socket, key: string) => void
  answers: RegExp
  adds?: Partial<Counts>
}

const body = JSON.stringify(batch("by hand"))
const post = (key: string, ...headers: string[]) =>
  ["POST /v1/batch HTTP/1.1", "Host: x", `Authorization: Bearer ${key}`, ...headers, "", ""].join("\r\n")
const length = (bytes: number) => `Content-Length: ${bytes}`
const close = "Connection: close"
/** Says the same again and again until the connection ends. */
const drip = (socket: Socket, text: string, everyMs: number) => {
  const timer = setInterval(() => socket.write(text), everyMs)
  socket.on("close", () => clearInterval(timer))
}

const conversations: Conversation[] = [
  {
    no: 20,
    words: "10 MB that are announced",
    say: (socket, key) => socket.write(post(key, length(10_000_000)) + " ".repeat(10_000_000)),
    answers: /^413$/,
  },
  {
    no: 20,
    words: "10 MB in chunks",
    say: (socket, key) =>
      socket.write(`${post(key, "Transfer-Encoding: chunked")}989680\r\n${" ".repeat(10_000_000)}\r\n0\r\n\r\n`),
    answers: /^413$/,
  },
  {
    no: 21,
    words: "a Content-Length that is too small",
    say: (socket, key) => socket.write(post(key, length(body.length - 9)) + body),
    answers: /^400( 400)?$/,
  },
  {
    no: 21,
    words: "a Content-Length that is too large",
    say: (socket, key) => socket.write(post(key, length(body.length + 9)) + body),
    answers: /^408$/,
  },
  {
    no: 21,
    words: "two lengths",
    say: (socket, key) => socket.write(post(key, length(body.length), length(body.length + 1)) + body),
    answers: /^400$/,
  },
  {
    no: 21,
    words: "a length and chunks",
    say: (socket, key) => socket.write(post(key, length(body.length), "Transfer-Encoding: chunked") + body),
    answers: /^400$/,
  },
  {
    no: 22,
    words: "chunks without an end",
    say: (socket, key) =>
      socket.write(`${post(key, "Transfer-Encoding: chunked")}${body.length.toString(16)}\r\n${body}\r\n`),
    answers: /^408$/,
  },
  {
    no: 23,
    words: "a header of one byte a second",
    say: (socket) => {
      socket.write("POST /v1/batch HTTP/1.1\r\nX: ")
      drip(socket, "a", SECOND)
    },
    answers: /^408$/,
  },
  {
    no: 23,
    words: "a body of one byte a second",
    say: (socket, key) => {
      socket.write(post(key, length(body.length)))
      drip(socket, " ", SECOND)
    },
    answers: /^408$/,
  },
  {
    no: 68,
    words: "two Authorization headers, both good",
    say: (socket, key) => socket.write(post(key, `Authorization: Bearer ${key}`, length(body.length), close) + body),
    answers: /^401$/,
  },
  {
    no: 68,
    words: "two Authorization headers, the second of nobody",
    say: (socket, key) => socket.write(post(key, "Authorization: Bearer x", length(body.length), close) + body),
    answers: /^401$/,
  },
  {
    no: 69,
    words: "a key and a folded line",
    say: (socket, key) => socket.write(post(`${key}\r\n `, length(body.length), close) + body),
    answers: /^400$/,
  },
  {
    no: 69,
    words: "a key and blanks, which HTTP cuts off",
    say: (socket, key) => socket.write(post(`${key} \t`, length(body.length), close) + body),
    answers: /^200$/,
    adds: one,
  },
  {
    no: 71,
    words: "a header of 1 MB",
    say: (socket, key) => socket.write(post(key, `X-Much: ${"a".repeat(1024 * 1024)}`, length(2), close)),
    answers: /^431$/,
  },
  {
    no: 71,
    words: "a key of 1 MB",
    say: (socket) => socket.write(post("a".repeat(1024 * 1024), length(2), close)),
    answers: /^431$/,
  },
]
type Heard = { statuses: string; ms: number }
const talks = new Map<Conversation, { tenant: DevTenant; heard: Promise<Heard> }>()

beforeAll(async () => {
  world = await startWorld()
  const { url } = world.stack
  for (const [i, conversation] of conversations.entries()) {
    const tenant = await world.tenant(`talk-${i}`)
    const heard = async (): Promise<Heard> => {
      const started = performance.now()
      const text = await talk(url, (socket) => conversation.say(socket, tenant.writeKey))
      const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => status).join(" ")
      return { statuses, ms: performance.now() - started }
    }
    talks.set(conversation, { tenant, heard: heard() })
  }
})
afterAll(() => world.stop())

/** What an answer says of itself; a problem is told as RFC 9457 wants it. */
function saying({ status, headers, json, text }: Reply) {
  if (status === 200) return { status }
  expect(headers.get("content-type")).toBe("application/problem+json")
  expect(json).toMatchObject({ type: `urn:octant:problem:${json.code}`, status })
  expect(json.correlationId).toBe(headers.get("x-correlation-id"))
  expect(text).not.toMatch(/node:|\.ts\b|node_modules/)
  return { status, code: json.code, field: json.field }
}

const grown = (before: Counts, after: Counts) =>
  Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - before[name as keyof Counts]]))

/** The customer of a body, whose id may hold whatever a case puts into it. */
const customerOf = (sent: unknown): string => {
  const text = typeof sent === "string" ? sent : JSON.stringify(sent)
  return (JSON.parse(text) as { batch: { userId: string }[] }).batch[0]!.userId
}

async function timelineOf(who: string, tenant = world.acme) {
  const reply = await world.request(`/v1/customers/${encodeURIComponent(who)}/timeline`, { key: tenant.readKey })
  expect(reply.status).toBe(200)
  return reply.json.events as Record<string, unknown>[]
}

/** A tenant whom nobody else knows, for what may leave one unable to answer. */
let newcomers = 0
const newcomer = () => world.tenant(`newcomer-${++newcomers}`)

let cased = 0
test.each(cases)("$no: $words", async ({ body: bodyFor, sending, status, code, field, record, adds, day, kept }) => {
  const before = await world.counts(world.acme, day)
  const sent = bodyFor(`customer-${++cased}`)
  const isApi = sending?.path !== undefined
  const reply = await world.send(sent, { ...(isApi ? { key: world.acme.adminKey } : {}), ...sending })
  expect(saying(reply)).toEqual(status === 200 ? { status } : { status, code, field })
  expect(grown(before, await world.counts(world.acme, day))).toEqual({ ...nothing, ...adds })
  if (record && status === 200) {
    const { json } = await world.request("/v1/quarantine", { key: world.acme.readKey })
    expect((json.items as { reason: object }[]).at(-1)?.reason).toMatchObject(record)
  } else if (record) expect(reply.json.rejected).toEqual([{ index: 0, ...record, message: expect.any(String) }])
  if (kept) expect((await timelineOf(customerOf(sent)))[0]).toMatchObject(kept)
  expect({}).not.toHaveProperty("polluted")
})

test("43: amounts that are allowed one by one, and whose sum no amount may be: the tenant's figures are exact and go on", async () => {
  const initech = await world.tenant("initech")
  const orders = (count: number) => ({
    batch: Array.from({ length: count }, (_, i) =>
      track("a bank", { event: "Order Completed", properties: { order_id: `o${i}`, revenue: "900000000000000.01" } }),
    ),
  })
  expect((await world.send(orders(3), { key: initech.writeKey })).status).toBe(200)
  expect(await world.counts(initech)).toEqual({ ...nothing, received: 3, counted: 3, events: 3 })
  expect((await world.ask({ metric: "gross_revenue" }, initech)).json.total).toBe("2700000000000000.03")
  const { status, json } = await world.request("/v1/customers/a bank", { key: initech.readKey })
  expect([status, json.customer]).toEqual([200, expect.objectContaining({ revenue: "2700000000000000.03" })])
})

test.each([
  [
    "a price and a quantity, and their product",
    {
      event: "Order Completed",
      properties: { order_id: "o", products: [{ product_id: "p", price: 9e14, quantity: 9e14 }] },
    },
  ],
  [
    "a daily price, and a month of it",
    { event: "Subscription Started", properties: { subscription_id: "s", amount: 9e14, interval: "day" } },
  ],
  [
    "a size of an order, and two of them",
    { event: "Order Completed", properties: { order_id: "o", revenue: "1", quantity: 9e14, product_id: "p" } },
  ],
])("44: amounts that are allowed one by one, and what is made of them is not: %s", async (_, message) => {
  const hooli = await newcomer()
  const plain = { event: "Order Completed", properties: { order_id: "plain", revenue: "1" } }
  const records = [message, message, plain].map((more) => track("a state", more))
  expect((await world.send({ batch: records }, { key: hooli.writeKey })).status).toBe(200)
  expect(await world.counts(hooli)).toMatchObject({ received: 3 })
  expect((await world.ask({ metric: "orders" }, hooli)).status).toBe(200)
  expect((await world.request("/v1/customers/a state", { key: hooli.readKey })).status).toBe(200)
})

test("41: one text in composed and in decomposed form is one customer", async () => {
  const before = await world.counts()
  const [composed, decomposed] = ["Zo\u00eb".normalize("NFC"), "Zo\u00eb".normalize("NFD")]
  await world.send({ batch: [track(composed), track(decomposed)] })
  expect(grown(before, await world.counts())).toEqual({ ...nothing, received: 2, counted: 2, events: 2 })
  for (const id of [composed, decomposed]) expect(await timelineOf(id)).toHaveLength(2)
})

test("49: a customer of whom nothing but the time before 1970 is known was last seen then", async () => {
  await world.send(batch("an astronaut", { timestamp: "1969-07-20T20:17:40Z" }))
  await world.stack.idle()
  const { json } = await world.request("/v1/customers/an astronaut", { key: world.acme.readKey })
  expect(json.customer).toMatchObject({ firstSeen: "1969-07-20T20:17:40.000Z", lastSeen: "1969-07-20T20:17:40.000Z" })
})

/** What the API answers in a thread with little memory: a question without an end must not take the tests with it. */
async function askAside(queries: readonly string[]): Promise<unknown[]> {
  const file = (path: string) => new URL(`../packages/${path}`, import.meta.url).href
  const lines = `
    const { parentPort, workerData } = require("node:worker_threads")
    const all = Promise.all(workerData.files.map((file) => import(file)))
    all.then(async ([{ apiApp }, { runtimeOf }, { newTails }]) => {
      const app = apiApp({ ...runtimeOf(workerData.config, { log: () => {} }), tails: newTails() })
      const headers = { authorization: "Bearer " + workerData.key }
      for (const query of workerData.queries) {
        parentPort.postMessage((await app.request("/v1/query?metric=events&" + query, { headers })).status)
      }
    })`
  const files = ["api/api.ts", "platform/runtime.ts", "pipeline/reading.ts"].map(file)
  const workerData = { files, config: world.stack.config, key: world.acme.readKey, queries }
  const resourceLimits = { maxOldGenerationSizeMb: 128 }
  const worker = new Worker(lines, { eval: true, workerData, execArgv: [], resourceLimits })
  const answers: unknown[] = []
  try {
    for await (const [status] of on(worker, "message", { signal: AbortSignal.timeout(8 * SECOND) })) {
      if (answers.push(status) === queries.length) break
    }
  } catch (error) {
    answers.push((error as Error).message)
  }
  await worker.terminate()
  return answers
}

test("50: questions about the first and the last days that a date can name are answered", async () => {
  const queries = [
    "from=9998-12-01&to=9998-12-31",
    "to=9999-12-31",
    "from=9999-12-01&to=9999-12-31&grain=week",
    "from=0000-01-01&to=0000-01-02&compare=previous",
    "from=0000-01-01&to=0000-01-02&compare=year",
    "from=0001-01-01&to=0001-01-31&compare=year&grain=month",
    "to=0000-01-01",
  ]
  const answers = await askAside(queries)
  expect(answers[0]).toBe(200)
  expect(answers.filter((status) => status === 200 || status === 400)).toHaveLength(queries.length)
})

test("57: no instant falls into the gap of a clock that is set forward: the day has 23 hours, and none is lost", async () => {
  const athens = await world.tenant("athens", { timeZone: "Europe/Athens" })
  const times = [
    "2024-03-31T00:59:59.999Z",
    "2024-03-31T01:00:00.000Z",
    "2024-03-31T03:30:00",
    "2024-03-31T03:30:00+02:00",
  ]
  await world.send({ batch: times.map((timestamp) => track("a Greek", { timestamp })) }, { key: athens.writeKey })
  await world.stack.idle()
  const { json } = await world.ask({ grain: "hour", from: "2024-03-31", to: "2024-03-31" }, athens)
  const series = json.series as { at: string; value: number }[]
  expect(series).toHaveLength(23)
  expect(series.filter(({ value }) => value > 0)).toEqual([
    { at: "2024-03-31T00:00:00.000Z", value: 1 },
    { at: "2024-03-31T01:00:00.000Z", value: 2 },
    { at: "2024-03-31T03:00:00.000Z", value: 1 },
  ])
})

test("60: a message id in two batches counts once", async () => {
  const before = await world.counts()
  const message = { messageId: "in two batches", timestamp: instant(now) }
  await world.send({ batch: [track("u60", message), track("u60")] })
  await world.send({ batch: [track("u60"), track("u60", message)] })
  const adds = { received: 4, counted: 3, duplicate: 1, events: 3 }
  expect(grown(before, await world.counts())).toEqual({ ...nothing, ...adds })
})

test("61: a message id of two tenants counts for both", async () => {
  const both = [world.acme, world.globex]
  const before = await Promise.all(both.map((who) => world.counts(who)))
  for (const { writeKey } of both) await world.send(batch("u61", { messageId: "of two" }), { key: writeKey })
  for (const [i, who] of both.entries())
    expect(grown(before[i]!, await world.counts(who))).toEqual({ ...nothing, ...one })
})

test("62: an idempotency key with another body is refused, and nothing of that body counts", async () => {
  const before = await world.counts()
  const headers = { "Idempotency-Key": "of-one-body" }
  expect((await world.send(batch("u62"), { headers })).status).toBe(200)
  expect(saying(await world.send(batch("another"), { headers }))).toEqual({
    status: 422,
    code: "idempotency_conflict",
    field: "Idempotency-Key",
  })
  expect(grown(before, await world.counts())).toEqual({ ...nothing, ...one })
})

test("62: an idempotency key of another tenant is free", async () => {
  const headers = { "Idempotency-Key": "of-Acme" }
  expect((await world.send(batch("u62"), { headers })).status).toBe(200)
  expect((await world.send(batch("other"), { headers, key: world.globex.writeKey })).status).toBe(200)
})

test("64: a request that comes twenty times at once is counted once, though its event has neither id nor time", async () => {
  const before = await world.counts()
  const headers = { "Idempotency-Key": "twenty-at-once" }
  const replies = await Promise.all(Array.from({ length: 20 }, () => world.send(batch("u64"), { headers })))
  expect(new Set(replies.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
  expect(replies[0]!.status).toBe(200)
  const adds = { received: 20, counted: 1, duplicate: 19, events: 1 }
  expect(grown(before, await world.counts())).toEqual({ ...nothing, ...adds })
})

describe("65: an idempotency key", () => {
  const began = now - 40 * DAY
  const clock = fakeClock(instant(began))
  const request = (who: string, more: object = {}) =>
    accept(
      { ...world.stack.runtime, clock },
      { tenant: wayne.id as TenantId, source: "app", records: [track(who, more)], idempotencyKey: "for-a-month" },
    )
  let wayne: DevTenant
  beforeAll(async () => {
    wayne = await world.tenant("wayne")
    await request("Bruce")
  })

  test("means the same request after 25 hours: it is counted once, on the day on which it was first heard", async () => {
    clock.set(instant(began + 25 * HOUR))
    await request("Bruce")
    await world.stack.idle()
    const of = async (day: string) => (await world.ask({ from: day, to: day }, wayne)).json.total
    expect([await of(dayOf(began)), await of(dayOf(began + 25 * HOUR))]).toEqual([1, 0])
  })

  test("refuses another body after 25 hours", async () => {
    clock.set(instant(began + 25 * HOUR))
    await expect(request("Alfred")).rejects.toMatchObject({ code: "idempotency_conflict", status: 422 })
  })

  test("is free again after 31 days, whenever it may please the table to forget it", async () => {
    clock.set(instant(began + 31 * DAY))
    const said = instant(began)
    expect(await request("Alfred", { messageId: "dated", timestamp: said })).toMatchObject({ accepted: 1 })
    await world.stack.idle()
    expect(await timelineOf("Alfred", wayne)).toHaveLength(1)
  })
})

describe("66 to 70: a request", () => {
  const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`
  const unheard = async (sending: Sending & { body?: unknown }, status = 401, code = "unauthorized") => {
    const before = await world.counts()
    const reply = await world.request("/v1/batch", { method: "POST", body: batch("nobody"), ...sending })
    expect(saying(reply)).toEqual({ status, code, field: undefined })
    expect(grown(before, await world.counts())).toEqual(nothing)
  }
  const made = async (more: { expiresAt?: string } = {}, clock = world.stack.runtime.clock) =>
    createKey({ ...world.stack.runtime, clock }, "acme" as TenantId, { name: "of a test", scope: "write", ...more })

  test("66: without a key is refused", () => unheard({}))
  test("67: with a key under another scheme is refused", async () => {
    for (const scheme of ["Digest", "Token", "Basic", "", "Bearer  "]) {
      await unheard({ headers: { Authorization: `${scheme} ${world.acme.writeKey}` } })
    }
  })
  test("67: with a key as a Basic user name is heard", async () => {
    const before = await world.counts()
    await world.send(batch("u67"), { key: undefined, headers: { Authorization: basic(`${world.acme.writeKey}:`) } })
    expect(grown(before, await world.counts())).toEqual({ ...nothing, ...one })
  })
  test.each([" ", "\n", "\r\n", "\u0000", "\u00a0"])("69: with a key and %j behind it is refused", async (tail) => {
    await unheard({ headers: { Authorization: basic(`${world.acme.writeKey}${tail}:`) } })
    await unheard({ body: { writeKey: `${world.acme.writeKey}${tail}`, ...batch("nobody") } })
  })
  test("70: with a key that was revoked is refused", async () => {
    const { id, key } = await made()
    await revokeKey(world.stack.runtime, "acme" as TenantId, id)
    await unheard({ key })
  })
  test("70: with a key that has expired is refused", async () => {
    const earlier = () => Date.now() - MINUTE
    await unheard({ key: (await made({ expiresAt: instant(Date.now() - SECOND) }, earlier)).key })
  })
  test("70: with a key that expires at a minute, written without seconds, is refused from that minute on", async () => {
    const clock = fakeClock("2026-01-31T12:00:30.000Z")
    const runtime = over(world.stack.runtime, world.stack.runtime.table, clock)
    const { key } = await made({ expiresAt: "2026-01-31T12:00Z" }, fakeClock("2026-01-31T11:00:00.000Z"))
    await expect(runtime.authenticate(key, "write")).rejects.toMatchObject({ code: "unauthorized" })
  })
  test("70: with a key of another environment is refused", async () => {
    const elsewhere = {
      ...world.stack.runtime,
      table: { ...world.stack.runtime.table, transact: () => Promise.resolve([]) },
    }
    await unheard({ key: (await createKey(elsewhere, "acme" as TenantId, { name: "theirs", scope: "write" })).key })
  })
  test("70: with a key that may only read is refused", () => unheard({ key: world.acme.readKey }, 403, "forbidden"))
})

describe("72: a webhook of", () => {
  const vendors: [string, Vendor, secrets: [string, string]][] = [
    [
      "Standard Webhooks",
      standardWebhooks,
      ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"],
    ],
    ["Stripe", stripe, ["whsec_new", "whsec_old"]],
    ["Slack", slack, ["new", "old"]],
    ["Whop", whop, ["ws_new", "ws_old"]],
    ["Zendesk", zendesk, ["new", "old"]],
  ]
  const receivedAt = Date.parse("2027-01-15T12:00:00.000Z")
  const url = "https://in.octant.example/v1/hooks/src_1"
  const signed = (vendor: Vendor, secret: string, at = receivedAt): Delivery => ({
    url,
    receivedAt,
    ...vendor.sample(secret, at, url),
  })
  const verdict = async (vendor: Vendor, delivery: Delivery, secrets: string[]) => {
    const said = await vendor.verify(delivery, secrets, { fetchText: () => Promise.reject(new Error("not here")) })
    return said === "genuine" ? said : said.code
  }

  test.each(vendors)(
    "%s with the old secret is genuine while both are held, and no longer",
    async (_, vendor, [fresh, old]) => {
      expect(await verdict(vendor, signed(vendor, old), [fresh, old])).toBe("genuine")
      expect(await verdict(vendor, signed(vendor, old), [fresh])).toBe("bad_signature")
    },
  )
  test.each(vendors)("%s from 301 s ahead is stale, and so is one from 301 s ago", async (_, vendor, [secret]) => {
    for (const seconds of [299, -299])
      expect(await verdict(vendor, signed(vendor, secret, receivedAt + seconds * SECOND), [secret])).toBe("genuine")
    for (const seconds of [301, -301])
      expect(await verdict(vendor, signed(vendor, secret, receivedAt + seconds * SECOND), [secret])).toBe("stale")
  })
  test.each(vendors)("%s whose body was written anew is not genuine", async (_, vendor, [secret]) => {
    const delivery = signed(vendor, secret)
    const anew = Buffer.from(JSON.stringify(JSON.parse(Buffer.from(delivery.body).toString()), null, 1))
    expect(await verdict(vendor, { ...delivery, body: anew }, [secret])).toBe("bad_signature")
  })
})

test("74: one bad record among 999 good ones is named by its place, and the others count", async () => {
  const before = await world.counts()
  const records = Array.from({ length: 1000 }, (_, i) => track("u74", i === 500 ? { timestamp: "2024-02-30" } : {}))
  const { status, json } = await world.send({ batch: records })
  expect(status).toBe(200)
  expect(json).toMatchObject({ success: true, accepted: 999, quarantined: 0 })
  expect(json.rejected).toEqual([{ index: 500, code: "invalid_time", field: "timestamp", message: expect.any(String) }])
  const adds = { received: 1000, counted: 999, rejected: 1, events: 999 }
  expect(grown(before, await world.counts())).toEqual({ ...nothing, ...adds })
})

describe("75: a queue's message", () => {
  const good = (tenant: string, id: string) =>
    toMessage(tenant as TenantId, {
      id,
      source: "app",
      receivedAt: instant(now),
      events: [{ id, type: "track", event: "Tested", userId: "u75", at: instant(now) }],
    })
  const [, , packed] = good("any", "packed").split(" ")
  const zstd = Buffer.concat([Buffer.of(1), zstdCompressSync(Buffer.from("a batch of events ".repeat(99)))])
  const flipped = Buffer.from(zstd)
  for (const at of [5, 9, 20]) flipped[at] = flipped[at]! ^ 0xff
  const of = (bytes: Uint8Array) => (tenant: string) => `1 ${tenant} ${Buffer.from(bytes).toString("base64")}`
  const head = { id: "b", source: "app", receivedAt: instant(now) }

  test.each<[string, (tenant: string) => string]>([
    ["of a version that is not known", (tenant) => `2 ${tenant} ${packed}`],
    ["without a version", (tenant) => `${tenant} ${packed}`],
    ["without a body", (tenant) => `1 ${tenant}`],
    ["that is empty", () => ""],
    ["that is JSON", (tenant) => JSON.stringify({ version: 1, tenant })],
    ["whose zstd is corrupt", of(flipped)],
    ["whose zstd breaks off", of(zstd.subarray(0, zstd.length - 9))],
    ["packed in a way that is not known", of(Buffer.concat([Buffer.of(7), Buffer.from("{}")]))],
    ["whose body is not base64", (tenant) => `1 ${tenant} ****`],
    ["whose text is null", of(packText("null"))],
    ["whose text is an empty object", of(packText("{}"))],
    ["whose batch tells neither its id nor its time", of(packText('{"n":0}'))],
    ["whose batch is cut off", of(packText(`${JSON.stringify({ ...head, n: 2 })}\n{}`))],
    ["of a tenant that nobody can be", (tenant) => `1 ${tenant}#journal ${packed}`],
    ["of a tenant in capitals", (tenant) => `1 ${tenant.toUpperCase()} ${packed}`],
    ["of no tenant", () => `1  ${packed}`],
    ["of a tenant that does not exist", () => `1 nobody ${packed}`],
    ["of the operator", () => `1 octant ${packed}`],
  ])("%s fails alone, and the others are appended", async (_, bad) => {
    const tenant = await newcomer()
    const bodies = [good(tenant.id, "before"), bad(tenant.id), good(tenant.id, "after")]
    const Records = bodies.map((text, i) => ({ messageId: `m${i}`, body: text }))
    const answer = await appendWorker(world.stack.runtime)({ Records })
    expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: "m1" }] })
    expect(await world.counts(tenant)).toEqual({ ...nothing, received: 2, counted: 2, events: 2 })
  })
})

test("76: no route takes a URL yet: what looks like one is stored as plain data, and nothing is fetched", async () => {
  let fetched = 0
  const listener = createServer((_, response) => {
    fetched++
    response.end()
  }).listen(0, "127.0.0.1")
  await once(listener, "listening")
  const local = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/`
  const urls = [
    local,
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:127.0.0.1]/",
    "http://2130706433/",
    "http://localtest.me/",
    "file:///etc/passwd",
    "http://user:password@127.0.0.1/",
    "http://example.com:22/",
  ]
  const before = await world.counts()
  const events = urls.map((url) =>
    track(`u76 ${url}`, {
      properties: { url, webhook_url: url },
      context: { page: { url, path: url } },
      traits: { avatar: url },
    }),
  )
  expect((await world.send({ batch: events })).status).toBe(200)
  const count = urls.length
  expect(grown(before, await world.counts())).toEqual({ ...nothing, received: count, counted: count, events: count })
  for (const url of urls)
    expect((await timelineOf(`u76 ${url}`))[0]).toMatchObject({ properties: { url, webhook_url: url } })
  expect(fetched).toBe(0)
  listener.close()
})

test.each(conversations)("$no: $words", { timeout: 15_000 }, async (conversation) => {
  const { tenant, heard } = talks.get(conversation)!
  const { statuses, ms } = await heard
  expect(statuses).toMatch(conversation.answers)
  expect(ms).toBeLessThan(10_000)
  expect(await world.counts(tenant)).toEqual({ ...nothing, ...conversation.adds })
})

test("21: a client that goes away in the middle is no failure of ours: nothing counts, and nothing is logged as one", async () => {
  const gone = await world.tenant("gone")
  const logged = world.lines.length
  await talk(world.stack.url, (socket) => {
    socket.write(post(gone.writeKey, length(body.length + 9), "X-Correlation-Id: going-away") + body, () =>
      socket.resetAndDestroy(),
    )
  })
  const told = () => world.lines.slice(logged).filter(({ correlationId }) => correlationId === "going-away")
  await expect.poll(told).not.toEqual([])
  expect(told().filter(({ name, status }) => name === "error" || Number(status) >= 500)).toEqual([])
  expect(await world.counts(gone)).toEqual(nothing)
})

test("after all of this the views say what the journal says", async () => {
  const { runtime } = world.stack
  await foldTenant(runtime, "acme" as TenantId)
  const { differences, events } = await reconcile(runtime, "acme" as TenantId)
  expect(differences.map(({ what }) => what)).toEqual([])
  expect(events).toBeGreaterThan(2000)
})

test("after all of this no request has been answered by a 5xx", () => {
  expect(world.lines.filter(({ status }) => Number(status) >= 500)).toEqual([])
})
