import * as z from "zod/mini"
import { instant, SECOND } from "#core/clock.ts"
import { type Decimal, decimal, toText } from "#core/decimal.ts"
import { Fault } from "#core/fault.ts"
import { shortHash } from "#core/hash.ts"
import type { JsonObject } from "#events/event.ts"
import { limits, parseInstant } from "#events/message.ts"
import { anySame, header, hmac, mismatch, missing, secondsOf, signedWith, stale, withinTolerance } from "./signature.ts"
import type { Delivery, PollNeeds, Vendor } from "./source.ts"

/** An object of JSON, of which nothing is known yet. */
export type Fields = Record<string, unknown>

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The object, or an empty one in place of anything else, so that a missing branch reads as missing leaves. */
export const fields = (value: unknown): Fields => (isFields(value) ? value : {})

export const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

/** A text or a number as an identifier that the door accepts; `undefined` for anything else and for an empty one. */
export function text(value: unknown): string | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : undefined
  if (typeof value !== "string") return undefined
  const clean = value.replace(/[\u0000-\u001f\u007f]/g, "").slice(0, limits.nameLength)
  return clean.toWellFormed() || undefined
}

const COUNT = /^\d{9,13}(\.\d+)?$/
const YEAR_10000 = 253_402_300_800_000

/** An instant in UTC from ISO 8601 or from seconds or milliseconds since 1970, as a number or as digits. */
export function iso(value: unknown): string | undefined {
  const ms = typeof value === "string" && !COUNT.test(value) ? parseInstant(value) : sinceEpoch(value)
  return ms !== undefined && ms >= 0 && ms < YEAR_10000 ? instant(ms) : undefined
}

function sinceEpoch(value: unknown): number | undefined {
  if (typeof value !== "number" && typeof value !== "string") return undefined
  const count = Number(value)
  return count < 1e11 ? count * SECOND : count
}

/** An amount in major units as plain decimal text; `undefined` if it is no amount. */
export function money(value: unknown, places = 2): string | undefined {
  const amount = decimal(value)
  return amount === undefined ? undefined : toText(amount, places)
}

/** What the amounts come to; what is no amount counts nothing. */
export const sum = (amounts: unknown[]): Decimal =>
  amounts.reduce<Decimal>((total, amount) => total + (decimal(amount) ?? 0n), 0n)

/** An ISO 4217 code in upper case; `undefined` for what is none. */
export const currency = (value: unknown): string | undefined =>
  typeof value === "string" && /^[a-z]{3}$/i.test(value) ? value.toUpperCase() : undefined

const exact = (_key: string, value: unknown, context?: { source?: string }) =>
  typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)
    ? (context?.source ?? value)
    : value

/** A body of JSON. Whole numbers that a double cannot hold, as some ids are, stay texts, digit for digit. */
export function jsonOf(body: string | Uint8Array): unknown {
  try {
    return JSON.parse(typeof body === "string" ? body : new TextDecoder("utf-8", { fatal: true }).decode(body), exact)
  } catch (cause) {
    throw new Fault("invalid_request", "the body must be JSON in UTF-8", { cause })
  }
}

/** A body that is an object of JSON, as every vendor's is. */
export function objectOf(body: string | Uint8Array): Fields {
  const value = jsonOf(body)
  if (!isFields(value)) throw new Fault("invalid_request", "the body must be an object of JSON")
  return value
}

/** What the vendor always sends: without it, this is no delivery of the vendor's. */
export function required(value: unknown, field: string): string {
  const found = text(value)
  if (found === undefined) throw new Fault("invalid_request", `${field} is needed`, { field })
  return found
}

const IDENTIFYING = /^(id|.+_id|object|type|kind|mode|status|state|reason|action)$/

/** What says which thing it is and in what state, and nothing personal: for events that are only passed on. */
export const identifying = (object: Fields, also: readonly string[] = []): JsonObject =>
  Object.fromEntries(
    Object.entries(object)
      .filter(([key]) => key.length <= 100 && (IDENTIFYING.test(key) || also.includes(key)))
      .flatMap(([key, value]) => (text(value) === undefined ? [] : [[key, text(value)!]]))
      .slice(0, 50),
  )

/** Without the fields that are `undefined`. */
export const known = (object: Record<string, unknown>): JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as JsonObject

const TIMEOUT_MS = 20 * SECOND
const RETRY_SECONDS = 10

/**
 * One page of a vendor's API. `rate_limited` carries the vendor's own delay; `unavailable` may be tried again as it is;
 * `invalid_request` and `not_found` mean that this page is refused, `forbidden` that the credential is.
 * No redirect is followed: the credential goes nowhere else.
 */
export async function ask(
  vendor: string,
  needs: PollNeeds,
  path: string,
  query: Record<string, string>,
  headers: Record<string, string>,
): Promise<{ body: Fields; headers: Headers }> {
  const url = new URL(needs.baseUrl)
  url.pathname = url.pathname.replace(/\/+$/, "") + path
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  const init = { headers: { accept: "application/json", ...headers }, redirect: "error" } as const
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const answer = await answered(vendor, () => needs.fetch(url.href, { ...init, signal }))
  if (!answer.ok) throw refusal(vendor, answer, needs.now)
  const body = await answered(vendor, async () => objectOf(new Uint8Array(await answer.arrayBuffer())))
  return { body, headers: answer.headers }
}

