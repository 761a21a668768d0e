import { expect, test } from "vitest"
import { schedules } from "#platform/topology.ts"
import { bill, idleBill, millions, type Part, storage } from "../costs.ts"
import { section } from "../runbook.ts"
import { idleRuns, loggedBytes } from "./told.ts"
import { writeUnits } from "./units.ts"

/** As the runbook has figures: by two digits. */
const rounded = (value: number) => Number(value.toPrecision(2))
const flat = (text: string) => text.replaceAll("\n", " ")

test.each([
  [100, 0],
  [1, 2],
])("at %i events a request, the runbook's bill of a million events is what the meters say", async (size, column) => {
  const [units, bytes] = [await writeUnits(size), await loggedBytes(size)]
  const metered: Partial<Record<Part, number>> = {
    "table, writes": rounded(units.all),
    "table, reads": rounded(units.reads),
    "queues, requests": rounded(units.sqs),
    "collect and append, invocations": rounded(units.invocations),
    "router, requests": 1 / size,
  }
  const rows = bill().filter(({ part }) => part in metered)
  expect(Object.fromEntries(rows.map(({ part, cells }) => [part, Number(cells[column])]))).toEqual(metered)
  // Times and ids are longer and shorter.
  const logged = Number(bill().find(({ part }) => part === "logs, KB")!.cells[column])
  expect(Math.abs(logged / (bytes / 1000) - 1), `${bytes} bytes`).toBeLessThan(0.1)
  if (size !== 100) return
  const [, gb, kept, restorable] = /fill ([\d.]+) GB of the journal .*: \$([\d.]+) a month, and \$([\d.]+) for/.exec(
    section("### A million events"),
  )!
  expect(Number(gb)).toBe(rounded(units.parts.journal!))
  expect([kept, restorable]).toEqual([storage.kept, storage.restorable].map((price) => (Number(gb) * price).toFixed(2)))
})

test("the runbook's bill of an idle month has every figure that idle schedules tell, and what a silent tenant adds", async () => {
  const { figures, check } = await idleRuns()
  const told = idleBill().find(({ part }) => part === "figures that schedules tell")!
  expect(figures, figures.join("\n")).toHaveLength(Number(told.cells[0]))
  const checks = (30 * 24 * 3600 * 1000) / schedules.check.everyMs
  const dollars = (checks * (check.reads * millions["table, reads"] + check.writes * millions["table, writes"])) / 1e6
  expect(flat(section("### A month of idling"))).toContain(
    `adds $${dollars.toFixed(2)} for its checks, ${check.reads} reads and ${check.writes} writes each five minutes`,
  )
})
