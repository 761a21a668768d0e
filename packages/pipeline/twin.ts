import fc from "fast-check"
import { instant } from "#core/clock.ts"
import type { Event } from "#events/event.ts"
import type { MetricName } from "#metrics/catalogue.ts"

/**
 * For tests: a log of things that happened, and every metric counted again from it in the plainest way, without any
 * code of the fold. Money is in cents.
 */
export type Line = { product?: string; category?: string; cents: number; quantity: number }
export type What =
  | { kind: "page"; session?: string }
  | { kind: "identify" }
  | { kind: "alias"; previous: string }
  | { kind: "order" | "refund"; lines: Line[]; revenue?: number; total?: number; foreign?: true }
  | {
      kind: "subscription"
      id: string
      turn: "Started" | "Changed" | "Cancelled"
      plan?: string
      price?: { cents: number; every?: "day" | "week" | "month" | "year" }
    }
  | { kind: "ticket"; id: string; turn: "Opened" | "Resolved"; seconds?: number }
  | { kind: "feature"; feature: string }
  | { kind: "rating"; rating: number }
  | { kind: "response"; ms: number; model: string }
export type Happening = { id: string; ms: number; user?: string; anonymous?: string; country?: string; what: What }

const money = (cents: number) => `${Math.trunc(cents / 100)}.${String(Math.abs(cents) % 100).padStart(2, "0")}`

/** What was said about it to the door. */
export function toEvent({ id, ms, user, anonymous, country, what }: Happening): Event {
  const [name, properties] = told(what)
  const type = name !== undefined ? "track" : (what.kind as "page" | "identify" | "alias")
  return {
    id,
    type,
    at: instant(ms),
    ...(name === undefined ? {} : { event: name }),
    ...(user === undefined ? {} : { userId: user }),
    ...(anonymous === undefined ? {} : { anonymousId: anonymous }),
    ...(what.kind === "alias" ? { previousId: what.previous } : {}),
    ...(type === "page"
      ? {
          context: {
            ...(country && { location: { country } }),
            ...("session" in what && what.session && { sessionId: what.session }),
          },
        }
      : { properties: { ...properties, ...(country && { country }) } }),
  } as Event
}

function told(what: What): [string | undefined, object] {
  switch (what.kind) {
    case "order":
    case "refund":
      return [
        what.kind === "order" ? "Order Completed" : "order_refunded",
        {
          order_id: "o",
          ...(what.revenue === undefined ? {} : { revenue: money(what.revenue) }),
          ...(what.total === undefined ? {} : { total: money(what.total) }),
          ...(what.foreign ? { currency: "usd" } : {}),
          products: what.lines.map(({ product, category, cents, quantity }) => ({
            ...(product && { product_id: product }),
            ...(category && { category }),
            price: money(cents),
            quantity,
          })),
        },
      ]
    case "subscription": {
      const { every, cents } = what.price ?? {}
      const price = cents === undefined ? {} : every ? { amount: money(cents), interval: every } : { mrr: money(cents) }
      return [
        `Subscription ${what.turn}`,
        { subscription_id: what.id, ...(what.plan && { plan: what.plan }), ...price },
      ]
    }
    case "ticket": {
      const seconds = what.seconds === undefined ? {} : { resolution_seconds: what.seconds }
      return [`Ticket ${what.turn}`, { ticket_id: what.id, ...seconds }]
    }
    case "feature":
      return ["Feature Used", { feature: what.feature }]
    case "rating":
      return ["Satisfaction Rated", { rating: what.rating }]
    case "response":
      return ["Response Received", { response_time_ms: what.ms, model: what.model }]
    default:
      return [undefined, {}]
  }
}

/** Which of two names are one customer: those that stood together in one event, or that an alias joined. */
export function customersOf(log: readonly Happening[]): (one: Happening) => string {
  const root = new Map<string, string>()
  const find = (name: string): string => (root.has(name) ? find(root.get(name)!) : name)
  const join = (a: string, b: string) => {
    if (find(a) !== find(b)) root.set(find(b), find(a))
  }
  for (const { user, anonymous, what } of log) {
    if (user !== undefined && anonymous !== undefined) join(user, anonymous)
    if (what.kind === "alias") join(user!, what.previous)
  }
  return ({ user, anonymous }) => find((user ?? anonymous)!)
}

