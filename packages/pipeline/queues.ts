import type { DeadNeeds } from "./deadletters.ts"

/** How a queue stands. `null` is what nobody could tell. */
export type QueueState = {
  name: string
  fifo: boolean
  depth: number
  inFlight: number
  delayed: number
  oldestSeconds: number | null
  deadLetters: number | null
}
export type QueuesNeeds = Pick<DeadNeeds, "call" | "queues"> & {
  /** SQS itself does not tell how old its oldest message is. */
  oldestSeconds: (url: string) => Promise<number | undefined>
}

export const queueStates = ({ call, queues, oldestSeconds }: QueuesNeeds): Promise<QueueState[]> =>
  Promise.all(
    Object.entries(queues).map(async ([name, { url, dead }]) => {
      const [there, given, oldest] = await Promise.all([
        counted(call, url),
        dead === undefined ? undefined : counted(call, dead),
        // The rest is worth knowing without it.
        oldestSeconds(url).catch(() => undefined),
      ])
      return {
        name,
        fifo: url.endsWith(".fifo"),
        depth: Number(there.ApproximateNumberOfMessages ?? 0),
        inFlight: Number(there.ApproximateNumberOfMessagesNotVisible ?? 0),
        delayed: Number(there.ApproximateNumberOfMessagesDelayed ?? 0),
        oldestSeconds: oldest ?? null,
        deadLetters: given ? Number(given.ApproximateNumberOfMessages ?? 0) : null,
      }
    }),
  )

const AttributeNames = [
  "ApproximateNumberOfMessages",
  "ApproximateNumberOfMessagesNotVisible",
  "ApproximateNumberOfMessagesDelayed",
]

async function counted(call: QueuesNeeds["call"], QueueUrl: string): Promise<Record<string, string>> {
  const { Attributes = {} } = await call("sqs", "GetQueueAttributes", { QueueUrl, AttributeNames })
  return Attributes as Record<string, string>
}
