import { z } from "zod"

/** One call of SQS, such as `call("sqs", "ReceiveMessage", { QueueUrl })`. Throws when SQS refuses. */
export type Call = (service: "sqs", action: string, body: object) => Promise<unknown>

const AT_ONCE = 10

const Message = z.object({
  MessageId: z.string(),
  ReceiptHandle: z.string(),
  Body: z.string(),
  Attributes: z.record(z.string(), z.string()).default({}),
  MessageAttributes: z
    .record(
      z.string(),
      z.object({ DataType: z.string(), StringValue: z.string().optional(), BinaryValue: z.string().optional() }),
    )
    .default({}),
})
export type Message = z.infer<typeof Message>

const Received = z.object({ Messages: z.array(Message).default([]) })
const Changed = z.object({ Failed: z.array(z.object({ Id: z.string(), Code: z.string() })).default([]) })
const Counted = z.object({
  Attributes: z.object({
    ApproximateNumberOfMessages: z.coerce.number(),
    ApproximateNumberOfMessagesNotVisible: z.coerce.number(),
  }),
})

/** What a worker needs of one queue. */
export function queueOf(call: Call, QueueUrl: string) {
  /** In tens, which is what SQS takes at once. */
  const inTens = async (action: string, entries: readonly object[]) => {
    for (let from = 0; from < entries.length; from += AT_ONCE) {
      const Entries = entries.slice(from, from + AT_ONCE).map((entry, i) => ({ Id: String(i), ...entry }))
      const { Failed } = Changed.parse(await call("sqs", action, { QueueUrl, Entries }))
      if (Failed[0]) throw new Error(`${action}: ${Failed.length} of ${Entries.length} failed, first ${Failed[0].Code}`)
    }
  }
  return {
    /** Up to `most` messages, never more than ten; waits for the first as long as told. */
    async receive(most: number, waitSeconds: number) {
      const { Messages } = Received.parse(
        await call("sqs", "ReceiveMessage", {
          QueueUrl,
          MaxNumberOfMessages: Math.min(most, AT_ONCE),
          WaitTimeSeconds: waitSeconds,
          MessageSystemAttributeNames: ["All"],
          MessageAttributeNames: ["All"],
        }),
      )
      return Messages
    },
    remove: (handles: readonly string[]) =>
      inTens(
        "DeleteMessageBatch",
        handles.map((ReceiptHandle) => ({ ReceiptHandle })),
      ),
    /** Lets messages be received again after so many seconds. */
    release: (handles: readonly string[], VisibilityTimeout: number) =>
      inTens(
        "ChangeMessageVisibilityBatch",
        handles.map((ReceiptHandle) => ({ ReceiptHandle, VisibilityTimeout })),
      ),
    /** Nothing to receive and nothing in flight. */
    async isEmpty() {
      const { Attributes } = Counted.parse(
        await call("sqs", "GetQueueAttributes", {
          QueueUrl,
          AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        }),
      )
      return Attributes.ApproximateNumberOfMessages + Attributes.ApproximateNumberOfMessagesNotVisible === 0
    },
  }
}
