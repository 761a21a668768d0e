import { afterAll, beforeAll, expect, test } from "vitest"
import { Query, questionOf } from "#metrics/query.ts"
import { run } from "#metrics/run.ts"
import { startTable } from "#platform/fixture.ts"
import type { Table } from "#store/table.ts"
import { order, settle } from "./fixture.ts"
import { foldTenant } from "./folding.ts"
import { ask, newTails, type Reading } from "./reading.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

const may = { metric: "orders", from: "2026-05-01", to: "2026-05-31", grain: "total" } as const
const counted = async (reading: Reading, by?: "source" | "country") =>
  (await run(reading, questionOf(Query.parse({ ...may, ...(by ? { by } : {}) }), "2026-05-10"))).total

test("in the middle of a commit a warm reader goes on with what it has, and a cold one reads the redo; both are exact", async () => {
  const world = await settle(table)
  await world.send([order("ada", "1")])
  await world.fold()
  await world.send([order("bob", "2")])
  const asked: string[] = []
  const getMany: Table["getMany"] = (wanted) => {
    asked.push(...wanted.map(({ pk }) => pk.split("#").at(-1)!))
    return table.getMany(wanted)
  }
  const readers = { ...world.needs, table: { ...table, getMany } }
  const orders = (reading: Reading) => Promise.all([counted(reading), counted(reading, "country")])
  expect(await ask(readers, world.tenant, orders)).toEqual([2, 2])

  // The worker dies when it has put one item in its place.
  let placed = 0
  const put: Table["put"] = (item, condition) => {
    const isPlaced = typeof condition === "object" && condition.attribute === "position"
    return isPlaced && ++placed > 1 ? Promise.reject(new Error("died")) : table.put(item, condition)
  }
  await expect(foldTenant({ ...world.needs, table: { ...table, put } }, world.tenant)).rejects.toThrow("died")
  await world.send([order("cem", "3")])
  asked.length = 0
  expect(await ask(readers, world.tenant, orders)).toEqual([3, 3])
  expect(asked).not.toContain("redo")
  expect(await ask({ ...readers, tails: newTails() }, world.tenant, orders)).toEqual([3, 3])
  expect(asked).toContain("redo")
  await world.fold()
  expect(await ask(readers, world.tenant, orders)).toEqual([3, 3])
})

test("a warm reader that comes upon what a commit has moved begins again with the redo", async () => {
  const world = await settle(table)
  await world.send([order("ada", "1")])
  await world.fold()
  await world.send([order("bob", "2"), order("ada", "3")])
  const orders = (reading: Reading) => Promise.all([counted(reading), counted(reading, "source")])
  const total = () => ask(world.needs, world.tenant, orders)
  expect(await world.reading((reading) => counted(reading))).toBe(3)
  // The worker dies when all is in its place, and the head does not say so yet.
  const set: Table["set"] = (key, values, condition) =>
    values.pendingTo === null ? Promise.reject(new Error("died")) : table.set(key, values, condition)
  await expect(foldTenant({ ...world.needs, table: { ...table, set } }, world.tenant)).rejects.toThrow("died")
  // The blocks by source were never asked for before: they have moved.
  expect(await total()).toEqual([3, 3])
  await world.send([order("dan", "4")])
  expect(await total()).toEqual([4, 4])
})

test("whoever reads goes on at the position where they began, whatever comes and is read meanwhile", async () => {
  const world = await settle(table)
  await world.send([order("ada", "1")])
  const found = await world.reading(async (first) => {
    const before = await counted(first)
    await world.send([order("bob", "2"), order("cem", "3")])
    const others = await world.reading(async (second) => {
      await world.send([order("dan", "4")])
      // Nobody has asked for these before the memory grew, and grew once more.
      const third = await world.reading((last) => counted(last, "source"))
      return [await counted(second, "country"), third]
    })
    return [before, await counted(first, "source"), await counted(first, "country"), ...others]
  })
  expect(found).toEqual([1, 1, 1, 3, 4])
  expect(await world.reading((reading) => counted(reading))).toBe(4)
})
