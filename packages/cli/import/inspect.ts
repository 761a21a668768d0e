import { statSync } from "node:fs"
import type { JsonObject } from "#events/event.ts"
import { Usage } from "../failure.ts"
import type { Terminal } from "../terminal.ts"
import { columnsOf } from "./mapping.ts"
import type { Row } from "./rows.ts"
import { packed, type Source } from "./source.ts"
import { newTally, type Reason } from "./tally.ts"

/** What lies in a file. */
export type Contents = {
  lines: number
  skipped: number
  refusedLines: number
  events: number
  requests: number
  reasons: Reason[]
  /** What the mapping leaves out on purpose, and how often. */
  notes: { note: string; count: number }[]
  first: JsonObject[]
}

const EVENTS_SHOWN = 3

/** Reads a file to its end, so that nothing is sent of one that cannot be understood. */
export async function inspect(source: Source, terminal: Terminal): Promise<Contents> {
  const tally = newTally()
  const columns = columnsNeeded(source)
  const first: JsonObject[] = []
  let [events, requests] = [0, 0]
  const bar = terminal.bar("reading", statSync(source.file).size)
  const call = ({ message }: { message: JsonObject }) => first.length < EVENTS_SHOWN && first.push(message)
  try {
    for await (const { lines } of packed(source, tally, { bytes: bar.to, row: columns.see, call })) {
      events += lines.length
      requests++
    }
  } finally {
    bar.end()
  }
  if (tally.lines === 0) throw new Error(`${source.file} has no lines of data`)
  columns.check()
  const { lines, skipped, refusedLines, reasons } = tally
  const notes = [...tally.notes].map(([note, count]) => ({ note, count }))
  return { lines, skipped, refusedLines, events, requests, reasons, notes, first }
}

/** A column that the mapping names and no line has is a slip of the pen, not an empty value. */
function columnsNeeded({ rules }: Source) {
  const missing = new Set(rules?.flatMap(columnsOf))
  let known: string[] = []
  return {
    see: (row: Row) => {
      if ("refusal" in row || (missing.size === 0 && known.length > 0)) return
      if (known.length === 0) known = Object.keys(row.cells)
      for (const name of Object.keys(row.cells)) missing.delete(name)
    },
    check: () => {
      const [absent] = missing
      if (absent === undefined || known.length === 0) return
      const hint = `there are ${known.join(", ")}`
      throw new Usage(`the mapping names the column ${JSON.stringify(absent)}, which no line has; ${hint}`)
    },
  }
}
