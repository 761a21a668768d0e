import { instant, SECOND } from "#core/clock.ts"
import { sha256, shortHash } from "#core/hash.ts"
import type { Message } from "#events/message.ts"
import { type Fields, objectOf, text } from "./generic.ts"
import { excerpt, idOf, track } from "./message.ts"
import { anySame, header, hmac, mismatch, missing, signedWith } from "./signature.ts"
import type { Delivery, Vendor } from "./source.ts"

/**
 * | Twilio                                       | Octant                                                                  |
 * |----------------------------------------------|-------------------------------------------------------------------------|
 * | `MessageStatus` or `SmsStatus`: sent         | Text Message Sent                                                       |
 * | delivered, read                              | Text Message Delivered, Text Message Read                               |
 * | failed, undelivered                          | Text Message Failed: `ErrorCode`                                        |
 * | received                                     | Text Message Received: `Body`                                           |
 * | any other, such as queued                    | `message.<status>`                                                      |
 * | `CallStatus`                                 | `call.<status>`: `CallDuration`, `Direction`                            |
 * | anything else                                | its `EventType` or `type`, else `twilio.callback`                       |
 * | `To`, or `From` of what came in              | userId `phone:…` and the trait                                          |
 * | `MessageSid` or `CallSid` with the status    | message id                                                              |
 * | `Timestamp`, which only calls have           | time; of a message's status Twilio tells no time, so it is when we hear |
 */
const names: Record<string, string> = {
  sent: "Text Message Sent",
  delivered: "Text Message Delivered",
  read: "Text Message Read",
  failed: "Text Message Failed",
  undelivered: "Text Message Failed",
  received: "Text Message Received",
}

/** RFC 2822, such as `Wed, 15 Jul 2026 14:32:18 +0000`. */
function timeOf(value: unknown): string | undefined {
  const ms = Date.parse(text(value) ?? "")
  return Number.isNaN(ms) || ms < 0 ? undefined : instant(ms)
}

/** Something went between our customer's number and one of theirs: theirs is whom it is about. */
function customer(told: Fields, incoming: boolean, id: string) {
  const phone = text(incoming ? told.From : told.To)
  return phone ? { userId: `phone:${phone.replace(/^whatsapp:/, "")}` } : { anonymousId: id }
}

function ofMessage(told: Fields, sid: string): Message {
  const status = (text(told.MessageStatus) ?? text(told.SmsStatus) ?? "received").toLowerCase()
  const id = idOf("twilio", sid, status)
  const who = customer(told, status === "received", id)
  const name = Object.hasOwn(names, status) ? names[status]! : `message.${status}`
  const words = { text: status === "received" ? excerpt(told.Body) : undefined, error_code: text(told.ErrorCode) }
  const channel = text(told.From)?.startsWith("whatsapp:") ? "whatsapp" : "sms"
  return track(name, { id, at: timeOf(told.Timestamp), who }, { message_id: sid, status, channel, ...words })
}

function ofCall(told: Fields, sid: string): Message {
  const status = (text(told.CallStatus) ?? "unknown").toLowerCase()
  const direction = text(told.Direction)
  const id = idOf("twilio", sid, status)
  const who = customer(told, direction === "inbound", id)
  const duration_seconds = /^\d{1,9}$/.test(text(told.CallDuration) ?? "") ? Number(told.CallDuration) : undefined
  return track(
    `call.${status}`,
    { id, at: timeOf(told.Timestamp), who },
    { call_id: sid, direction, status, duration_seconds },
  )
}

function ofAnything(told: Fields, body: Uint8Array): Message {
  const id = `twilio:${text(told.Sid) ?? text(told.id) ?? shortHash(body)}`
  const name = text(told.EventType) ?? text(told.type) ?? "twilio.callback"
  const fact = { id, at: timeOf(told.Timestamp ?? told.time), who: customer(told, false, id) }
  return track(name, fact, { account_id: text(told.AccountSid) })
}

const isJson = (delivery: Delivery) => /\bjson\b/i.test(header(delivery, "content-type") ?? "")
const formOf = ({ body }: Delivery) => new URLSearchParams(Buffer.from(body).toString())

/** Each name with its values, names and values sorted and a value only once, and nothing between them. */
function joined(form: URLSearchParams): string {
  const keys = [...new Set(form.keys())].sort()
  return keys
    .map((key) =>
      [...new Set(form.getAll(key))]
        .sort()
        .map((value) => key + value)
        .join(""),
    )
    .join("")
}

/** Twilio signs the URL now with its port and now without, and shows neither which. */
function spellings(given: string): string[] {
  const url = URL.parse(given)
  if (!url) return [given]
  const { protocol, username, password, hostname, pathname, search } = url
  const user = username || password ? `${username}${password ? `:${password}` : ""}@` : ""
  const spelt = (port: string) => `${protocol}//${user}${hostname}${port}${pathname}${search}`
  return [given, spelt(""), spelt(`:${url.port || (protocol === "https:" ? "443" : "80")}`)]
}

const SIGNATURE = "x-twilio-signature"
const sign = (token: string, url: string, rest: string) => hmac("sha1", token, url + rest, "base64")

export const twilio = {
  id: "twilio",
  name: "Twilio",
  docs: "https://www.twilio.com/docs/usage/webhooks/webhooks-security",
  facts: { timeoutMs: 15 * SECOND, retries: "by the connection overrides in the callback's URL" },
  secretFrom: "vendor",
  /**
   * The secret is the account's auth token. No time is signed: what defends against a replay is that a status counts
   * once. A form is signed with the URL; any other body by its SHA-256, which the signed URL has to carry.
   */
  verify(delivery, secrets) {
    const signature = header(delivery, SIGNATURE)
    if (!signature) return missing(SIGNATURE)
    const digest = URL.parse(delivery.url)?.searchParams.get("bodySHA256")
    if (digest && !anySame([digest.toLowerCase()], [sha256(delivery.body)])) return mismatch
    const rest = digest ? "" : joined(formOf(delivery))
    const expected = spellings(delivery.url).flatMap((url) => signedWith(secrets, (token) => sign(token, url, rest)))
    return anySame([signature], expected) ? "genuine" : mismatch
  },
  read(delivery) {
    const told: Fields = isJson(delivery) ? objectOf(delivery.body) : Object.fromEntries(formOf(delivery))
    const [message, call] = [text(told.MessageSid) ?? text(told.SmsSid), text(told.CallSid)]
    const said = message ? ofMessage(told, message) : call ? ofCall(told, call) : ofAnything(told, delivery.body)
    return { id: String(said.messageId), messages: [said] }
  },
  sample(secret, now, url) {
    const told = {
      MessageSid: `SM${sha256(String(now)).slice(0, 32)}`,
      MessageStatus: "delivered",
      From: "+15017122661",
    }
    const form = new URLSearchParams({ ...told, To: "+15558675310", ApiVersion: "2010-04-01" })
    const headers = {
      "content-type": "application/x-www-form-urlencoded",
      [SIGNATURE]: sign(secret, url, joined(form)),
    }
    return { method: "POST", headers, body: Buffer.from(String(form)) }
  },
} satisfies Vendor
