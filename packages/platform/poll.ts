import { claimPoll, listPolled } from "#access/polling.ts"
import { MINUTE } from "#core/clock.ts"
import { inFlight } from "#core/parallel.ts"
import { backpoll } from "#pipeline/backpoll.ts"
import { newTails } from "#pipeline/reading.ts"
import type { Runtime } from "./runtime.ts"

const SOURCES_AT_ONCE = 8
/** A poll that has not caught up by then goes on at the next tick. */
const POLL_MS = 4 * MINUTE

/** Asks the vendors of all sources that can be asked for what no webhook brought; each source fails alone. */
export const pollWorker = (
  runtime: Pick<Runtime, "table" | "clock" | "nonce" | "log" | "enqueue" | "vault" | "fetch" | "sleep">,
  options: { stop?: AbortSignal } = {},
) => {
  const tails = newTails()
  return async () => {
    const until = runtime.clock() + POLL_MS
    const isOver = () => runtime.clock() >= until || options.stop?.aborted === true
    const one = async (id: string) => {
      try {
        const claim = isOver() ? undefined : await claimPoll(runtime, id)
        if (!claim) return
        const outcome = await backpoll({ ...runtime, tails, isOver }, claim.polled, claim.save)
        await claim.settle(outcome)
        const { tenant, source } = claim.polled
        const code = outcome.fault && { code: outcome.fault.code }
        runtime.log("poll", { tenant, source, outcome: outcome.outcome, count: outcome.filled, ...code })
      } catch (error) {
        runtime.log("poll.failed", { source: id, code: (error as Error).name, stack: (error as Error).stack })
      }
    }
    await inFlight(await listPolled(runtime), SOURCES_AT_ONCE, one)
  }
}
