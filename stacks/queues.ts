import {
  type DeadLettersOf,
  queues as facts,
  type QueueName,
  type ScheduleName,
  type SubscriberName,
  schedules,
  subscribers,
} from "#platform/topology.ts"
import { pascal } from "./names.ts"

const DAY_SECONDS = 86_400
/** Time to mend what is broken. A dead letter keeps its age, so that it must be allowed to be older. */
const WAITING_DAYS = 7
const DEAD_DAYS = 14
/** The most there is. A message holds up to 256 KiB of events, and more in base64 if they cannot be compressed. */
const MESSAGE_BYTES = 1024 * 1024

/** What could not be delivered, kept for a person to look at and to send again. */
function deadLetters(name: string, { fifo }: { fifo: boolean }) {
  return new sst.aws.Queue(pascal(name), { fifo, transform: { queue: kept(DEAD_DAYS) } })
}

function queue(name: QueueName) {
  const { fifo, visibilitySeconds, afterReceives, deadLetter } = facts[name]
  const dead = deadLetters(deadLetter, { fifo })
  const live = new sst.aws.Queue(`${pascal(name)}Requests`, {
    fifo,
    visibilityTimeout: `${visibilitySeconds} seconds`,
    dlq: { queue: dead.arn, retry: afterReceives },
    transform: { queue: kept(WAITING_DAYS) },
  })
  return { live, dead }
}

const kept = (days: number) => ({
  messageRetentionSeconds: days * DAY_SECONDS,
  maxMessageSize: MESSAGE_BYTES,
  sqsManagedSseEnabled: true,
})

export const queues = {
  append: queue("append"),
  fold: queue("fold"),
  deliveries: queue("deliveries"),
  "jobs-high": queue("jobs-high"),
  "jobs-low": queue("jobs-low"),
} satisfies Record<QueueName, unknown>

const ofCalls = (name: ScheduleName | SubscriberName) =>
  deadLetters({ ...schedules, ...subscribers }[name].deadLetter, { fifo: false })

/** What schedules and the bus could not have done. */
export const calls = {
  close: ofCalls("close"),
  check: ofCalls("check"),
  poll: ofCalls("poll"),
  notify: ofCalls("notify"),
} satisfies Record<ScheduleName | SubscriberName, unknown>

/** Where whatever there is leaves its dead letters. */
export const deadOf = (name: DeadLettersOf) =>
  name in queues ? queues[name as QueueName].dead : calls[name as keyof typeof calls]
