import type { Command } from "commander"
import { ask, targetOf } from "./api.ts"
import { onApi, type Remote } from "./options.ts"
import { show, table } from "./print.ts"
import type { Terminal } from "./terminal.ts"

type Catalogue = { metrics: { name: string; title: string; definition: string; unit: string; dimensions: string[] }[] }

export function addMetrics(program: Command, terminal: Terminal) {
  onApi(program.command("metrics"))
    .description("what can be asked with query: the catalogue of metrics")
    .action(async (options: Remote) => {
      const answer = await ask<Catalogue>(targetOf(options, terminal, "read"), "/v1/metrics")
      const rows = answer.metrics.map(({ name, unit, definition }) => [name, unit, definition])
      show(terminal, options.json, answer, () => table(["metric", "unit", "definition"], rows))
    })
}