/** A count as a vendor states it. */
export function wholeNumber(vendor: string, value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value
  throw new Fault("unavailable", `${vendor} answered without a count`)
}

async function answered<T>(vendor: string, attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt()
  } catch (cause) {
    throw new Fault("unavailable", `${vendor} did not answer with a page of its list: try again later`, { cause })
  }
}

function refusal(vendor: string, { status, headers }: Response, now: number): Fault {
  const retryAfter = delayOf(headers.get("retry-after"), now)
  if (status === 429) return new Fault("rate_limited", `${vendor} asks to slow down`, { retryAfter })
  if (status === 401 || status === 403)
    return new Fault("forbidden", `${vendor} refuses the API credential: paste a new one`)
  if (status === 404) return new Fault("not_found", `${vendor} knows nothing there`)
  if (status >= 400 && status < 500) return new Fault("invalid_request", `${vendor} answered ${status}`)
  return new Fault("unavailable", `${vendor} answered ${status}`, { retryAfter })
}

/** Seconds to wait by `Retry-After`, which is a number of seconds or a date (RFC 9110, 10.2.3). */
function delayOf(value: string | null, now: number): number {
  const wait = value === null ? Number.NaN : /^[\d.]+$/.test(value) ? Number(value) : (Date.parse(value) - now) / SECOND
  return Number.isFinite(wait) ? Math.max(1, Math.ceil(wait)) : RETRY_SECONDS
}

