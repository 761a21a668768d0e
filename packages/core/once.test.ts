import { expect, test } from "vitest"
import { once } from "./once.ts"

test("what is asked for twice is made once, also when it is nothing", () => {
  let made = 0
  const nothing = once(() => void made++)
  nothing()
  nothing()
  expect(made).toBe(1)
})

test("a promise is shared by all who wait for it, and one that fails is made anew", async () => {
  let made = 0
  const load = once(async () => {
    made++
    if (made === 1) throw new Error("away")
    return made
  })
  const both = await Promise.allSettled([load(), load()])
  expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"])
  expect([await load(), await load()]).toEqual([2, 2])
})
