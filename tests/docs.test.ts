import { expect, test } from "vitest"
import { isCurrent, pages } from "./docs.ts"

test.each(Object.keys(pages) as (keyof typeof pages)[])(
  "%s says what the catalogue says (npm run docs writes it)",
  (file) => {
    expect(isCurrent(file)).toBe(true)
  },
)
