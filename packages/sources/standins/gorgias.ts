import { type Clock, instant } from "#core/clock.ts"
import type { Fields } from "#sources/generic.ts"
import { gorgias } from "#sources/gorgias.ts"
import { basic, bytes, jsonType, refused, type StandIn, serve, type Telling } from "./standin.ts"

type Ticket = Fields & { id: number; updated_datetime: string }
const PAGE = 30
/** Gorgias writes instants in UTC without saying so. */
const bare = (ms: number) => instant(ms).replace("Z", "000")

/** `GET /api/tickets`: in the order of their last change, behind a cursor that names a place. The token is the tenant's. */
export async function gorgiasStandIn(clock: Clock): Promise<StandIn & { own(secret: string): void }> {
  const credential = "ada@example.com:key"
  const tickets = new Map<number, Ticket>()
  let token = ""
  const placeOf = ({ updated_datetime, id }: Ticket) => `${updated_datetime}|${String(id).padStart(6, "0")}`
  const server = await serve(gorgias, clock, ({ path, query, authorization }) => {
    if (authorization !== basic(credential) || path !== "/api/tickets") return refused
    if (query.get("order_by") !== "updated_datetime:asc") return { status: 400, body: {} }
    const after = Buffer.from(query.get("cursor") ?? "", "base64url").toString()
    const fitting = [...tickets.values()]
      .filter((ticket) => placeOf(ticket) > after)
      .sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))
    const data = fitting.slice(0, PAGE)
    const more = fitting.length > PAGE
    const next_cursor = more ? Buffer.from(placeOf(data.at(-1)!)).toString("base64url") : null
    return { body: { object: "list", uri: path, data, meta: { prev_cursor: null, next_cursor } } }
  })

  const told = (ticket: Ticket, ...tells: string[]) => [
    { headers: { ...jsonType, "x-octant-token": token }, body: bytes({ ticket }), tells },
  ]

  const happen = (n: number): Telling => {
    const at = bare(clock())
    const old = tickets.get(n - 2)
    if (n % 4 === 3 && old) {
      const closed = { ...old, status: "closed", closed_datetime: at, updated_datetime: at }
      tickets.set(old.id, closed)
      return { webhooks: told(closed, `opened ${old.id}`, `closed ${old.id}`), events: 1 }
    }
    const times = { created_datetime: at, updated_datetime: at, closed_datetime: null }
    const ticket = { id: n, status: "open", channel: "email", customer: { id: 5000 + n }, ...times }
    tickets.set(n, ticket)
    return { webhooks: told(ticket, `opened ${n}`), events: 1 }
  }
  const own = (secret: string) => {
    token = secret
  }
  return { vendor: "gorgias", baseUrl: server.url, credential, happen, own, ...server }
}
