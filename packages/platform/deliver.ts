import "#core/words.ts"
import * as z from "zod/mini"
import { failure } from "#core/log.ts"
import { type Unit, unitOf } from "#core/unit.ts"
import { type DeliverNeeds, deliver } from "#delivery/deliver.ts"
import { DeliveryRequest, notify } from "#delivery/telling.ts"
import { noteFailures } from "#pipeline/failures.ts"
import { DomainEvent } from "#store/domain-event.ts"
import { hider } from "./hide.ts"
import {
  answerOf,
  type Failed,
  originIn,
  originOf,
  type QueueAnswer,
  type QueueEvent,
  type QueueRecord,
  requestIn,
} from "./messages.ts"
import type { Runtime } from "./runtime.ts"

const Said = z.optional(z.string())
/** An event as EventBridge hands it to a subscriber. */
const FromBus = z.object({
  detail: z.extend(DomainEvent, { origin: z.optional(z.object({ correlationId: Said, traceparent: Said })) }),
})

type Told = Pick<Runtime, "clock" | "nonce" | "log"> & Partial<Pick<Runtime, "tracing">>
type NotifyNeeds = Pick<Runtime, "table" | "requestDelivery"> & Told

/** The bus's subscriber: has each webhook of the tenant told that wants to be. It fails as a whole, and comes again. */
export const notifyWorker =
  (runtime: NotifyNeeds) =>
  (event: unknown): Promise<void> => {
    const { origin = {}, ...happened } = FromBus.parse(event).detail
    const wish = { name: "process notify", kind: "consumer", origin: originIn(origin) } as const
    return unitOf(runtime, wish, async (unit) => {
      const tell = teller(runtime, unit, "notify")
      const { tenant } = happened
      try {
        tell("notify", { tenant, outcome: happened.type, count: await notify(runtime, happened) })
      } catch (error) {
        tell("notify.failed", { tenant, outcome: "failed", ...failure(error) })
        throw error
      }
    })
  }

type DeliverRuntime = Pick<Runtime, "call" | "queues" | "aws"> &
  Partial<Pick<Runtime, "figures">> &
  Told &
  Pick<DeliverNeeds, "table" | "vault" | "post"> & {
    jitter?: () => number
    /** For how long a message is hidden that is to be tried again after so long. */
    hiddenFor?: (ms: number) => number
  }

/** Delivers what waits in the queue, all of a batch at once: a slow endpoint holds up nobody else. */
export const deliverWorker =
  (runtime: DeliverRuntime) =>
  async (event: QueueEvent): Promise<QueueAnswer> => {
    const failed: Failed[] = []
    const done = await Promise.all(
      event.Records.map((record) => deliverOne(runtime, record, (error) => failed.push({ message: record, error }))),
    )
    await noteFailures(runtime, "deliveries", failed)
    return answerOf(event, done)
  }

/** An endpoint that could not be told: it is its own fault, and no outage of ours. */
class Undelivered extends Error {
  override name = "Undelivered"
}

function deliverOne(
  runtime: DeliverRuntime,
  record: QueueRecord,
  onFailure: (error: unknown) => void,
): Promise<boolean> {
  const { attributes } = record
  const receives = Number(attributes?.ApproximateReceiveCount ?? 1)
  if (receives === 1) tellWait(runtime, attributes?.SentTimestamp)
  return unitOf(runtime, { name: "process deliver", kind: "consumer", origin: originOf(record) }, async (unit) => {
    const tell = teller(runtime, unit, "deliver")
    let tenant: string | undefined
    try {
      const request = requestIn((said) => DeliveryRequest.parse(said), record)
      tenant = request.tenant
      const { jitter = runtime.aws.random } = runtime
      const delivered = await deliver({ ...runtime, jitter }, request, receives)
      const { outcome, host, attempt } = delivered
      tell("deliver", { tenant, outcome, host, attempt, status: "status" in delivered ? delivered.status : undefined })
      if (!("waitMs" in delivered)) return true
      if (outcome === "given up") onFailure(new Undelivered(delivered.why))
      await hider(runtime, "deliveries", runtime.hiddenFor)(record, delivered.waitMs)
      return false
    } catch (error) {
      unit.failed = true
      onFailure(error)
      tell("deliver.failed", { tenant, outcome: "failed", ...failure(error) })
      return false
    }
  })
}

/** How long a message had waited when it was received first: later it waits because it is to. */
function tellWait({ figures, clock }: Pick<DeliverRuntime, "figures" | "clock">, sentAt: string | undefined) {
  const waited = clock() - Number(sentAt ?? Number.NaN)
  if (Number.isFinite(waited)) figures?.took("octant_queue_wait_seconds", { queue: "deliveries" }, Math.max(0, waited))
}

type Fields = { tenant: string | undefined; outcome: string; [field: string]: unknown }

/** The one line of a unit of work. */
function teller(runtime: Told, unit: Unit, route: string) {
  const started = runtime.clock()
  return (name: string, fields: Fields) => {
    const { correlationId, read: readUnits, write: writeUnits, about } = unit
    about["octant.outcome"] = fields.outcome
    if (fields.tenant !== undefined) about["octant.tenant"] = fields.tenant
    runtime.log(name, { correlationId, route, ...fields, ms: runtime.clock() - started, readUnits, writeUnits })
  }
}
