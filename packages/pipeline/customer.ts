import { MINUTE, SECOND } from "#core/clock.ts"
import { type Decimal, decimal, fromText, ofCount, over, toText } from "#core/decimal.ts"
import type { Event, JsonObject } from "#events/event.ts"
import type { Dims } from "#metrics/dimension.ts"
import type { Entities, EntityName } from "#metrics/entity.ts"
import { at, type Fact, orderRevenue, textOf } from "#metrics/fact.ts"

/**
 * One customer: what the fold remembers of it. Everything here is a function of the customer's events in the
 * journal's order. It must stay small (a write unit is 1 KB), so histories keep what was touched last.
 */
export type Customer = {
  /** The identifier that stands for all others of this customer. */
  id: string
  /** Which customer of the tenant it was, counted from 1 in the journal's order: the short name used in sets. */
  ordinal: number
  /** Has been seen with a user id, not only with anonymous ones. */
  known?: true
  /** Other identifiers that were merged into it. */
  aliases?: string[]
  firstSeen: number
  lastSeen: number
  /** Dimensions of the first event. */
  arrival: Dims
  events: number
  traits: JsonObject
  /** When each trait was said, so that a later-arriving older one does not replace it. */
  traitsAt: Record<string, number>
  sessionCount: number
  pageViews: number
  orders: number
  revenue: string
  refundedOrders: number
  refunds: string
  units: string
  firstOrder?: number
  lastOrder?: number
  ticketsOpened: number
  ticketsResolved: number
  sessions: StoredSession[]
  subscriptions: [id: string, turns: Turn[]][]
  tickets: [id: string, ticket: Ticket][]
  /** Positions of the last journal entries with events of this customer; older ones are spilled to the timeline. */
  entries: number[]
  /** How many positions were spilled. */
  spilled?: number
}

type StoredSession = {
  key?: string
  start: number
  end: number
  events: number
  pages: number
  converted?: true
  dims: Dims
}
/** A turn of a subscription: `mrr` as decimal text, or "ended". */
type Turn = { at: number; plan?: string; mrr?: string; ended?: true; dims: Dims }
type Ticket = { opened?: number; resolved?: number; stated?: string; dims?: Dims }

/** An entity of a customer that was there before (and is taken back), is there after, or was changed where it stands. */
export type Give = <E extends EntityName>(
  entity: E,
  before: Entities[E] | undefined,
  after: Entities[E] | undefined,
  at: number,
  dims: Dims,
) => void

/** A pause that ends a session (the field's usual definition). */
const PAUSE_MS = 30 * MINUTE
/** How many sessions and tickets may still change; the ones touched longest ago are final. */
const OPEN_SESSIONS = 4
const OPEN_TICKETS = 8
/** How many traits a customer may have; further ones are not taken. */
const MOST_TRAITS = 200
/** How many entries' positions a row holds before they are spilled. */
export const RECENT_ENTRIES = 48

export const newCustomer = (id: string, ordinal: number): Customer => ({
  id,
  ordinal,
  firstSeen: Number.POSITIVE_INFINITY,
  lastSeen: Number.NEGATIVE_INFINITY,
  arrival: {},
  events: 0,
  traits: {},
  traitsAt: {},
  sessionCount: 0,
  pageViews: 0,
  orders: 0,
  revenue: "0",
  refundedOrders: 0,
  refunds: "0",
  units: "0",
  ticketsOpened: 0,
  ticketsResolved: 0,
  sessions: [],
  subscriptions: [],
  tickets: [],
  entries: [],
})

/** Takes one event into the customer's history. `dims` are the event's own. */
export function take(customer: Customer, fact: Fact, ms: number, dims: Dims, give: Give) {
  arrive(customer, ms, dims, give)
  customer.lastSeen = Math.max(customer.lastSeen, ms)
  customer.events++
  if (fact.name === "page" || fact.name === "screen") customer.pageViews++
  visit(customer, fact, ms, dims, give)
  switch (fact.name) {
    case "Order Completed": {
      customer.orders++
      if (fact.home) customer.revenue = plus(customer.revenue, orderRevenue(fact))
      customer.units = plus(
        customer.units,
        fact.lines.reduce((sum, { quantity }) => sum + quantity, 0n),
      )
      customer.firstOrder = Math.min(customer.firstOrder ?? ms, ms)
      customer.lastOrder = Math.max(customer.lastOrder ?? ms, ms)
      break
    }
    case "Order Refunded": {
      customer.refundedOrders++
      if (fact.home) customer.refunds = plus(customer.refunds, orderRevenue(fact))
      break
    }
    case "Subscription Started":
    case "Subscription Changed":
    case "Subscription Cancelled":
      subscribe(customer, fact, ms, dims, give)
      break
    case "Ticket Opened":
    case "Ticket Resolved":
      treat(customer, fact, ms, dims, give)
      break
    default:
  }
}

