import { expect, test } from "vitest"
import { chanceOf, deciles, largestDistance, stabilityIndex, stabilityLimit, weighted } from "./drift.ts"

test("the same shares have an index of nothing, whatever the sizes", () => {
  expect(stabilityIndex({ a: 10, b: 30 }, { a: 10, b: 30 })).toBe(0)
  expect(stabilityIndex({ a: 10_000, b: 30_000 }, { a: 1000, b: 3000 })).toBeCloseTo(0, 6)
})

test("the index by hand: 50/50 against 80/20 is 0.3 ln 1.6 + 0.3 ln 2.5 = 0.4159", () => {
  // −0.3 · ln(0.5 ÷ 0.8) + 0.3 · ln(0.5 ÷ 0.2); the half in each bin vanishes at this size.
  expect(stabilityIndex({ a: 500_000, b: 500_000 }, { a: 800_000, b: 200_000 })).toBeCloseTo(0.41589, 4)
})

test("smoothing by hand: 9 of a against 9 of b is 2 · 0.9 · ln 19", () => {
  // Shares 9.5/10 and 0.5/10: (0.95 − 0.05) · ln(19), twice.
  expect(stabilityIndex({ a: 9 }, { b: 9 })).toBeCloseTo(1.8 * Math.log(19), 10)
})

test("what chance makes: the 95th percentile of chi-square with 9 degrees of freedom is 16.919", () => {
  expect(stabilityLimit(1, 1, 10, 1.6449) / 2).toBeCloseTo(16.919, 1)
  expect(stabilityLimit(100, 100, 1, 3)).toBe(0)
})

test("deciles of 1 to 100 are ten bins of ten", () => {
  const hundred = weighted(Array.from({ length: 100 }, (_, i) => i + 1))
  const [before, after] = deciles(hundred, weighted([5, 10, 11, 95, 1000]))
  expect(Object.values(before)).toEqual(new Array(10).fill(10))
  expect(after).toMatchObject({ 10: 2, 20: 1, above: 2 })
  expect(deciles(weighted([1, 1, 1, 1]), weighted([1, 2]))).toEqual([
    { 1: 4, above: 0 },
    { 1: 1, above: 1 },
  ])
})

test("the distance by hand: half of one sample lies below all of the other", () => {
  expect(largestDistance(weighted([1, 2, 3, 4]), weighted([3, 4, 5, 6])).d).toBe(0.5)
  expect(largestDistance(weighted([1, 2]), weighted([1, 2]))).toEqual({ d: 0, p: 1 })
  expect(largestDistance(weighted([1, 1, 1, 2]), weighted([2, 2, 2, 1])).d).toBe(0.5)
})

test("the limit distribution has its published critical values: 1.3581 at 5 %, 1.6276 at 1 % (Smirnov 1948)", () => {
  expect(chanceOf(1.3581)).toBeCloseTo(0.05, 4)
  expect(chanceOf(1.6276)).toBeCloseTo(0.01, 4)
  expect(chanceOf(1)).toBeCloseTo(0.26999967, 7)
})
