import { instant, MINUTE, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { type Message, parseInstant } from "#events/message.ts"
import { ask, type Fields, fields, iso, list, objectOf, required, text, wholeNumber } from "./generic.ts"
import { emailId, excerpt, identify, idOf, seconds, track, type Who } from "./message.ts"
import { anySame, header, hmac, mismatch, missing, signedWith, stale, withinTolerance } from "./signature.ts"
import type { Counted, Page, PollNeeds, Reading, Vendor } from "./source.ts"

/**
 * | Zendesk                                                       | Octant                                                  |
 * |---------------------------------------------------------------|---------------------------------------------------------|
 * | `ticket.created`; any listed or triggered ticket              | Ticket Opened: `id`, `via.channel`, `description`       |
 * | `ticket.status_changed` to solved or closed; such a ticket    | Ticket Resolved: `id`, time of solving − `created_at`   |
 * | `ticket.comment_added`, public: by an agent; by anybody else  | Ticket Message Sent; Ticket Message Received: `body`    |
 * | a trigger's body of a ticket changed since it was opened      | Ticket Updated: `status`, `priority`, public comment    |
 * | any other event                                               | its own `type`: `subject`, `current`, `previous`        |
 * | `requester_id`, else `requester_email`; `requester_name`      | userId `zendesk:…`, else `email:…`; traits              |
 *
 * A ticket is opened once and resolved once, under the ticket's own id, so that webhook, trigger and poll agree. One that
 * is opened again and solved again stays resolved once: the list does not tell how often it was.
 */
type Ticket = Fields & { id: string }

const EVENT = "zen:event-type:"
const isSolved = (status: unknown) => /^(solved|closed)$/i.test(text(status) ?? "")

function requester(ticket: Ticket): Who {
  const [id, email] = [text(ticket.requester_id), text(ticket.requester_email)]
  if (id) return { userId: `zendesk:${id}` }
  return email ? { userId: emailId(email) } : { anonymousId: `zendesk:ticket:${ticket.id}` }
}

function opened(ticket: Ticket): Message[] {
  const id = `zendesk:ticket:${ticket.id}`
  const fact = { id: `${id}:opened`, at: iso(ticket.created_at), who: requester(ticket) }
  const traits = { email: text(ticket.requester_email), name: text(ticket.requester_name) }
  const channel = text(fields(ticket.via).channel)
  const words = { subject: excerpt(ticket.subject), text: excerpt(ticket.description) }
  return [
    track("Ticket Opened", fact, { ticket_id: ticket.id, channel, ...words }),
    ...identify({ ...fact, id: `${id}:requester` }, traits),
  ]
}

/** `solvedAt` is unknown where only the ticket's last change is, and then so is how long it took. */
function resolved(ticket: Ticket, solvedAt: unknown): Message {
  const at = iso(solvedAt) ?? iso(ticket.updated_at)
  const fact = { id: `zendesk:ticket:${ticket.id}:resolved`, at, who: requester(ticket) }
  const resolution_seconds = seconds(ticket.created_at, solvedAt)
  return track("Ticket Resolved", fact, { ticket_id: ticket.id, resolution_seconds })
}

function updated(ticket: Ticket): Message {
  const at = iso(ticket.updated_at)
  const fact = {
    id: idOf("zendesk", "ticket", ticket.id, "updated", at ?? text(ticket.status)),
    at,
    who: requester(ticket),
  }
  const comment = ticket.latest_comment_is_public === true ? excerpt(ticket.latest_comment) : undefined
  const state = { status: text(ticket.status), priority: text(ticket.priority) }
  return track("Ticket Updated", fact, { ticket_id: ticket.id, ...state, text: comment })
}

/** The body that a tenant writes into a trigger; we document one with these placeholders' names. */
function triggered(body: Fields): Reading {
  const ticket = { ...body, id: required(body.ticket_id, "ticket_id") }
  const changed = iso(body.updated_at) !== iso(body.created_at)
  const end = isSolved(body.status) ? [resolved(ticket, body.updated_at)] : changed ? [updated(ticket)] : []
  const id = idOf("zendesk", "ticket", ticket.id, iso(body.updated_at) ?? text(body.status))
  return { id, messages: [...opened(ticket), ...end] }
}

type Event = { id: string; type: string; time: unknown; subject: unknown; change: Fields }

function ofTicket({ type, time, change }: Event, ticket: Ticket): Message[] | undefined {
  if (type === "ticket.created") return opened({ ...ticket, created_at: ticket.created_at ?? time })
  if (type === "ticket.status_changed" && isSolved(change.current)) return [resolved(ticket, time)]
  const comment = fields(change.comment)
  const id = text(comment.id)
  if (type !== "ticket.comment_added" || comment.is_public !== true || !id) return undefined
  const name = fields(comment.author).is_staff === true ? "Ticket Message Sent" : "Ticket Message Received"
  const fact = { id: `zendesk:comment:${id}`, at: iso(time), who: requester(ticket) }
  return [track(name, fact, { ticket_id: ticket.id, message_id: id, text: excerpt(comment.body) })]
}

function ofAnything(event: Event, ticket: Ticket | undefined, detail: Fields): Message[] {
  const about = text(event.subject) ?? event.id
  const user = /^zen:user:(.+)$/.exec(about)?.[1]
  const who = ticket ? requester(ticket) : user ? { userId: `zendesk:${user}` } : { anonymousId: `zendesk:${about}` }
  const fact = { id: `zendesk:${event.id}`, at: iso(event.time), who }
  const state = { current: text(event.change.current), previous: text(event.change.previous) }
  const traits = user ? { email: text(detail.email), name: text(detail.name) } : {}
  return [
    track(`${EVENT}${event.type}`, fact, { subject: about, ticket_id: ticket?.id, ...state }),
    ...identify({ ...fact, id: `${fact.id}:traits` }, traits),
  ]
}

function evented(body: Fields): Reading {
  const id = required(body.id, "id")
  const name = required(body.type, "type")
  if (!name.startsWith(EVENT)) {
    throw new Fault("invalid_request", `type must begin with ${EVENT}, or the body needs ticket_id`, { field: "type" })
  }
  const detail = fields(body.detail)
  const type = name.slice(EVENT.length)
  const event: Event = { id, type, time: body.time, subject: body.subject, change: fields(body.event) }
  const ticketId = type.startsWith("ticket.") ? text(detail.id) : undefined
  const ticket = ticketId === undefined ? undefined : { ...detail, id: ticketId }
  return { id: `zendesk:${id}`, messages: (ticket && ofTicket(event, ticket)) ?? ofAnything(event, ticket, detail) }
}

const basicOrBearer = (credential: string) =>
  credential.includes(":") ? `Basic ${Buffer.from(credential).toString("base64")}` : `Bearer ${credential}`

/**
 * The credential is `address/token:key` or an OAuth token. The cursor is Zendesk's own, or `since:<seconds>` until it
 * gives one; the last minute is never listed. People and times of solving come beside the tickets.
 */
async function poll(needs: PollNeeds, cursor: string | undefined, since: number): Promise<Page> {
  const from = cursor ?? `since:${Math.floor(Math.min(since, needs.now - MINUTE - SECOND) / SECOND)}`
  const query = {
    include: "users,metric_sets",
    ...(from.startsWith("since:") ? { start_time: from.slice(6) } : { cursor: from }),
  }
  const headers = { authorization: basicOrBearer(needs.credential) }
  const { body } = await ask("Zendesk", needs, "/api/v2/incremental/tickets/cursor.json", query, headers)
  const people = new Map(list(body.users).map((person) => [text(fields(person).id), fields(person)]))
  const metrics = new Map(list(body.metric_sets).map((one) => [text(fields(one).ticket_id), fields(one)]))
  const messages = list(body.tickets).flatMap((listed, i) => {
    const given = fields(listed)
    const id = required(given.id, `tickets[${i}].id`)
    const person = people.get(text(given.requester_id))
    const ticket = { ...given, id, requester_name: person?.name, requester_email: person?.email }
    const { solved_at } = { ...metrics.get(id), ...fields(given.metric_set) }
    return [...opened(ticket), ...(isSolved(given.status) ? [resolved(ticket, solved_at)] : [])]
  })
  return {
    messages,
    cursor: typeof body.after_cursor === "string" ? body.after_cursor : from,
    done: body.end_of_stream === true,
  }
}

/** Tickets by when they were opened, as Zendesk's search counts them. */
async function count(needs: PollNeeds, from: number, to: number): Promise<Counted | undefined> {
  const query = `type:ticket created>=${wholeSecond(from)} created<${wholeSecond(to)}`
  const headers = { authorization: basicOrBearer(needs.credential) }
  const { body } = await ask("Zendesk", needs, "/api/v2/search/count.json", { query }, headers)
  return { metric: "tickets_opened", count: wholeNumber("Zendesk", body.count), of: "GET /api/v2/search/count.json" }
}

const wholeSecond = (ms: number) => instant(Math.floor(ms / SECOND) * SECOND).replace(".000", "")

const SIGNATURE = "x-zendesk-webhook-signature"
const TIMESTAMP = "x-zendesk-webhook-signature-timestamp"

export const zendesk = {
  id: "zendesk",
  name: "Zendesk",
  docs: "https://developer.zendesk.com/documentation/webhooks/verifying/",
  facts: {
    timeoutMs: 10 * SECOND,
    retries: "after 409 three times, after 429 and 503 with a Retry-After below a minute, after a timeout five times",
    requestsPerSecond: 10 / 60,
  },
  idsOfAccount: true,
  secretFrom: "vendor",
  /** The secret is used as the text that Zendesk shows, though that looks like base64. */
  verify(delivery, secrets) {
    const [signature, timestamp] = [header(delivery, SIGNATURE), header(delivery, TIMESTAMP)]
    if (!signature || !timestamp) return missing(`${SIGNATURE} and ${TIMESTAMP}`)
    if (!withinTolerance((parseInstant(timestamp) ?? Number.NaN) / SECOND, delivery.receivedAt)) return stale
    const expected = signedWith(secrets, (secret) => hmac("sha256", secret, [timestamp, delivery.body], "base64"))
    return anySame([signature], expected) ? "genuine" : mismatch
  },
  read(delivery) {
    const body = objectOf(delivery.body)
    return "ticket_id" in body ? triggered(body) : evented(body)
  },
  poll,
  count,
  api: { hosts: /^[a-z0-9][a-z0-9-]*\.zendesk\.com$/ },
  sample(secret, now) {
    const at = instant(now)
    const words = { subject: "Cannot log in", description: "The app does not take my password." }
    const detail = {
      id: "5158",
      requester_id: "8447388090494",
      status: "NEW",
      via: { channel: "web" },
      created_at: at,
      ...words,
    }
    const event = {
      id: `sample-${now}`,
      type: `${EVENT}ticket.created`,
      time: at,
      subject: "zen:ticket:5158",
      detail,
      event: {},
    }
    const body = Buffer.from(JSON.stringify({ account_id: 1, zendesk_event_version: "2022-11-06", ...event }))
    const signature = hmac("sha256", secret, [at, body], "base64")
    return {
      method: "POST",
      headers: { "content-type": "application/json", [SIGNATURE]: signature, [TIMESTAMP]: at },
      body,
    }
  },
} satisfies Vendor
