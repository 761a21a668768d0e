import { MINUTE } from "#core/clock.ts"
import { failure } from "#core/log.ts"
import { unitOf } from "#core/unit.ts"
import { noteFailures } from "#pipeline/failures.ts"
import { foldTenant } from "#pipeline/folding.ts"
import type { TenantId } from "#store/keys.ts"
import type { Hide } from "./hide.ts"
import {
  answerOf,
  type Failed,
  originOf,
  oursIn,
  type QueueEvent,
  type QueueRecord,
  requestIn,
  tellWaits,
  type Waits,
} from "./messages.ts"
import type { Runtime } from "./runtime.ts"

/** A fold that takes longer is handed on between two commits: well within the function's time-out. */
const FOLD_BUDGET_MS = 10 * MINUTE
/**
 * When one that failed is tried again, by how often it has; after that the queue's own ninety minutes. All that the tenant
 * asks for waits behind it, so that what passes is not waited for any longer, and what stays is not tried in vain for hours.
 */
const PAUSES_MS = [MINUTE, 5 * MINUTE, 30 * MINUTE]

type FoldNeeds = Pick<Runtime, "table" | "clock" | "nonce" | "log" | "requestFold"> & Waits & { hide?: Hide }

/** Folds one tenant's journal into its views. Whose time is up asks for the rest; who is to stop leaves it in the queue. */
export const foldWorker =
  (runtime: FoldNeeds, isStopping = () => false) =>
  async (event: QueueEvent) => {
    tellWaits(runtime, "fold", event)
    const done: boolean[] = []
    const failed: Failed[] = []
    const onFailure = (message: QueueRecord, error: unknown) => void failed.push({ message, error })
    for (const record of event.Records) done.push(await foldOne(runtime, record, isStopping, onFailure))
    for (const { message } of failed) {
      const pause = PAUSES_MS[Number(message.attributes?.ApproximateReceiveCount ?? 1) - 1]
      if (pause !== undefined) await runtime.hide?.(message, pause)
    }
    await noteFailures(runtime, "fold", failed)
    return answerOf(event, done)
  }

function foldOne(
  runtime: FoldNeeds,
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
      tenant = requestIn(oursIn, record).tenant
      const goOn = () => !isStopping() && runtime.clock() - started < FOLD_BUDGET_MS
      const outcome = await foldTenant(runtime, tenant, { goOn })
      const handsOn = outcome === "interrupted" && !isStopping()
      // To fail it would hide the tenant's messages for 90 minutes, and count towards the dead letters.
      if (handsOn) await runtime.requestFold(tenant, `on-${runtime.nonce()}`)
      tell("fold", { outcome })
      return outcome !== "interrupted" || handsOn
    } catch (error) {
      unit.failed = true
      onFailure(record, error)
      tell("fold.failed", { outcome: "failed", ...failure(error) })
      return false
    }
  })
}
