import { claimPoll, listPolled } from "#access/polling.ts"
import { MINUTE } from "#core/clock.ts"
import { inFlight } from "#core/parallel.ts"
import { backpoll, paced } from "#pipeline/backpoll.ts"
import { censusOrNot } from "#pipeline/quality/census.ts"
import { newTails } from "#pipeline/reading.ts"
import { scheduled } from "./run.ts"
import type { Runtime } from "./runtime.ts"

type Needs = Pick<Runtime, "table" | "clock" | "nonce" | "log" | "enqueue" | "trackingPlan" | "vault" | "fetch"> &
  Partial<Pick<Runtime, "tracing">> & {
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
  return scheduled(runtime, "poll", async (each) => {
    const until = runtime.clock() + POLL_MS
    const isOver = () => runtime.clock() >= until || stop?.aborted === true
    const sources = await listPolled(runtime)
    await inFlight(sources, SOURCES_AT_ONCE, (source) =>
      each({ source }, async () => {
        const claim = isOver() ? undefined : await claimPoll(runtime, source)
        if (!claim) return undefined
        const { polled, save, settle } = claim
        const needs = { ...runtime, sleep, tails, isOver, fetch: paced({ ...runtime, sleep }, polled.vendor) }
        // Before the poll: what that is about to fill is not in the journal as soon as it ends.
        await censusOrNot(needs, { ...polled, since: polled.createdAt })
        const { outcome, filled, fault } = await settle(await backpoll(needs, polled, save))
        return { tenant: polled.tenant, outcome, count: filled, code: fault?.code }
      }),
    )
    return sources.length
  })
}
