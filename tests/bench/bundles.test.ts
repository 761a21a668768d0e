import { expect, test } from "vitest"
import { budgetOf, bundleBytes, functionFiles } from "./bundles.ts"

test.each(functionFiles())("functions/%s is small enough to start quickly", async (file) => {
  expect(await bundleBytes(file)).toBeLessThanOrEqual(budgetOf(file))
})
