import { setTimeout as wait } from "node:timers/promises"
import { type Clock, systemClock } from "#core/clock.ts"
import { failuresOf, type Handler, type QueueRecord, recordOf } from "#local/batch.ts"
import { type Call, type Message, queueOf } from "#local/sqs.ts"

const LONG_POLL_SECONDS = 1
const GLANCE_MS = 10
const AFTER_ERROR_MS = 200
/** Lambda takes 6 MB; a receive may bring one more. */
const ENOUGH_BYTES = 5_000_000

export type PollOptions = {
  call: Call
  queueUrl: string
  queueArn: string
  handler: Handler
  /** How many messages one event may hold; for more than ten, several receives are put together. */
  batchSize: number
  /** How long the first message of an event may wait for others. */
  windowMs: number
  /** How many handlers may run at once. */
  concurrency: number
  onError: (error: unknown) => void
  /** When a failed message may be received again. Lambda leaves it to the queue's visibility timeout, and so do we if not told. */
  retryAfterSeconds?: number
  time?: { now: Clock; pause: (ms: number) => Promise<unknown> }
}

/** What Lambda does between a queue and a function. */
export function poll(options: PollOptions) {
  const { queueArn, handler, batchSize, windowMs, concurrency, onError, retryAfterSeconds } = options
  const { now, pause } = options.time ?? { now: systemClock, pause: wait }
  const queue = queueOf(options.call, options.queueUrl)
  const stats = { batches: 0, done: 0, failed: 0 }
  let busy = 0
  let waiting = 0
  let stopping = false

  /** Fills the event up until it is full or old enough, or until someone waits for us to finish. */
  async function gather(first: Message[]) {
    const gathered = new Map(first.map((message) => [message.MessageId, message]))
    let bytes = sizeOf(first)
    const end = now() + windowMs
    while (gathered.size < batchSize && bytes < ENOUGH_BYTES && now() < end && !stopping) {
      const more = await queue.receive(batchSize - gathered.size, 0)
      for (const message of more) gathered.set(message.MessageId, message)
      bytes += sizeOf(more)
      if (more.length > 0) continue
      if (waiting > 0) break
      await pause(Math.max(0, Math.min(GLANCE_MS, end - now())))
    }
    return [...gathered.values()].map((message) => recordOf(message, queueArn))
  }

  async function failures(records: QueueRecord[]) {
    try {
      return failuresOf(records, await handler({ Records: records }))
    } catch (error) {
      onError(error)
      return new Set(records)
    }
  }

  async function work(first: Message[]) {
    const records = await gather(first)
    const failed = await failures(records)
    const done = records.filter((record) => !failed.has(record))
    stats.batches += 1
    stats.done += done.length
    stats.failed += failed.size
    await queue.remove(done.map(({ receiptHandle }) => receiptHandle))
    if (retryAfterSeconds === undefined) return
    await queue.release(
      [...failed].map(({ receiptHandle }) => receiptHandle),
      retryAfterSeconds,
    )
  }

  async function turn() {
    const messages = await queue.receive(batchSize, LONG_POLL_SECONDS)
    if (messages.length === 0) return
    busy += 1
    try {
      // What a long poll brings after the end was announced goes back for whoever comes next.
      await (stopping
        ? queue.release(
            messages.map(({ ReceiptHandle }) => ReceiptHandle),
            0,
          )
        : work(messages))
    } finally {
      busy -= 1
    }
  }

  async function worker() {
    while (!stopping) {
      try {
        await turn()
      } catch (error) {
        if (stopping) return
        onError(error)
        await pause(AFTER_ERROR_MS)
      }
    }
  }

  const workers = Promise.all(Array.from({ length: concurrency }, worker))
  return {
    stats,
    /** Resolves when nothing can be received, nothing is in flight and no handler runs. Windows are cut short meanwhile. */
    async idle() {
      waiting += 1
      try {
        while (!(await queue.isEmpty()) || busy > 0) {
          if (stopping) throw new Error("the poller was stopped before the queue was empty")
          await pause(GLANCE_MS)
        }
      } finally {
        waiting -= 1
      }
    },
    /** Lets running handlers finish; takes up to a second, the length of a long poll, unless the queue ends that. */
    async stop() {
      stopping = true
      await workers
    },
  }
}

const sizeOf = (messages: readonly Message[]) => messages.reduce((sum, { Body }) => sum + Buffer.byteLength(Body), 0)
