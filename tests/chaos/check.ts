import { decimal, toText } from "#core/decimal.ts"
import { breachOfType, type CatalogueName } from "#events/catalogue.ts"
import type { JsonObject } from "#events/event.ts"
import type { Message } from "#events/message.ts"
import { Query, questionOf } from "#metrics/query.ts"
import { run } from "#metrics/run.ts"
import { ledger } from "#pipeline/ledger.ts"
import { ask, newTails, type Reading, readMemory, recount } from "#pipeline/reading.ts"
import { reconcile } from "#pipeline/reconcile.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import type { Clock } from "./world.ts"

type Totals = Record<string, unknown>
const asked = ["events", "gross_revenue", "refunds", "active_customers", "new_customers", "sessions", "mrr"] as const
const FROM = "2026-01-01"
const TO = "2026-12-31"

/** What a reading answers for the year. */
export async function totalsOf(reading: Reading): Promise<Totals> {
  const totals: Totals = {}
  for (const metric of asked) {
    const query = Query.parse({ metric, from: FROM, to: TO, grain: "total" })
    totals[metric] = (await run(reading, questionOf(query, TO))).total
  }
  totals.countries = (
    await run(
      reading,
      questionOf(Query.parse({ metric: "gross_revenue", from: FROM, to: TO, grain: "total", by: "country" }), TO),
    )
  ).keys
  return totals
}

/** The same counted by hand over what was accepted: distinct message ids, no code of the pipeline. */
function byHand(messages: readonly Message[]) {
  const distinct = new Map(messages.map((message) => [String(message.messageId), message]))
  let [events, quarantined, revenue, refunds] = [0, 0, 0n, 0n]
  for (const message of distinct.values()) {
    const name = message.event
    if (!counts(message)) {
      quarantined++
      continue
    }
    events++
    const products = (message.properties?.products ?? []) as { price: string; quantity: number }[]
    if (name === "Order Completed")
      for (const { price, quantity } of products) revenue += decimal(price)! * BigInt(quantity)
    if (name === "Order Refunded") refunds += decimal(message.properties?.revenue)!
  }
  const counted = [...distinct.values()].filter(counts)
  const linked = new Set(
    counted.flatMap(({ userId, anonymousId }) => (userId && anonymousId ? [String(anonymousId)] : [])),
  )
  const people = new Set(
    counted.map(
      ({ userId, anonymousId }) =>
        userId ?? (linked.has(String(anonymousId)) ? String(anonymousId).replace("anon-", "user-") : anonymousId),
    ),
  )
  return {
    events,
    quarantined,
    gross_revenue: toText(revenue, 2),
    refunds: toText(refunds, 2),
    active_customers: people.size,
  }
}

const counts = (message: Message) =>
  message.type !== "track" ||
  breachOfType(message.event as CatalogueName, message.properties as JsonObject) === undefined

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

/** A question in the middle of everything: the answer must be the recount of the journal up to its own position. */
export async function checkMoment(
  needs: { table: Table; clock: Clock },
  straight: Table,
  tenant: TenantId,
): Promise<string[]> {
  const { position, totals, zone, currency } = await ask({ ...needs, tails: newTails() }, tenant, async (reading) => ({
    position: reading.position,
    totals: await totalsOf(reading),
    zone: reading.zone,
    currency: reading.currency,
  }))
  const memory = await recount({ table: straight, clock: needs.clock }, tenant, { zone, currency, to: position })
  const expected = await totalsOf(readMemory(memory))
  return same(totals, expected)
    ? []
    : [`at position ${position} a read said ${JSON.stringify(totals)}, the journal says ${JSON.stringify(expected)}`]
}

/** In the end: recount = views = what was accepted, and the ledger balances. */
export async function checkEnd(
  straight: Table,
  clock: Clock,
  tenant: TenantId,
  accepted: readonly Message[],
): Promise<string[]> {
  const wrong: string[] = []
  const needs = { table: straight, clock, tails: newTails() }
  const { differences } = await reconcile(needs, tenant)
  for (const { what, stored, recounted } of differences.slice(0, 3)) {
    wrong.push(
      `${what}: stored ${JSON.stringify(stored)?.slice(0, 200)}, recounted ${JSON.stringify(recounted)?.slice(0, 200)}`,
    )
  }
  const [totals, { total }] = await ask(
    needs,
    tenant,
    async (reading) => [await totalsOf(reading), await ledger(reading, FROM, TO)] as const,
  )
  const { quarantined, ...expected } = byHand(accepted)
  for (const [metric, value] of Object.entries(expected)) {
    if (!same(totals[metric], value))
      wrong.push(
        `${metric}: the views say ${JSON.stringify(totals[metric])}, what was accepted is ${JSON.stringify(value)}`,
      )
  }
  if (!total.balanced || total.counted !== expected.events || total.quarantined !== quarantined) {
    wrong.push(
      `the ledger says ${JSON.stringify(total)}; ${expected.events} were to be counted and ${quarantined} quarantined`,
    )
  }
  return wrong
}
