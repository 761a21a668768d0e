import fc from "fast-check"
import { expect, test } from "vitest"
import { inFlight, slices } from "./parallel.ts"

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

test("answers stand in the order of the questions, however long each took", async () => {
  const answers = await inFlight([3, 1, 2, 0], 2, async (turns) => {
    for (let i = 0; i < turns; i++) await turn()
    return `after ${turns}`
  })
  expect(answers).toEqual(["after 3", "after 1", "after 2", "after 0"])
})

test("no more than so many are under way at a time, and that many are", async () => {
  let [under, most] = [0, 0]
  await inFlight(Array.from({ length: 20 }), 4, async () => {
    most = Math.max(most, ++under)
    await turn()
    under--
  })
  expect(most).toBe(4)
})

test("nothing to do is done at once", async () => {
  expect(await inFlight([], 4, () => Promise.reject(new Error("called")))).toEqual([])
})

test("after a failure nothing more is begun", async () => {
  const begun: number[] = []
  const working = inFlight([0, 1, 2, 3, 4, 5, 6, 7], 2, async (i) => {
    begun.push(i)
    await turn()
    if (i === 1) throw new Error("one failed")
  })
  await expect(working).rejects.toThrow("one failed")
  for (let i = 0; i < 20; i++) await turn()
  expect(begun.length).toBeLessThanOrEqual(3)
})

test("slices hold everything once and in order, none too large and only the last small", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 60 }), fc.integer({ min: 1, max: 12 }), (all, size) => {
      const cut = slices(all, size)
      expect(cut.flat()).toEqual(all)
      for (const piece of cut.slice(0, -1)) expect(piece).toHaveLength(size)
      for (const piece of cut) expect(piece.length).toBeGreaterThan(0)
    }),
  )
})
