import { type FunctionName, queues as facts, factsOf } from "#platform/topology.ts"
import { functionOf } from "./function.ts"
import { queues } from "./queues.ts"

export const workers = {
  append: worker("append"),
  fold: worker("fold"),
  deliver: worker("deliver"),
  jobsHigh: worker("jobsHigh"),
  jobsLow: worker("jobsLow"),
}

/** Works a queue: each message fails alone, and not more batches are worked at once than the table bears. */
function worker(name: FunctionName) {
  const { queue } = factsOf(name)
  if (queue === undefined) throw new Error(`the topology gives ${name} no queue to work`)
  const made = functionOf(name)
  const { batchSize, windowMs, concurrency } = facts[queue]
  queues[queue].live.subscribe(made.live.arn, {
    batch: { size: batchSize, window: `${windowMs / 1000} seconds`, partialResponses: true },
    transform: { eventSourceMapping: { scalingConfig: { maximumConcurrency: concurrency } } },
  })
  return made
}
