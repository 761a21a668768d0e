import fc from "fast-check"
import { expect, test } from "vitest"
import { seededNumbers } from "#core/random.ts"
import { addTo, emptySketch, fromJson, mergeInto, quantile, type Sketch, TOO_LARGE, toJson } from "./sketch.ts"

const sketchOf = (values: readonly number[]) => {
  const sketch = emptySketch()
  for (const value of values) addTo(sketch, value)
  return sketch
}
const sumOf = (...sketches: Sketch[]) => {
  const sum = emptySketch()
  for (const sketch of sketches) mergeInto(sum, sketch)
  return sum
}
const values = fc.array(fc.oneof(fc.double({ min: 0, max: 1e14, noNaN: true }), fc.nat(1000)))
const sketches = values.map(sketchOf)

const random = seededNumbers(1)
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
const distributions = {
  uniform: () => random() * 1000,
  exponential: () => -Math.log(1 - random()) * 250,
  lognormal: () => Math.exp(6 + 1.5 * normal()),
  pareto: () => (1 - random()) ** (-1 / 1.1),
  "half zero": () => (random() < 0.5 ? 0 : random()),
  "two humps": () => Math.abs((random() < 0.7 ? 80 : 9000) + 20 * normal()),
  "whole milliseconds": () => Math.floor(random() * 50),
}

test.each(Object.entries(distributions))("quantiles of a %s sample are within 1 %%", (_, draw) => {
  const sample = Array.from({ length: 20_000 }, draw)
  const sketch = sketchOf(sample)
  sample.sort((a, b) => a - b)
  for (const q of [0, 0.001, 0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1]) {
    const exact = sample[Math.floor(q * (sample.length - 1))]!
    expect(Math.abs(quantile(sketch, q)! - exact)).toBeLessThanOrEqual(exact * 0.010_000_001)
  }
})

test("one value of 100 is every quantile, told as the middle of its bucket", () => {
  // γ = 1.01 / 0.99; log_γ(100) = 230.25, so i = 231, and 2γ^231 / (γ + 1) = 100.4905…
  const sketch = sketchOf([100])
  expect(toJson(sketch)).toEqual([0, 231, 1])
  expect(quantile(sketch, 0)).toBe(quantile(sketch, 1))
  expect(quantile(sketch, 0.5)).toBeCloseTo((2 * (1.01 / 0.99) ** 231) / (1.01 / 0.99 + 1), 9)
})

test("the order of merging does not matter", () => {
  fc.assert(
    fc.property(sketches, sketches, sketches, (a, b, c) => {
      expect(toJson(sumOf(a, b))).toEqual(toJson(sumOf(b, a)))
      expect(toJson(sumOf(sumOf(a, b), c))).toEqual(toJson(sumOf(a, sumOf(b, c))))
    }),
  )
})

test("merged sketches are the sketch of all their values", () => {
  fc.assert(
    fc.property(values, values, (a, b) => {
      expect(toJson(sumOf(sketchOf(a), sketchOf(b)))).toEqual(toJson(sketchOf([...a, ...b])))
    }),
  )
})

test("what is added and taken back, in either order, leaves no trace", () => {
  fc.assert(
    fc.property(values, values, fc.constantFrom(1, -1), (kept, passing, first) => {
      const sketch = sketchOf(kept)
      for (const value of passing) addTo(sketch, value, first)
      for (const value of passing) addTo(sketch, value, -first)
      expect(sketch).toEqual(sketchOf(kept))
    }),
  )
})

test("a sketch survives being written and read", () => {
  fc.assert(
    fc.property(sketches, (sketch) => {
      expect(fromJson(JSON.parse(JSON.stringify(toJson(sketch))))).toEqual(sketch)
    }),
  )
})

test("it is written by rising size, whatever came first", () => {
  expect(toJson(sketchOf([1000, 0, 1, 1000, 0.001, 0]))).toEqual([2, -345, 1, 0, 1, 346, 2])
})

test("an empty sketch has no quantiles", () => {
  expect(quantile(emptySketch(), 0.5)).toBeUndefined()
  expect(toJson(emptySketch())).toEqual([0])
})

test("the smallest and the largest values keep their size, and what is smaller is zero", () => {
  const sketch = sketchOf([1e-10, 1e-9, TOO_LARGE * (1 - 1e-12)])
  expect(quantile(sketch, 0)).toBe(0)
  expect(Math.abs(quantile(sketch, 0.5)! / 1e-9 - 1)).toBeLessThan(0.010_000_001)
  expect(Math.abs(quantile(sketch, 1)! / TOO_LARGE - 1)).toBeLessThan(0.010_000_001)
})

test("what cannot be counted is refused and changes nothing", () => {
  const sketch = sketchOf([1])
  for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY, TOO_LARGE]) {
    expect(() => addTo(sketch, value)).toThrow(RangeError)
  }
  expect(() => addTo(sketch, 1, 0.5)).toThrow("weight must be a whole number, not 0.5")
  expect(() => quantile(sketch, 1.01)).toThrow("q must be from 0 to 1, not 1.01")
  expect(sketch).toEqual(sketchOf([1]))
})
