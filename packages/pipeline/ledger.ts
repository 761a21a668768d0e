import { addDays } from "#core/zone.ts"
import type { Tallied } from "./memory.ts"
import type { Reading } from "./reading.ts"

/** What became of the records that one source sent in one hour (UTC, by when they were received). */
export type LedgerRow = Tallied & { hour: string; source: string; balanced: boolean }

/** The conservation ledger: received = counted + duplicate + rejected + quarantined, for each source and hour. */
export async function ledger(
  reading: Reading,
  from: string,
  to: string,
): Promise<{ rows: LedgerRow[]; total: Tallied & { balanced: boolean } }> {
  const sums = new Map<string, number[]>()
  for (const { sk, block } of await reading.fragments("ledger", from, to)) {
    for (const [hour, sources] of block) {
      for (const [source, cell] of sources) {
        const key = `${sk}T${hour}:00:00.000Z\u001f${source}`
        const row = sums.get(key) ?? [0, 0, 0, 0, 0]
        sums.set(key, row)
        for (let i = 0; i < cell.length; i += 2) row[cell[i] as number]! += cell[i + 1] as number
      }
    }
  }
  const rows = [...sums]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, row]) => ({ hour: key.split("\u001f")[0]!, source: key.split("\u001f")[1]!, ...balanced(row) }))
  const total = rows.reduce(
    (sum, row) => [row.received, row.counted, row.duplicate, row.rejected, row.quarantined].map((n, i) => n + sum[i]!),
    [0, 0, 0, 0, 0],
  )
  return { rows, total: balanced(total) }
}

function balanced([received = 0, counted = 0, duplicate = 0, rejected = 0, quarantined = 0]: number[]) {
  return {
    received,
    counted,
    duplicate,
    rejected,
    quarantined,
    balanced: received === counted + duplicate + rejected + quarantined,
  }
}

/** The days of a ledger when none are asked: the last seven. */
export const lastWeek = (today: string) => ({ from: addDays(today, -6), to: today })
