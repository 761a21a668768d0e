import { execFile } from "node:child_process"
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { afterEach, expect, test } from "vitest"
import { functions } from "#platform/topology.ts"

/** Stands in for the `aws` command: answers as Lambda does, from a file, and keeps what is changed there. */
const stand = `#!/usr/bin/env node
const { readFileSync, writeFileSync } = require("node:fs")
const file = process.env.STAND_IN
const state = JSON.parse(readFileSync(file, "utf8"))
const [service, action, ...rest] = process.argv.slice(2)
const option = (name) => rest[rest.indexOf(name) + 1]
const fail = (text) => { process.stderr.write(text + "\\n"); process.exit(254) }
if (service !== "lambda" || option("--output") !== "json") fail("what?")
const one = state[option("--function-name")]
const alias = () => one.live === undefined ? fail("ResourceNotFoundException") : ({ Name: "live", FunctionVersion: one.live, RevisionId: "r" + one.live })
const answers = {
  "list-functions": () => ({ Functions: Object.keys(state).map((FunctionName) => ({ FunctionName })) }),
  "list-versions-by-function": () => ({ Versions: one.versions }),
  "get-alias": alias,
  "update-alias": () => {
    if (option("--revision-id") !== "r" + one.live) fail("PreconditionFailedException")
    if (option("--name") !== "live") fail("ResourceNotFoundException")
    one.live = option("--function-version")
    writeFileSync(file, JSON.stringify(state))
    return alias()
  },
}
process.stdout.write(JSON.stringify(answers[action]()))
`

type State = Record<string, { live: string; versions: { Version: string; LastModified: string }[] }>
const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const capital = (name: string) => name[0]!.toUpperCase() + name.slice(1)
const names = Object.keys(functions).map((name) => `octant-production-${capital(name)}Function-abcdwxyz`)
const version = (number: number, hour: number) => ({
  Version: String(number),
  LastModified: `2026-11-21T${String(hour).padStart(2, "0")}:00:00.000+0000`,
})
/** Every function has versions of 8 and 10 o'clock, some one of 12. */
function account(change: (state: State) => void = () => {}) {
  const folder = mkdtempSync(join(tmpdir(), "octant-rollback-"))
  folders.push(folder)
  const state: State = Object.fromEntries(
    names.map((name, i) => [
      name,
      {
        live: i % 2 === 0 ? "10" : "9",
        versions: [
          { Version: "$LATEST", LastModified: "2026-11-21T12:00:00.000+0000" },
          version(8, 8),
          version(9, 10),
          ...(i % 2 === 0 ? [version(10, 12)] : []),
        ],
      },
    ]),
  )
  state["octant-production-eu-ApiFunction-abcdwxyz"] = { live: "10", versions: [version(9, 10), version(10, 12)] }
  change(state)
  const file = join(folder, "state.json")
  writeFileSync(file, JSON.stringify(state))
  writeFileSync(join(folder, "aws"), stand)
  chmodSync(join(folder, "aws"), 0o755)
  const live = () =>
    Object.entries(JSON.parse(readFileSync(file, "utf8")) as State).map(([name, one]) => `${name} ${one.live}`)
  const rollback = (...args: string[]) =>
    new Promise<{ code: number; out: string }>((done) => {
      const PATH = [folder, dirname(process.execPath), process.env.PATH].join(delimiter)
      execFile(process.execPath, ["tests/rollback.ts", ...args], { env: { PATH, STAND_IN: file } }, (error, out) =>
        done({ code: error ? Number(error.code) : 0, out }),
      )
    })
  return { live, rollback, note: join(folder, "live.json") }
}
const bad = ["--stage", "production", "--before", "2026-11-21T11:30:00Z"]

test("every function goes back to its newest version from before the deployment, and those that had not changed stay", async () => {
  const { live, rollback } = account()
  const { code, out } = await rollback(...bad)
  expect(out).toContain("✓ octant-production-CollectFunction-abcdwxyz 10 → 9\n")
  expect(out).toContain("  octant-production-HooksFunction-abcdwxyz stays at 9\n")
  expect(code).toBe(0)
  expect(live()).toEqual([
    ...names.map((name) => `${name} 9`),
    // A stage whose name begins alike is another stage.
    "octant-production-eu-ApiFunction-abcdwxyz 10",
  ])
})

