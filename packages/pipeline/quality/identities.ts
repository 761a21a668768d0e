import { type Decimal, fromText, ofCount, toText } from "#core/decimal.ts"
import { addDays } from "#core/zone.ts"
import { type BlockKind, blockKind } from "#metrics/block.ts"
import { ledger } from "../ledger.ts"
import type { Reading } from "../reading.ts"
import type { Measured } from "./look.ts"

/** Whole months are looked at: this one and the one before. */
const DAYS = 31
const FREE_OF_LINES = 0.05

/** One statement that must hold: two ways to the same number, or a number that cannot be larger than another. */
export type Identity = { name: string; left: string; right: string; holds: boolean; note?: string }

/**
 * Numbers that are kept apart and must agree: revenue by hour, by day, by source; what is split by country and by
 * product is never more than the whole; no more orders refunded than placed; the ledger balanced.
 */
export async function identities(
  reading: Reading,
  today: string,
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

  const revenue = await sum("gross_revenue", "days")
  equal("gross revenue: the hours of the days = the days", await sum("gross_revenue", "hours", days), revenue)
  equal("gross revenue: all sources = the days", await sum("gross_revenue", blockKind("by", "source")), revenue)
  atMost("gross revenue: all countries ≤ the days", await sum("gross_revenue", blockKind("by", "country")), revenue)
  const events = await sum("events", "days")
  equal("events: the hours of the days = the days", await sum("events", "hours", days), events)
  equal("events: all sources = the days", await sum("events", blockKind("by", "source")), events)
  const [placed, refunded] = [await whole(reading, "orders"), await whole(reading, "refunded_orders")]
  atMost("refunded orders ≤ orders, since the beginning", refunded, placed)
  const { total } = await ledger(reading, from, `${last}-31`)
  const settled = total.counted + total.duplicate + total.rejected + total.quarantined
  equal("ledger: counted + duplicate + rejected + quarantined = received", ofCount(settled), ofCount(total.received))

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
