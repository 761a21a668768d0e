import { type FunctionName, queues as facts, factsOf } from "#platform/topology.ts"
import { each, type Model, type Rules } from "../model.ts"

const VISIBILITY_TIMEOUTS = 6
/** Lambda receives more than it can run at once: fewer deliveries would make dead letters of what nobody has tried. */
const FEWEST_RECEIVES = 5
const BATCH_WITHOUT_WINDOW = 10
/** Lambda refuses a smaller limit. */
const FEWEST_AT_ONCE = 2
/** The longest that SQS keeps anything, and what the runbook gives those who mend. */
const DEAD_SECONDS = 14 * 86_400
/** 256 KiB of events that cannot be compressed, in base64, and what stands around them. */
const LARGEST_MESSAGE = 400_000

/** What the topology says of a queue, by the function that works it. */
export const factsOfQueue = ({ worker }: Model["queues"][number]) => {
  const queue = worker && factsOf(worker.name as FunctionName).queue
  return queue && facts[queue]
}

export const queues: Rules = {
  "each queue has dead letters, of its own kind": ({ queues, deadLetters }) =>
    each(
      queues,
      ({ redrive, fifoQueue }) =>
        !redrive ||
        redrive.maxReceiveCount < FEWEST_RECEIVES ||
        !deadLetters.some((dead) => dead.arn === redrive.deadLetterTargetArn && dead.fifoQueue === fifoQueue),
      ({ resource, redrive }) => `${resource}: ${JSON.stringify(redrive)}`,
    ),

  "no two queues share their dead letters": ({ queues }) =>
    each(
      queues,
      ({ redrive }) =>
        queues.filter((other) => other.redrive?.deadLetterTargetArn === redrive?.deadLetterTargetArn).length !== 1,
      ({ resource }) => resource,
    ),

  "dead letters are kept longer than what is alive": ({ queues, deadLetters }) =>
    each(
      queues,
      ({ messageRetentionSeconds = 0, redrive }) => {
        const dead = deadLetters.find(({ arn }) => arn === redrive?.deadLetterTargetArn)
        return messageRetentionSeconds === 0 || (dead?.messageRetentionSeconds ?? 0) <= messageRetentionSeconds
      },
      ({ resource, messageRetentionSeconds }) => `${resource}: ${messageRetentionSeconds} s`,
    ),

  "every dead letter is kept for two weeks": ({ deadLetters }) =>
    each(
      deadLetters,
      ({ messageRetentionSeconds }) => messageRetentionSeconds !== DEAD_SECONDS,
      ({ resource, messageRetentionSeconds }) => `${resource}: ${messageRetentionSeconds} s`,
    ),

  "each queue is worked by a function, through its live version": ({ queues }) =>
    each(
      queues,
      ({ mapping, worker }) => !worker || mapping?.functionName !== worker.live?.arn,
      ({ resource, mapping }) => `${resource}: ${mapping?.functionName ?? "nobody"}`,
    ),

  "a message stays hidden for six times as long as a function may take": ({ queues }) =>
    each(
      queues,
      ({ visibilityTimeoutSeconds, worker }) =>
        visibilityTimeoutSeconds < VISIBILITY_TIMEOUTS * (worker?.timeout ?? Number.POSITIVE_INFINITY),
      ({ resource, visibilityTimeoutSeconds, worker }) =>
        `${resource}: ${visibilityTimeoutSeconds} s, and the function may take ${worker?.timeout} s`,
    ),

  "each message fails alone": ({ queues }) =>
    each(
      queues,
      ({ mapping }) => !mapping?.functionResponseTypes.includes("ReportBatchItemFailures"),
      ({ resource }) => `${resource}: no ReportBatchItemFailures`,
    ),

  "no queue can take all of the account's concurrency": ({ queues }) =>
    each(
      queues,
      (queue) => {
        const { maximumConcurrency = 0 } = queue.mapping?.scalingConfig ?? {}
        return maximumConcurrency < FEWEST_AT_ONCE || maximumConcurrency !== factsOfQueue(queue)?.concurrency
      },
      ({ resource, mapping }) => `${resource}: ${mapping?.scalingConfig?.maximumConcurrency} at once`,
    ),

  "a batch is as large as was chosen": ({ queues }) =>
    each(
      queues,
      (queue) => queue.mapping?.batchSize !== factsOfQueue(queue)?.batchSize,
      ({ resource, mapping }) => `${resource}: ${mapping?.batchSize}`,
    ),

  "a large batch is waited for": ({ queues }) =>
    each(
      queues,
      ({ mapping }) =>
        mapping !== undefined && mapping.batchSize > BATCH_WITHOUT_WINDOW && mapping.maximumBatchingWindowInSeconds < 1,
      ({ resource, mapping }) => `${resource}: ${mapping?.batchSize} at once`,
    ),

  "each queue takes the largest message that is sent": ({ queues, deadLetters }) =>
    each(
      [...queues, ...deadLetters],
      ({ maxMessageSize = 0 }) => maxMessageSize < LARGEST_MESSAGE,
      ({ resource, maxMessageSize }) => `${resource}: ${maxMessageSize ?? "262144 by default"} bytes`,
    ),

  "each queue is encrypted": ({ queues, deadLetters }) =>
    each(
      [...queues, ...deadLetters],
      ({ sqsManagedSseEnabled }) => !sqsManagedSseEnabled,
      ({ resource }) => resource,
    ),

  "whoever works a queue may receive from it": ({ queues }) =>
    each(
      queues,
      ({ arn, worker }) =>
        !["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"].every((action) =>
          worker?.grants.some(({ Action, Resource }) => Action.includes(action) && Resource.includes(arn)),
        ),
      ({ resource, worker }) => `${resource}: ${worker?.resource ?? "nobody"}`,
    ),
}
