import { parseArgs } from "node:util"
import { accept } from "./accept.ts"
import { drain } from "./drain.ts"
import { fold } from "./fold.ts"
import { bundles } from "./bundles.ts"
import { type Bench, calibrate, type Row, table } from "./report.ts"

/** `npm run bench -- [--quick] [--only accept,fold] [--rounds 3] [--json] [--strict]`; PEER_URL names a peer to measure beside us. */
const benches: Record<string, Bench> = { drain, fold, bundles }

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
    strict: { type: "boolean", default: false },
  },
})
const settings = { quick: values.quick, rounds: Number(values.rounds), say: (text: string) => void process.stderr.write(`  ${text}\n`) }
const rows: Row[] = []
for (const name of Object.keys(benches)) rows.push(...(await benches[name]!(settings)))
console.log(table(rows), calibrate())
