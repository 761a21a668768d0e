import { queues as facts, type QueueName } from "#platform/topology.ts"
import { functionOf } from "./function.ts"
import { queues } from "./queues.ts"

export const workers = { append: worker("append"), fold: worker("fold") }

/** Works a queue: each message fails alone, and not more batches are worked at once than the table bears. */
function worker(name: QueueName) {
  const made = functionOf(name)
  const { batchSize, windowMs, concurrency } = facts[name]
  queues[name].live.subscribe(made.live.arn, {
    batch: { size: batchSize, window: `${windowMs / 1000} seconds`, partialResponses: true },
    transform: { eventSourceMapping: { scalingConfig: { maximumConcurrency: concurrency } } },
  })
  return made
}
