import { instant } from "#core/clock.ts"
import { type Decimal, decimal, fromText, ofCount, toText } from "#core/decimal.ts"
import { addDays } from "#core/zone.ts"
import { type BlockKind, blockKind } from "#metrics/block.ts"
import { run } from "#metrics/run.ts"
import { ledger } from "../ledger.ts"
import type { Reading } from "../reading.ts"
import type { Sweep } from "./documents.ts"
import type { Measured } from "./look.ts"

/** Whole months are looked at: this one and the one before. */
const DAYS = 31
const FREE_OF_LINES = 0.05

/** One statement that must hold: two ways to the same number, or a number that cannot be larger than another. */
export type Identity = { name: string; left: string; right: string; holds: boolean; note?: string }

/**
 * Numbers that are kept apart and must agree: revenue by hour, by day, by source, by customer; an answer's products and
 * countries with what has none add up to the whole; no more orders refunded than placed; the ledger balanced.
 */
export async function identities(
  reading: Reading,
  today: string,
  sweep?: Sweep,
): Promise<{ list: Identity[]; lines: number | null; measured: Measured }> {
  const from = `${addDays(today, -DAYS).slice(0, 7)}-01`
  const [first, last] = [from.slice(0, 7), addDays(today, 1).slice(0, 7)]
  const sum = (metric: string, kind: BlockKind, range: [string, string] = [first, last]) =>
    sumOf(reading, metric, kind, ...range)
  const days: [string, string] = [from, `${last}-31`]
  const list: Identity[] = []
  const equal = (name: string, left: Decimal, right: Decimal) =>
    list.push({ name, left: toText(left), right: toText(right), holds: left === right })
  const atMost = (name: string, left: Decimal, right: Decimal) =>
    list.push({ name, left: toText(left), right: toText(right), holds: left <= right })

  // What is compared below one after the other is read together; a snapshot keeps what it has read.
  const kinds: BlockKind[] = ["days", ...(["source", "country", "product"] as const).map((by) => blockKind("by", by))]
  await Promise.all([
    ...kinds.map((kind) => reading.fragments(kind, first, last)),
    reading.fragments("hours", ...days),
    reading.fragments("ledger", ...days),
  ])
  const revenue = await sum("gross_revenue", "days")
  equal("gross revenue: the hours of the days = the days", await sum("gross_revenue", "hours", days), revenue)
  equal("gross revenue: all sources = the days", await sum("gross_revenue", blockKind("by", "source")), revenue)
  atMost("gross revenue: all countries ≤ the days", await sum("gross_revenue", blockKind("by", "country")), revenue)
  for (const by of ["product", "country"] as const) {
    const { keys = [], total } = await run(reading, { ...answered, from, to: today, by })
    // An answer that leaves keys out says so little that it proves nothing.
    if (keys.length >= MOST_KEYS) continue
    const parts = keys.reduce<Decimal>((all, key) => all + (decimal(key.total) ?? 0n), 0n)
    equal(`gross revenue up to today: each ${by} and what has none = the whole`, parts, decimal(total ?? 0) ?? 0n)
  }
  const events = await sum("events", "days")
  equal("events: the hours of the days = the days", await sum("events", "hours", days), events)
  equal("events: all sources = the days", await sum("events", blockKind("by", "source")), events)
  const [placed, refunded] = [await whole(reading, "orders"), await whole(reading, "refunded_orders")]
  atMost("refunded orders ≤ orders, since the beginning", refunded, placed)
  const { total } = await ledger(reading, from, `${last}-31`)
  const settled = total.counted + total.duplicate + total.rejected + total.quarantined
  equal("ledger: counted + duplicate + rejected + quarantined = received", ofCount(settled), ofCount(total.received))

  list.push(...(sweep?.list ?? []))

  const products = await sum("gross_revenue", blockKind("by", "product"))
  const lines = revenue === 0n ? null : Number(toText(products)) / Number(toText(revenue))
  const broken = list.filter(({ holds }) => !holds)
  return {
    list,
    lines,
    measured: {
      value: broken.length,
      failing: broken.length > 0,
      evidence: {
        from,
        identities: list,
        revenueThatLinesExplain: lines,
        note:
          lines !== null && Math.abs(1 - lines) > FREE_OF_LINES
            ? "orders state another revenue than their lines add up to (discounts, shipping, or lines that are missing)"
            : undefined,
      },
      query: `/v1/query?metric=gross_revenue&grain=total&by=source&from=${from}&to=${today}`,
      ...(broken[0] ? { cause: `${broken[0].name}: ${broken[0].left} against ${broken[0].right}` } : {}),
    },
  }
}

const MOST_KEYS = 1000
const answered = { metric: "gross_revenue", grain: "total", limit: MOST_KEYS } as const

/** More customers than these are not added up by themselves: `octant reconcile` proves them too. */
const MOST_CUSTOMERS = 100_000

/** Adds up every customer's row: the same money and orders must come out as by days. `undefined` if there are too many. */
export async function sweepOf(reading: Reading, now: number): Promise<Sweep | undefined> {
  let [count, orders, revenue, refunds] = [0, 0, 0n, 0n]
  for await (const customer of reading.customers()) {
    if (++count > MOST_CUSTOMERS) return undefined
    orders += customer.orders
    revenue += fromText(customer.revenue)
    refunds += fromText(customer.refunds)
  }
  const sums = { gross_revenue: revenue, orders: ofCount(orders), refunds }
  const list = await Promise.all(
    Object.entries(sums).map(async ([metric, left]): Promise<Identity> => {
      const right = await whole(reading, metric)
      const name = `${metric.replace("_", " ")}: all ${count} customers = the days, since the beginning`
      return { name, left: toText(left), right: toText(right), holds: left === right, note: `at ${reading.position}` }
    }),
  )
  return { at: instant(now), position: reading.position, list }
}

const whole = (reading: Reading, metric: string) => sumOf(reading, metric, "days", "0000-01", "9999-12")

async function sumOf(reading: Reading, metric: string, kind: BlockKind, from: string, to: string): Promise<Decimal> {
  let sum = 0n
  for (const { block } of await reading.fragments(kind, from, to)) {
    for (const cell of block.get(metric)?.values() ?? []) {
      for (let i = 1; i < cell.length; i += 2) {
        const amount = cell[i] as number | string
        sum += typeof amount === "number" ? ofCount(amount) : fromText(amount)
      }
    }
  }
  return sum
}