/** Learns what identify and its like say of a customer; per trait the latest word counts, whatever order they come in. */
export function learn(customer: Customer, event: Event, ms: number) {
  const traits = event.traits ?? (event.type === "identify" ? event.properties : undefined)
  if (!traits || event.type === "group") return
  for (const [name, value] of Object.entries(traits)) {
    const before = Object.hasOwn(customer.traitsAt, name) ? customer.traitsAt[name] : undefined
    if (before === undefined ? Object.keys(customer.traits).length >= MOST_TRAITS : before > ms) continue
    customer.traits[name] = value
    customer.traitsAt[name] = ms
  }
}

/** Takes all of `from` into `into`: afterwards `from` is only another name of it. */
export function absorb(into: Customer, from: Customer, give: Give) {
  if (from.events > 0) {
    give("arrival", { at: from.firstSeen }, undefined, from.firstSeen, from.arrival)
    if (into.events === 0) {
      into.firstSeen = from.firstSeen
      into.arrival = from.arrival
      give("arrival", undefined, { at: into.firstSeen }, into.firstSeen, into.arrival)
    } else arrive(into, from.firstSeen, from.arrival, give)
  }
  into.lastSeen = Math.max(into.lastSeen, from.lastSeen)
  into.events += from.events
  into.sessionCount += from.sessionCount
  into.pageViews += from.pageViews
  into.orders += from.orders
  into.refundedOrders += from.refundedOrders
  into.ticketsOpened += from.ticketsOpened
  into.ticketsResolved += from.ticketsResolved
  into.revenue = plus(into.revenue, fromText(from.revenue))
  into.refunds = plus(into.refunds, fromText(from.refunds))
  into.units = plus(into.units, fromText(from.units))
  if (from.firstOrder !== undefined) into.firstOrder = Math.min(into.firstOrder ?? from.firstOrder, from.firstOrder)
  if (from.lastOrder !== undefined) into.lastOrder = Math.max(into.lastOrder ?? from.lastOrder, from.lastOrder)
  if (from.known) into.known = true
  into.aliases = [...new Set([...(into.aliases ?? []), from.id, ...(from.aliases ?? [])])].sort()
  for (const [name, value] of Object.entries(from.traits)) {
    const here = Object.hasOwn(into.traitsAt, name) ? into.traitsAt[name] : undefined
    const there = from.traitsAt[name]!
    if (here !== undefined && here >= there) continue
    into.traits[name] = value
    into.traitsAt[name] = there
  }
  joinSessions(into, from, give)
  for (const [id, turns] of from.subscriptions) {
    giveMoves(turns, -1, give)
    turn(into, id, turns, give)
  }
  for (const [id, ticket] of from.tickets) {
    giveResolution(ticket, -1, give)
    settle(into, id, ticket, give)
  }
  into.entries = [...new Set([...into.entries, ...from.entries])].sort((a, b) => a - b)
}

function arrive(customer: Customer, ms: number, dims: Dims, give: Give) {
  if (ms >= customer.firstSeen) return
  if (customer.firstSeen !== Number.POSITIVE_INFINITY) {
    give("arrival", { at: customer.firstSeen }, undefined, customer.firstSeen, customer.arrival)
  }
  customer.firstSeen = ms
  customer.arrival = dims
  give("arrival", undefined, { at: ms }, ms, dims)
}

const CONVERSIONS = new Set<string | undefined>(["Order Completed", "Signed Up", "Course Enrolled"])

