import type { Command } from "commander"
import { SECOND } from "#core/clock.ts"
import { foldTenant } from "#pipeline/folding.ts"
import { type Difference, reconcile } from "#pipeline/reconcile.ts"
import { noted } from "#store/audit.ts"
import { journalHead } from "#store/journal.ts"
import { type Common, onStorage } from "./options.ts"
import { countOf, cut, plain, show } from "./print.ts"
import { openTenant } from "./storage.ts"
import type { Terminal } from "./terminal.ts"

const VALUE_WIDTH = 120
const PLACES_SHOWN = 10

export function addReconcile(program: Command, terminal: Terminal) {
  onStorage(program.command("reconcile"))
    .description(
      "fold what is left, count the journal again from its first event and compare every value of the views; exit 1 if any differs",
    )
    .action(async (options: Common) => {
      const { runtime, tenant } = await openTenant(options, terminal)
      const started = terminal.clock()
      const journal = await journalHead(runtime, tenant)
      // What is not folded yet could not be compared.
      const folding = terminal.bar("folding", journal.position)
      await foldTenant(runtime, tenant, { onProgress: folding.to }).finally(folding.end)
      const bar = terminal.bar("recounting", journal.events)
      const result = await reconcile(runtime, tenant, bar.to).finally(bar.end)
      const seconds = (terminal.clock() - started) / SECOND
      const { events, position, compared, differences } = result
      // Values of customers may be among them.
      if (differences.length > 0)
        await noted(runtime, tenant, { action: "views.reconcile", subject: countOf(differences.length, "difference") })
      show(terminal, options.json, { tenant, ...result, seconds }, () => {
        const counted = `recounted ${countOf(events, "event")} up to position ${position} in ${seconds.toFixed(1)} s`
        const verdict = differences.length === 0 ? "no difference" : countOf(differences.length, "difference")
        return `${counted}; compared ${countOf(compared, "value")} of the views: ${verdict}\n${differences.map(textOf).join("")}`
      })
      if (position < journal.position) {
        terminal.err(
          `the views hold what was folded up to position ${position} of ${journal.position}; every answer folds the rest from the journal\n`,
        )
      }
      if (differences.length > 0) {
        throw new Error(
          `the views of ${tenant} differ from its journal: octant replay --tenant ${tenant} builds them anew`,
        )
      }
    })
}

function textOf({ what, stored, recounted }: Difference) {
  const places = [...apart(stored, recounted, "")]
  const more = places.length > PLACES_SHOWN ? `  … and ${places.length - PLACES_SHOWN} more places\n` : ""
  return `\n${plain(what)}\n${places.slice(0, PLACES_SHOWN).join("")}${more}`
}

/** Every place at which two values differ, a line each. */
function* apart(stored: unknown, recounted: unknown, path: string): Generator<string> {
  if (isTree(stored) && isTree(recounted)) {
    for (const key of new Set([...Object.keys(stored), ...Object.keys(recounted)])) {
      yield* apart(stored[key], recounted[key], path === "" ? key : `${path}.${key}`)
    }
  } else if (JSON.stringify(stored) !== JSON.stringify(recounted)) {
    yield `  ${plain(path)}${path === "" ? "" : ": "}stored ${worded(stored)}, recounted ${worded(recounted)}\n`
  }
}

const isTree = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null
const worded = (value: unknown) => (value === undefined ? "nothing" : cut(plain(JSON.stringify(value)), VALUE_WIDTH))
