import type { Command } from "commander"
import type { ledger } from "#pipeline/ledger.ts"
import { ask, targetOf } from "./api.ts"
import { onApi, type Remote } from "./options.ts"
import { grouped, show, table } from "./print.ts"
import type { Terminal } from "./terminal.ts"

type Ledger = Awaited<ReturnType<typeof ledger>> & { from: string; to: string; position: number }
type Row = Ledger["total"]

export function addLedger(program: Command, terminal: Terminal) {
  onApi(program.command("ledger"))
    .description("what became of everything received: received = counted + duplicate + rejected + quarantined")
    .option("--from <date>", "first day in UTC (default: seven days up to today)")
    .option("--to <date>", "last day")
    .action(async (options: Remote & { from?: string; to?: string }) => {
      const { from, to } = options
      const answer = await ask<Ledger>(targetOf(options, terminal, "read"), "/v1/ledger", { parameters: { from, to } })
      show(terminal, options.json, answer, () => textOf(answer))
      if (!answer.total.balanced) throw new Error("the ledger does not balance: octant reconcile tells where")
    })
}

function textOf({ rows, total }: Ledger) {
  const figures = (row: Row) => [row.received, row.counted, row.duplicate, row.rejected, row.quarantined].map(grouped)
  const verdict = (row: Row) => (row.balanced ? "balanced" : "NOT BALANCED")
  const lines = rows.map((row) => [row.hour.slice(0, 16).replace("T", " "), row.source, ...figures(row), verdict(row)])
  return table(
    ["hour (UTC)", "source", ">received", ">counted", ">duplicate", ">rejected", ">quarantined", ""],
    [...lines, ["total", "", ...figures(total), verdict(total)]],
  )
}
