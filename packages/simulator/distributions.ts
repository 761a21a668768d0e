/** Numbers in [0, 1), each equally likely. */
export type Next = () => number

export const chance = (next: Next, probability: number) => next() < probability

/** A whole number from `low` to `high`, both included. */
export const between = (next: Next, low: number, high: number) => low + Math.floor(next() * (high - low + 1))

export const pick = <T>(next: Next, list: readonly T[]): T => list[Math.floor(next() * list.length)]!

/** Draws a name as often as its weight says. */
export function lottery<Name extends string>(weights: Record<Name, number>): (next: Next) => Name {
  const names = Object.keys(weights) as Name[]
  const index = indexLottery(names.map((name) => weights[name]))
  return (next) => names[index(next)]!
}

/** Draws a place in the list as often as the weight there says. */
export function indexLottery(weights: readonly number[]): (next: Next) => number {
  let total = 0
  const sums = weights.map((weight) => {
    total += weight
    return total
  })
  return (next) => {
    const drawn = next() * total
    return sums.findIndex((sum) => drawn < sum)
  }
}

export const exponential = (next: Next, mean: number) => -mean * Math.log(1 - next())

/** Standard normal (Box and Muller, 1958). */
const normal = (next: Next) => Math.sqrt(exponential(next, 2)) * Math.cos(2 * Math.PI * next())

export const logNormal = (next: Next, median: number, sigma: number) => median * Math.exp(sigma * normal(next))

/** Mean `shape * scale` (Marsaglia and Tsang, 2000). */
export function gamma(next: Next, shape: number, scale: number): number {
  if (shape < 1) return gamma(next, shape + 1, scale) * (1 - next()) ** (1 / shape)
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = normal(next)
    const v = (1 + c * x) ** 3
    if (v > 0 && Math.log(1 - next()) < x * x * 0.5 + d - d * v + d * Math.log(v)) return d * v * scale
  }
}

/** Mean `a / (a + b)`. */
export function beta(next: Next, a: number, b: number) {
  const x = gamma(next, a, 1)
  return x / (x + gamma(next, b, 1))
}

/** Knuth's product of uniforms; a large mean is split in two, since sums of Poisson counts are Poisson. */
export function poisson(next: Next, mean: number): number {
  if (mean > 30) return poisson(next, mean / 2) + poisson(next, mean / 2)
  const floor = Math.exp(-mean)
  let count = 0
  for (let product = next(); product > floor; product *= next()) count++
  return count
}