const pointer = z.string().check(z.regex(/^\//, { error: "must be a path such as /data/id" }))
/** The first of them at which something stands. */
const pointers = z.array(pointer).check(z.minLength(1), z.maxLength(10))
const places = z.union([pointer, pointers])
const name = z.string().check(z.minLength(1), z.maxLength(limits.nameLength))
const headerName = name.check(z.regex(/^[\w!#$%&'*+.^`|~-]+$/, { error: "must be the name of a header" }))

/** How to read a sender that we do not know. Paths are JSON pointers (RFC 6901); `event` may be a name instead, for all of them. */
export const GenericConfig = z.object({
  id: z._default(z.string().check(z.regex(/^[a-z0-9-]{1,40}$/)), "generic"),
  name: z._default(name, "Any sender"),
  signature: z.discriminatedUnion("kind", [
    z.object({
      kind: z.literal("hmac"),
      header: headerName,
      algorithm: z.enum(["sha256", "sha1"]),
      encoding: z.enum(["hex", "base64"]),
      prefix: z._default(z.string(), ""),
      /** Whether a sender that cannot sign may send the secret itself, as a bearer token. */
      orBearer: z.optional(z.boolean()),
      /** Where the header says when it was signed, as in `ts=1700000000;h1=…`: time, `join` and body are signed. */
      timed: z.optional(
        z.object({
          time: z.string().check(z.minLength(1), z.maxLength(40)),
          signature: z.string().check(z.minLength(1), z.maxLength(40)),
          separator: z._default(z.string().check(z.minLength(1), z.maxLength(5)), ","),
          join: z._default(z.string().check(z.maxLength(5)), "."),
        }),
      ),
    }),
    z.object({ kind: z.literal("bearer"), header: z._default(headerName, "authorization") }),
  ]),
  event: z.union([name, pointers]),
  messageId: z.optional(places),
  /** Where the body has no id of its own. */
  messageIdHeader: z.optional(headerName),
  userId: z.optional(places),
  anonymousId: z.optional(places),
  timestamp: z.optional(places),
  properties: z.optional(z.union([pointer, pointers, z.record(name, pointer)])),
})

/** A vendor made from a description: a signature in one header, and where in the body each field is. */
export function generic(described: z.input<typeof GenericConfig>): Vendor {
  const config = GenericConfig.parse(described)
  const { signature, properties: shape } = config
  const timed = signature.kind === "hmac" ? signature.timed : undefined
  const sign = (secret: string, body: Uint8Array, seconds = "") =>
    signature.kind === "bearer"
      ? secret
      : hmac(signature.algorithm, secret, timed ? [seconds + timed.join, body] : body, signature.encoding)
  return {
    id: config.id,
    name: config.name,
    docs: "https://www.rfc-editor.org/rfc/rfc6901",
    facts: { timeoutMs: 10 * SECOND, retries: "as the sender does" },
    secretFrom: "us",
    verify(delivery, secrets) {
      if (timed) {
        const { seconds, signatures } = pairsIn(delivery, signature.header, timed)
        if (!seconds || signatures.length === 0)
          return missing(`${signature.header} with ${timed.time} and ${timed.signature}`)
        const expected = signedWith(secrets, (secret) => sign(secret, delivery.body, seconds))
        if (!anySame(signatures, expected)) return mismatch
        return withinTolerance(secondsOf(seconds), delivery.receivedAt) ? "genuine" : stale
      }
      const sent = presented(delivery, signature)
      if (!sent) {
        const token = signature.kind === "hmac" && signature.orBearer ? tokenIn(delivery, "authorization") : undefined
        if (!token) return missing(signature.header)
        return anySame(
          [token],
          signedWith(secrets, (secret) => secret),
        )
          ? "genuine"
          : mismatch
      }
      return anySame(
        [sent],
        signedWith(secrets, (secret) => sign(secret, delivery.body)),
      )
        ? "genuine"
        : mismatch
    },
    read(delivery) {
      const body = jsonOf(delivery.body)
      const fixed = typeof config.event === "string" && !config.event.startsWith("/")
      const event = required(fixed ? config.event : at(body, config.event), firstOf(config.event)!)
      const idHeader = config.messageIdHeader && header(delivery, config.messageIdHeader)
      const messageId = `${config.id}:${text(at(body, config.messageId)) ?? text(idHeader) ?? shortHash(delivery.body)}`
      const [userId, anonymousId] = [text(at(body, config.userId)), text(at(body, config.anonymousId))]
      const who = userId === undefined ? { anonymousId: anonymousId ?? config.id } : { userId, anonymousId }
      const properties = isShape(shape) ? mapped(body, shape) : known(fields(at(body, shape)))
      const timestamp = iso(at(body, config.timestamp))
      return { id: messageId, messages: [{ type: "track", event, messageId, ...who, timestamp, properties }] }
    },
    sample(secret, now) {
      const body: Fields = {}
      const event = firstOf(config.event)!
      const [messageId, userId, timestamp] = [config.messageId, config.userId, config.timestamp].map(firstOf)
      if (isShape(shape)) for (const from of Object.values(shape)) put(body, from, "sample")
      else if (shape) put(body, firstOf(shape)!, { feature: "sample" })
      if (event.startsWith("/")) put(body, event, "Sample Sent")
      if (messageId) put(body, messageId, `sample-${now}`)
      if (userId) put(body, userId, "user-1")
      if (timestamp) put(body, timestamp, instant(now))
      const bytes = Buffer.from(JSON.stringify(body))
      const seconds = String(Math.floor(now / SECOND))
      const sent = timed
        ? `${timed.time}=${seconds}${timed.separator}${timed.signature}=${sign(secret, bytes, seconds)}`
        : signature.kind === "bearer"
          ? `Bearer ${secret}`
          : signature.prefix + sign(secret, bytes)
      const headers = { "content-type": "application/json", [signature.header.toLowerCase()]: sent }
      return { method: "POST", headers, body: bytes }
    },
  }
}

type Shape = z.output<typeof GenericConfig>["properties"]
const isShape = (shape: Shape): shape is Record<string, string> => typeof shape === "object" && !Array.isArray(shape)
const firstOf = (path: string | string[] | undefined) => (typeof path === "object" ? path[0] : path)

type Signature = z.output<typeof GenericConfig>["signature"]

type Timed = NonNullable<Extract<Signature, { kind: "hmac" }>["timed"]>

/** The time and the signatures of a header of pairs; others are passed over. */
function pairsIn(delivery: Delivery, name: string, { time, signature, separator }: Timed) {
  const pairs = (header(delivery, name) ?? "").split(separator).map((pair) => pair.trim().split("=", 2))
  const of = (key: string) => pairs.flatMap(([found, value]) => (found === key && value ? [value] : []))
  return { seconds: of(time).at(-1), signatures: of(signature) }
}

/** What the sender shows to prove itself, without what every sender writes around it. */
function presented(delivery: Delivery, signature: Signature): string | undefined {
  if (signature.kind === "bearer") return tokenIn(delivery, signature.header)
  const sent = header(delivery, signature.header)
  if (!sent?.startsWith(signature.prefix)) return undefined
  const digest = sent.slice(signature.prefix.length)
  return signature.encoding === "hex" ? digest.toLowerCase() : digest
}

const tokenIn = (delivery: Delivery, name: string) => header(delivery, name)?.replace(/^bearer +/i, "")

const mapped = (body: unknown, shape: Record<string, string>) =>
  known(Object.fromEntries(Object.entries(shape).map(([key, from]) => [key, at(body, from)])))

const unescaped = (step: string) => step.replaceAll("~1", "/").replaceAll("~0", "~")
const stepsOf = (path: string) => path.split("/").slice(1).map(unescaped)

/** What stands at a JSON pointer, or at the first of several; `undefined` if nothing does. */
function at(value: unknown, path: string | readonly string[] | undefined): unknown {
  if (path === undefined) return undefined
  if (typeof path !== "string")
    return path.map((one) => at(value, one)).find((found) => (found ?? undefined) !== undefined)
  return stepsOf(path).reduce<unknown>((here, step) => {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, step)) return undefined
    return (here as Fields)[step]
  }, value)
}

function put(body: Fields, path: string, value: unknown) {
  const steps = stepsOf(path)
  const last = steps.pop()!
  const parent = steps.reduce<Fields>((here, step) => {
    const next = fields(here[step])
    here[step] = next
    return next
  }, body)
  parent[last] = value
}
