import "#core/words.ts"
import * as z from "zod/mini"
import { listTenants } from "#access/tenant.ts"
import { zoneOf } from "#core/zone.ts"
import { appendMessages } from "#pipeline/append.ts"
import { foldTenant } from "#pipeline/folding.ts"
import { journalHead } from "#store/journal.ts"
import { TenantId } from "#store/keys.ts"
import { readHead } from "#store/views.ts"
import type { Runtime } from "./runtime.ts"

/** What Lambda hands over from a queue, as far as we read it. */
export type QueueEvent = { Records: { messageId: string; body: string }[] }
export type QueueAnswer = { batchItemFailures: { itemIdentifier: string }[] }

/** Each message fails alone: result i belongs to record i. */
const answerOf = (event: QueueEvent, done: readonly boolean[]): QueueAnswer => ({
  batchItemFailures: event.Records.flatMap(({ messageId }, i) => (done[i] ? [] : [{ itemIdentifier: messageId }])),
})

/** Appends what was accepted to the journals. */
export const appendWorker =
  (runtime: Pick<Runtime, "table" | "clock" | "nonce" | "log" | "requestFold">) => async (event: QueueEvent) => {
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

/** Folds one tenant's journal into its views. */
export const foldWorker =
  (runtime: Pick<Runtime, "table" | "clock" | "nonce" | "log">) => async (event: QueueEvent) => {
    const done: boolean[] = []
    for (const { body } of event.Records) {
      try {
        const { tenant } = FoldRequest.parse(JSON.parse(body))
        const started = runtime.clock()
        const outcome = await foldTenant(runtime, tenant)
        runtime.log("fold", { tenant, outcome, ms: runtime.clock() - started })
        done.push(true)
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
    const [head, journal] = await Promise.all([readHead(runtime, tenant), journalHead(runtime, tenant)])
    if (!head || journal.position <= head.position) continue
    const zone = zoneOf(head.zone)
    const today = zone.place(runtime.clock()).day
    const foldedOn = head.at === undefined ? "" : zone.place(Date.parse(head.at)).day
    if (foldedOn < today || head.pending) await runtime.requestFold(tenant, `close-${today}-${head.version}`)
  }
}