const PAUSE_MS = 30 * 60_000
type Session = { start: number; end?: number; events: number }

/** Pages, and anything with an anonymous id but identities, are visits: cut by pauses of 30 minutes, or by their own ids. */
function sessionsOf(log: readonly Happening[], customerOf: (one: Happening) => string): Session[] {
  const sessions: Session[] = []
  const own = new Map<string, Session>()
  for (const all of Map.groupBy(log, customerOf).values()) {
    let open: Required<Session> | undefined
    for (const one of all.toSorted((a, b) => a.ms - b.ms)) {
      const { what, anonymous, ms } = one
      const key = what.kind === "page" ? what.session : undefined
      const isVisit =
        what.kind === "page" || (anonymous !== undefined && what.kind !== "identify" && what.kind !== "alias")
      if (!isVisit) continue
      if (key !== undefined) {
        const name = `${customerOf(one)} ${key}`
        const known = own.get(name)
        if (known) known.events++
        else own.set(name, { start: ms, events: 1 })
      } else if (open && ms - open.end <= PAUSE_MS) {
        open.end = ms
        open.events++
      } else {
        open = { start: ms, end: ms, events: 1 }
        sessions.push(open)
      }
    }
  }
  return [...sessions, ...own.values()]
}

const revenueOf = (what: What & { kind: "order" | "refund" }) =>
  what.revenue ?? what.total ?? what.lines.reduce((sum, { cents, quantity }) => sum + cents * quantity, 0)

const monthlyOf = ({ cents, every }: { cents: number; every?: string }) => {
  const times = every === "year" ? 1 : every === "week" ? 52 : every === "day" ? 365 : undefined
  return times === undefined ? cents : Math.floor((cents * times + 6) / 12)
}

type Move = { ms: number; active: number; cents: number }
/** What each subscription added to the whole, turn by turn in the order of time. */
function movesOf(log: readonly Happening[], customerOf: (one: Happening) => string): Move[] {
  const turns = log.filter(({ what }) => what.kind === "subscription") as (Happening & {
    what: What & { kind: "subscription" }
  })[]
  return [...Map.groupBy(turns, (one) => `${customerOf(one)} ${one.what.id}`).values()].flatMap((all) => {
    let [active, price, said] = [0, 0, 0]
    return all
      .toSorted((a, b) => a.ms - b.ms)
      .map(({ ms, what }) => {
        const next = what.turn === "Cancelled" ? 0 : 1
        if (next && what.price) said = monthlyOf(what.price)
        const move = { ms, active: next - active, cents: next * said - price }
        active = next
        price = next * said
        return move
      })
  })
}

type Resolution = { ms: number; millis: number }
function resolutionsOf(log: readonly Happening[], customerOf: (one: Happening) => string): Resolution[] {
  const turns = log.filter(({ what }) => what.kind === "ticket") as (Happening & { what: What & { kind: "ticket" } })[]
  return [...Map.groupBy(turns, (one) => `${customerOf(one)} ${one.what.id}`).values()].flatMap((all) => {
    const opened = all.filter(({ what }) => what.turn === "Opened").map(({ ms }) => ms)
    const last = all.filter(({ what }) => what.turn === "Resolved").sort((a, b) => b.ms - a.ms)[0]
    if (!last) return []
    const { ms, what } = last
    if (what.seconds !== undefined) return [{ ms, millis: what.seconds * 1000 }]
    return opened.length === 0 ? [] : [{ ms, millis: Math.max(0, ms - Math.min(...opened)) }]
  })
}

export type Figure = number | string | null
export type Period = { from: string; to: string } | { start: number; end: number }
export type Twin = { figure(metric: MetricName, period: Period, by?: { dimension: string; key: string }): Figure }

