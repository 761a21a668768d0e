import { addDays } from "#core/zone.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { readCensus } from "./documents.ts"
import { type Look, type Measured, rounded, unknown } from "./look.ts"

const GATE = 0.95
const ENOUGH = 20

/** What has come of what the vendor itself counts, over the last two days; exact, so chance has no part in it. */
export function counted(look: Pick<Look, "census">): Measured {
  const days = look.census ?? []
  const query = days.at(-1)?.query ?? "/v1/vendors"
  if (days.length === 0) return unknown("the vendor has no count, or none was taken yet", query)
  const [count, ours] = days.reduce(([a, b], one) => [a + one.count, b + one.ours], [0, 0])
  if (count < ENOUGH) return unknown(`the vendor counts fewer than ${ENOUGH} in two days`, query)
  const value = ours / count
  const failing = value <= GATE
  const short = days.find((one) => one.ours <= GATE * one.count) ?? days[0]!
  return {
    value: rounded(value),
    failing,
    evidence: { count, ours, missing: Math.max(0, count - ours), from: short.from, days },
    query: failing ? short.query : query,
    ...(failing
      ? { cause: `the vendor counts ${count} and ${ours} have come: webhooks are not sent, or are lost on their way` }
      : {}),
  }
}

/** Those of a tenant's counts that are of yesterday and today, by source. */
export async function censusOf(needs: { table: Table }, tenant: TenantId, today: string) {
  return Map.groupBy(await readCensus(needs, tenant, addDays(today, -1), today), ({ source }) => source)
}
