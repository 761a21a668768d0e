import { createPrivateKey, createPublicKey, sign } from "node:crypto"
import { Tenant } from "#access/tenant.ts"
import { fakeClock, instant } from "#core/clock.ts"
import { unpackBytes } from "#core/pack.ts"
import { type DevTenant, settle } from "#local/home.ts"
import { startStack } from "#local/stack.ts"
import { sendgridKey, signer } from "#sources/fixtures.ts"
import { baseString } from "#sources/paypal.ts"
import { type VendorId, vendorOf } from "#sources/registry.ts"
import { canonical } from "#sources/ses.ts"
import type { Delivery } from "#sources/source.ts"

/** For tests: the whole product over HTTP, with a clock that is moved by hand and vendors that are nowhere. */
export async function startWorld(at = "2027-01-15T12:00:00.000Z") {
  const clock = fakeClock(at)
  const asked: string[] = []
  const lines: Record<string, unknown>[] = []
  const outside: typeof fetch = async (input, init) => {
    const url = String(input)
    if (url.startsWith("http://127.0.0.1")) return fetch(input, init)
    asked.push(url)
    return new Response(url.endsWith(".pem") || url.includes("/certs/") ? signer.certificate : "<ok/>")
  }
  const stack = await startStack({ clock, fetch: outside, log: (name, fields) => void lines.push({ name, ...fields }) })
  const tenant = (id: string) => settle(stack.runtime, Tenant.parse({ id, name: id }))
  const [acme, globex] = [await tenant("acme"), await tenant("globex")]

  const api = async (method: string, path: string, body?: unknown, key = acme.adminKey) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" }
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    return replyOf(await fetch(stack.url + path, init))
  }
  /** What a management call must answer. */
  const ask = async (method: string, path: string, body?: unknown, key?: string): Promise<Json> => {
    const { status, json, text } = await api(method, path, body, key)
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`)
    return json
  }
  return {
    stack,
    clock,
    /** URLs that were asked outside, and what was logged. */
    asked,
    lines,
    acme,
    globex,
    api,
    ask,
    /** A source, made through the API. */
    source: (wish: object, key?: string) => ask("POST", "/v1/sources", { name: "Ours", ...wish }, key) as Promise<Made>,
    deliver: async (url: string, { headers, body }: Pick<Delivery, "headers" | "body">): Promise<Reply> =>
      replyOf(await fetch(url, { method: "POST", headers, body: Uint8Array.from(body) })),
    /** What has become of all that a source has sent today. */
    ledger: async (source: string, who: DevTenant = acme): Promise<Json> => {
      await stack.idle()
      const day = instant(clock()).slice(0, 10)
      const { rows } = await ask("GET", `/v1/ledger?from=${day}&to=${day}`, undefined, who.readKey)
      const sum: Record<string, number> = { received: 0, counted: 0, duplicate: 0, rejected: 0, quarantined: 0 }
      for (const row of rows as Record<string, number | string>[]) {
        if (row.source === source) for (const name in sum) sum[name]! += Number(row[name])
      }
      return sum
    },
    total: async (metric: string, who: DevTenant = acme): Promise<unknown> => {
      await stack.idle()
      const day = (ms: number) => instant(clock() + ms).slice(0, 10)
      const span = `from=${day(-3 * 86_400_000)}&to=${day(86_400_000)}`
      return (await ask("GET", `/v1/query?metric=${metric}&grain=total&${span}`, undefined, who.readKey)).total
    },
    /** Every attribute of every item, unpacked where it is packed. */
    atRest: async (): Promise<string> => {
      const texts: string[] = []
      let start: unknown
      do {
        const page = await stack.runtime.call("dynamodb", "Scan", {
          TableName: stack.config.OCTANT_TABLE,
          ...(start ? { ExclusiveStartKey: start } : {}),
        })
        for (const item of page.Items as Record<string, { B?: string }>[]) {
          texts.push(JSON.stringify(item))
          for (const { B } of Object.values(item)) if (B !== undefined) texts.push(readable(Buffer.from(B, "base64")))
        }
        start = page.LastEvaluatedKey
      } while (start)
      return texts.join("\n")
    },
    stop: stack.stop,
  }
}
export type World = Awaited<ReturnType<typeof startWorld>>
export type Json = Record<string, unknown>
export type Reply = { status: number; headers: Headers; text: string; json: Json }
export type Made = { id: string; url: string; secret?: string; vendor: VendorId }

async function replyOf(response: Response): Promise<Reply> {
  const text = await response.text()
  const json = response.headers.get("content-type")?.includes("json") ? (JSON.parse(text) as Json) : {}
  return { status: response.status, headers: response.headers, text, json }
}

/** Bytes as whoever steals the table would try to read them. */
function readable(bytes: Buffer): string {
  try {
    return `${bytes.toString("latin1")}\n${unpackBytes(bytes).toString("latin1")}`
  } catch {
    return bytes.toString("latin1")
  }
}

type Sent = Pick<Delivery, "headers" | "body">
/** What a vendor sends, signed with its secret. */
export type Sender = {
  vendor: VendorId
  /** What the tenant pastes; ours is made. */
  secret?: string
  config?: object
  send(secret: string, now: number, url: string): Sent
  /** The same, but for what proves that it is genuine. */
  alter(sent: Sent): Sent
  /** A token proves it whatever the body says; absent, a signature over the body does. */
  proof?: "token"
}

/** One byte of the body is another. */
const body = (sent: Sent): Sent => {
  const bytes = Buffer.from(sent.body)
  const at = bytes.lastIndexOf("1")
  bytes[at] = "7".charCodeAt(0)
  return { ...sent, body: bytes }
}
const header =
  (name: string) =>
  (sent: Sent): Sent => ({ ...sent, headers: { ...sent.headers, [name]: `${sent.headers[name]}x` } })
const sample =
  (vendor: VendorId, config?: never) =>
  (secret: string, now: number, url: string): Sent =>
    vendorOf(vendor, config).sample(secret, now, url)

export const TOPIC = "arn:aws:sns:eu-central-1:123456789012:ses"
const jsonType = { "content-type": "application/json" }

/** An SNS message, signed. */
export function sns(envelope: Record<string, string>, now: number): Sent {
  const pem = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-7506a1e35b36ef5a444dd1a8e7cc3ed8.pem"
  const whole = { TopicArn: TOPIC, Timestamp: instant(now), SignatureVersion: "2", SigningCertURL: pem, ...envelope }
  const Signature = sign("sha256", Buffer.from(canonical(whole)), signer.key).toString("base64")
  return { headers: { "content-type": "text/plain" }, body: Buffer.from(JSON.stringify({ ...whole, Signature })) }
}

/** Events of SendGrid, signed. */
export function sendgridSends(events: object[], now: number): Sent {
  const content = Buffer.from(`${JSON.stringify(events)}\r\n`)
  const timestamp = String(Math.floor(now / 1000))
  const signature = sign("sha256", Buffer.concat([Buffer.from(timestamp), content]), createPrivateKey(sendgridKey))
  const headers = {
    ...jsonType,
    "x-twilio-email-event-webhook-signature": signature.toString("base64"),
    "x-twilio-email-event-webhook-timestamp": timestamp,
  }
  return { headers, body: content }
}
export const sendgridSecret = createPublicKey(createPrivateKey(sendgridKey))
  .export({ format: "der", type: "spki" })
  .toString("base64")

export function paypalSends(event: object, webhookId: string, now: number): Sent {
  const content = Buffer.from(JSON.stringify(event))
  const [id, time] = [`transmission-${now}`, instant(now)]
  const signature = sign("sha256", Buffer.from(baseString(id, time, webhookId, content)), signer.key)
  const headers = {
    ...jsonType,
    "paypal-transmission-id": id,
    "paypal-transmission-time": time,
    "paypal-transmission-sig": signature.toString("base64"),
    "paypal-cert-url": "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-b0d12406",
    "paypal-auth-algo": "SHA256withRSA",
  }
  return { headers, body: content }
}

const mapping = { event: "/type", messageId: "/id", userId: "/user", timestamp: "/at" }
const hmac = { kind: "hmac", header: "X-Signature", algorithm: "sha256", encoding: "hex" } as const
const own = (signature: object) => ({ signature, ...mapping }) as never

/** Every vendor, and every way in which one proves itself. */
export const senders: Record<string, Sender> = {
  Whop: { vendor: "whop", secret: "whop-secret", send: sample("whop"), alter: body },
  Stripe: { vendor: "stripe", secret: "whsec_stripe", send: sample("stripe"), alter: body },
  Shopify: { vendor: "shopify", secret: "shopify-secret", send: sample("shopify"), alter: body },
  Slack: { vendor: "slack", secret: "slack-secret", send: sample("slack"), alter: body },
  Gorgias: { vendor: "gorgias", send: sample("gorgias"), alter: header("x-octant-token"), proof: "token" },
  Zendesk: { vendor: "zendesk", secret: "zendesk-secret", send: sample("zendesk"), alter: body },
  PayPal: {
    vendor: "paypal",
    secret: "4JH86294D6297924G",
    send: (secret, now, url) => paypalSends(JSON.parse(String(sample("paypal")("", now, url).body)), secret, now),
    alter: body,
  },
  SendGrid: {
    vendor: "sendgrid",
    secret: sendgridSecret,
    send: (_, now) =>
      sendgridSends(
        [{ event: "delivered", email: "ada@example.com", sg_event_id: `s-${now}`, timestamp: now / 1000 }],
        now,
      ),
    alter: body,
  },
  "SES through SNS": {
    vendor: "ses",
    secret: TOPIC,
    send: (_, now, url) => {
      const { detail } = JSON.parse(String(sample("ses")("token", now, url).body)) as { detail: object }
      return sns({ Type: "Notification", MessageId: `sns-${now}`, Message: JSON.stringify(detail) }, now)
    },
    alter: body,
  },
  "SES through EventBridge": {
    vendor: "ses",
    secret: "a token of EventBridge's",
    send: sample("ses"),
    alter: header("x-octant-token"),
    proof: "token",
  },
  Twilio: { vendor: "twilio", secret: "twilio-token", send: sample("twilio"), alter: body },
  "Standard Webhooks": {
    vendor: "standard-webhooks",
    secret: "whsec_c3RhbmRhcmQtd2ViaG9va3M=",
    send: sample("standard-webhooks"),
    alter: body,
  },
  "any sender, by HMAC": { vendor: "generic", config: own(hmac), send: sample("generic", own(hmac)), alter: body },
  "any sender, by bearer": {
    vendor: "generic",
    config: own({ kind: "bearer" }),
    send: sample("generic", own({ kind: "bearer" })),
    alter: header("authorization"),
    proof: "token",
  },
}