function visit(customer: Customer, fact: Fact, ms: number, dims: Dims, give: Give) {
  const { event } = fact
  const key = textOf(at(event.context, "sessionId")) ?? textOf(fact.properties.session_id)
  const client =
    event.type === "page" || event.type === "screen" || (event.type === "track" && event.anonymousId !== undefined)
  if (key === undefined && !client) return
  const touching: StoredSession[] = []
  for (const session of customer.sessions) {
    const touches =
      key === undefined
        ? session.key === undefined && ms >= session.start - PAUSE_MS && ms <= session.end + PAUSE_MS
        : session.key === key
    if (touches) touching.push(session)
  }
  const single: StoredSession = {
    ...(key === undefined ? {} : { key }),
    start: ms,
    end: ms,
    events: 1,
    pages: event.type === "page" || event.type === "screen" ? 1 : 0,
    ...(CONVERSIONS.has(fact.name) ? { converted: true } : {}),
    dims,
  }
  replaceSessions(customer, touching, touching.reduce(joined, single), give)
}

function joinSessions(into: Customer, from: Customer, give: Give) {
  for (const session of from.sessions) {
    const near = into.sessions.filter((other) =>
      session.key === undefined
        ? other.key === undefined && session.start <= other.end + PAUSE_MS && session.end >= other.start - PAUSE_MS
        : other.key === session.key,
    )
    if (near.length > 0) {
      takeSession(session, give)
      into.sessionCount--
      replaceSessions(into, near, near.reduce(joined, session), give)
    } else keepSessions(into, session)
  }
}

const joined = (a: StoredSession, b: StoredSession): StoredSession => {
  const first = b.start <= a.start ? b : a
  return {
    ...(first.key === undefined ? {} : { key: first.key }),
    start: Math.min(a.start, b.start),
    end: Math.max(a.end, b.end),
    events: a.events + b.events,
    pages: a.pages + b.pages,
    ...(a.converted || b.converted ? { converted: true } : {}),
    dims: first.dims,
  }
}

function replaceSessions(customer: Customer, before: StoredSession[], after: StoredSession, give: Give) {
  const [one, ...more] = before
  if (one && more.length === 0 && one.start === after.start && one.dims === after.dims) {
    give("session", whole(one), whole(after), after.start, after.dims)
  } else {
    for (const session of before) takeSession(session, give)
    give("session", undefined, whole(after), after.start, after.dims)
  }
  customer.sessionCount += 1 - before.length
  if (before.length > 0) customer.sessions = customer.sessions.filter((session) => !before.includes(session))
  keepSessions(customer, after)
}

/** The one touched last stands last. */
function keepSessions(customer: Customer, session: StoredSession) {
  customer.sessions.push(session)
  if (customer.sessions.length > OPEN_SESSIONS) customer.sessions.shift()
}

const whole = ({ start, end, events, pages, converted }: StoredSession) => ({
  start,
  end,
  events,
  pages,
  converted: converted === true,
})
const takeSession = (session: StoredSession, give: Give) =>
  give("session", whole(session), undefined, session.start, session.dims)

function subscribe(customer: Customer, fact: Fact, ms: number, dims: Dims, give: Give) {
  const id = textOf(fact.properties.subscription_id)
  if (id === undefined) return
  const plan = textOf(fact.properties.plan)
  const mrr = fact.home ? monthly(fact) : 0n
  const ended = fact.name === "Subscription Cancelled"
  const price = ended ? { ended: true as const } : mrr === undefined ? {} : { mrr: toText(mrr) }
  turn(customer, id, [{ at: ms, ...(plan === undefined ? {} : { plan }), ...price, dims }], give)
}

/** Turns stand in the order in which they happened; what they give is worked out anew when one comes late. */
function turn(customer: Customer, id: string, more: Turn[], give: Give) {
  const before = customer.subscriptions.find(([other]) => other === id)
  if (before) giveMoves(before[1], -1, give)
  const turns = [...(before?.[1] ?? []), ...more].sort((a, b) => a.at - b.at)
  if (before) before[1] = turns
  else customer.subscriptions.push([id, turns])
  giveMoves(turns, 1, give)
}

/** A month's share of a longer price is a whole number of cents, as on an invoice. */
const CENTS = 2

