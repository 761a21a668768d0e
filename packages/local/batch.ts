import type { Message } from "#local/sqs.ts"

/** What Lambda gives a function that listens to a queue. */
export type QueueEvent = { Records: QueueRecord[] }

export type QueueRecord = {
  messageId: string
  receiptHandle: string
  body: string
  attributes: Record<string, string>
  messageAttributes: Record<string, { stringValue?: string; binaryValue?: string; dataType: string }>
  eventSource: "aws:sqs"
  eventSourceARN: string
}

/** Nothing means that all went well. */
export type BatchAnswer = { batchItemFailures: readonly { itemIdentifier: string }[] } | undefined

export type Handler = (event: QueueEvent) => Promise<BatchAnswer>

export const recordOf = (message: Message, queueArn: string): QueueRecord => ({
  messageId: message.MessageId,
  receiptHandle: message.ReceiptHandle,
  body: message.Body,
  attributes: message.Attributes,
  messageAttributes: Object.fromEntries(
    Object.entries(message.MessageAttributes).map(([name, { StringValue, BinaryValue, DataType }]) => [
      name,
      { stringValue: StringValue, binaryValue: BinaryValue, dataType: DataType },
    ]),
  ),
  eventSource: "aws:sqs",
  eventSourceARN: queueArn,
})

/**
 * The records that stay in the queue. An answer with an unknown id fails all of them; in a FIFO queue
 * one that failed holds back those after it in its group.
 */
export function failuresOf(records: readonly QueueRecord[], answer: BatchAnswer): Set<QueueRecord> {
  const named = new Set((answer?.batchItemFailures ?? []).map(({ itemIdentifier }) => itemIdentifier))
  const known = new Set(records.map(({ messageId }) => messageId))
  if (!named.isSubsetOf(known)) return new Set(records)
  const failed = new Set<QueueRecord>()
  const stuck = new Set<string>()
  for (const record of records) {
    const group = groupOf(record)
    if (!named.has(record.messageId) && !stuck.has(group)) continue
    failed.add(record)
    stuck.add(group)
  }
  return failed
}

/** Outside FIFO queues each message is a group of its own. */
const groupOf = ({ eventSourceARN, attributes, messageId }: QueueRecord) =>
  eventSourceARN.endsWith(".fifo") ? `group ${attributes.MessageGroupId}` : messageId
