import { expect, test } from "vitest"
import { failuresOf, recordOf } from "#local/batch.ts"

const records = (arn: string, ...ids: string[]) =>
  ids.map((id) =>
    recordOf(
      {
        MessageId: id,
        ReceiptHandle: `handle ${id}`,
        Body: id,
        Attributes: { MessageGroupId: id.slice(0, 1) },
        MessageAttributes: {},
      },
      arn,
    ),
  )
const answer = (...ids: string[]) => ({ batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })) })
const ids = (failed: Set<{ messageId: string }>) => [...failed].map(({ messageId }) => messageId)

const STANDARD = "arn:aws:sqs:us-east-1:000000000000:work"
const FIFO = "arn:aws:sqs:us-east-1:000000000000:fold.fifo"

test("in a FIFO queue a failed message holds back those after it in its group, and no others", () => {
  const batch = records(FIFO, "a1", "b1", "a2", "b2", "a3")
  expect(ids(failuresOf(batch, answer("a2")))).toEqual(["a2", "a3"])
})

test("in a standard queue a failed message holds back nothing", () => {
  expect(ids(failuresOf(records(STANDARD, "a1", "a2", "a3"), answer("a2")))).toEqual(["a2"])
})

test("no answer, or one without failures, means that all went well", () => {
  const batch = records(STANDARD, "a1", "a2")
  expect(ids(failuresOf(batch, undefined))).toEqual([])
  expect(ids(failuresOf(batch, answer()))).toEqual([])
})

test("an answer that names an unknown or empty id fails the whole batch", () => {
  const batch = records(STANDARD, "a1", "a2")
  expect(ids(failuresOf(batch, answer("a1", "zz")))).toEqual(["a1", "a2"])
  expect(ids(failuresOf(batch, answer("")))).toEqual(["a1", "a2"])
})
