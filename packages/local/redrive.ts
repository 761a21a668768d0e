import { randomUUID } from "node:crypto"
import { setImmediate } from "node:timers/promises"
import { z } from "zod"
import type { Clock } from "#core/clock.ts"
import { Refusal, type SqsMessage, type SqsQueue, type SqsStore } from "#local/fauxqs.ts"

const AT_ONCE = 500

type Task = {
  TaskHandle: string
  Status: "RUNNING" | "COMPLETED" | "FAILED"
  SourceArn: string
  DestinationArn?: string
  ApproximateNumberOfMessagesMoved: number
  ApproximateNumberOfMessagesToMove: number
  StartedTimestamp: number
  FailureReason?: string
}

const Start = z.object({ SourceArn: z.string(), DestinationArn: z.string().optional() })
const List = z.object({ SourceArn: z.string(), MaxResults: z.int().min(1).max(10).default(1) })
const Sources = z.object({ QueueUrl: z.string() })

/** What SQS offers for dead letters and the emulator lacks, by the name that calls it. */
export function redriveOf(store: SqsStore, clock: Clock): Record<string, (body: unknown) => object> {
  const tasks: Task[] = []
  return {
    "AmazonSQS.StartMessageMoveTask"(body) {
      const { SourceArn, DestinationArn } = Start.parse(body)
      const source = existing(store.getQueueByArn(SourceArn))
      const target = destination(store, source, DestinationArn)
      const task: Task = {
        TaskHandle: randomUUID(),
        Status: "RUNNING",
        SourceArn,
        DestinationArn,
        ApproximateNumberOfMessagesMoved: 0,
        ApproximateNumberOfMessagesToMove: source.inspectMessages().ready.length,
        StartedTimestamp: clock(),
      }
      tasks.unshift(task)
      void move(source, target, task, clock)
      return { TaskHandle: task.TaskHandle }
    },
    "AmazonSQS.ListMessageMoveTasks"(body) {
      const { SourceArn, MaxResults } = List.parse(body)
      existing(store.getQueueByArn(SourceArn))
      const found = tasks.filter((task) => task.SourceArn === SourceArn).slice(0, MaxResults)
      // As in SQS, only a task that runs shows its handle: nothing else can be cancelled.
      return {
        Results: found.map(({ TaskHandle, ...task }) => (task.Status === "RUNNING" ? { TaskHandle, ...task } : task)),
      }
    },
    "AmazonSQS.ListDeadLetterSourceQueues"(body) {
      const queue = existing(store.getQueue(Sources.parse(body).QueueUrl))
      return { queueUrls: sources(store, queue).map(({ url }) => url) }
    },
  }
}

function existing(queue: SqsQueue | undefined) {
  if (queue === undefined)
    throw new Refusal("ResourceNotFoundException", "The resource that you specified doesn't exist.")
  return queue
}

/** The emulator does not note where a dead letter came from: with two sources, the caller has to say. */
function destination(store: SqsStore, source: SqsQueue, arn: string | undefined) {
  const [first, ...others] = sources(store, source)
  if (first === undefined)
    throw new Refusal("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
  if (arn !== undefined) return existing(store.getQueueByArn(arn))
  if (others.length > 0)
    throw new Refusal("UnsupportedOperation", "Several queues share this dead-letter queue: give a DestinationArn.")
  return first
}

const sources = (store: SqsStore, queue: SqsQueue) =>
  [...store.allQueues()].filter(({ attributes }) => {
    const policy: unknown = JSON.parse(attributes.RedrivePolicy ?? "{}")
    return Object(policy).deadLetterTargetArn === queue.arn
  })

/** Some hundred at a time, so that other calls are answered in between. */
async function move(source: SqsQueue, target: SqsQueue, task: Task, clock: Clock) {
  try {
    source.processTimers()
    for (let batch = take(source); batch.length > 0; batch = take(source)) {
      for (const message of batch) {
        target.enqueue(renewed(message, target, clock()))
        source.persistence?.deleteMessage(message.messageId)
        task.ApproximateNumberOfMessagesMoved++
      }
      await setImmediate()
    }
    task.Status = "COMPLETED"
  } catch (error) {
    task.Status = "FAILED"
    task.FailureReason = String(error)
  }
}

/** To SQS a redriven message is a new one: another id, another time, no receives yet. */
const renewed = (message: SqsMessage, target: SqsQueue, now: number): SqsMessage => ({
  ...message,
  messageId: randomUUID(),
  sentTimestamp: now,
  approximateReceiveCount: 0,
  approximateFirstReceiveTimestamp: undefined,
  delayUntil: undefined,
  sequenceNumber: target.isFifo() ? target.nextSequenceNumber() : undefined,
})

function take({ messages, fifoMessages }: SqsQueue): SqsMessage[] {
  if (messages.length > 0) return messages.splice(0, AT_ONCE)
  for (const [group, waiting] of fifoMessages) {
    fifoMessages.delete(group)
    if (waiting.length > 0) return waiting
  }
  return []
}