function monthly({ properties }: Fact): Decimal | undefined {
  const mrr = decimal(properties.mrr)
  const amount = decimal(properties.amount)
  if (mrr !== undefined || amount === undefined) return mrr
  const interval = properties.interval
  if (interval === "year") return over(amount, ofCount(12), CENTS)
  if (interval === "week") return over(amount * 52n, ofCount(12), CENTS)
  if (interval === "day") return over(amount * 365n, ofCount(12), CENTS)
  return amount
}

/**
 * A subscription stands where was said last, dimension by dimension. Each turn adds there what it has more than the turn
 * before, and takes all from where it was when it goes elsewhere or ends.
 */
function giveMoves(turns: Turn[], sign: 1 | -1, give: Give) {
  const move = (value: Entities["move"], dims: Dims) =>
    give("move", sign === 1 ? undefined : value, sign === 1 ? value : undefined, value.at, dims)
  let active = false
  let plan: string | undefined
  let mrr = 0n
  let here: Dims = {}
  for (const { at: when, ended, plan: stated, mrr: price, dims } of turns) {
    const next = { active: !ended, plan: stated ?? plan, mrr: ended ? 0n : price === undefined ? mrr : fromText(price) }
    const there: Dims = { ...here, ...dims, ...(next.plan === undefined ? {} : { plan: next.plan }) }
    if (active && next.active && isSame(here, there)) {
      move({ at: when, active: 0, mrr: next.mrr - mrr }, there)
    } else {
      if (active) move({ at: when, active: -1, mrr: -mrr }, here)
      if (next.active) move({ at: when, active: 1, mrr: next.mrr }, there)
    }
    here = there
    active = next.active
    plan = next.plan
    mrr = ended ? mrr : next.mrr
  }
}

/** Whether the second, which has all dimensions of the first, says nothing else. */
function isSame(a: Dims, b: Dims) {
  for (const dimension in b) if (a[dimension as keyof Dims] !== b[dimension as keyof Dims]) return false
  return true
}

function treat(customer: Customer, fact: Fact, ms: number, dims: Dims, give: Give) {
  const id = textOf(fact.properties.ticket_id)
  if (id === undefined) return
  const stated = decimal(fact.properties.resolution_seconds)
  if (fact.name === "Ticket Opened") {
    customer.ticketsOpened++
    settle(customer, id, { opened: ms }, give)
  } else {
    customer.ticketsResolved++
    settle(customer, id, { resolved: ms, dims, ...(stated === undefined ? {} : { stated: toText(stated) }) }, give)
  }
}

/** The ticket touched last stands last. */
function settle(customer: Customer, id: string, ticket: Ticket, give: Give) {
  const before = customer.tickets.find(([other]) => other === id)?.[1]
  const after = before ? together(before, ticket) : ticket
  giveResolution(before, -1, give)
  giveResolution(after, 1, give)
  customer.tickets = [...customer.tickets.filter(([other]) => other !== id), [id, after] as [string, Ticket]].slice(
    -OPEN_TICKETS,
  )
}

/** A ticket is open from when it was first opened until it was last resolved, for as long as that resolution says. */
function together(a: Ticket, b: Ticket): Ticket {
  const opened = Math.min(a.opened ?? Number.POSITIVE_INFINITY, b.opened ?? Number.POSITIVE_INFINITY)
  const { opened: _, ...resolution } =
    (a.resolved ?? Number.NEGATIVE_INFINITY) > (b.resolved ?? Number.NEGATIVE_INFINITY) ? a : b
  return { ...(opened === Number.POSITIVE_INFINITY ? {} : { opened }), ...resolution }
}

function giveResolution(ticket: Ticket | undefined, sign: 1 | -1, give: Give) {
  if (ticket?.resolved === undefined) return
  const seconds =
    ticket.stated !== undefined
      ? fromText(ticket.stated)
      : ticket.opened === undefined
        ? undefined
        : over(ofCount(Math.max(0, ticket.resolved - ticket.opened)), ofCount(SECOND), 3)
  if (seconds === undefined) return
  const value = { at: ticket.resolved, seconds }
  give("resolution", sign === 1 ? undefined : value, sign === 1 ? value : undefined, ticket.resolved, ticket.dims ?? {})
}

const plus = (text: string, amount: Decimal) => toText(fromText(text) + amount)
