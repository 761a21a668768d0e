import { mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, test } from "vitest"
import { Usage } from "../failure.ts"
import { readMapping } from "./mapping.ts"

const folder = mkdtempSync(join(tmpdir(), "octant-mapping-"))
const file = join(folder, "mapping.json")
const rule = { event: "Order Completed", timestamp: "at", userId: "who" }
const complaint = (content: unknown) => {
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content))
  try {
    readMapping(file)
  } catch (error) {
    if (error instanceof Usage) return error.message.replace(file, "")
    throw error
  }
  return "none"
}

test("the example of the online shop is a mapping", () => {
  const example = new URL("../examples/online-retail.json", import.meta.url).pathname
  expect(readMapping(example).map(({ event, timeZone }) => [event, timeZone])).toEqual([
    ["Order Completed", "Europe/London"],
    ["Order Refunded", "Europe/London"],
  ])
  expect(JSON.parse(readFileSync(example, "utf8"))).toHaveLength(2)
})

test.each([
  ["{", / is not JSON: /],
  [{ event: "x" }, /: rules: the file must hold a list of rules/],
  [[], /: rules: /],
  [[{ ...rule, event: "" }], /: rules\[0\]\.event: /],
  [[rule, { ...rule, timestamp: 5 }], /: rules\[1\]\.timestamp: must be the name of a column/],
  [[{ ...rule, timeZone: "Europe/Paradise" }], /: rules\[0\]\.timeZone: must be a zone/],
  [[{ ...rule, groupby: "id" }], /: rules\[0\]\.groupby: /],
  [[{ ...rule, where: [{ column: "a", op: "is" }] }], /: rules\[0\]\.where\[0\]\.op: /],
  [[{ ...rule, where: [{ column: "a", op: "gt" }] }], /: rules\[0\]\.where\[0\]\.value: is needed/],
  [
    [{ ...rule, where: [{ column: "a", op: "eq", value: ["b"] }] }],
    /: rules\[0\]\.where\[0\]\.value: a list goes with in/,
  ],
  [
    [{ ...rule, where: [{ column: "a", op: "exists", value: "no" }] }],
    /: rules\[0\]\.where\[0\]\.value: goes with exists/,
  ],
  [[{ ...rule, userId: undefined }], /: rules\[0\]\.userId: one of userId and anonymousId is needed/],
  [[{ ...rule, properties: { total: { columns: "x" } } }], /: rules\[0\]\.properties\.total: must be a column's name/],
  [[{ ...rule, lines: { price: "p" } }], /: rules\[0\]\.groupBy: is needed with lines/],
  [
    [{ ...rule, groupBy: "i", lines: { price: "p" }, properties: { products: "x" } }],
    /: rules\[0\]\.properties\.products: is made of/,
  ],
])("a mistake in a mapping is named with its field: %j", (content, message) => {
  expect(complaint(content)).toMatch(message)
})
