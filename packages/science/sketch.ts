/**
 * Counts of values >= 0 by size, from which any quantile can be had to within 1 %: a DDSketch (Masson, Rim & Lee 2019,
 * "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", PVLDB 12(12)).
 * `zero` counts the values below `SMALLEST`; `buckets` maps an index i to the count of values in (γ^(i-1), γ^i].
 * Counts are whole numbers, so sums are exact in any order (a count may be negative for as long as a
 * value is taken back before it was added). Nothing is collapsed: at most 2,764 buckets.
 */
export type Sketch = { zero: number; buckets: Map<number, number> }

/** α: how far a quantile may be from the true one, as a part of it. */
const RELATIVE_ERROR = 0.01
/** Values below count as zero. */
const SMALLEST = 1e-9
/** Values from here on are refused, so that no sender can make a sketch grow without end (in milliseconds: 31,700 years). */
export const TOO_LARGE = 1e15

const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
const LOG_GAMMA = Math.log(GAMMA)

export const emptySketch = (): Sketch => ({ zero: 0, buckets: new Map() })

/**
 * Adds a value `weight` times; a weight of -1 takes it back. Index (section 2.1 of the paper): i = ⌈log_γ(value)⌉.
 * Throws RangeError for a value outside [0, `TOO_LARGE`) and for a weight that is not whole.
 */
export function addTo(sketch: Sketch, value: number, weight = 1): void {
  if (!(value >= 0 && value < TOO_LARGE)) throw new RangeError(`value must be in [0, 1e15), not ${value}`)
  if (!Number.isSafeInteger(weight)) throw new RangeError(`weight must be a whole number, not ${weight}`)
  if (value < SMALLEST) sketch.zero += weight
  else addToBucket(sketch, Math.ceil(Math.log(value) / LOG_GAMMA), weight)
}

/** Adds the counts of another sketch, which stays as it is. */
export function mergeInto(target: Sketch, other: Sketch): void {
  target.zero += other.zero
  for (const [index, count] of other.buckets) addToBucket(target, index, count)
}

function addToBucket({ buckets }: Sketch, index: number, weight: number) {
  const count = (buckets.get(index) ?? 0) + weight
  if (count === 0) buckets.delete(index)
  else buckets.set(index, count)
}

/** How many values it holds. */
function countOf({ zero, buckets }: Sketch): number {
  let count = zero
  for (const part of buckets.values()) count += part
  return count
}

/**
 * The value of rank ⌊q·(n-1)⌋, counting from 0: q = 0 is the least, 0.5 the lower median, 1 the greatest.
 * From bucket i it is 2γ^i/(γ+1), which is within 1 % of everything in the bucket. `undefined` when empty.
 * Throws RangeError for a q outside [0, 1].
 */
export function quantile(sketch: Sketch, q: number): number | undefined {
  if (!(q >= 0 && q <= 1)) throw new RangeError(`q must be from 0 to 1, not ${q}`)
  const count = countOf(sketch)
  if (count <= 0) return undefined
  const rank = q * (count - 1)
  let below = sketch.zero
  if (below > rank) return 0
  for (const [index, part] of sorted(sketch)) {
    below += part
    if (below > rank) return (2 * GAMMA ** index) / (GAMMA + 1)
  }
  return undefined
}

const sorted = ({ buckets }: Sketch) => [...buckets].sort(([a], [b]) => a - b)

/** `[zero, index, count, index, count, …]` by rising index: equal sketches give equal lists. */
export const toJson = (sketch: Sketch): number[] => [sketch.zero, ...sorted(sketch).flat()]

/** The sketch back, unchecked: only what `toJson` wrote is read. */
export function fromJson([zero = 0, ...pairs]: readonly number[]): Sketch {
  const buckets = new Map<number, number>()
  for (let i = 0; i < pairs.length; i += 2) buckets.set(pairs[i]!, pairs[i + 1]!)
  return { zero, buckets }
}
