import { shortHash } from "#core/hash.ts"
import { type Fields, fields, identifying, iso, list, objectOf, required, text } from "./generic.ts"
import { track } from "./message.ts"
import { anySame, header, hmac, mismatch, missing, secondsOf, signedWith, stale, withinTolerance } from "./signature.ts"
import type { Delivery, Reading, Vendor } from "./source.ts"

const VERSION = "v0"
const sign = (secret: string, seconds: string, body: Uint8Array) =>
  `${VERSION}=${hmac("sha256", secret, [`${VERSION}:${seconds}:`, body], "hex")}`

/** Which message, file or thing an event is about. Words are never read: only ids, the emoji and the name of a command. */
const ABOUT = [
  "user",
  "team",
  "channel",
  "channel_type",
  "ts",
  "thread_ts",
  "subtype",
  "reaction",
  "item_user",
  "inviter",
  "tab",
]

/**
 * | delivery             | message                                        | messageId                    | userId     |
 * | event_callback       | `Slack <event.type>`, with ids; for a reaction  | event_id                     | event.user |
 * |                      | its emoji and what it is on                    |                              |            |
 * | slash command        | `Slack slash_command` with its name            | trigger_id                   | user_id    |
 * | interaction          | `Slack <payload.type>` with ids and action ids | trigger_id                   | user.id    |
 * | app_rate_limited     | `Slack app_rate_limited`                       | team_id, minute_rate_limited | –          |
 * | url_verification, our own bot's doings | nothing                      |                              |            |
 */
export const slack = {
  id: "slack",
  name: "Slack",
  docs: "https://docs.slack.dev/authentication/verifying-requests-from-slack",
  facts: { timeoutMs: 3000, retries: "3 times: at once, after 1 minute, after 5 minutes" },
  secretFrom: "vendor",
  verify(delivery, secrets) {
    const [seconds, signature] = [header(delivery, "x-slack-request-timestamp"), header(delivery, "x-slack-signature")]
    if (!seconds || !signature) return missing("X-Slack-Request-Timestamp and X-Slack-Signature")
    if (
      !anySame(
        [signature],
        signedWith(secrets, (secret) => sign(secret, seconds, delivery.body)),
      )
    )
      return mismatch
    return withinTolerance(secondsOf(seconds), delivery.receivedAt) ? "genuine" : stale
  },
  challenge(delivery) {
    if (isForm(delivery)) return undefined
    const body = objectOf(delivery.body)
    if (body.type !== "url_verification" || typeof body.challenge !== "string") return undefined
    return { status: 200, headers: { "content-type": "text/plain" }, body: body.challenge }
  },
  read(delivery) {
    if (isForm(delivery)) return ofForm(delivery)
    const body = objectOf(delivery.body)
    if (body.type === "url_verification") return { id: "slack:url_verification", messages: [] }
    return body.type === "event_callback" ? ofEvent(body) : ofNotice(delivery, body)
  },
  sample(secret, now, _url) {
    const seconds = String(Math.floor(now / 1000))
    const item = { type: "message", channel: "C0T2GACDT", ts: `${seconds}.000100` }
    const event = {
      type: "reaction_added",
      user: "U061F7AUR",
      reaction: "white_check_mark",
      item,
      event_ts: `${seconds}.000200`,
    }
    const envelope = {
      type: "event_callback",
      team_id: "T024BE7LD",
      api_app_id: "A0MDYCDME",
      event_id: `EvSample${now}`,
      event_time: Number(seconds),
    }
    const body = Buffer.from(JSON.stringify({ ...envelope, event }))
    const signed = { "x-slack-request-timestamp": seconds, "x-slack-signature": sign(secret, seconds, body) }
    return { method: "POST", headers: { "content-type": "application/json", ...signed }, body }
  },
} satisfies Vendor

const isForm = (delivery: Delivery) =>
  (header(delivery, "content-type") ?? "").startsWith("application/x-www-form-urlencoded")

function ofEvent(body: Fields): Reading {
  const event = fields(body.event)
  const type = required(event.type, "event.type")
  const id = `slack:${required(body.event_id, "event_id")}`
  if (isOurs(body, event)) return { id, messages: [] }
  const item = fields(event.item)
  const on = { item_type: text(item.type), item_channel: text(item.channel), item_ts: text(item.ts) }
  const of = { team_id: text(body.team_id), app_id: text(body.api_app_id) }
  const who = whoIs(text(event.user) ?? text(fields(event.user).id), text(event.bot_id) ?? of.team_id)
  const properties = { ...identifying(event, ABOUT), type: undefined, ...on, ...of }
  return { id, messages: [track(`Slack ${type}`, { id, at: iso(body.event_time), who }, properties)] }
}

/** What our own bot says and does comes back as events. A bot's message that names no app may be ours, and counts as such. */
function isOurs(body: Fields, event: Fields): boolean {
  const isOurUser = (one: Fields) =>
    one.is_bot === true && text(one.user_id) !== undefined && one.user_id === event.user
  if (list(body.authorizations).map(fields).some(isOurUser)) return true
  const app = text(event.app_id) ?? text(fields(event.bot_profile).app_id) ?? body.api_app_id
  return event.type === "message" && text(event.bot_id) !== undefined && app === body.api_app_id
}

function ofForm(delivery: Delivery): Reading {
  const form = Object.fromEntries(new URLSearchParams(new TextDecoder().decode(delivery.body)))
  if (form.payload !== undefined) return ofInteraction(delivery, objectOf(form.payload))
  const id = `slack:${text(form.trigger_id) ?? shortHash(delivery.body)}`
  if (!form.command) return { id, messages: [] }
  const who = whoIs(text(form.user_id), text(form.team_id))
  const properties = { ...identifying(form, ["command"]), trigger_id: undefined }
  return { id, messages: [track("Slack slash_command", { id, at: sentAt(delivery), who }, properties)] }
}

function ofInteraction(delivery: Delivery, body: Fields): Reading {
  const id = `slack:${text(body.trigger_id) ?? shortHash(delivery.body)}`
  const [user, team, channel] = [body.user, body.team, body.channel].map((one) => text(fields(one).id))
  const action_ids = list(body.actions).flatMap((one) => text(fields(one).action_id) ?? [])
  const properties = { callback_id: text(body.callback_id), team_id: team, channel_id: channel, action_ids }
  const at = sentAt(delivery)
  return {
    id,
    messages: [track(`Slack ${required(body.type, "type")}`, { id, at, who: whoIs(user, team) }, properties)],
  }
}

/** What Slack tells about itself, such as `app_rate_limited`, once for each workspace and minute. */
function ofNotice(delivery: Delivery, body: Fields): Reading {
  const type = required(body.type, "type")
  const team = text(body.team_id)
  const minute = text(body.minute_rate_limited)
  const id = minute === undefined ? `slack:${shortHash(delivery.body)}` : `slack:${type}:${team}:${minute}`
  const fact = { id, at: iso(body.minute_rate_limited) ?? sentAt(delivery), who: whoIs(undefined, team) }
  return { id, messages: [track(`Slack ${type}`, fact, { ...identifying(body), type: undefined })] }
}

const whoIs = (user: string | undefined, otherwise: string | undefined) =>
  user === undefined ? { anonymousId: `slack:${otherwise ?? "workspace"}` } : { userId: `slack:${user}` }

const sentAt = (delivery: Delivery) => iso(header(delivery, "x-slack-request-timestamp"))
