import { claimPoll, listPolled } from "#access/polling.ts"
import { MINUTE } from "#core/clock.ts"
import { inFlight } from "#core/parallel.ts"
import { backpoll, paced } from "#pipeline/backpoll.ts"
import { censusOrNot } from "#pipeline/quality/census.ts"
import { newTails } from "#pipeline/reading.ts"
import type { Runtime } from "./runtime.ts"

type Needs = Pick<Runtime, "table" | "clock" | "nonce" | "log" | "enqueue" | "trackingPlan" | "vault" | "fetch"> & {
  sleep: (ms: number, value?: undefined, options?: { signal?: AbortSignal }) => Promise<unknown>
}

const SOURCES_AT_ONCE = 8
/** A poll that has not caught up by then goes on at the next tick. */
const POLL_MS = 4 * MINUTE

/** Asks the vendors of all sources that can be asked for what no webhook brought; each source fails alone. */
export const pollWorker = (runtime: Needs, options: { stop?: AbortSignal } = {}) => {
  const tails = newTails()
  const { stop } = options
  // Whoever waits for a vendor's pace when everything ends is woken.
  const sleep = (ms: number) =>
    stop ? runtime.sleep(ms, undefined, { signal: stop }).catch(() => {}) : runtime.sleep(ms)
  return async () => {
    const until = runtime.clock() + POLL_MS
    const isOver = () => runtime.clock() >= until || stop?.aborted === true
    const one = async (source: string) => {
      try {
        const claim = isOver() ? undefined : await claimPoll(runtime, source)
        if (!claim) return
        const { polled, save, settle } = claim
        const needs = { ...runtime, sleep, tails, isOver, fetch: paced({ ...runtime, sleep }, polled.vendor) }
        // Before the poll: what that is about to fill is not in the journal as soon as it ends.
        await censusOrNot(needs, { ...polled, since: polled.createdAt })
        const { outcome, filled, fault } = await settle(await backpoll(needs, polled, save))
        runtime.log("poll", { tenant: polled.tenant, source, outcome, count: filled, code: fault?.code })
      } catch (error) {
        runtime.log("poll.failed", { source, code: (error as Error).name, stack: (error as Error).stack })
      }
    }
    await inFlight(await listPolled(runtime), SOURCES_AT_ONCE, one)
  }
}
