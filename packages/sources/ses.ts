import { verify as isSigned } from "node:crypto"
import { HOUR, instant, SECOND } from "#core/clock.ts"
import { shortHash } from "#core/hash.ts"
import { type Message, parseInstant } from "#events/message.ts"
import { type Issue, keyAt, unlessAbsent, vendorUrl } from "./certificate.ts"
import { type Fields, fields, iso, jsonOf, list, objectOf, required, text } from "./generic.ts"
import { emailId, excerpt, idOf, track } from "./message.ts"
import { anySame, header, mismatch, missing, stale, TOLERANCE_MS } from "./signature.ts"
import type { Delivery, FetchText, Secrets, Vendor, Verdict } from "./source.ts"

/**
 * | SES's `eventType`                         | Octant                                                    | of whom, and when                 |
 * |-------------------------------------------|-----------------------------------------------------------|-----------------------------------|
 * | Send, Reject, Rendering Failure           | Email Sent; Email Dropped: reason                         | `mail.destination`, `mail`        |
 * | Delivery                                  | Email Delivered: `smtpResponse`                           | `delivery.recipients`             |
 * | Bounce                                    | Email Bounced: kind, `diagnosticCode`, status             | `bounce.bouncedRecipients`        |
 * | Complaint                                 | Email Complained: `complaintFeedbackType`                 | `complaint.complainedRecipients`  |
 * | DeliveryDelay                             | Email Delayed: kind                                       | `deliveryDelay.delayedRecipients` |
 * | Open, Click                               | Email Opened; Email Clicked: `link`                       | `mail.destination`, `open`, `click` |
 * | Subscription, away from everything        | Email Unsubscribed                                        | `mail.destination`                |
 * | any other                                 | its own name                                              | `mail.destination`, `mail`        |
 *
 * One message a recipient, as userId `email:…`. Its id is made of `mail.messageId`, the type, the time, the recipient
 * and the link, so that SNS and EventBridge tell the same fact.
 */
type Telling = { name: string; at: string }
const tellings: Record<string, Telling> = {
  send: { name: "Email Sent", at: "send" },
  reject: { name: "Email Dropped", at: "reject" },
  renderingfailure: { name: "Email Dropped", at: "failure" },
  delivery: { name: "Email Delivered", at: "delivery" },
  bounce: { name: "Email Bounced", at: "bounce" },
  complaint: { name: "Email Complained", at: "complaint" },
  deliverydelay: { name: "Email Delayed", at: "deliveryDelay" },
  open: { name: "Email Opened", at: "open" },
  click: { name: "Email Clicked", at: "click" },
  subscription: { name: "Subscription", at: "subscription" },
}

function messagesOf(event: Fields): Message[] {
  const type = required(event.eventType ?? event.notificationType, "eventType")
  const key = type.toLowerCase().replace(/\s/g, "")
  const known = Object.hasOwn(tellings, key) ? tellings[key]! : { name: type, at: "" }
  const [mail, about] = [fields(event.mail), fields(event[known.at])]
  const messageId = required(mail.messageId, "mail.messageId")
  const time = iso(about.timestamp) ?? iso(mail.timestamp)
  const away = fields(about.newTopicPreferences).unsubscribeAll === true
  const shared = {
    message_id: messageId,
    kind: text(about.bounceType ?? about.delayType ?? about.complaintFeedbackType),
    reason: excerpt(about.reason ?? about.errorMessage ?? about.smtpResponse ?? about.bounceSubType),
    url: excerpt(about.link),
  }
  return people(key, about, list(mail.destination)).map((person, i) => {
    const told: Fields = typeof person === "string" ? { emailAddress: person } : fields(person)
    const email = text(told.emailAddress)
    const id = idOf("ses", messageId, key, shortHash(JSON.stringify([time, email ?? i, shared.url])))
    const who = email ? { userId: emailId(email) } : { anonymousId: id }
    const own = { status: text(told.status), reason: excerpt(told.diagnosticCode) ?? shared.reason }
    const message = track(away ? "Email Unsubscribed" : known.name, { id, at: time, who }, { ...shared, ...own })
    return email ? { ...message, context: { traits: { email } } } : message
  })
}

/** Who opened a message to several people is unknown: it is told of nobody rather than of all. */
function people(key: string, about: Fields, destination: unknown[]): unknown[] {
  const named = about.bouncedRecipients ?? about.complainedRecipients ?? about.delayedRecipients ?? about.recipients
  const unknown = destination.length > 1 && (key === "open" || key === "click")
  const found = named === undefined ? (unknown ? [] : destination) : list(named)
  return found.length === 0 ? [undefined] : found
}

const REGION = /^sns\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(\.cn)?$/

/** The names are those that AWS's own SDK expects: older regions share one, newer ones have their own. */
const certificates: Issue = {
  allows: ({ hostname, pathname, search }) =>
    REGION.test(hostname) && /^\/SimpleNotificationService-\w+\.pem$/.test(pathname) && search === "",
  names({ hostname }) {
    const [, region = "", china = ""] = REGION.exec(hostname) ?? []
    const own = [`sns-${region}.amazonaws.com${china}`, `sns-signing.${region}.amazonaws.com${china}`]
    return ["sns.amazonaws.com", ...own, ...(region.startsWith("us-gov-") ? ["sns-us-gov-west-1.amazonaws.com"] : [])]
  },
}

