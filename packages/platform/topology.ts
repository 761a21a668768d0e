import { MINUTE } from "#core/clock.ts"
import { ATTEMPTS } from "#delivery/schedule.ts"
import { eventTypes } from "#events/domain.ts"
import type { Config } from "./config.ts"

type QueueFacts = {
  fifo: boolean
  visibilitySeconds: number
  deadLetter: string
  /** Deliveries before a message is set aside. */
  afterReceives: number
  batchSize: number
  windowMs: number
  /** Batches that are worked at once at most. */
  concurrency: number
  /** A message that has waited this long wakes somebody up. */
  oldestSeconds: number
}

/** One job for each call, with workers of its own for each priority: what is large and can wait delays nobody. */
const jobs = { fifo: false, visibilitySeconds: 6 * 900, afterReceives: 5, batchSize: 1, windowMs: 0 } as const

/**
 * The one description of queues, functions and schedules: the stacks deploy it and the local stack runs it, so that
 * the two cannot drift.
 */
export const queues = {
  append: {
    fifo: false,
    visibilitySeconds: 360,
    deadLetter: "append-dead",
    afterReceives: 5,
    batchSize: 500,
    windowMs: 1000,
    concurrency: 8,
    oldestSeconds: 300,
  },
  fold: {
    fifo: true,
    visibilitySeconds: 5400,
    deadLetter: "fold-dead",
    afterReceives: 5,
    batchSize: 1,
    windowMs: 0,
    concurrency: 8,
    oldestSeconds: 3600,
  },
  deliveries: {
    fifo: false,
    visibilitySeconds: 180,
    deadLetter: "deliveries-dead",
    afterReceives: ATTEMPTS,
    // All of a batch wait for its slowest endpoint.
    batchSize: 5,
    windowMs: 0,
    concurrency: 20,
    // Of what was received more than three times SQS tells no age: by then it has waited 36 minutes because it was to.
    oldestSeconds: 3600,
  },
  /** Somebody waits for these. */
  "jobs-high": { ...jobs, deadLetter: "jobs-high-dead", concurrency: 4, oldestSeconds: 900 },
  "jobs-low": { ...jobs, deadLetter: "jobs-low-dead", concurrency: 2, oldestSeconds: 4 * 3600 },
} as const satisfies Record<string, QueueFacts>
export type QueueName = keyof typeof queues

/** What is asked of DynamoDB and of KMS, by the names of their actions. */
type TableAction = "GetItem" | "BatchGetItem" | "Query" | "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem"
type KeyAction = "GenerateDataKey" | "Decrypt"

/** Whatever leaves dead letters: a queue, a schedule, or a subscriber of the bus. */
export type DeadLettersOf = QueueName | "close" | "check" | "poll" | "notify"

type FunctionFacts = {
  handler: string
  timeoutSeconds: number
  memoryMb: number
  /** What it does to the table (in transactions too), the queues it sends to and looks at, what it does by the vault's key: so much is granted. */
  table: readonly TableAction[]
  sends?: readonly QueueName[]
  looks?: readonly DeadLettersOf[]
  /** Whose dead letters it takes, to show them or to send them back. */
  mends?: readonly DeadLettersOf[]
  vault?: readonly KeyAction[]
  /** Puts events on the bus. */
  publishes?: true
  /** Hides messages of the queue that it works until they are to be tried again. */
  delays?: true
  /** The queue that it works. */
  queue?: QueueName
  /** What it is told beyond what `config.ts` asks of every function. */
  settings?: readonly (keyof Config)[]
  /** The same, but nobody may see it. */
  secrets?: readonly (keyof Config)[]
  /** Node's own, where four are too few: a name that nobody answers for holds one for seconds, and at most half of them. */
  threads?: number
  /** Its slowest hundredth may take this long. */
  slowMs: number
  /** Runs at once at most, and so many are kept free for it: no function can starve another. */
  reserved?: number
  /** The public paths that it answers, with all below them; `/` is whatever no other does. */
  paths?: readonly string[]
}