/** The log counted by hand, in a time zone, by distinct ids. `exists` says which happenings count at all. */
export function twinOf(
  all: readonly Happening[],
  zone: string,
  exists: (one: Happening) => boolean = () => true,
): Twin {
  const distinct = [...new Map(all.map((one) => [one.id, one])).values()]
  const customerOf = customersOf(distinct)
  const log = distinct.filter(exists)
  const days = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short" })
  const known = new Map<number, string>()
  const dayOf = (ms: number) => {
    const day = known.get(ms) ?? days.format(ms)
    known.set(ms, day)
    return day
  }
  const [sessions, moves, resolutions] = [
    sessionsOf(log, customerOf),
    movesOf(log, customerOf),
    resolutionsOf(log, customerOf),
  ]
  const firsts = [...Map.groupBy(log, customerOf).values()].map((own) => ({ ms: Math.min(...own.map(({ ms }) => ms)) }))

  const figure: Twin["figure"] = (metric, period, by) => {
    const within = ({ ms }: { ms: number }) =>
      "start" in period ? ms >= period.start && ms < period.end : dayOf(ms) >= period.from && dayOf(ms) <= period.to
    const upTo = ({ ms }: { ms: number }) => ("start" in period ? ms < period.end : dayOf(ms) <= period.to)
    const events = log.filter(within)
    const ofKind = <K extends What["kind"]>(kind: K) =>
      events.filter(({ what }) => what.kind === kind) as (Happening & { what: What & { kind: K } })[]
    const people = (some: readonly Happening[]) => new Set(some.map(customerOf)).size
    const inKey = (some: readonly Happening[]) =>
      by ? some.filter(({ country }) => (country ?? "(none)") === by.key) : some
    /** Of orders or refunds, in cents or pieces, of one product, category or country, or of what has none. */
    const summed = (
      kind: "order" | "refund",
      whole: (what: What & { kind: "order" | "refund" }) => number,
      part: (line: Line) => number,
    ) => {
      const found = ofKind(kind)
      const wholly = found.reduce((sum, { what }) => sum + whole(what), 0)
      if (!by) return wholly
      if (by.dimension === "country")
        return (inKey(found) as typeof found).reduce((sum, { what }) => sum + whole(what), 0)
      const named = (line: Line) => (by.dimension === "product" ? line.product : line.category)
      const lines = found.flatMap(({ what }) => (whole(what) === 0 && what.foreign ? [] : what.lines))
      const own = (key: string) =>
        lines.filter((line) => named(line) === key).reduce((sum, line) => sum + part(line), 0)
      const keys = new Set(lines.flatMap((line) => named(line) ?? []))
      return by.key === "(none)" ? wholly - [...keys].reduce((sum, key) => sum + own(key), 0) : own(by.key)
    }
    const home = (what: What & { kind: "order" | "refund" }) => (what.foreign ? 0 : revenueOf(what))
    const cents = (kind: "order" | "refund") => summed(kind, home, ({ cents: each, quantity }) => each * quantity)
    const rounded = (value: number) => Math.round(value * 1e6) / 1e6
    const over = (a: number, b: number) => (b === 0 ? null : rounded(a / b))
    const signed = (amount: number) => `${amount < 0 ? "-" : ""}${money(Math.abs(amount))}`

    switch (metric) {
      case "events":
        return events.length
      case "orders":
        return ofKind("order").length
      case "active_customers":
        return people(inKey(events))
      case "new_customers":
        return firsts.filter(within).length
      case "sessions":
        return sessions.filter(({ start }) => within({ ms: start })).length
      case "bounced_sessions":
        return sessions.filter(({ start, events: count }) => count === 1 && within({ ms: start })).length
      case "gross_revenue":
        return signed(cents("order"))
      case "refunds":
        return signed(cents("refund"))
      case "net_revenue":
        return signed(cents("order") - cents("refund"))
      case "units":
        return summed(
          "order",
          ({ lines }) => lines.reduce((sum, { quantity }) => sum + quantity, 0),
          ({ quantity }) => quantity,
        )
      case "average_order_value": {
        const count = ofKind("order").length
        return count === 0 ? null : signed(Math.floor((2 * cents("order") + count) / (2 * count)))
      }
      case "active_subscriptions":
        return moves.filter(upTo).reduce((sum, { active }) => sum + active, 0)
      case "mrr":
        return signed(moves.filter(upTo).reduce((sum, move) => sum + move.cents, 0))
      case "satisfaction":
        return over(
          ofKind("rating").reduce((sum, { what }) => sum + what.rating, 0),
          ofKind("rating").length,
        )
      case "resolution_hours": {
        const done = resolutions.filter(within)
        return over(done.reduce((sum, { millis }) => sum + millis, 0) / 3_600_000, done.length)
      }
      case "response_time_p50": {
        const times = ofKind("response")
          .map(({ what }) => what.ms)
          .sort((a, b) => a - b)
        return times[Math.floor((times.length - 1) / 2)] ?? null
      }
      case "feature_adoption": {
        const users = ofKind("feature").filter(({ what }) => !by || what.feature === by.key)
        return over(people(users), people(events))
      }
      default:
        throw new Error(`the twin does not know ${metric}`)
    }
  }
  return { figure }
}

