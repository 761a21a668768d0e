import { expect, test } from "vitest"
import { seededNumbers } from "#core/random.ts"
import { beta, exponential, gamma, indexLottery, logNormal, lottery, type Next, poisson } from "./distributions.ts"

const DRAWS = 200_000

function moments(draw: (next: Next) => number) {
  const next = seededNumbers(7)
  const values = Array.from({ length: DRAWS }, () => draw(next))
  const mean = values.reduce((sum, value) => sum + value, 0) / DRAWS
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / DRAWS, values }
}

test.each<[string, (next: Next) => number, number, number]>([
  ["exponential with mean 3", (next) => exponential(next, 3), 3, 9],
  ["gamma with shape 0.8 and scale 2", (next) => gamma(next, 0.8, 2), 1.6, 3.2],
  ["gamma with shape 4 and scale 0.5", (next) => gamma(next, 4, 0.5), 2, 1],
  ["beta with a = 0.9 and b = 8", (next) => beta(next, 0.9, 8), 0.9 / 8.9, (0.9 * 8) / (8.9 ** 2 * 9.9)],
  ["Poisson with mean 2.5", (next) => poisson(next, 2.5), 2.5, 2.5],
  ["Poisson with mean 70", (next) => poisson(next, 70), 70, 70],
])("%s has the mean and the variance of its formula", (_, draw, mean, variance) => {
  const drawn = moments(draw)
  expect(drawn.mean / mean).toBeCloseTo(1, 1.7)
  expect(drawn.variance / variance).toBeCloseTo(1, 1.4)
})

test("half of log-normal draws are below the median, and 68.3 % within one sigma of it", () => {
  const { values } = moments((next) => logNormal(next, 800, 0.5))
  const share = (low: number, high: number) => values.filter((value) => value > low && value < high).length / DRAWS
  expect(share(0, 800)).toBeCloseTo(0.5, 2)
  expect(share(800 * Math.exp(-0.5), 800 * Math.exp(0.5))).toBeCloseTo(0.6827, 2)
})

test("a lottery draws each name as often as its weight says, and a weight of zero never", () => {
  const draw = lottery({ rare: 1, never: 0, often: 3 })
  const next = seededNumbers(1)
  const names = Array.from({ length: DRAWS }, () => draw(next))
  expect(names.filter((name) => name === "often").length / DRAWS).toBeCloseTo(0.75, 2)
  expect(names).not.toContain("never")
  expect(indexLottery([0, 0, 5])(() => 0.999999)).toBe(2)
})
