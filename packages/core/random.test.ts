import { expect, test } from "vitest"
import { randomText, seededNumbers, seededRandom, systemRandom } from "./random.ts"

test("a seed decides what comes, and another seed something else", () => {
  const draw = (seed: number) => [...seededRandom(seed)(8)]
  expect(draw(1)).toEqual(draw(1))
  expect(draw(1)).not.toEqual(draw(2))
})

test("numbers of a seed lie in [0, 1) and are spread evenly", () => {
  const next = seededNumbers(7)
  const tenths = new Array(10).fill(0)
  for (let i = 0; i < 20_000; i++) tenths[Math.floor(next() * 10)]++
  for (const count of tenths) expect(Math.abs(count - 2000)).toBeLessThan(200)
})

test("a text has the asked length, of digits and letters only", () => {
  for (const length of [0, 1, 32, 1000])
    expect(randomText(systemRandom, length)).toMatch(new RegExp(`^[0-9A-Za-z]{${length}}$`))
})

test("bytes that would favour some letters are drawn again", () => {
  const draws = [Buffer.of(255, 248, 61), Buffer.of(247, 0, 62)]
  expect(randomText(() => draws.shift()!, 3)).toBe("zz0")
  expect(draws).toEqual([])
})

test("every letter is as likely as any other", () => {
  const counts = new Map<string, number>()
  for (const letter of randomText(seededRandom(3), 62_000)) counts.set(letter, (counts.get(letter) ?? 0) + 1)
  expect(counts.size).toBe(62)
  for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(160)
})
