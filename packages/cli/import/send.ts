import { SECOND } from "#core/clock.ts"
import type { Target } from "../api.ts"
import { countOf } from "../print.ts"
import type { Terminal } from "../terminal.ts"
import { type Contents, inspect } from "./inspect.ts"
import { openProgress } from "./progress.ts"
import { identityOf, packed, type Source } from "./source.ts"
import { newTally, type Outcome } from "./tally.ts"
import { inLanes, post } from "./upload.ts"

/** What became of a file. */
export type Summary = Omit<Contents, "first"> & Outcome & { file: string; resumedAfter: number; seconds: number }
type How = { data: string; inFlight: number; restart?: true }

/** Sends a file, or what is left of it after an interruption. */
export async function send(source: Source, target: Target, how: How, terminal: Terminal): Promise<Summary> {
  const started = terminal.clock()
  const { first: _, ...contents } = await inspect(source, terminal)
  const progress = openProgress(how.data, await identityOf(source, target), how.restart === true)
  const resumedAfter = progress.current().requests
  const requests = countOf(contents.requests, "request")
  if (resumedAfter > 0) terminal.err(`going on after ${resumedAfter} of ${requests} (--restart begins again)\n`)
  const bar = terminal.bar("sending", contents.events)
  let sent = 0
  try {
    await inLanes(packed(source, newTally()), how.inFlight, async (request) => {
      if (request.index >= resumedAfter) progress.acknowledge(request.index, await post(target, request, terminal))
      sent += request.lines.length
      bar.to(sent)
    })
  } catch (error) {
    terminal.err(`stopped after ${progress.current().requests} of ${requests}; the same command goes on from there\n`)
    throw error
  } finally {
    bar.end()
  }
  progress.forget()
  const { outcome } = progress.current()
  const reasons = [...contents.reasons, ...outcome.reasons]
  const seconds = (terminal.clock() - started) / SECOND
  return { file: source.file, resumedAfter, ...contents, ...outcome, reasons, seconds }
}
