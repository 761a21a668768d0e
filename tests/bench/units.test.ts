import { expect, test } from "vitest"
import { overspent, writeUnits } from "./units.ts"

test.each([1, 10, 100])("at %i events a request, an event costs no more write units and queue requests than promised", async (eventsARequest) => {
  const found = await writeUnits(eventsARequest, eventsARequest === 100 ? 100_000 : 10_000)
  expect(overspent(found)).toEqual([])
})
