import { type DeadNeeds, type Way, wayOf } from "./deadletters.ts"

/** How a queue stands, or the calls of a schedule or of the bus. `null` is what nobody could tell. */
export type QueueState = {
  name: string
  fifo: boolean
  depth: number | null
  inFlight: number | null
  delayed: number | null
  oldestSeconds: number | null
  deadLetters: number | null
  /** Those that somebody looks at just now. */
  deadInFlight: number | null
  deadOldestSeconds: number | null
  /** What a redrive of them does. */
  redrive: Way
}
export type QueuesNeeds = Pick<DeadNeeds, "call" | "queues"> & {
  /** SQS itself does not tell how old its oldest message is. */
  oldestSeconds: (url: string) => Promise<number | undefined>
}

export const queueStates = (needs: QueuesNeeds): Promise<QueueState[]> =>
  Promise.all(
    Object.entries(needs.queues).map(async ([name, queue]) => {
      const { url, dead } = queue
      const [there, given] = await Promise.all([stateOf(needs, url), stateOf(needs, dead)])
      return {
        name,
        fifo: url?.endsWith(".fifo") ?? false,
        ...there,
        deadLetters: given.depth,
        deadInFlight: given.inFlight,
        deadOldestSeconds: given.oldestSeconds,
        redrive: wayOf(queue),
      }
    }),
  )

const nobodyKnows = { depth: null, inFlight: null, delayed: null, oldestSeconds: null }

async function stateOf({ call, oldestSeconds }: QueuesNeeds, url: string | undefined) {
  if (url === undefined) return nobodyKnows
  // The rest is worth knowing without its age.
  const [there, oldest] = await Promise.all([counted(call, url), oldestSeconds(url).catch(() => undefined)])
  return {
    depth: Number(there.ApproximateNumberOfMessages ?? 0),
    inFlight: Number(there.ApproximateNumberOfMessagesNotVisible ?? 0),
    delayed: Number(there.ApproximateNumberOfMessagesDelayed ?? 0),
    oldestSeconds: oldest ?? null,
  }
}

const AttributeNames = [
  "ApproximateNumberOfMessages",
  "ApproximateNumberOfMessagesNotVisible",
  "ApproximateNumberOfMessagesDelayed",
]

async function counted(call: QueuesNeeds["call"], QueueUrl: string): Promise<Record<string, string>> {
  const { Attributes = {} } = await call("sqs", "GetQueueAttributes", { QueueUrl, AttributeNames })
  return Attributes as Record<string, string>
}
