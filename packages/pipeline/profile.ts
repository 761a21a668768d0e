import { instant } from "#core/clock.ts"
import { fromText, toText } from "#core/decimal.ts"
import type { Batch, Event } from "#events/event.ts"
import { entriesAt } from "#store/journal.ts"
import type { TenantId } from "#store/keys.ts"
import type { Customer } from "./customer.ts"
import type { Reading, ReadNeeds } from "./reading.ts"

/** A customer as the API tells it: instants in ISO 8601, money as decimal text in the tenant's currency. */
export function profileOf(customer: Customer, currency: string) {
  const { revenue, refunds } = customer
  return {
    id: customer.id,
    aliases: customer.aliases ?? [],
    identified: customer.known === true,
    traits: customer.traits,
    firstSeen: instant(customer.firstSeen),
    lastSeen: instant(customer.lastSeen),
    events: customer.events,
    sessions: customer.sessionCount,
    pageViews: customer.pageViews,
    orders: customer.orders,
    units: Number(customer.units),
    revenue: money(revenue),
    refundedOrders: customer.refundedOrders,
    refunds: money(refunds),
    netRevenue: toText(fromText(revenue) - fromText(refunds), 2),
    currency,
    firstOrder: customer.firstOrder === undefined ? null : instant(customer.firstOrder),
    lastOrder: customer.lastOrder === undefined ? null : instant(customer.lastOrder),
    subscriptions: customer.subscriptions.map(([id, turns]) => {
      const plan = turns.findLast((turn) => turn.plan !== undefined)?.plan ?? null
      const mrr = turns.findLast((turn) => turn.mrr !== undefined)?.mrr
      const last = turns.at(-1)!
      return {
        id,
        plan,
        mrr: last.ended || mrr === undefined ? "0.00" : money(mrr),
        active: last.ended !== true,
        since: instant(turns[0]!.at),
        endedAt: last.ended ? instant(last.at) : null,
      }
    }),
    tickets: {
      opened: customer.ticketsOpened,
      resolved: customer.ticketsResolved,
      recent: customer.tickets.map(([id, { opened, resolved }]) => ({
        id,
        openedAt: opened === undefined ? null : instant(opened),
        resolvedAt: resolved === undefined ? null : instant(resolved),
      })),
    },
  }
}

const money = (text: string) => toText(fromText(text), 2)

export type TimelinePage = { events: (Event & { source: string })[]; next?: string }
/** Where a page ended: so many events of the entry at that position were shown. */
export type TimelineCursor = { position: number; shown: number }
/** How many entries one page may open. */
const ENTRIES_A_PAGE = 25

/**
 * A customer's events: entries from the newest, the events of each from the newest. Opens only entries in which the
 * customer has events, so its cost does not grow with the number of customers.
 */
export async function timelineOf(
  needs: Pick<ReadNeeds, "table">,
  tenant: TenantId,
  reading: Reading,
  customer: Customer,
  page: { after?: TimelineCursor; limit: number },
): Promise<TimelinePage> {
  const names = new Set([customer.id, ...(customer.aliases ?? [])])
  const positions = (await positionsOf(reading, customer, names)).filter(
    (position) => position <= (page.after?.position ?? Number.POSITIVE_INFINITY),
  )
  const opened = positions.slice(0, ENTRIES_A_PAGE)
  const [found, copies] = await Promise.all([entriesAt(needs, tenant, opened), reading.copies(opened)])
  const entries = new Map(found.map((entry) => [entry.position, entry]))
  // What was sent again stands where it counted.
  const ownAt = opened.map((position) =>
    newestFirst(countedIn(entries.get(position)?.batches ?? [], copies.get(position)).filter(ofOne(names))),
  )
  const events: TimelinePage["events"] = []
  for (const [i, own] of ownAt.entries()) {
    const first = page.after && opened[i] === page.after.position ? page.after.shown : 0
    for (let at = first; at < own.length; at++) {
      if (events.length === page.limit) return { events, next: `${opened[i]}.${at}` }
      events.push(own[at]!)
    }
  }
  const next = positions[opened.length]
  return { events, ...(next === undefined ? {} : { next: `${next}.0` }) }
}

/** Positions of the customer's entries, newest first: the row's own, and those that were spilled. */
async function positionsOf(reading: Reading, customer: Customer, names: Set<string>) {
  const spilled =
    customer.spilled === undefined && names.size === 1
      ? []
      : await Promise.all([...names].map((id) => reading.timeline(id)))
  return [...new Set([...customer.entries, ...spilled.flat()])].sort((a, b) => b - a)
}

const countedIn = (batches: readonly Batch[], copies: readonly number[] = []) => {
  const without = new Set(copies)
  return batches
    .flatMap(({ source, events }) => events.map((event) => ({ ...event, source })))
    .filter(({ quarantine }, index) => !quarantine && !without.has(index))
}

const ofOne = (names: Set<string>) => (event: Event) => names.has((event.userId ?? event.anonymousId)!)

const newestFirst = <T extends Event>(events: T[]) => events.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0))
