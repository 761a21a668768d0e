import { listTenants } from "#access/tenants.ts"
import { failure } from "#core/log.ts"
import { zoneOf } from "#core/zone.ts"
import { type Queues, redriveAfterOutage, wayOf } from "#pipeline/deadletters.ts"
import { resendForgotten } from "#pipeline/jobs/forgotten.ts"
import { lagOf, tellLag } from "#pipeline/lag.ts"
import { dropOldViews } from "#pipeline/replay.ts"
import { journalHead } from "#store/journal.ts"
import type { TenantId } from "#store/keys.ts"
import { readHead } from "#store/views.ts"
import { scheduled } from "./run.ts"
import type { Runtime } from "./runtime.ts"

type CloseNeeds = Pick<Runtime, "table" | "clock" | "nonce" | "log" | "requestFold" | "call" | "publish"> & {
  queues: Queues
} & Partial<Pick<Runtime, "tracing" | "figures" | "sendJob">>

/**
 * Sends back what an outage has killed; a queue that cannot be looked at does not keep the others from it. Letters of
 * schedules stay until a person has seen them: there is nothing to send.
 */
async function mend(runtime: CloseNeeds) {
  for (const [queue, facts] of Object.entries(runtime.queues)) {
    if (facts.dead === undefined || wayOf(facts) === "dropped") continue
    try {
      const { moved } = await redriveAfterOutage(runtime, queue)
      if (moved.length > 0) runtime.log("redrive", { queue, count: moved.length })
    } catch (error) {
      runtime.log("redrive.failed", { queue, ...failure(error) })
    }
  }
}

/** A job is never forgotten: whoever worked it may have died, or its message may never have been sent. */
async function resendJobs({ sendJob, ...needs }: CloseNeeds, tenant: TenantId) {
  if (!sendJob) return
  const count = await resendForgotten({ ...needs, sendJob }, tenant)
  if (count > 0) needs.log("jobs.resent", { tenant, count })
}

/** Asks for a fold of every tenant whose day has ended (in its own time zone) with something left to fold. */
export const closeWorker = (runtime: CloseNeeds) =>
  scheduled(runtime, "close", async () => {
    const tenants = await listTenants(runtime)
    const lags: number[] = []
    for (const tenant of tenants) {
      await dropOldViews(runtime, tenant)
      await resendJobs(runtime, tenant)
      const [head, journal] = await Promise.all([readHead(runtime, tenant), journalHead(runtime, tenant)])
      lags.push(lagOf(head, journal))
      if (!head || journal.position <= head.position) continue
      const zone = zoneOf(head.zone)
      const today = zone.place(runtime.clock()).day
      const foldedOn = head.at === undefined ? "" : zone.place(Date.parse(head.at)).day
      if (foldedOn < today || head.pending) await runtime.requestFold(tenant, `close-${today}-${head.version}`)
    }
    if (runtime.figures) tellLag(runtime.figures, lags)
    await mend(runtime)
    return tenants.length
  })
