import type { Figures } from "#core/figures.ts"
import type { Head } from "#store/views.ts"

/** How many entries a tenant's views are behind its journal. */
export const lagOf = (head: Head | undefined, journal: { position: number }) =>
  Math.max(0, journal.position - (head?.pending?.to ?? head?.position ?? 0))

export function tellLag(figures: Figures, lags: readonly number[]) {
  figures.gauge(
    "octant_fold_lag_entries",
    { of: "all" },
    lags.reduce((sum, one) => sum + one, 0),
  )
  figures.gauge("octant_fold_lag_entries", { of: "the slowest tenant" }, Math.max(0, ...lags))
}
