import { type Clock, MINUTE } from "#core/clock.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { readJob, type SendJob } from "./job.ts"

/** One that has been queued for so long may have lost its message; another one does no harm. */
const QUEUED_MS = 15 * MINUTE

/** Sends the jobs again that nobody works and that have waited long: how many. */
export async function resendForgotten(
  needs: { table: Table; clock: Clock; sendJob: SendJob },
  tenant: TenantId,
): Promise<number> {
  const now = needs.clock()
  let sent = 0
  for (const { id } of await needs.table.query(keys.jobPlaces(tenant))) {
    const job = await readJob(needs, tenant, String(id))
    const isForgotten =
      (job?.state === "queued" && now - job.queuedMs >= QUEUED_MS) ||
      (job?.state === "running" && job.runUntilMs <= now)
    if (!job || !isForgotten) continue
    await needs.sendJob({ tenant, id: job.id, priority: job.priority })
    sent++
  }
  return sent
}
