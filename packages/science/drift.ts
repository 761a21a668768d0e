/**
 * Whether two samples come from one distribution: of categories by the population stability index, of numbers by the
 * index over deciles and by the two-sample Kolmogorov–Smirnov statistic.
 */
export type Counts = Readonly<Record<string, number>>

/** Added to every bin of both samples (Jeffreys' prior), so that an empty bin gives a large number and not infinity. */
const SMOOTHING = 0.5

/**
 * PSI = Σ (p − q) · ln(p ÷ q) over the bins, where p and q are a bin's shares of the two samples: the symmetric form of
 * Kullback and Leibler's divergence (Kullback & Leibler 1951, "On Information and Sufficiency"; Siddiqi 2006, "Credit
 * Risk Scorecards"). By custom below 0.1 is stable, above 0.25 is shifted. Shares are (count + ½) ÷ (n + ½·bins).
 */
export function stabilityIndex(before: Counts, after: Counts): number {
  const bins = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  const [p, q] = [sharesOf(before, bins), sharesOf(after, bins)]
  return bins.reduce((sum, _, i) => sum + (p[i]! - q[i]!) * Math.log(p[i]! / q[i]!), 0)
}

function sharesOf(counts: Counts, bins: readonly string[]) {
  const held = bins.map((bin) => (Object.hasOwn(counts, bin) ? counts[bin]! : 0))
  const n = held.reduce((sum, count) => sum + count, 0)
  return held.map((count) => (count + SMOOTHING) / (n + SMOOTHING * bins.length))
}

/**
 * How large a PSI chance alone makes: it is distributed as (1/n + 1/m) · χ² with bins − 1 degrees of freedom (Yurdakul
 * 2018, "Statistical Properties of Population Stability Index"). `z` is the normal quantile of the wanted certainty; the
 * quantile of χ² is Wilson and Hilferty's (1931).
 */
export function stabilityLimit(n: number, m: number, bins: number, z: number): number {
  if (bins < 2) return 0
  const free = bins - 1
  const term = 1 - 2 / (9 * free) + z * Math.sqrt(2 / (9 * free))
  return (1 / n + 1 / m) * free * term ** 3
}

/** A sample of numbers as values and how often each occurs, by rising value. */
export type Weighted = readonly (readonly [value: number, count: number])[]

/** Counts of both samples in the ten bins that the first one's deciles cut; equal deciles make fewer bins. */
export function deciles(before: Weighted, after: Weighted): [Counts, Counts] {
  const n = before.reduce((sum, [, count]) => sum + count, 0)
  const cuts: number[] = []
  let below = 0
  for (const [value, count] of before) {
    below += count
    while (cuts.length < 9 && below >= ((cuts.length + 1) * n) / 10) cuts.push(value)
  }
  const distinct = [...new Set(cuts)]
  const count = (sample: Weighted) => {
    const bins: Record<string, number> = Object.fromEntries([...distinct, "above"].map((cut) => [String(cut), 0]))
    for (const [value, times] of sample) bins[String(distinct.find((cut) => value <= cut) ?? "above")]! += times
    return bins
  }
  return [count(before), count(after)]
}

/** The two-sample Kolmogorov–Smirnov statistic: the largest distance between the samples' distribution functions. */
export function largestDistance(a: Weighted, b: Weighted): { d: number; p: number } {
  const [n, m] = [a, b].map((sample) => sample.reduce((sum, [, count]) => sum + count, 0)) as [number, number]
  let [i, j, x, y, d] = [0, 0, 0, 0, 0]
  while (i < a.length && j < b.length) {
    const value = Math.min(a[i]![0], b[j]![0])
    for (; i < a.length && a[i]![0] === value; i++) x += a[i]![1]
    for (; j < b.length && b[j]![0] === value; j++) y += b[j]![1]
    d = Math.max(d, Math.abs(x / n - y / m))
  }
  return { d, p: chanceOf(Math.sqrt((n * m) / (n + m)) * d) }
}

const TERMS = 100

/** Kolmogorov's limit (1933; Smirnov 1948): P(√(nm/(n+m)) · D > λ) → 2 Σ (−1)^(k−1) e^(−2k²λ²). */
export function chanceOf(lambda: number): number {
  // Below this the sum converges too slowly, and the chance is 1 to ten places.
  if (lambda < 0.2) return 1
  let sum = 0
  for (let k = 1; k <= TERMS; k++) sum += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * k * k * lambda * lambda)
  return Math.min(1, Math.max(0, sum))
}

/** A sample as `largestDistance` and `deciles` take it. */
export function weighted(values: readonly number[]): Weighted {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort(([a], [b]) => a - b)
}
