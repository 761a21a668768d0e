import { Command, CommanderError } from "commander"
import { addAudit } from "./audit.ts"
import { addBackup } from "./backup/backup.ts"
import { addCustomer } from "./customer.ts"
import { codeOf, exitCodes, lineOf } from "./failure.ts"
import { addImport } from "./import/import.ts"
import { addJobs } from "./jobs.ts"
import { addKeys } from "./keys.ts"
import { addLedger } from "./ledger.ts"
import { addMetrics } from "./metrics.ts"
import { plain } from "./print.ts"
import { addQuality } from "./quality.ts"
import { addQuarantine } from "./quarantine.ts"
import { addQuery } from "./query.ts"
import { addQueues } from "./queues.ts"
import { addReconcile } from "./reconcile.ts"
import { addReplay } from "./replay.ts"
import { addSources } from "./sources.ts"
import { addTail } from "./tail.ts"
import { addTenants } from "./tenants.ts"
import type { Terminal } from "./terminal.ts"
import { addWebhooks } from "./webhooks.ts"

const groups = [
  addTenants,
  addKeys,
  addMetrics,
  addQuery,
  addImport,
  addSources,
  addLedger,
  addQuality,
  addCustomer,
  addTail,
  addQuarantine,
  addReplay,
  addReconcile,
  addAudit,
  addWebhooks,
  addQueues,
  addJobs,
  addBackup,
]

/** Runs one command to its end; its exit code. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await program(terminal).parseAsync(args, { from: "user" })
    return exitCodes.fine
  } catch (error) {
    // What commander throws, it has said already.
    if (!(error instanceof CommanderError)) {
      const stack = terminal.env.OCTANT_DEBUG && error instanceof Error ? error.stack : undefined
      terminal.err(`${stack ?? plain(lineOf(error))}\n`)
    }
    return codeOf(error)
  }
}

function program(terminal: Terminal) {
  const command = new Command("octant")
    .description("Customer intelligence from the command line: numbers, imports, and the means to prove them.")
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err })
    .showHelpAfterError("(--help tells more)")
    .addHelpText("after", FOOTER)
  for (const add of groups) add(command, terminal)
  return command
}

const FOOTER = `
Without --url, commands speak to the local stack that runs on --data (npm start). Those that work on the storage
(tenants, keys, tail, replay, reconcile, audit verify, backup, restore) reach a deployed one by OCTANT_TABLE, OCTANT_APPEND_QUEUE_URL,
OCTANT_FOLD_QUEUE_URL, AWS_REGION and AWS credentials (aws configure export-credentials --format env).
--json gives one JSON document on stdout; whatever else is said goes to stderr.
Exit codes: 0 fine, 1 failed or differences found, 2 wrong usage. OCTANT_DEBUG=1 shows where an error came from.
In pipes: npm run --silent octant -- query orders --json`
