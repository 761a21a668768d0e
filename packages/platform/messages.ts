import { isCorrelationId, type Origin } from "#core/unit.ts"
import { type noteFailures, Unreadable } from "#pipeline/failures.ts"
import { isTenantId, type TenantId } from "#store/keys.ts"
import type { Runtime } from "./runtime.ts"

/** What Lambda hands over from a queue, as far as we read it. */
export type QueueEvent = { Records: QueueRecord[] }
export type QueueRecord = {
  messageId: string
  body: string
  receiptHandle?: string
  attributes?: Record<string, string>
  messageAttributes?: Record<string, { stringValue?: string }>
}
export type QueueAnswer = { batchItemFailures: { itemIdentifier: string }[] }

/** Each message fails alone: result i belongs to record i. */
export const answerOf = (event: QueueEvent, done: readonly boolean[]): QueueAnswer => ({
  batchItemFailures: event.Records.flatMap(({ messageId }, i) => (done[i] ? [] : [{ itemIdentifier: messageId }])),
})

/** Whoever can write to a queue could write anything beside a message: it is taken for what it is, or not at all. */
export const originIn = ({ correlationId, traceparent }: Origin): Origin => ({
  correlationId: isCorrelationId(correlationId) ? correlationId : undefined,
  traceparent,
})
export const originOf = ({ messageAttributes: said }: QueueRecord): Origin =>
  originIn({ correlationId: said?.correlationId?.stringValue, traceparent: said?.traceparent?.stringValue })

/** What a message asks for; throws `Unreadable` for one that nobody can read. */
export function requestIn<T>(read: (said: unknown) => T, { body }: QueueRecord): T {
  try {
    return read(JSON.parse(body))
  } catch (error) {
    throw new Unreadable((error as Error).message)
  }
}

/** What our own messages begin with. Without zod: to load it for so little would be a tenth of a worker's start. */
export function oursIn(said: unknown): Record<string, unknown> & { tenant: TenantId } {
  const { version, tenant, ...more } = Object(said) as Record<string, unknown>
  if (version !== 1) throw new Error("a message is of version 1")
  if (!isTenantId(tenant)) throw new Error("a message names its tenant")
  return { ...more, tenant }
}

/** SQS tells the age of its oldest message only to CloudWatch: here it is seen as messages come out. */
export function tellWaits({ figures, clock }: Waits, queue: string, event: QueueEvent) {
  for (const { attributes } of event.Records) {
    const sentAt = Number(attributes?.SentTimestamp)
    if (Number.isFinite(sentAt)) figures?.took("octant_queue_wait_seconds", { queue }, Math.max(0, clock() - sentAt))
  }
}
export type Failed = Parameters<typeof noteFailures>[2][number]
export type Waits = Pick<Runtime, "clock"> & Partial<Pick<Runtime, "figures" | "tracing" | "foldEvery">>
