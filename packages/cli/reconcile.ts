import type { Command } from "commander"
import { SECOND } from "#core/clock.ts"
import { type Difference, reconcile } from "#pipeline/reconcile.ts"
import { journalHead } from "#store/journal.ts"
import { type Common, onStorage } from "./options.ts"
import { countOf, cut, plain, show } from "./print.ts"
import { openTenant } from "./storage.ts"
import type { Terminal } from "./terminal.ts"

const VALUE_WIDTH = 160

export function addReconcile(program: Command, terminal: Terminal) {
  onStorage(program.command("reconcile"))
    .description(
      "count the journal again from its first event and compare every value of the views; exit 1 if any differs",
    )
    .action(async (options: Common) => {
      const { runtime, tenant } = await openTenant(options, terminal)
      const started = terminal.clock()
      const bar = terminal.bar("recounting", (await journalHead(runtime, tenant)).events)
      const result = await reconcile(runtime, tenant, bar.to).finally(bar.end)
      const seconds = (terminal.clock() - started) / SECOND
      const { events, position, compared, differences } = result
      show(terminal, options.json, { tenant, ...result, seconds }, () => {
        const counted = `recounted ${countOf(events, "event")} up to position ${position} in ${seconds.toFixed(1)} s`
        const verdict = differences.length === 0 ? "no difference" : countOf(differences.length, "difference")
        return `${counted}; compared ${countOf(compared, "value")} of the views: ${verdict}\n${differences.map(textOf).join("")}`
      })
      if (differences.length > 0) {
        throw new Error(
          `the views of ${tenant} differ from its journal: octant replay --tenant ${tenant} builds them anew`,
        )
      }
    })
}

const textOf = ({ what, stored, recounted }: Difference) =>
  `\n${plain(what)}\n  stored     ${worded(stored)}\n  recounted  ${worded(recounted)}\n`
const worded = (value: unknown) => (value === undefined ? "(nothing)" : cut(plain(JSON.stringify(value)), VALUE_WIDTH))
