import { createPublicKey, verify as isSigned, type KeyObject } from "node:crypto"
import { SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { shortHash } from "#core/hash.ts"
import type { Message } from "#events/message.ts"
import { type Fields, fields, iso, jsonOf, list, required, text } from "./generic.ts"
import { emailId, excerpt, track } from "./message.ts"
import { header, mismatch, missing } from "./signature.ts"
import type { Vendor } from "./source.ts"

/**
 * | SendGrid's `event`                   | Octant                                                                     |
 * |--------------------------------------|----------------------------------------------------------------------------|
 * | processed, deferred                  | Email Sent, Email Delayed                                                  |
 * | delivered, bounce, dropped           | Email Delivered, Email Bounced, Email Dropped                              |
 * | open, click, spamreport              | Email Opened, Email Clicked, Email Complained                              |
 * | unsubscribe, group_unsubscribe       | Email Unsubscribed                                                         |
 * | any other                            | its own name                                                               |
 * | `email`; `sg_event_id`; `timestamp`  | userId `email:…` and the trait; message id; time                           |
 * | `sg_message_id`, `category`          | message_id, categories                                                     |
 * | `reason`, `status`, `type`, `url`    | reason, status, kind, url; `asm_group_id`: group_id; `sg_machine_open`     |
 */
const names: Record<string, string> = {
  processed: "Email Sent",
  deferred: "Email Delayed",
  delivered: "Email Delivered",
  bounce: "Email Bounced",
  dropped: "Email Dropped",
  open: "Email Opened",
  click: "Email Clicked",
  spamreport: "Email Complained",
  unsubscribe: "Email Unsubscribed",
  group_unsubscribe: "Email Unsubscribed",
}

function messageOf(event: Fields, i: number): Message {
  const type = required(event.event, `[${i}].event`)
  const email = text(event.email)
  const id = text(event.sg_event_id) ?? shortHash(JSON.stringify([event.sg_message_id, type, email, event.timestamp]))
  const who = email ? { userId: emailId(email) } : { anonymousId: `sendgrid:${id}` }
  const message = track(
    Object.hasOwn(names, type) ? names[type]! : type,
    { id: `sendgrid:${id}`, at: iso(event.timestamp), who },
    {
      message_id: text(event.sg_message_id),
      categories: typeof event.category === "string" ? [event.category] : strings(event.category),
      reason: excerpt(event.reason) ?? excerpt(event.response),
      status: text(event.status),
      kind: text(event.type),
      url: excerpt(event.url),
      group_id: text(event.asm_group_id),
      machine_open: event.sg_machine_open === true ? true : undefined,
    },
  )
  return email ? { ...message, context: { traits: { email } } } : message
}

const strings = (value: unknown) =>
  Array.isArray(value) ? value.map(text).filter((one) => one !== undefined) : undefined

/** The key as SendGrid shows it, base64 of its DER; `undefined` for what is none. */
function publicKey(secret: string): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(secret, "base64"), format: "der", type: "spki" })
    return key.asymmetricKeyType === "ec" ? key : undefined
  } catch {
    return undefined
  }
}

const SIGNATURE = "x-twilio-email-event-webhook-signature"
const TIMESTAMP = "x-twilio-email-event-webhook-timestamp"

export const sendgrid = {
  id: "sendgrid",
  name: "SendGrid",
  docs: "https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features",
  facts: { timeoutMs: 10 * SECOND, retries: "at growing intervals for 24 hours" },
  secretFrom: "vendor",
  pasted: "the verification key (base64), from Event Webhook settings with Signature Verification on",
  /**
   * The secret is the public key. SendGrid documents no window for the signed time and sends again for a day, so none is
   * applied: what defends against a replay is that each event counts once under its `sg_event_id`.
   */
  verify(delivery, secrets) {
    const [signature, timestamp] = [header(delivery, SIGNATURE), header(delivery, TIMESTAMP)]
    if (!signature || !timestamp) return missing(`${SIGNATURE} and ${TIMESTAMP}`)
    const [signed, bytes] = [Buffer.concat([Buffer.from(timestamp), delivery.body]), Buffer.from(signature, "base64")]
    const keys = secrets.map(publicKey).filter((key) => key !== undefined)
    return keys.some((key) => isSigned("sha256", signed, key, bytes)) ? "genuine" : mismatch
  },
  read({ body }) {
    const events = jsonOf(body)
    if (!Array.isArray(events)) throw new Fault("invalid_request", "the body must be a list of events")
    return { id: `sendgrid:${shortHash(body)}`, messages: list(events).map((event, i) => messageOf(fields(event), i)) }
  },
  /** Unsigned: only SendGrid holds the private key. Its settings page sends a signed test. */
  sample(_secret, now) {
    const about = { email: "ada@example.com", sg_message_id: "14c5d75ce93.dfd.64b469", response: "250 OK" }
    const event = { event: "delivered", timestamp: Math.floor(now / SECOND), sg_event_id: `sample-${now}`, ...about }
    const body = Buffer.from(`${JSON.stringify([event])}\r\n`)
    return { method: "POST", headers: { "content-type": "application/json" }, body }
  },
} satisfies Vendor
