import { Fault } from "#core/fault.ts"
import { journalHead } from "#store/journal.ts"
import { foldTenant } from "../folding.ts"
import { type Reconciled, reconcile } from "../reconcile.ts"
import type { Kind } from "./kind.ts"
import { RESULT_BYTES } from "./result.ts"

/** What one worker can count anew and hold beside the views (some 400 bytes an event, and the values that it compares). */
const MOST_EVENTS = 5_000_000

/** Counts the journal again from its first event, and compares every value of the views. */
export const reconciled: Kind = {
  priority: "low",
  scope: "admin",
  unit: "events",
  // Values of customers may be among the differences.
  isPersonal: () => true,
  Input: async () => (await import("./inputs.ts")).Nothing,
  run: async (needs, tenant, _, run) => {
    const { events: total } = await journalHead(needs, tenant)
    if (total > MOST_EVENTS) {
      const message = `there are ${total} events, and ${MOST_EVENTS} can be counted anew in a job; use octant reconcile`
      throw new Fault("job_too_large", message)
    }
    await run.progress(0, total)
    // What is not folded yet could not be compared.
    const folded = await foldTenant(needs, tenant, {
      onProgress: () => run.progress(0, total),
      goOn: () => !run.isOver(),
    })
    if (folded === "interrupted") return { outcome: "interrupted" }
    const result = await reconcile(needs, tenant, async (events) => {
      await run.progress(events, Math.max(events, total))
      if (run.isOver())
        throw new Fault("job_too_large", "there was not enough time to count anew; use octant reconcile")
    })
    return { outcome: "done", result: fitting(result) }
  },
}

/** As many differences as can be kept; `isCut` tells that there are more. */
function fitting(result: Reconciled): Reconciled & { isCut: boolean } {
  let bytes = 0
  const differences = result.differences.filter((one) => {
    bytes += Buffer.byteLength(JSON.stringify(one)) + 1
    return bytes < RESULT_BYTES / 2
  })
  return { ...result, differences, isCut: differences.length < result.differences.length }
}
