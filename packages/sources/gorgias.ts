import { instant, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import type { Message } from "#events/message.ts"
import { ask, type Fields, fields, iso, list, objectOf, required, text } from "./generic.ts"
import { emailId, excerpt, identify, idOf, seconds, track, type Who } from "./message.ts"
import { anySame, header, mismatch, missing } from "./signature.ts"
import type { Page, PollNeeds, Vendor } from "./source.ts"

/**
 * | Gorgias                                              | Octant                                                        |
 * |------------------------------------------------------|---------------------------------------------------------------|
 * | a ticket                                             | Ticket Opened: `id`, `channel`, `subject`, `excerpt`          |
 * | a ticket with `status` closed and `closed_datetime`  | Ticket Resolved: `id`, `closed_datetime` − `created_datetime` |
 * | a public message with `from_agent`; without          | Ticket Message Sent; Ticket Message Received: the words       |
 * | a `trigger` that says none of these                  | its own name: `ticket_id`, `status`, `channel`                |
 * | `customer.id` or `customer_id`, else `.email`        | userId `gorgias:…`, else `email:…`; traits email and name     |
 *
 * Each delivery tells all that holds of its ticket, under ids made of the ticket, the message and the time of closing:
 * what was told before is the same fact again, and the poll of the list tells the same facts.
 */
type Ticket = Fields & { id: string }

/** Templates render everything as text, and what is not there as nothing or as `None`. */
const said = (value: unknown) => (value === "None" ? undefined : text(value))
const truth = (value: unknown) => value === true || /^true$/i.test(said(value) ?? "")

function customer(ticket: Ticket): Who {
  const { id, email } = fields(ticket.customer)
  const [known, address] = [said(id) ?? said(ticket.customer_id), said(email)]
  if (known) return { userId: `gorgias:${known}` }
  return address ? { userId: emailId(address) } : { anonymousId: `gorgias:ticket:${ticket.id}` }
}

function ofTicket(ticket: Ticket): Message[] {
  const [id, who] = [`gorgias:ticket:${ticket.id}`, customer(ticket)]
  const [start, end] = [iso(said(ticket.created_datetime)), iso(said(ticket.closed_datetime))]
  const { name, email } = fields(ticket.customer)
  const about = { channel: said(ticket.channel), subject: excerpt(said(ticket.subject)), text: excerpt(ticket.excerpt) }
  const messages = [
    track("Ticket Opened", { id: `${id}:opened`, at: start, who }, { ticket_id: ticket.id, ...about }),
    ...identify({ id: `${id}:customer`, at: start, who }, { email: said(email), name: said(name) }),
  ]
  if (said(ticket.status) !== "closed" || end === undefined) return messages
  const closing = { ticket_id: ticket.id, resolution_seconds: seconds(start, end) }
  return [...messages, track("Ticket Resolved", { id: `${id}:closed:${end}`, at: end, who }, closing)]
}

/** A note between agents is no message to or from the customer. */
function ofMessage(ticket: Ticket, message: Fields): Message[] {
  const id = said(message.id)
  if (id === undefined || (message.public !== undefined && !truth(message.public))) return []
  const name = truth(message.from_agent) ? "Ticket Message Sent" : "Ticket Message Received"
  const at = iso(said(message.sent_datetime)) ?? iso(said(message.created_datetime))
  const words = excerpt(said(message.stripped_text) ? message.stripped_text : message.body_text)
  const about = { ticket_id: ticket.id, message_id: id, channel: said(message.channel), text: words }
  return [track(name, { id: `gorgias:message:${id}`, at, who: customer(ticket) }, about)]
}

const TOLD = ["ticket-created", "ticket-message-created"]

function ofTrigger(ticket: Ticket, trigger: string | undefined, message: Fields): Message[] {
  if (trigger === undefined || TOLD.includes(trigger)) return []
  const at = iso(said(ticket.updated_datetime)) ?? iso(said(message.failed_datetime))
  const id = idOf("gorgias", trigger, ticket.id, said(message.id), at)
  const state = { status: said(ticket.status), channel: said(ticket.channel), message_id: said(message.id) }
  return [track(trigger, { id, at, who: customer(ticket) }, { ticket_id: ticket.id, ...state })]
}

const basicOrBearer = (credential: string) =>
  credential.includes(":") ? `Basic ${Buffer.from(credential).toString("base64")}` : `Bearer ${credential}`

/**
 * The credential is `address:key` or an OAuth token. The list has no filter by time, so a first poll walks through all
 * tickets, from the one untouched for longest, and passes over what is older than `since`. The last page's cursor is
 * kept and asked again: what has changed by then comes behind it.
 */
async function poll(needs: PollNeeds, cursor: string | undefined, since: number): Promise<Page> {
  const query = { limit: "100", order_by: "updated_datetime:asc", ...(cursor ? { cursor } : {}) }
  const headers = { authorization: basicOrBearer(needs.credential) }
  const { body } = await ask("Gorgias", needs, "/api/tickets", query, headers)
  if (!Array.isArray(body.data)) throw new Fault("unavailable", "Gorgias answered without a list of tickets")
  const messages = list(body.data).flatMap((listed, i) => {
    const given = fields(listed)
    const ticket = { ...given, id: required(given.id, `data[${i}].id`) }
    return Date.parse(iso(given.updated_datetime) ?? instant(since)) < since ? [] : ofTicket(ticket)
  })
  const next = fields(body.meta).next_cursor
  const more = typeof next === "string" && next !== ""
  return { messages, cursor: more ? next : (cursor ?? ""), done: !more }
}

const TOKEN = "x-octant-token"

export const gorgias = {
  id: "gorgias",
  name: "Gorgias",
  docs: "https://developers.gorgias.com/reference/the-integration-object",
  /** Neither how long Gorgias waits nor whether it tries again is documented. */
  facts: { timeoutMs: 5 * SECOND, retries: "not documented; the poll finds what was lost", requestsPerSecond: 2 },
  idsOfAccount: true,
  secretFrom: "us",
  /** Gorgias signs nothing: its HTTP integration sends our secret as a header, which the tenant sets there. */
  verify(delivery, secrets) {
    const token = header(delivery, TOKEN)
    if (!token) return missing(TOKEN)
    const ours = secrets.filter((secret) => secret !== "")
    return anySame([token], ours) ? "genuine" : mismatch
  },
  /** The body is a template of the tenant's integration: `{ trigger, ticket, message }` with the API's own fields. */
  read(delivery) {
    const body = objectOf(delivery.body)
    const [given, message, trigger] = [fields(body.ticket), fields(body.message), said(body.trigger)]
    const ticket = { ...given, id: required(said(given.id), "ticket.id") }
    const messages = [...ofTicket(ticket), ...ofMessage(ticket, message), ...ofTrigger(ticket, trigger, message)]
    const id = idOf("gorgias", ticket.id, said(message.id), trigger, iso(said(given.updated_datetime)))
    return { id, messages }
  },
  poll,
  api: { hosts: /^[a-z0-9][a-z0-9-]*\.gorgias\.com$/ },
  sample(secret, now) {
    const customer = { id: 3924, email: "ada@example.com", name: "Ada" }
    const ticket = {
      id: 123,
      status: "open",
      channel: "email",
      subject: "Where is my order?",
      customer,
      created_datetime: instant(now),
    }
    const message = {
      id: 924712,
      from_agent: false,
      public: true,
      body_text: "It has not come.",
      created_datetime: instant(now),
    }
    const body = Buffer.from(JSON.stringify({ trigger: "ticket-created", ticket, message }))
    return { method: "POST", headers: { "content-type": "application/json", [TOKEN]: secret }, body }
  },
} satisfies Vendor