const tracking = [
  "batch",
  "b",
  "m",
  "track",
  "t",
  "identify",
  "i",
  "page",
  "p",
  "screen",
  "s",
  "group",
  "g",
  "alias",
  "a",
]
const deliveries = ["OCTANT_DELIVERIES_QUEUE_URL", "OCTANT_DELIVERIES_DEAD_QUEUE_URL"] as const
const limits = { settings: ["OCTANT_ADDRESS_HEADER", "OCTANT_REDIS_URL"], secrets: ["OCTANT_REDIS_TOKEN"] } as const

const deadQueues = [
  "OCTANT_APPEND_DEAD_QUEUE_URL",
  "OCTANT_FOLD_DEAD_QUEUE_URL",
  "OCTANT_JOBS_HIGH_DEAD_QUEUE_URL",
  "OCTANT_JOBS_LOW_DEAD_QUEUE_URL",
] as const
const deadCalls = [
  "OCTANT_NOTIFY_DEAD_QUEUE_URL",
  "OCTANT_CLOSE_DEAD_QUEUE_URL",
  "OCTANT_CHECK_DEAD_QUEUE_URL",
  "OCTANT_POLL_DEAD_QUEUE_URL",
] as const
const jobQueues = ["OCTANT_JOBS_HIGH_QUEUE_URL", "OCTANT_JOBS_LOW_QUEUE_URL"] as const

