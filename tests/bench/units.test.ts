import { expect, test } from "vitest"
import { budgets, overspent, writeUnits } from "./units.ts"

test.each([...budgets.keys()])(
  "at %i events a request, an event costs no more write units and queue requests than promised",
  async (size) => {
    const found = await writeUnits(size)
    expect(overspent(found), JSON.stringify(found.parts)).toEqual([])
  },
)
