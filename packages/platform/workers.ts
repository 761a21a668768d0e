import "#core/words.ts"
import * as z from "zod/mini"
import { rewindPoll } from "#access/polling.ts"
import { listTenants } from "#access/tenant.ts"
import { MINUTE } from "#core/clock.ts"
import { failure } from "#core/log.ts"
import { unitOf } from "#core/unit.ts"
import { zoneOf } from "#core/zone.ts"
import { publishUntold } from "#delivery/publish.ts"
import { appendMessages } from "#pipeline/append.ts"
import { redriveAfterOutage } from "#pipeline/deadletters.ts"
import { noteFailures, Unreadable } from "#pipeline/failures.ts"
import { foldTenant } from "#pipeline/folding.ts"
import { resendForgotten } from "#pipeline/jobs/forgotten.ts"
import { lagOf, tellLag } from "#pipeline/lag.ts"
import { check } from "#pipeline/quality/check.ts"
import { newTails } from "#pipeline/reading.ts"
import { dropOldViews } from "#pipeline/replay.ts"
import { journalHead } from "#store/journal.ts"
import { TenantId } from "#store/keys.ts"
import { readHead } from "#store/views.ts"
import {
  answerOf,
  type Failed,
  originOf,
  type QueueEvent,
  type QueueRecord,
  tellWaits,
  type Waits,
} from "./messages.ts"
import { scheduled } from "./run.ts"
import type { Runtime } from "./runtime.ts"

/** Appends what was accepted to the journals. */
export const appendWorker =
  (runtime: Pick<Runtime, "table" | "clock" | "nonce" | "log" | "requestFold"> & Waits) =>
  async (event: QueueEvent) => {
    tellWaits(runtime, "append", event)
    const failed: Failed[] = []
    const outcomes = await appendMessages(
      { ...runtime, failed: (index, error) => failed.push({ message: event.Records[index]!, error }) },
      event.Records.map(({ body }) => body),
      event.Records.map(originOf),
    )
    await noteFailures(runtime, "append", failed)
    return answerOf(
      event,
      outcomes.map((outcome) => outcome === "done"),
    )
  }

const FoldRequest = z.object({ version: z.literal(1), tenant: TenantId })

function requestIn(body: string) {
  try {
    return FoldRequest.parse(JSON.parse(body))
  } catch (error) {
    throw new Unreadable((error as Error).message)
  }
}

/** A fold that takes longer is handed on between two commits: well within the function's time-out. */
const FOLD_BUDGET_MS = 10 * MINUTE

/** Folds one tenant's journal into its views. One that is interrupted stays in the queue for the next worker. */
export const foldWorker =
  (runtime: Pick<Runtime, "table" | "clock" | "nonce" | "log"> & Waits, isStopping = () => false) =>
  async (event: QueueEvent) => {
    tellWaits(runtime, "fold", event)
    const done: boolean[] = []
    const failed: Failed[] = []
    const onFailure = (message: QueueRecord, error: unknown) => void failed.push({ message, error })
    for (const record of event.Records) done.push(await foldOne(runtime, record, isStopping, onFailure))
    await noteFailures(runtime, "fold", failed)
    return answerOf(event, done)
  }

function foldOne(
  runtime: Parameters<typeof foldWorker>[0],
  record: QueueRecord,
  isStopping: () => boolean,
  onFailure: (message: QueueRecord, error: unknown) => void,
) {
  const wish = { name: "process fold", kind: "consumer", origin: originOf(record) } as const
  return unitOf(runtime, wish, async (unit) => {
    const started = runtime.clock()
    let tenant: TenantId | undefined
    const tell = (name: string, more: { outcome: string }) => {
      Object.assign(unit.about, { "octant.outcome": more.outcome, ...(tenant ? { "octant.tenant": tenant } : {}) })
      const [ms, { correlationId, read: readUnits, write: writeUnits }] = [runtime.clock() - started, unit]
      runtime.log(name, { correlationId, tenant, route: "fold", ms, readUnits, writeUnits, ...more })
    }
    try {
      tenant = requestIn(record.body).tenant
      const goOn = () => !isStopping() && runtime.clock() - started < FOLD_BUDGET_MS
      const outcome = await foldTenant(runtime, tenant, { goOn })
      tell("fold", { outcome })
      return outcome !== "interrupted"
    } catch (error) {
      unit.failed = true
      onFailure(record, error)
      tell("fold.failed", { outcome: "failed", ...failure(error) })
      return false
    }
  })
}

type CloseNeeds = Pick<Runtime, "table" | "clock" | "nonce" | "log" | "requestFold" | "call" | "queues"> &
  Partial<Pick<Runtime, "tracing" | "figures" | "sendJob">>

/** Sends back what an outage has killed; a queue that cannot be looked at does not keep the others from it. */
async function mend(runtime: CloseNeeds) {
  for (const queue of Object.keys(runtime.queues)) {
    if (runtime.queues[queue as keyof CloseNeeds["queues"]]?.dead === undefined) continue
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
