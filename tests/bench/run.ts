import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { accept } from "./accept.ts"
import { bundles } from "./bundles.ts"
import { drain } from "./drain.ts"
import { fold } from "./fold.ts"
import { hooks } from "./hooks.ts"
import { peer } from "./peer.ts"
import { reads } from "./reads.ts"
import { type Bench, calibrate, type Row, table } from "./report.ts"
import { units } from "./units.ts"

/**
 * `npm run bench -- [--quick] [--only accept,fold] [--rounds 3] [--dir /tmp] [--json] [--strict]`. Ends with 1 when
 * something was lost or wrong or a budget that no machine can change was missed, with 2 when `--strict` and a rate was.
 */
const benches: Record<string, Bench> = { bundles, units, fold, accept, hooks, drain, peer, reads }

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: Object.keys(benches).join(",") },
    rounds: { type: "string", default: "3" },
    /** Where the database files of a run are kept: the disk matters. */
    dir: { type: "string", default: tmpdir() },
    json: { type: "boolean", default: false },
    strict: { type: "boolean", default: false },
  },
})

/** Two looks at one fixed piece of work may differ by so much; else the machine was not itself. */
const STEADY = 0.15

const settings = {
  quick: values.quick,
  rounds: Number(values.rounds),
  newFolder: () => mkdtempSync(join(values.dir, "octant-bench-")),
  say: (text: string) => console.error(`  ${text}`),
}
const rows: Row[] = []
const wrong: string[] = []
const before = calibrate()
for (const name of values.only.split(",")) {
  const bench = benches[name]
  if (!bench) throw new Error(`there is no ${name}; there are ${Object.keys(benches).join(", ")}`)
  try {
    rows.push(...(await bench(settings)))
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
