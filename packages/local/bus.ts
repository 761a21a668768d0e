import { randomUUID } from "node:crypto"
import { z } from "zod"
import { instant } from "#core/clock.ts"
import { EVENT_SOURCE } from "#events/domain.ts"
import type { SqsMessage, SqsStore } from "#local/fauxqs.ts"
import { type SubscriberName, subscribers } from "#platform/topology.ts"
import type { Handler, QueueRecord } from "./batch.ts"
import { CALLS, type Keep } from "./calls.ts"
import type { Queue } from "./queues.ts"

const VISIBILITY_SECONDS = 180

const names = Object.keys(subscribers) as SubscriberName[]
export const busQueue = (name: SubscriberName) => `bus-${name}`

/** Events wait in a queue for each subscriber, so that they survive the end of this process and are called until it works. */
export const busQueues: Queue[] = names.map((name) => ({
  name: busQueue(name),
  visibilitySeconds: VISIBILITY_SECONDS,
  deadLetter: { name: subscribers[name].deadLetter, afterReceives: CALLS },
}))

const Put = z.object({
  Entries: z
    .array(
      z.object({
        EventBusName: z.string(),
        Source: z.string(),
        DetailType: z.string(),
        Detail: z.string(),
        Time: z.number(),
      }),
    )
    .min(1)
    .max(10),
})

/** EventBridge's one action that we use, over the emulator's queues; the rules are those of the topology. */
export function busOf(store: SqsStore): Record<string, (body: unknown) => object> {
  return {
    "AWSEvents.PutEvents"(body) {
      // The emulator knows JSON 1.0 alone, and leaves anything else as bytes.
      const { Entries } = Put.parse(JSON.parse(String(body)))
      const answers = Entries.map((entry) => {
        const id = randomUUID()
        if (!isJson(entry.Detail)) return { ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed." }
        for (const name of names) {
          const { events }: { events: readonly string[] } = subscribers[name]
          if (entry.Source !== EVENT_SOURCE || !events.includes(entry.DetailType)) continue
          store.getQueueByName(busQueue(name))?.enqueue(messageOf(store, { id, ...entry }))
        }
        return { EventId: id }
      })
      return { FailedEntryCount: answers.filter((one) => "ErrorCode" in one).length, Entries: answers }
    },
  }
}

/** What EventBridge hands to a target. */
function messageOf(
  store: SqsStore,
  { id, Source, DetailType, Detail, Time }: z.output<typeof Put>["Entries"][number] & { id: string },
): SqsMessage {
  const time = instant(Time * 1000)
  const event = { version: "0", id, source: Source, "detail-type": DetailType, time, detail: JSON.parse(Detail) }
  return (store.constructor as unknown as Making).createMessage(JSON.stringify(event))
}
type Making = { createMessage(body: string): SqsMessage }

function isJson(text: string) {
  try {
    return typeof JSON.parse(text) === "object"
  } catch {
    return false
  }
}

/** Calls a subscriber with each event that waits for it; what it has failed at for good is kept, with why. */
export const calling =
  (name: SubscriberName, subscriber: (event: unknown) => Promise<void>, keep: Keep): Handler =>
  async ({ Records }) => {
    const one = async ({ body, attributes }: QueueRecord) => {
      const event: unknown = JSON.parse(body)
      try {
        await subscriber(event)
      } catch (error) {
        if (Number(attributes.ApproximateReceiveCount) < CALLS) throw error
        await keep(name, event, error)
      }
    }
    const results = await Promise.allSettled(Records.map(one))
    return {
      batchItemFailures: Records.filter((_, i) => results[i]?.status === "rejected").map(({ messageId }) => ({
        itemIdentifier: messageId,
      })),
    }
  }
