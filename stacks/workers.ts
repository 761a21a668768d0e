import { type FunctionName, queues as facts, type QueueName } from "#platform/topology.ts"
import { functionOf } from "./function.ts"
import { queues } from "./queues.ts"

export const workers = {
  append: worker("append", "append"),
  fold: worker("fold", "fold"),
  jobsHigh: worker("jobsHigh", "jobs-high"),
  jobsLow: worker("jobsLow", "jobs-low"),
}

/** Works a queue: each message fails alone, and not more batches are worked at once than the table bears. */
function worker(name: FunctionName, queue: QueueName) {
  const made = functionOf(name)
  const { batchSize, windowMs, concurrency } = facts[queue]
  queues[queue].live.subscribe(made.live.arn, {
    batch: { size: batchSize, window: `${windowMs / 1000} seconds`, partialResponses: true },
    transform: { eventSourceMapping: { scalingConfig: { maximumConcurrency: concurrency } } },
  })
  return made
}
