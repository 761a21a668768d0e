import { z } from "zod"
import type { Clock } from "#core/clock.ts"
import { SECOND } from "#core/clock.ts"
import { Refusal, type SqsStore } from "#local/fauxqs.ts"

const Asked = z.object({
  Namespace: z.literal("AWS/SQS"),
  MetricName: z.literal("ApproximateAgeOfOldestMessage"),
  Dimensions: z.tuple([z.object({ Name: z.literal("QueueName"), Value: z.string() })]),
})

/** The one thing that we ask of CloudWatch: how old a queue's oldest message is. It tells no age of an empty queue. */
export function agesOf(store: SqsStore, clock: Clock): Record<string, (body: unknown) => object> {
  return {
    "GraniteServiceVersion20100801.GetMetricStatistics"(body) {
      const { Value } = Asked.parse(body).Dimensions[0]
      const queue = store.getQueueByName(Value)
      if (queue === undefined) throw new Refusal("ResourceNotFoundException", `no queue ${Value}`)
      const { ready, delayed, inflight } = queue.inspectMessages()
      const all = [...ready, ...delayed, ...inflight.map(({ message }) => message)]
      const oldest = Math.min(...all.map(({ sentTimestamp }) => sentTimestamp))
      const age = Math.max(0, Math.floor((clock() - oldest) / SECOND))
      return { Datapoints: all.length === 0 ? [] : [{ Timestamp: Math.floor(clock() / SECOND), Maximum: age }] }
    },
  }
}