/** Around the days on which Athens moves its clocks, and over the end of a month. */
export const windows = ["2026-03-27T18:00:00Z", "2026-10-24T18:00:00Z"].map(Date.parse)
const MINUTE = 60_000

const countries = fc.option(fc.constantFrom("GR", "DE"), { nil: undefined })
const line: fc.Arbitrary<Line> = fc.record(
  {
    product: fc.constantFrom("sku-0", "sku-1", "sku-2"),
    category: fc.constantFrom("shoes", "hats"),
    cents: fc.nat(9999),
    quantity: fc.integer({ min: 1, max: 4 }),
  },
  { requiredKeys: ["cents", "quantity"] },
)
const cents = fc.nat(99_999)
const deal = (kind: "order" | "refund") =>
  fc.record(
    {
      kind: fc.constant(kind),
      lines: fc.array(line, { maxLength: 3 }),
      revenue: cents,
      total: cents,
      foreign: fc.constant(true as const),
    },
    { requiredKeys: ["kind", "lines"] },
  )
const someone = (person: number): fc.Arbitrary<What> =>
  fc.oneof(
    { weight: 3, arbitrary: deal("order") },
    deal("refund"),
    {
      weight: 3,
      arbitrary: fc.record(
        {
          kind: fc.constant("subscription" as const),
          id: fc.constant(`sub-${person}`),
          turn: fc.constantFrom("Started", "Changed", "Cancelled"),
          plan: fc.constantFrom("pro", "free"),
          price: fc.record(
            { cents, every: fc.constantFrom("day", "week", "month", "year") },
            { requiredKeys: ["cents"] },
          ),
        },
        { requiredKeys: ["kind", "id", "turn"] },
      ),
    },
    fc.record({ kind: fc.constant("feature" as const), feature: fc.constantFrom("search", "export") }),
    fc.record({ kind: fc.constant("rating" as const), rating: fc.integer({ min: 1, max: 5 }) }),
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("response" as const),
        ms: fc.nat(9000),
        model: fc.constantFrom("m", "n"),
      }),
    },
    fc.record({ kind: fc.constant("identify" as const) }),
  )

type Draft = Omit<Happening, "id">
/** Names of a person: a user id, an older one, two browsers. No browser is shared. */
const names = (person: number) => ({ user: `u${person}`, older: `o${person}`, browsers: [`a${person}`, `b${person}`] })

const who = (person: number, browsing: boolean) => {
  const { user, older, browsers } = names(person)
  const [one, other] = browsers
  return browsing
    ? fc.constantFrom({ anonymous: one }, { anonymous: other }, { user, anonymous: one }, { user, anonymous: other })
    : fc.constantFrom({ user }, { user: older }, { user })
}

