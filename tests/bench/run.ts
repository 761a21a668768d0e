import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Command, InvalidArgumentError } from "commander"
import { accept } from "./accept.ts"
import { bundles } from "./bundles.ts"
import { drain } from "./drain.ts"
import { fold } from "./fold.ts"
import { hooks } from "./hooks.ts"
import { peer } from "./peer.ts"
import { reads } from "./reads.ts"
import { type Bench, calibrate, type Row, table } from "./report.ts"
import { units } from "./units.ts"

/** `npm run bench`: what a second and a write unit are enough for, against peers on the same machine. */
const benches: Record<string, Bench> = { bundles, units, fold, accept, hooks, drain, peer, reads }

const values = new Command("npm run bench --")
  .description(
    "Measures Octant beside its peers, in interleaved rounds of the same work; of all rounds the worst counts.",
  )
  .option("--quick", "less work: to see that it runs, not how fast")
  .option("--only <benches>", `some of ${Object.keys(benches).join(",")}`, toNames)
  .option("--rounds <number>", "how often each is measured", toCount, 3)
  .option("--dir <folder>", "where the database files of a run are kept: the disk matters", tmpdir())
  .option("--json", "print one object instead of a table")
  .option("--strict", "a rate that was missed is a failure too")
  .addHelpText(
    "after",
    `
Environment:
  PEER_URL  the full address of another product's door: "peer" sends the same bodies there and here
  PEER_KEY  goes there as a Bearer token

Ends with 1 when something was lost or wrong, or a budget was missed that no machine can change (sizes, write units);
with 2 when --strict and a rate was missed.

Examples:
  npm run bench -- --quick
  npm run bench -- --only accept,fold --rounds 5
  PEER_URL=http://127.0.0.1:8080/v1/batch npm run bench -- --only peer`,
  )
  .parse()
  .opts<{ quick?: true; only?: string[]; rounds: number; dir: string; json?: true; strict?: true }>()

/** Two looks at one fixed piece of work may differ by so much; else the machine was not itself. */
const STEADY = 0.15

const settings = {
  quick: values.quick === true,
  rounds: values.rounds,
  newFolder: () => mkdtempSync(join(values.dir, "octant-bench-")),
  say: (text: string) => console.error(`  ${text}`),
}
const rows: Row[] = []
const wrong: string[] = []
const before = calibrate()
for (const name of values.only ?? Object.keys(benches)) {
  try {
    rows.push(...(await benches[name]!(settings)))
  } catch (error) {
    wrong.push(`${name}: ${(error as Error).stack ?? String(error)}`)
  }
}
const after = calibrate()
const steady = Math.abs(after - before) / Math.max(before, after) <= STEADY
const missed = rows.filter(({ ok }) => ok === false)

if (values.json) console.log(JSON.stringify({ calibration: { before, after, steady }, rows, wrong }, null, 2))
else {
  console.log(table(rows))
  for (const line of wrong) console.log(`WRONG ${line}`)
  console.log(
    `calibration: ${Math.round(before).toLocaleString("en")} and ${Math.round(after).toLocaleString("en")} a second${steady ? "" : ": they differ by more than 15 %, the rates of this run are void"}`,
  )
}
process.exitCode =
  wrong.length > 0 || missed.some(({ exact }) => exact) ? 1 : values.strict && missed.length > 0 ? 2 : 0

function toNames(text: string) {
  const names = text.split(",")
  const unknown = names.find((name) => !Object.hasOwn(benches, name))
  if (unknown !== undefined)
    throw new InvalidArgumentError(`there is no ${unknown}; there are ${Object.keys(benches).join(", ")}.`)
  return names
}

function toCount(text: string) {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError("rounds are a number from 1.")
  return count
}
