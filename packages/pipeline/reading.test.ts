import { afterAll, beforeAll, expect, test } from "vitest"
import { Query, questionOf } from "#metrics/query.ts"
import { run } from "#metrics/run.ts"
import { startTable } from "#platform/fixture.ts"
import type { Table } from "#store/table.ts"
import { order, settle } from "./fixture.ts"
import type { Reading } from "./reading.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

const may = { metric: "orders", from: "2026-05-01", to: "2026-05-31", grain: "total" } as const
const counted = async (reading: Reading, by?: "source" | "country") =>
  (await run(reading, questionOf(Query.parse({ ...may, ...(by ? { by } : {}) }), "2026-05-10"))).total

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
