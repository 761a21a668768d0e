import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runInNewContext } from "node:vm"
import { expect, test } from "vitest"
import { runWith } from "#cli/world.ts"
import { type FunctionName, factsOf, functions, queues, schedules, subscribers } from "#platform/topology.ts"
import { pascal, secretName } from "../stacks/names.ts"
import { bill, idle, idleBill, totalsOf } from "./costs.ts"
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

/** Lines as CloudWatch has them where a function logs in JSON: Lambda's own record of a call, the runtime's and ours. */
const report = (record: object) => ({ type: "platform.report", record: { requestId: "1", ...record } })
const written = {
  "was cut off": report({ status: "timeout" }),
  "ran out of memory": report({ status: "error", errorType: "Runtime.OutOfMemory" }),
  "has thrown": { level: "ERROR", message: { errorType: "Error", errorMessage: "OCTANT_TABLE: …" } },
  "went well": report({ status: "success" }),
  "was answered": { at: "2026-11-21T12:00:00.000Z", name: "request", outcome: "accepted" },
}

test("the command for Errors finds what was cut off, ran out of memory or has thrown, and nothing else", () => {
  const [, pattern = ""] = /`logs collect 1h '\{(.+?)\}'`/.exec(section("### Errors").replaceAll("\n", " "))!
  // CloudWatch's filter patterns, as far as they are used here.
  const condition = pattern
    .replaceAll("$.record.", "line.record?.")
    .replaceAll("$.", "line.")
    .replaceAll(" = ", " === ")
  const found = Object.entries(written).filter(([, line]) => runInNewContext(condition, { line }) as boolean)
  expect(found.map(([what]) => what)).toEqual(["was cut off", "ran out of memory", "has thrown"])
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

test("Waiting says of which queues a single failure rings: of those that hide it for longer than a message may wait", () => {
  const text = section("### Waiting").replaceAll("\n", " ")
  // The alarm looks three minutes in a row.
  const hiding = Object.values(queues).filter((one) => one.visibilitySeconds > one.oldestSeconds + 180)
  const minutes = new Set(hiding.map((one) => one.visibilitySeconds / 60))
  expect([...minutes]).toEqual([90])
  expect(text).toContain("is hidden for 90 minutes (`visibilitySeconds`)")
  expect(text).toContain("is tried again after a minute, five, half an hour and 90 minutes")
})

test("whatever stops accepted events is P0", () => {
  const p0 = [...section("## Alarms").matchAll(/^\| (`.+`) \| P0 \|$/gm)].map(([, names = ""]) => names)
  expect(p0).toEqual(["`CollectThrottles`", "`CollectFaults`", "`AppendFailures`", "`AppendDeadLetters`"])
})

test("every secret of the topology has its way of being changed", () => {
  const text = section("## Changing secrets")
  const secrets = new Set((Object.keys(functions) as FunctionName[]).flatMap((name) => factsOf(name).secrets ?? []))
  for (const secret of secrets) {
    expect(text).toContain(`sst secret set ${secretName(secret)} `)
  }
})

test("the vault's key is changed by its id: AWS takes no alias for that", () => {
  const [, command = ""] = /`(aws kms rotate-key-on-demand .+?)`/.exec(section("## Changing secrets"))!
  const here = mkdtempSync(join(tmpdir(), "octant-runbook-"))
  const aws = `#!/bin/bash
case "$2 $4" in
  "describe-key alias/octant-production-vault") echo 1234abcd ;;
  "rotate-key-on-demand alias/"*) echo "an alias is not valid for this operation" >&2; exit 254 ;;
  "rotate-key-on-demand "*) echo "changed $4" ;;
esac
`
  writeFileSync(join(here, "aws"), aws, { mode: 0o755 })
  const env = { PATH: `${here}:${process.env.PATH}` }
  const said = execFileSync("bash", ["-euc", command], { env, encoding: "utf8" })
  rmSync(here, { recursive: true })
  expect(said).toBe("changed 1234abcd\n")
})

test("every secret of the topology is set before the first deployment of a stage, for that stage", () => {
  const text = readFileSync("docs/deploy.md", "utf8").replaceAll(/\s+/g, " ")
  const secrets = new Set((Object.keys(functions) as FunctionName[]).flatMap((name) => factsOf(name).secrets ?? []))
  for (const secret of secrets) expect(text).toContain(`sst secret set ${secretName(secret)} … --stage staging`)
})

const [aMillion, idling] = ["### A million events", "### A month of idling"]
/** What is in one line, wherever its lines are broken. */
const flat = (text: string) => text.replaceAll("\n", " ")
const rounded = (value: number) => Number(value.toPrecision(2))
const added = (dollars: string[]) => dollars.reduce((sum, one) => sum + Number(one), 0)

test.each(bill())("$part: what a million events cost follows from the list price and what an event takes", (row) => {
  const [batched, batchedDollars, single, singleDollars] = row.cells
  expect(row.price).toBe(row.listed)
  expect(batchedDollars).toBe((Number(batched) * row.price).toFixed(4))
  expect(singleDollars).toBe((Number(single) * row.price).toFixed(4))
})

test("what a million events cost adds up, and how much more single ones do", () => {
  const totals = [1, 3].map((column) => added(bill().map(({ cells }) => cells[column]!)))
  expect(totalsOf(aMillion)).toEqual(totals.map((total) => total.toFixed(4)))
  const times = (totals[1]! / totals[0]!).toFixed(0)
  expect(flat(section(aMillion))).toContain(`One event a request costs ${times} times as much as a hundred do`)
})

test("the README promises what the bill says", () => {
  const [total = ""] = totalsOf(aMillion)
  const [writes = ""] = bill().find(({ part }) => part === "table, writes")!.cells
  const readme = readFileSync("README.md", "utf8")
  expect(readme).toContain(`**$${Number(total).toFixed(2)} per million events, nothing running when idle.**`)
  expect(readme).toContain(`Metered at 100 events a request: ${writes} write units`)
})

test("its seconds follow from what it says was measured and assumed", () => {
  const text = flat(section(aMillion))
  const [, batched, single] = /Processors: (\d+) µs an event at a hundred a request and (\d+) µs at one/.exec(text)!
  const [, perProcessor] = /a processor is ([\d.]+) GB of Lambda/.exec(text)!
  const [, askedMs, askedGb, appendMs, appendGb, messages] =
    /(\d+) ms of a request at ([\d.]+) GB, (\d+) ms of a run of append at (\d+) GB for (\w+) messages/.exec(text)!
  expect([askedGb, appendGb].map(Number)).toEqual(
    [functions.collect.memoryMb, functions.append.memoryMb].map((mb) => mb / 1024),
  )
  expect(messages).toBe("ten")
  const waited = (Number(askedMs) * Number(askedGb) + (Number(appendMs) * Number(appendGb)) / 10) / 1000
  const rows = new Map(bill().map(({ part, cells }) => [part, [Number(cells[0]), Number(cells[2])]]))
  const processors = [batched, single].map((micros) =>
    Number(((Number(micros) * Number(perProcessor)) / 1e6).toPrecision(2)),
  )
  expect(rows.get("processors, GB-seconds")).toEqual(processors)
  expect(rows.get("waiting, GB-seconds")).toEqual([rounded(waited / 100), rounded(waited)])
})

test.each(idleBill())("$part: what an idle month costs follows from the list price and the topology", (row) => {
  const [many, dollars] = row.cells
  expect(row.price).toBe(row.listed)
  expect(dollars).toBe((Number(many) * row.price).toFixed(2))
  if (row.part in idle) expect(Number(many)).toBe(Number(idle[row.part]!.toPrecision(6)))
})

test("what an idle month costs adds up", () => {
  expect(totalsOf(idling)).toEqual([added(idleBill().map(({ cells }) => cells[1]!)).toFixed(2)])
  expect(flat(section(idling))).toContain(`Of the ${expected.length} alarms, those`)
})
