import { Fault } from "#core/fault.ts"
import type { JsonObject } from "#events/event.ts"
import type { Vendor } from "#sources/source.ts"
import type { Call } from "./calls.ts"
import type { Row } from "./rows.ts"
import type { Tally } from "./tally.ts"

/**
 * Lines of a vendor's own export → tracking calls, by the mapping of its webhooks and under their ids: what came by
 * webhook counts once. Lines of a table that follow each other and name the same thing make one object.
 */
export async function* exportedCalls(
  rows: AsyncIterable<Row>,
  { exported, table }: Vendor,
  isTable: boolean,
  tally: Tally,
): AsyncGenerator<Call> {
  let [first, cells]: [number, Cells[]] = [0, []]
  const told = function* (object: unknown, line: number, lines: number): Generator<Call> {
    try {
      for (const message of exported!(object)) yield { message: message as JsonObject, line, lines }
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault
      tally.refuse(line, lines, fault.message)
    }
  }
  const finished = function* (): Generator<Call> {
    if (cells.length === 0) return
    const note = table!.leavesOut(cells)
    if (note !== undefined) tally.note(note)
    yield* told(table!.object(cells), first, cells.length)
    cells = []
  }
  for await (const row of rows) {
    tally.lines++
    if ("refusal" in row) {
      tally.refuse(row.line, 1, row.refusal)
      continue
    }
    if (!isTable) {
      yield* told(row.cells, row.line, 1)
      continue
    }
    const line = row.cells as Cells
    if (cells.length > 0 && cells[0]![table!.groupBy] !== line[table!.groupBy]) yield* finished()
    if (cells.length === 0) first = row.line
    cells.push(line)
  }
  yield* finished()
}
type Cells = Record<string, string>
