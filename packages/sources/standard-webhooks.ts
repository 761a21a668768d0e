import { instant } from "#core/clock.ts"
import { standardKey, standardSignature } from "#core/standard.ts"
import { fields, iso, objectOf, required, text } from "./generic.ts"
import { idOf, track } from "./message.ts"
import { anySame, header, mismatch, missing, secondsOf, stale, withinTolerance } from "./signature.ts"
import type { Delivery, Vendor, Verdict } from "./source.ts"

/** Svix, from which the standard comes, still sends its own names. */
const sent = (delivery: Delivery, name: string) =>
  header(delivery, `webhook-${name}`) ?? header(delivery, `svix-${name}`)

/** The vendor's id of the delivery, the same at every retry. */
export const standardId = (delivery: Delivery) => sent(delivery, "id")

/** Several signatures may stand in the header, parted by spaces; versions other than v1 are passed over. An empty key is none. */
export function standardVerdict(delivery: Delivery, keys: Uint8Array[]): Verdict {
  const [id, seconds, signatures] = [sent(delivery, "id"), sent(delivery, "timestamp"), sent(delivery, "signature")]
  if (!id || !seconds || !signatures) return missing("webhook-id, webhook-timestamp and webhook-signature")
  const expected = keys.filter((key) => key.length > 0).map((key) => standardSignature(key, id, seconds, delivery.body))
  if (!anySame(signatures.split(" "), expected)) return mismatch
  return withinTolerance(secondsOf(seconds), delivery.receivedAt) ? "genuine" : stale
}

/** The headers of a signed sample. */
export function standardHeaders(key: Uint8Array, now: number, body: string) {
  const [id, seconds] = [`msg_sample_${now}`, String(Math.floor(now / 1000))]
  const signature = standardSignature(key, id, seconds, body)
  return {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": seconds,
    "webhook-signature": signature,
  }
}

/**
 * Any sender that keeps to the standard, the tenant's own included:
 * `type` → event (`order.completed` is the catalogue's Order Completed), `timestamp` → timestamp, `data` → properties as it is,
 * `data.user_id`, `data.userId` or `data.customer_id` → userId, `webhook-id` → messageId,
 * with the source's id before it: two senders may give the same id to different facts.
 */
export const standardWebhooks = {
  id: "standard-webhooks",
  name: "Standard Webhooks",
  docs: "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
  facts: {
    timeoutMs: 15_000,
    retries: "as the sender does; the standard advises 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h",
  },
  secretFrom: "vendor",
  verify: (delivery, secrets) => standardVerdict(delivery, secrets.map(standardKey)),
  read(delivery, source?: string) {
    const body = objectOf(delivery.body)
    const data = fields(body.data)
    const id = idOf("standard-webhooks", source, required(standardId(delivery), "webhook-id"))
    const userId = text(data.user_id) ?? text(data.userId) ?? text(data.customer_id)
    const who = userId === undefined ? { anonymousId: text(data.anonymous_id) ?? "standard-webhooks" } : { userId }
    return { id, messages: [track(required(body.type, "type"), { id, at: iso(body.timestamp), who }, data)] }
  },
  sample(secret, now) {
    const body = JSON.stringify({
      type: "feature.used",
      timestamp: instant(now),
      data: { user_id: "user-1", feature: "sample" },
    })
    return { method: "POST", headers: standardHeaders(standardKey(secret), now, body), body: Buffer.from(body) }
  },
} satisfies Vendor
