import { type Clock, instant, MINUTE, SECOND } from "#core/clock.ts"
import type { Fields } from "#sources/generic.ts"
import { hmac } from "#sources/signature.ts"
import { zendesk } from "#sources/zendesk.ts"
import { basic, bytes, jsonType, refused, type StandIn, serve, type Telling } from "./standin.ts"

type Ticket = Fields & { id: number; created_at: string; updated_at: string; requester_id: number; change: number }
const PAGE = 50

/** `GET /api/v2/incremental/tickets/cursor.json`: tickets in the order of their last change, but for the last minute. */
export async function zendeskStandIn(clock: Clock): Promise<StandIn> {
  const [secret, credential] = ["zendesk-standin", "ada@example.com/token:key"]
  const tickets = new Map<number, Ticket>()
  const solvedAt = new Map<number, string>()
  let changes = 0
  const server = await serve(zendesk, clock, ({ path, query, authorization }) => {
    if (authorization === basic(credential) && path === "/api/v2/search/count.json") {
      const asked = /^type:ticket created>=(\S+) created<(\S+)$/.exec(query.get("query") ?? "")
      if (!asked) return { status: 400, body: {} }
      const [from, to] = [Date.parse(asked[1]!), Date.parse(asked[2]!)]
      const times = [...tickets.values()].map(({ created_at }) => Date.parse(created_at))
      return { body: { count: times.filter((at) => at >= from && at < to).length } }
    }
    if (authorization !== basic(credential) || path !== "/api/v2/incremental/tickets/cursor.json") return refused
    const [cursor, start] = [query.get("cursor"), query.get("start_time")]
    if ((cursor === null) === (start === null)) return { status: 400, body: {} }
    const from = start === null ? "" : instant(Number(start) * SECOND)
    const fitting = [...tickets.values()]
      .filter(({ updated_at, change }) => updated_at >= from && change > Number(cursor ?? 0))
      .filter(({ updated_at }) => updated_at < instant(clock() - MINUTE))
      .sort((a, b) => a.change - b.change)
    const listed = fitting.slice(0, PAGE)
    const users = listed.map(({ requester_id: id }) => ({ id, name: `Requester ${id}`, email: `r${id}@example.com` }))
    const metric_sets = listed.map(({ id }) => ({ ticket_id: id, solved_at: solvedAt.get(id) ?? null }))
    const after_cursor = String(listed.at(-1)?.change ?? cursor ?? 0)
    return { body: { tickets: listed, users, metric_sets, after_cursor, end_of_stream: fitting.length <= PAGE } }
  })

  const told = (type: string, ticket: Ticket, event: Fields) => {
    const at = instant(clock())
    const { id, requester_id, created_at, status } = ticket
    const detail = { id: String(id), requester_id: String(requester_id), created_at, status }
    const subject = `zen:ticket:${id}`
    const body = bytes({ id: `zd-${++changes}`, type: `zen:event-type:${type}`, time: at, subject, detail, event })
    const signature = hmac("sha256", secret, [at, body], "base64")
    const signed = { "x-zendesk-webhook-signature": signature, "x-zendesk-webhook-signature-timestamp": at }
    return [{ headers: { ...jsonType, ...signed }, body, tells: [`${type} ${id}`] }]
  }

  const happen = (n: number): Telling => {
    const at = instant(Math.floor(clock() / SECOND) * SECOND)
    const old = tickets.get(n - 2)
    if (n % 4 === 3 && old) {
      solvedAt.set(old.id, instant(clock()))
      tickets.set(old.id, { ...old, status: "solved", updated_at: at, change: ++changes })
      return { webhooks: told("ticket.status_changed", old, { current: "SOLVED", previous: "OPEN" }), events: 1 }
    }
    const ticket = { id: n, status: "open", created_at: at, updated_at: at, requester_id: 1000 + n, change: ++changes }
    tickets.set(n, ticket)
    // Who asks is told by the list alone.
    return { webhooks: told("ticket.created", ticket, {}), events: 2 }
  }
  return { vendor: "zendesk", baseUrl: server.url, credential, secret, happen, ...server }
}
