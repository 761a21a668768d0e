import { execFile } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { parseArgs, promisify } from "node:util"
import { inFlight } from "#core/parallel.ts"
import { functions } from "#platform/topology.ts"
import { pascal } from "../stacks/names.ts"

/**
 * `npm run rollback -- --stage production --before 2026-11-21T12:00:00Z [--dry-run]`: points the alias `live` of every
 * function at the newest version that is older than an instant. Doors, queues and schedules all call that alias. It
 * needs the `aws` command with credentials. Run again with a later instant, it goes forward. A function that the bad deployment
 * has brought, or did not get to make, holds up no others.
 * `--note FILE` writes down what is live, and `--to FILE` instead of an instant goes back to just that: the newest version of
 * before may be one that was taken back.
 */
const ALIAS = "live"
const LOOKS_IN_FLIGHT = 4

type Version = { Version: string; LastModified: string }
type Alias = { FunctionVersion: string; RevisionId: string }
type Step = { name: string; from: string; to: string; revision: string }

class Refused extends Error {}

async function lambda<T>(action: string, ...options: string[]): Promise<T> {
  const { stdout } = await promisify(execFile)("aws", ["lambda", action, "--output", "json", ...options], {
    maxBuffer: 64 * 1024 * 1024,
  })
  return JSON.parse(stdout) as T
}

/** The functions of a stage, by the names that SST gives them, and what those begin with that are not there. */
async function functionsOf(stage: string): Promise<{ there: string[]; missing: string[] }> {
  const { Functions } = await lambda<{ Functions: { FunctionName: string }[] }>("list-functions")
  const sought = Object.keys(functions).map((name) => {
    const begin = `octant-${stage}-${pascal(name)}Function-`
    const found = Functions.filter(
      ({ FunctionName }) => FunctionName.startsWith(begin) && /^[a-z]+$/.test(FunctionName.slice(begin.length)),
    )
    if (found.length > 1) throw new Refused(`${found.length} functions are called ${begin}…, not one`)
    return { begin, name: found[0]?.FunctionName }
  })
  const there = sought.flatMap(({ name }) => name ?? [])
  return { there, missing: sought.flatMap(({ begin, name }) => (name === undefined ? [begin] : [])) }
}

/** The newest version from before an instant; none if the function was made since. */
async function versionBefore(name: string, before: number): Promise<string | undefined> {
  const { Versions } = await lambda<{ Versions: Version[] }>("list-versions-by-function", "--function-name", name)
  const older = Versions.filter(
    ({ Version, LastModified }) => Version !== "$LATEST" && Date.parse(LastModified) < before,
  )
  return older.length === 0 ? undefined : String(Math.max(...older.map(({ Version }) => Number(Version))))
}

/** None where a deployment died that had made the function and not the alias. */
async function aliasOf(name: string): Promise<Alias | undefined> {
  try {
    return await lambda<Alias>("get-alias", "--function-name", name, "--name", ALIAS)
  } catch (error) {
    if ((error as { stderr?: string }).stderr?.includes("ResourceNotFoundException")) return undefined
    throw error
  }
}

async function stepOf(name: string, to: string | undefined): Promise<Step | undefined> {
  const alias = to === undefined ? undefined : await aliasOf(name)
  return to === undefined || !alias ? undefined : { name, from: alias.FunctionVersion, to, revision: alias.RevisionId }
}

/** The version that is live, by function. */
async function liveOf(names: readonly string[]): Promise<Record<string, string>> {
  const aliases = await inFlight(names, LOOKS_IN_FLIGHT, aliasOf)
  return Object.fromEntries(names.flatMap((name, i) => (aliases[i] ? [[name, aliases[i].FunctionVersion]] : [])))
}

const { values } = parseArgs({
  options: {
    stage: { type: "string" },
    before: { type: "string" },
    note: { type: "string" },
    to: { type: "string" },
    "dry-run": { type: "boolean", default: false },
  },
})
const say = (line: string) => void process.stdout.write(`${line}\n`)
try {
  await main(values)
} catch (error) {
  const { message, stderr } = error as Error & { stderr?: string }
  say(`✗ ${stderr?.trim() || message}`)
  process.exitCode = 1
}

type Wish = { stage?: string; before?: string; note?: string; to?: string; "dry-run": boolean }

async function main({ stage = "", before = "", note, to: file, "dry-run": isDry }: Wish) {
  if (!/^[a-z0-9-]+$/i.test(stage)) throw new Refused("say which stage with --stage")
  if (note !== undefined) {
    const live = await liveOf((await functionsOf(stage)).there)
    writeFileSync(note, JSON.stringify(live))
    say(`noted what is live of ${Object.keys(live).length} functions`)
    return
  }
  const noted = file === undefined ? undefined : (JSON.parse(readFileSync(file, "utf8")) as Record<string, string>)
  if (!noted && (!/^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(before) || Number.isNaN(Date.parse(before))))
    throw new Refused("--before must be an instant such as 2026-11-21T12:00:00Z")
  // All of it is known before anything is changed.
  const { there, missing } = await functionsOf(stage)
  if (there.length === 0) throw new Refused(`there is no function of the stage ${stage} here`)
  const steps = await inFlight(there, LOOKS_IN_FLIGHT, async (name) =>
    stepOf(name, noted ? noted[name] : await versionBefore(name, Date.parse(before))),
  )
  if (steps.every((step) => step === undefined)) throw new Refused("no function has a version from before then")
  for (const begin of missing) say(`  ${begin}… is not there`)
  for (const [i, step] of steps.entries()) {
    if (step === undefined) {
      say(`  ${there[i]} was not there before then, and stays`)
      continue
    }
    const { name, from, to, revision } = step
    if (from === to) {
      say(`  ${name} stays at ${to}`)
      continue
    }
    if (!isDry) {
      const wish = ["--name", ALIAS, "--function-version", to, "--revision-id", revision]
      await lambda("update-alias", "--function-name", name, ...wish)
    }
    say(`${isDry ? "would go" : "✓"} ${name} ${from} → ${to}`)
  }
}
