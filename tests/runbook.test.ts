import { expect, test } from "vitest"
import { type FunctionName, factsOf, functions, queues, schedules, subscribers } from "#platform/topology.ts"
import { pascal } from "../stacks/names.ts"
import { budgets } from "./bench/units.ts"
import { alarmKinds, section } from "./runbook.ts"

/** As `stacks/alarms.ts` makes them; the stacks' own tests compare the runbook with what it really made. */
const expected = [
  ...(Object.keys(functions) as FunctionName[]).flatMap((name) =>
    ["Errors", "Throttles", "Slow", "Failures", ...(factsOf(name).paths ? ["Faults"] : [])].map(
      (kind) => pascal(name) + kind,
    ),
  ),
  ...Object.entries(queues).flatMap(([name, { deadLetter }]) => [
    `${pascal(name)}Waiting`,
    `${pascal(deadLetter)}Letters`,
  ]),
  ...Object.entries(schedules).flatMap(([name, { deadLetter }]) => [
    `${pascal(name)}Silent`,
    `${pascal(deadLetter)}Letters`,
  ]),
  ...Object.values(subscribers).map(({ deadLetter }) => `${pascal(deadLetter)}Letters`),
]

test("every alarm stands in the runbook once, with how bad it is, and none that there is not", () => {
  expect(
    alarmKinds()
      .flatMap(({ alarms }) => alarms)
      .sort(),
  ).toEqual(expected.sort())
})

test.each(alarmKinds())(
  "$heading: it says what it means, how to see it and what to do, about alarms of this kind",
  (kind) => {
    const { heading, text, alarms } = kind
    expect(text.trimStart()).toMatch(/^[A-Z]/)
    expect(text).toContain("\n**How to see it**: ")
    expect(text).toContain("\n**What to do**: ")
    const ending = heading.replace(/ l/, "L")
    expect(alarms.length).toBeGreaterThan(0)
    expect(alarms.filter((name) => !name.endsWith(ending))).toEqual([])
  },
)

test("whatever stops accepted events is P0", () => {
  const p0 = [...section("## Alarms").matchAll(/^\| (`.+`) \| P0 \|$/gm)].map(([, names = ""]) => names)
  expect(p0).toEqual([
    "`CollectErrors`",
    "`CollectThrottles`",
    "`CollectFaults`",
    "`AppendFailures`",
    "`AppendDeadLetters`",
  ])
})

test("every secret of the topology has its way of being changed", () => {
  const text = section("## Changing secrets")
  const secrets = new Set((Object.keys(functions) as FunctionName[]).flatMap((name) => factsOf(name).secrets ?? []))
  for (const secret of secrets) {
    const name = pascal(secret.replace("OCTANT_", "").toLowerCase().replaceAll("_", "-"))
    expect(text).toContain(`sst secret set ${name} `)
  }
})

test("what a million events cost adds up, and follows from what is metered", () => {
  const rows = [...section("## What it costs").matchAll(/^\| ([^|*]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$/gm)]
  const costs = rows.map(([, part = "", units, price, dollars]) => ({
    part,
    units: Number(units),
    product: (Number(units) * Number(price)).toFixed(4),
    dollars: dollars!,
  }))
  expect(costs.map(({ product }) => product)).toEqual(costs.map(({ dollars }) => dollars))
  const total = costs.reduce((sum, { dollars }) => sum + Number(dollars), 0)
  expect(section("## What it costs")).toContain(`| **all** | | | **${total.toFixed(4)}** |`)
  const budget = budgets.get(100)!
  expect(costs[0]!.part).toBe("table, writes")
  expect(costs[0]!.units).toBeLessThanOrEqual(budget.all)
  expect(costs[2]!.part).toBe("queues, requests")
  expect(costs[2]!.units).toBeLessThanOrEqual(budget.sqs)
})
