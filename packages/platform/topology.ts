import { MINUTE } from "#core/clock.ts"

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
  },
  fold: {
    fifo: true,
    visibilitySeconds: 5400,
    deadLetter: "fold-dead",
    afterReceives: 5,
    batchSize: 1,
    windowMs: 0,
    concurrency: 8,
  },
} as const

export const functions = {
  collect: { handler: "functions/collect.handler", timeoutSeconds: 15, memoryMb: 512 },
  hooks: { handler: "functions/hooks.handler", timeoutSeconds: 15, memoryMb: 512 },
  api: { handler: "functions/api.handler", timeoutSeconds: 60, memoryMb: 1024 },
  append: { handler: "functions/append.handler", timeoutSeconds: 60, memoryMb: 1024, queue: "append" },
  fold: { handler: "functions/fold.handler", timeoutSeconds: 900, memoryMb: 2048, queue: "fold" },
  close: { handler: "functions/close.handler", timeoutSeconds: 300, memoryMb: 512 },
  check: { handler: "functions/check.handler", timeoutSeconds: 300, memoryMb: 1024 },
  poll: { handler: "functions/poll.handler", timeoutSeconds: 300, memoryMb: 1024 },
} as const

export const schedules = {
  /** Folds what the day has left behind, so that the tail of a small tenant stays short. */
  close: { function: "close", everyMs: 15 * MINUTE },
  /** Measures the quality of what came, opens and closes alerts. */
  check: { function: "check", everyMs: 5 * MINUTE },
  /** Asks vendors for what no webhook brought. */
  poll: { function: "poll", everyMs: 5 * MINUTE },
} as const