export const functions = {
  collect: {
    handler: "functions/collect.handler",
    timeoutSeconds: 15,
    memoryMb: 512,
    table: ["GetItem", "BatchGetItem", "PutItem"],
    sends: ["append"],
    settings: limits.settings,
    secrets: limits.secrets,
    slowMs: 1000,
    reserved: 200,
    paths: tracking.map((name) => `/v1/${name}`),
  },
  hooks: {
    handler: "functions/hooks.handler",
    timeoutSeconds: 15,
    memoryMb: 512,
    table: ["GetItem", "PutItem", "UpdateItem"],
    sends: ["append"],
    vault: ["GenerateDataKey", "Decrypt"],
    settings: [...limits.settings, "OCTANT_KMS_KEY_ID", "OCTANT_HOOKS_URL"],
    secrets: limits.secrets,
    slowMs: 2000,
    reserved: 100,
    paths: ["/hooks"],
  },
  api: {
    handler: "functions/api.handler",
    timeoutSeconds: 60,
    memoryMb: 1024,
    table: ["GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem"],
    sends: ["append", "fold", "deliveries", "jobs-high", "jobs-low"],
    looks: ["append", "fold", "deliveries", "jobs-high", "jobs-low", "notify", "close", "check", "poll"],
    mends: ["append", "fold", "deliveries", "jobs-high", "jobs-low", "notify", "close", "check", "poll"],
    vault: ["GenerateDataKey", "Decrypt"],
    publishes: true,
    settings: [
      ...limits.settings,
      "OCTANT_KMS_KEY_ID",
      "OCTANT_HOOKS_URL",
      ...deadQueues,
      ...deadCalls,
      ...deliveries,
      ...jobQueues,
      "OCTANT_BUS",
    ],
    secrets: [...limits.secrets, "OCTANT_OPERATOR_TOKEN"],
    slowMs: 10_000,
    reserved: 100,
    paths: ["/"],
  },
  append: {
    handler: "functions/append.handler",
    timeoutSeconds: 60,
    memoryMb: 1024,
    table: ["GetItem", "PutItem", "UpdateItem"],
    sends: ["fold"],
    queue: "append",
    slowMs: 30_000,
  },
  fold: {
    handler: "functions/fold.handler",
    timeoutSeconds: 900,
    memoryMb: 2048,
    table: ["GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "BatchWriteItem"],
    sends: ["fold"],
    queue: "fold",
    delays: true,
    slowMs: 700_000,
  },
  jobsHigh: {
    handler: "functions/jobs-high.handler",
    timeoutSeconds: 900,
    memoryMb: 4096,
    table: ["GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem"],
    sends: ["jobs-high"],
    queue: "jobs-high",
    publishes: true,
    settings: ["OCTANT_JOBS_HIGH_QUEUE_URL", "OCTANT_BUS"],
    slowMs: 700_000,
  },
  jobsLow: {
    handler: "functions/jobs-low.handler",
    timeoutSeconds: 900,
    memoryMb: 4096,
    table: ["GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"],
    sends: ["jobs-low"],
    queue: "jobs-low",
    publishes: true,
    settings: ["OCTANT_JOBS_LOW_QUEUE_URL", "OCTANT_BUS"],
    slowMs: 700_000,
  },
  close: {
    handler: "functions/close.handler",
    timeoutSeconds: 300,
    memoryMb: 512,
    table: ["GetItem", "BatchGetItem", "Query", "PutItem", "DeleteItem", "BatchWriteItem"],
    sends: ["append", "fold", "deliveries", "jobs-high", "jobs-low"],
    mends: ["append", "fold", "deliveries", "jobs-high", "jobs-low", "notify"],
    publishes: true,
    settings: [...deadQueues, ...deliveries, ...jobQueues, "OCTANT_NOTIFY_DEAD_QUEUE_URL", "OCTANT_BUS"],
    slowMs: 200_000,
    reserved: 1,
  },
  check: {
    handler: "functions/check.handler",
    timeoutSeconds: 300,
    memoryMb: 1024,
    table: ["GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem"],
    sends: ["fold"],
    publishes: true,
    settings: ["OCTANT_BUS"],
    slowMs: 200_000,
    reserved: 1,
  },
  poll: {
    handler: "functions/poll.handler",
    timeoutSeconds: 300,
    memoryMb: 1024,
    table: ["GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem"],
    sends: ["append"],
    vault: ["Decrypt"],
    settings: ["OCTANT_KMS_KEY_ID"],
    slowMs: 270_000,
    reserved: 1,
  },
  notify: {
    handler: "functions/notify.handler",
    timeoutSeconds: 30,
    memoryMb: 512,
    table: ["Query", "PutItem"],
    sends: ["deliveries"],
    settings: ["OCTANT_DELIVERIES_QUEUE_URL"],
    slowMs: 10_000,
  },
  deliver: {
    handler: "functions/deliver.handler",
    timeoutSeconds: 30,
    memoryMb: 512,
    table: ["GetItem", "PutItem", "UpdateItem"],
    vault: ["Decrypt"],
    queue: "deliveries",
    delays: true,
    settings: ["OCTANT_DELIVERIES_QUEUE_URL", "OCTANT_KMS_KEY_ID"],
    threads: 16,
    // An endpoint may take fifteen seconds.
    slowMs: 25_000,
  },
} as const satisfies Record<string, FunctionFacts>
export type FunctionName = keyof typeof functions
/** Whatever function it is, by what any of them may say. */
export const factsOf = (name: FunctionName): FunctionFacts => functions[name]

type ScheduleFacts = {
  function: FunctionName
  everyMs: number
  /** Where the calls go that could not be delivered, or that failed for good. */
  deadLetter: string
}
export const schedules = {
  /** Folds what the day has left behind, so that the tail of a small tenant stays short. */
  close: { function: "close", everyMs: 15 * MINUTE, deadLetter: "close-dead" },
  /** Measures the quality of what came, opens and closes alerts. */
  check: { function: "check", everyMs: 5 * MINUTE, deadLetter: "check-dead" },
  /** Asks vendors for what no webhook brought. */
  poll: { function: "poll", everyMs: 5 * MINUTE, deadLetter: "poll-dead" },
} as const satisfies Record<string, ScheduleFacts>
export type ScheduleName = keyof typeof schedules

type SubscriberFacts = {
  function: FunctionName
  /** The types of events that it is called with. */
  events: readonly string[]
  /** Where events go that could not be handed over, or that it has failed at for good. */
  deadLetter: string
}
/** Who listens to the bus. */
export const subscribers = {
  /** Asks for what webhooks are to be told. */
  notify: { function: "notify", events: eventTypes, deadLetter: "notify-dead" },
} as const satisfies Record<string, SubscriberFacts>
export type SubscriberName = keyof typeof subscribers
