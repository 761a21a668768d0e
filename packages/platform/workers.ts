import "#core/words.ts"
import * as z from "zod/mini"
import { rewindPoll } from "#access/polling.ts"
import { listTenants } from "#access/tenant.ts"
import { MINUTE } from "#core/clock.ts"
import { zoneOf } from "#core/zone.ts"
import { appendMessages } from "#pipeline/append.ts"
import { foldTenant } from "#pipeline/folding.ts"
import { check } from "#pipeline/quality/check.ts"
import { newTails } from "#pipeline/reading.ts"
import { dropOldViews } from "#pipeline/replay.ts"
import { journalHead } from "#store/journal.ts"
import { TenantId } from "#store/keys.ts"
import { readHead } from "#store/views.ts"
import type { Runtime } from "./runtime.ts"

/** What Lambda hands over from a queue, as far as we read it. */
export type QueueEvent = {
  Records: { messageId: string; body: string; attributes?: Record<string, string> }[]
}
export type QueueAnswer = { batchItemFailures: { itemIdentifier: string }[] }

/** Each message fails alone: result i belongs to record i. */
const answerOf = (event: QueueEvent, done: readonly boolean[]): QueueAnswer => ({
  batchItemFailures: event.Records.flatMap(({ messageId }, i) => (done[i] ? [] : [{ itemIdentifier: messageId }])),
})

/** SQS tells the age of its oldest message only to CloudWatch: here it is seen as messages come out. */
function tellWaits({ figures, clock }: Waits, queue: string, event: QueueEvent) {
  for (const { attributes } of event.Records) {
    const sentAt = Number(attributes?.SentTimestamp)
    if (Number.isFinite(sentAt)) figures?.took("octant_queue_wait_seconds", { queue }, Math.max(0, clock() - sentAt))
  }
}
type Waits = Pick<Runtime, "clock"> & Partial<Pick<Runtime, "figures">>

/** Appends what was accepted to the journals. */
export const appendWorker =
  (runtime: Pick<Runtime, "table" | "clock" | "nonce" | "log" | "requestFold"> & Waits) =>
  async (event: QueueEvent) => {
    tellWaits(runtime, "append", event)
    const outcomes = await appendMessages(
      runtime,
      event.Records.map(({ body }) => body),
    )
    return answerOf(
      event,
      outcomes.map((outcome) => outcome === "done"),
    )
  }

const FoldRequest = z.object({ version: z.literal(1), tenant: TenantId })

/** A fold that takes longer is handed on between two commits: well within the function's time-out. */
const FOLD_BUDGET_MS = 10 * MINUTE

/** Folds one tenant's journal into its views. One that is interrupted stays in the queue for the next worker. */
export const foldWorker =
  (runtime: Pick<Runtime, "table" | "clock" | "nonce" | "log"> & Waits, isStopping = () => false) =>
  async (event: QueueEvent) => {
    tellWaits(runtime, "fold", event)
    const done: boolean[] = []
    for (const { body } of event.Records) {
      try {
        const { tenant } = FoldRequest.parse(JSON.parse(body))
        const started = runtime.clock()
        const goOn = () => !isStopping() && runtime.clock() - started < FOLD_BUDGET_MS
        const outcome = await foldTenant(runtime, tenant, { goOn })
        runtime.log("fold", { tenant, outcome, ms: runtime.clock() - started })
        done.push(outcome !== "interrupted")
      } catch (error) {
        runtime.log("fold.failed", { code: (error as Error).name, stack: (error as Error).stack })
        done.push(false)
      }
    }
    return answerOf(event, done)
  }

/** Asks for a fold of every tenant whose day has ended (in its own time zone) with something left to fold. */
export const closeWorker = (runtime: Pick<Runtime, "table" | "clock" | "log" | "requestFold">) => async () => {
  for (const tenant of await listTenants(runtime)) {
    await dropOldViews(runtime, tenant)
    const [head, journal] = await Promise.all([readHead(runtime, tenant), journalHead(runtime, tenant)])
    if (!head || journal.position <= head.position) continue
    const zone = zoneOf(head.zone)
    const today = zone.place(runtime.clock()).day
    const foldedOn = head.at === undefined ? "" : zone.place(Date.parse(head.at)).day
    if (foldedOn < today || head.pending) await runtime.requestFold(tenant, `close-${today}-${head.version}`)
  }
}

/** Checks the data of every tenant; one that cannot be checked does not keep the others from it. */
export const checkWorker = (
  runtime: Pick<Runtime, "table" | "clock" | "log" | "requestFold" | "trackingPlan">,
  tails = newTails(),
) => {
  const rewind = (tenant: TenantId, source: string, since: number) => rewindPoll(runtime, tenant, source, since)
  const needs = { ...runtime, tails, rewind }
  return async () => {
    for (const tenant of await listTenants(runtime)) {
      const started = runtime.clock()
      try {
        const { outcome, opened, closed, failing } = await check(needs, tenant)
        const ms = runtime.clock() - started
        runtime.log("check", { tenant, outcome, count: failing, ms })
        for (const { source, part } of opened) runtime.log("alert.opened", { tenant, source, outcome: part })
        if (closed.length > 0) runtime.log("alert.closed", { tenant, count: closed.length })
      } catch (error) {
        runtime.log("check.failed", { tenant, code: (error as Error).name, stack: (error as Error).stack })
      }
    }
  }
}
