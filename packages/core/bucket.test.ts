import { expect, test } from "vitest"
import { bucket } from "./bucket.ts"
import { fakeClock } from "./clock.ts"

function world(perSecond: number) {
  const clock = fakeClock("2027-01-15T12:00:00.000Z")
  const began = clock()
  const sleep = async (ms: number) => clock.advance(ms)
  const token = bucket({ clock, sleep }, perSecond)
  const take = async () => {
    await token()
    return clock() - began
  }
  return { clock, take }
}

test("the first token is there at once, the others as they drip in", async () => {
  const { take } = world(2)
  expect([await take(), await take(), await take()]).toEqual([0, 500, 1000])
})

test("one token waits at most: a pause is no credit", async () => {
  const { clock, take } = world(10 / 60)
  await take()
  clock.advance(60_000)
  expect([await take(), await take()]).toEqual([60_000, 66_000])
})

test("those who come together wait in turn", async () => {
  const clock = fakeClock("2027-01-15T12:00:00.000Z")
  const waits: number[] = []
  const token = bucket({ clock, sleep: async (ms) => void waits.push(ms) }, 4)
  await Promise.all([token(), token(), token()])
  expect(waits).toEqual([250, 500])
})