test("again, it changes nothing; with a later instant it goes forward", async () => {
  const { live, rollback } = account()
  await rollback(...bad)
  const after = live()
  expect((await rollback(...bad)).out).not.toContain("→")
  expect(live()).toEqual(after)
  await rollback("--stage", "production", "--before", "2026-11-21T12:30:00Z")
  expect(live()).toEqual(account().live())
})

test("a dry run tells what would be done, and does nothing", async () => {
  const { live, rollback } = account()
  const before = live()
  expect((await rollback(...bad, "--dry-run")).out).toContain(
    "would go octant-production-CollectFunction-abcdwxyz 10 → 9\n",
  )
  expect(live()).toEqual(before)
})

test("a function that the bad deployment has brought, or did not get to make, holds up no others", async () => {
  const { live, rollback } = account((state) => {
    state[names[2]!]!.versions.splice(1, 2)
    delete state[names[1]!]
  })
  const { code, out } = await rollback(...bad)
  expect(out).toContain(`  ${names[2]} was not there before then, and stays\n`)
  expect(out).toContain("  octant-production-HooksFunction-… is not there\n")
  expect(code).toBe(0)
  expect(live().slice(0, 3)).toEqual([`${names[0]} 9`, `${names[2]} 10`, `${names[3]} 9`])
})

test("what was live before a deployment is live after it has failed, though a newer version had been taken back before", async () => {
  const { live, rollback, note } = account((state) => {
    // Taken back by hand in the morning; and a function that died before it had its alias.
    state[names[0]!]!.live = "8"
    delete (state[names[1]!] as { live?: string }).live
  })
  const before = live()
  expect(await rollback("--stage", "production", "--note", note)).toEqual({
    code: 0,
    out: `noted what is live of ${names.length - 1} functions\n`,
  })
  await rollback("--stage", "production", "--before", "2026-11-21T12:30:00Z")
  expect(live()).not.toEqual(before)
  const { code, out } = await rollback("--stage", "production", "--to", note)
  expect(out).toContain(`✓ ${names[0]} 10 → 8\n`)
  expect(code).toBe(0)
  expect(live().slice(2)).toEqual(before.slice(2))
  expect(live()[0]).toBe(`${names[0]} 8`)
})

test("before the first deployment there is nothing to note, and nothing to go back to", async () => {
  const { rollback, note } = account((state) => {
    for (const name of names) delete state[name]
  })
  expect((await rollback("--stage", "production", "--note", note)).out).toBe("noted what is live of 0 functions\n")
  expect((await rollback("--stage", "production", "--to", note)).code).toBe(1)
})

test.each<[string, (state: State) => void, string[], string]>([
  [
    "an instant before everything",
    () => {},
    ["--stage", "production", "--before", "2026-11-20T00:00:00Z"],
    "no function has a version from before then",
  ],
  [
    "a stage that is not here",
    () => {},
    ["--stage", "prod", ...bad.slice(2)],
    "there is no function of the stage prod here",
  ],
  [
    "two functions of one name",
    (state) => void Object.assign(state, { "octant-production-CollectFunction-zzzzzzzz": state[names[0]!] }),
    bad,
    "2 functions are called octant-production-CollectFunction-…, not one",
  ],
  ["no stage", () => {}, ["--before", "2026-11-21T11:30:00Z"], "say which stage with --stage"],
  [
    "an instant without a zone",
    () => {},
    ["--stage", "production", "--before", "2026-11-21T11:30:00"],
    "--before must be an instant such as 2026-11-21T12:00:00Z",
  ],
])("%s stops it before anything is changed", async (_, change, args, complaint) => {
  const { live, rollback } = account(change)
  const before = live()
  expect(await rollback(...args)).toEqual({ code: 1, out: `✗ ${complaint}\n` })
  expect(live()).toEqual(before)
})