const NOTIFIED = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
const HANDSHAKEN = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
const HANDSHAKES = ["SubscriptionConfirmation", "UnsubscribeConfirmation"]
const DIGESTS: Record<string, string> = { "1": "sha1", "2": "sha256" }
const isHandshake = ({ Type }: Fields) => HANDSHAKES.includes(String(Type))

/**
 * What SNS signs: each field's name and value, a line each. Only Type and TopicArn, at the end, cannot be cut otherwise
 * by a publisher who writes such lines into a message; so those two must be exactly what we expect.
 */
export function canonical(envelope: Fields): string {
  const signed = (isHandshake(envelope) ? HANDSHAKEN : NOTIFIED).filter((name) => typeof envelope[name] === "string")
  return signed.map((name) => `${name}\n${envelope[name]}\n`).join("")
}

const RETRIED_MS = HOUR
const isTopic = (secret: string) => secret.startsWith("arn:aws")

async function verifySns(
  envelope: Fields,
  receivedAt: number,
  secrets: Secrets,
  fetchText: FetchText,
): Promise<Verdict> {
  const { Signature, SigningCertURL, SignatureVersion, TopicArn, Timestamp, SubscribeURL } = envelope
  if (typeof Signature !== "string" || typeof SigningCertURL !== "string") {
    return missing(`Signature and SigningCertURL in SNS's message, or ${TOKEN} from EventBridge`)
  }
  if (!anySame([String(TopicArn)], secrets.filter(isTopic))) return mismatch
  if (envelope.Type !== "Notification" && !isHandshake(envelope)) return mismatch
  const age = receivedAt - (parseInstant(String(Timestamp)) ?? Number.NaN)
  if (!(age >= -TOLERANCE_MS && age <= RETRIED_MS + TOLERANCE_MS)) return stale
  const digest = DIGESTS[String(SignatureVersion)]
  if (!digest) return mismatch
  const key = await keyAt(SigningCertURL, certificates, fetchText, receivedAt)
  if ("code" in key) return key
  if (!isSigned(digest, Buffer.from(canonical(envelope)), key, Buffer.from(Signature, "base64"))) return mismatch
  if (envelope.Type === "SubscriptionConfirmation") {
    const confirm = vendorUrl(String(SubscribeURL), ({ hostname }) => REGION.test(hostname))
    if (!confirm) return { code: "bad_signature", message: "the subscription is not to be confirmed at SNS" }
    if ((await unlessAbsent(fetchText(confirm.href))) === undefined)
      return { code: "bad_signature", message: "SNS knows no such subscription to confirm: subscribe once more" }
  }
  return "genuine"
}

const TOKEN = "x-octant-token"

export const ses = {
  id: "ses",
  name: "Amazon SES",
  docs: "https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html",
  facts: {
    timeoutMs: 15 * SECOND,
    retries: "SNS: 3 times 20 s apart unless the subscription says otherwise, at most for an hour",
  },
  secretFrom: "vendor",
  pasted: "the ARN of the SNS topic that sends here, or for EventBridge the token that its API destination sends",
  /**
   * A secret is the ARN of the topic that may send here, since anybody's topic is signed by the same SNS; or, for
   * EventBridge by way of an API destination, the token that its connection sends as `x-octant-token`. SNS signs when it
   * was told, and a retry an hour later says so too. A genuine subscription is confirmed by the way.
   */
  verify(delivery, secrets, { fetchText }): Verdict | Promise<Verdict> {
    const token = header(delivery, TOKEN)
    const ours = secrets.filter((secret) => secret !== "" && !isTopic(secret))
    if (token) return anySame([token], ours) ? "genuine" : mismatch
    return verifySns(objectOf(delivery.body), delivery.receivedAt, secrets, fetchText)
  },
  challenge(delivery) {
    return isHandshake(fields(jsonOf(delivery.body))) ? { status: 200, body: "" } : undefined
  },
  /** From SNS, from EventBridge, or the bare event of raw delivery. A topic is tried out with a sentence, which says nothing. */
  read({ body }: Delivery) {
    const envelope = objectOf(body)
    const id = text(envelope.MessageId) ?? text(envelope.id) ?? shortHash(body)
    if (isHandshake(envelope)) return { id: `ses:${id}`, messages: [] }
    const { Message: words, detail } = envelope
    if (typeof words !== "string") return { id: `ses:${id}`, messages: messagesOf(fields(detail ?? envelope)) }
    return { id: `ses:${id}`, messages: words.startsWith("{") ? messagesOf(objectOf(words)) : [] }
  },
  /** As EventBridge sends it, with the secret for its token. Only SNS can sign the other form. */
  sample(secret, now) {
    const at = instant(now)
    const mail = { messageId: `sample-${now}`, timestamp: at, destination: ["ada@example.com"] }
    const detail = { eventType: "Delivery", mail, delivery: { timestamp: at, recipients: mail.destination } }
    const event = {
      version: "0",
      id: `sample-${now}`,
      "detail-type": "Email Delivered",
      source: "aws.ses",
      time: at,
      detail,
    }
    const headers = { "content-type": "application/json", [TOKEN]: secret }
    return { method: "POST", headers, body: Buffer.from(JSON.stringify(event)) }
  },
} satisfies Vendor
