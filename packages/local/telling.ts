import { failure } from "#core/log.ts"
import { awsClient } from "#platform/aws.ts"
import { deliverWorker, notifyWorker } from "#platform/deliver.ts"
import { poster } from "#platform/post.ts"
import type { Runtime } from "#platform/runtime.ts"
import { queues as facts } from "#platform/topology.ts"
import { busQueue, calling } from "./bus.ts"
import type { Keep } from "./calls.ts"
import { type PollOptions, poll } from "./poller.ts"

type Places = { queueUrl(name: string): string; queueArn(name: string): string }
const RETRY_AFTER_SECONDS = 1
const LANES = 4

/** The bus's subscriber, and who delivers what it asks for. */
export function telling(
  runtime: Runtime,
  queues: Places,
  { keep, hiddenFor }: { keep: Keep; hiddenFor?: ((ms: number) => number) | undefined },
) {
  const working = (name: string, options: Pick<PollOptions, "handler" | "batchSize" | "retryAfterSeconds">) =>
    poll({
      call: awsClient({ ...runtime.aws, timeoutMs: 30_000 }),
      queueUrl: queues.queueUrl(name),
      queueArn: queues.queueArn(name),
      windowMs: 0,
      concurrency: LANES,
      onError: (error) => runtime.log("queue.failed", { queue: name, ...failure(error) }),
      ...options,
    })
  return {
    bus: working(busQueue("notify"), {
      handler: calling("notify", notifyWorker(runtime), keep),
      batchSize: 1,
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    }),
    // Says itself when a message is to come again, as in the cloud.
    deliveries: working("deliveries", {
      handler: deliverWorker({ ...runtime, post: poster(runtime), ...(hiddenFor ? { hiddenFor } : {}) }),
      batchSize: facts.deliveries.batchSize,
    }),
  }
}
