import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { runWith } from "#cli/world.ts"
import { type FunctionName, factsOf, functions, queues, schedules, subscribers } from "#platform/topology.ts"
import { pascal } from "../stacks/names.ts"
import { budgets } from "./bench/units.ts"
import { alarmKinds, runbook, section } from "./runbook.ts"

/** As `stacks/alarms.ts` makes them; the stacks' own tests compare the runbook with what it really made. */
const expected = [
  ...(Object.keys(functions) as FunctionName[]).flatMap((name) =>
    [
      ...["Errors", "Throttles", "Slow", "Failures"],
      ...(factsOf(name).paths ? ["Faults", "Late"] : []),
      ...(factsOf(name).settings?.includes("OCTANT_REDIS_URL") ? ["Alone"] : []),
    ].map((kind) => pascal(name) + kind),
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

test("the functions, queues and logs that its commands name are there", () => {
  const named = (pattern: RegExp) => [...new Set([...runbook.matchAll(pattern)].map(([, name = ""]) => name))]
  const known = {
    fn: Object.keys(functions).map(pascal),
    queue: Object.entries({ ...queues, ...schedules, ...subscribers }).flatMap(([name, { deadLetter }]) => [
      ...(name in queues ? [`${pascal(name)}Requests`] : []),
      pascal(deadLetter),
    ]),
    logs: Object.keys(functions),
  }
  const used = {
    fn: named(/\$\(fn (\w+)\)/g),
    queue: named(/\$\(queue (\w+)\)/g),
    logs: named(/`logs (\w+)/g),
  }
  for (const kind of ["fn", "queue", "logs"] as const) {
    expect(used[kind].length).toBeGreaterThan(0)
    expect(used[kind].filter((name) => !known[kind].includes(name))).toEqual([])
  }
})

/** The words of a command, up to what a reader fills in. */
const commandsIn = (file: string) => {
  const text = readFileSync(file, "utf8")
  const found = [...text.matchAll(/(?:(?:`|^)octant |octant -- )((?:[a-z]+(?=[ `\n]) ?)+)/gm)].map(([, words = ""]) =>
    words.trim(),
  )
  return [...new Set(found)].map((words) => [words, file] as const)
}

test.each(
  ["docs/runbook.md", "docs/operations.md", "docs/how-it-works.md", "docs/api.md", "README.md"].flatMap(commandsIn),
)("octant %s, of which %s speaks, is a command", async (words) => {
  const [group = "", action = ""] = words.split(" ")
  const { code, out } = await runWith([group, "--help"])
  expect(code).toBe(0)
  // The first word of a group is one of its commands; that of a single command is given to it.
  const actions = [...out.matchAll(/^ {2}([a-z]+)(?:\|\w+)? /gm)].map(([, name]) => name)
  if (out.includes("Commands:") && action !== "") expect(actions).toContain(action)
})

test("whatever stops accepted events is P0", () => {
  const p0 = [...section("## Alarms").matchAll(/^\| (`.+`) \| P0 \|$/gm)].map(([, names = ""]) => names)
  expect(p0).toEqual(["`CollectThrottles`", "`CollectFaults`", "`AppendFailures`", "`AppendDeadLetters`"])
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