/** A visit starts near an hour that two people's pages share, so that no customer has more than four at once. */
function happening(person: number, base: number, people: number): fc.Arbitrary<Draft> {
  const at = (minutes: fc.Arbitrary<number>) => minutes.map((after) => base + after * MINUTE)
  const anyTime = at(fc.integer({ min: 0, max: 6 * 24 * 60 }))
  const { user, older, browsers } = names(person)
  const visit = fc.oneof(at(fc.integer({ min: 170, max: 229 })), at(fc.integer({ min: 1800, max: 1830 })))
  const draft = (
    ms: fc.Arbitrary<number>,
    identity: fc.Arbitrary<{ user?: string; anonymous?: string }>,
    what: fc.Arbitrary<What>,
  ) =>
    fc
      .record({ ms, identity, country: countries, what })
      // What identify says would be the customer's from then on.
      .map(
        ({ identity: name, country, ...rest }): Draft => ({
          ...rest,
          ...name,
          ...(country === undefined || rest.what.kind === "identify" || rest.what.kind === "alias" ? {} : { country }),
        }),
      )
  return fc.oneof(
    { weight: 3, arbitrary: draft(visit, who(person, true), fc.constant({ kind: "page" })) },
    { weight: 1, arbitrary: draft(anyTime, who(person, true), fc.constant({ kind: "page", session: "own" })) },
    { weight: 6, arbitrary: draft(anyTime, who(person, false), someone(person)) },
    {
      weight: 1,
      arbitrary: draft(
        visit,
        who(person, true),
        fc.record({ kind: fc.constant("feature"), feature: fc.constantFrom("search", "export") }),
      ),
    },
    {
      weight: 1,
      arbitrary: draft(
        anyTime,
        fc.constant({ user }),
        fc.record({
          kind: fc.constant("alias"),
          previous: fc.constantFrom(older, ...browsers, ...(people > 1 ? [`u${(person + 1) % people}`] : [])),
        }),
      ),
    },
  )
}

/** Turns of a ticket: opened and resolved up to twice, in any order, by any name of the person. */
const tickets = (person: number, base: number): fc.Arbitrary<Draft[]> => {
  const turn = (about: object) =>
    fc.record({
      after: fc.nat(6 * 24 * 60),
      identity: who(person, false),
      what: fc.record({ kind: fc.constant("ticket" as const), id: fc.constant(`ticket-${person}`), ...about }),
    })
  const opened = turn({ turn: fc.constant("Opened") })
  const resolved = fc.oneof(
    turn({ turn: fc.constant("Resolved") }),
    turn({ turn: fc.constant("Resolved"), seconds: fc.nat(100_000) }),
  )
  return fc
    .tuple(fc.array(opened, { maxLength: 2 }), fc.array(resolved, { maxLength: 2 }))
    .map((turns) =>
      turns
        .flat()
        .map(({ after, identity, what }): Draft => ({ ms: base + after * MINUTE, ...identity, what: what as What })),
    )
}

/** A log of two to four people, in the order in which it arrives. No two things happen at the same instant. */
export const logs = (most: number): fc.Arbitrary<Happening[]> =>
  fc.tuple(fc.constantFrom(...windows), fc.integer({ min: 2, max: 4 })).chain(([base, people]) => {
    const anyone = fc.nat(people - 1).chain((person) => happening(person, base, people))
    return fc
      .tuple(
        fc.array(anyone, { minLength: 1, maxLength: most, size: "max" }),
        fc.tuple(...Array.from({ length: people }, (_, person) => tickets(person, base))),
        fc.array(fc.nat(1_000_000), { minLength: 12, maxLength: 12 }),
      )
      .map(([some, asked, order]) =>
        [...some, ...asked.flat()]
          .map((draft, i): Happening => ({ id: `m${i}`, ...draft, ms: draft.ms + i }))
          .map((one, i) => ({ one, at: (order[i % order.length]! * (i + 1)) % 1_000_003 }))
          .sort((a, b) => a.at - b.at)
          .map(({ one }) => one),
      )
  })
