import { rewindPoll } from "#access/rewind.ts"
import { listTenants } from "#access/tenants.ts"
import { publishUntold } from "#delivery/publish.ts"
import { check } from "#pipeline/quality/check.ts"
import { newTails } from "#pipeline/reading.ts"
import type { TenantId } from "#store/keys.ts"
import { scheduled } from "./run.ts"
import type { Runtime } from "./runtime.ts"

/** Checks the data of every tenant; one that cannot be checked does not keep the others from it. */
export const checkWorker = (
  runtime: Pick<Runtime, "table" | "clock" | "nonce" | "log" | "requestFold" | "trackingPlan" | "publish"> &
    Partial<Pick<Runtime, "tracing">>,
  tails = newTails(),
) => {
  const rewind = (tenant: TenantId, source: string, since: number) =>
    rewindPoll({ ...runtime, actor: "schedule" }, tenant, source, since)
  const needs = { ...runtime, tails, rewind }
  return scheduled(runtime, "check", async (each) => {
    const tenants = await listTenants(runtime)
    for (const tenant of tenants) {
      await each({ tenant }, async () => {
        const { outcome, opened, closed, failing } = await check(needs, tenant)
        for (const { source, part } of opened) runtime.log("alert.opened", { tenant, source, outcome: part })
        if (closed.length > 0) runtime.log("alert.closed", { tenant, count: closed.length })
        return { outcome, count: failing }
      })
      // Also of what a check before this one has found and could not tell.
      await each({ tenant }, async () => {
        const count = await publishUntold(runtime, tenant)
        return count > 0 ? { outcome: "told", count } : undefined
      })
    }
    return tenants.length
  })
}
