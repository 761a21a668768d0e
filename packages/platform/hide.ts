import { SECOND } from "#core/clock.ts"
import { failure, type Log } from "#core/log.ts"
import type { AwsCall } from "./aws.ts"
import type { QueueRecord } from "./messages.ts"
import type { QueueName } from "./topology.ts"

type Needs = { call: AwsCall; log: Log; queues: Partial<Record<QueueName, { url: string }>> }
export type Hide = (record: QueueRecord, ms: number) => Promise<void>

/** Hides messages of a queue until they are to be tried again. If that fails, they come when the queue itself shows them. */
export const hider =
  ({ call, log, queues }: Needs, queue: QueueName, hiddenFor = inSeconds): Hide =>
  async ({ receiptHandle }, ms) => {
    const wish = {
      QueueUrl: queues[queue]?.url,
      ReceiptHandle: receiptHandle,
      VisibilityTimeout: hiddenFor(ms),
    }
    await call("sqs", "ChangeMessageVisibility", wish).catch((error: unknown) =>
      log("hide.failed", { queue, ...failure(error) }),
    )
  }

const inSeconds = (ms: number) => Math.ceil(ms / SECOND)
