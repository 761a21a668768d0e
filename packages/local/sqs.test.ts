import { expect, test } from "vitest"
import { startQueues } from "#local/queues.ts"
import { type Call, queueOf } from "#local/sqs.ts"
import { unsigned } from "#local/unsigned.ts"

const URL = "http://127.0.0.1:1/000000000000/work"

test("a queue is empty only when nothing waits and nothing is in flight", async () => {
  const queues = await startQueues({ queues: [{ name: "work", visibilitySeconds: 30 }] })
  const call = unsigned(queues.url)
  const queue = queueOf(call, queues.queueUrl("work"))
  const seen = [await queue.isEmpty()]
  await call("sqs", "SendMessage", { QueueUrl: queues.queueUrl("work"), MessageBody: "hello" })
  seen.push(await queue.isEmpty())
  const messages = await queue.receive(10, 0)
  seen.push(await queue.isEmpty())
  await queue.remove(messages.map(({ ReceiptHandle }) => ReceiptHandle))
  seen.push(await queue.isEmpty())
  expect(seen).toEqual([true, false, false, true])
  await queues.stop()
})

test("twenty-five messages are removed in three calls", async () => {
  const sizes: number[] = []
  const call: Call = async (_, __, body) => {
    sizes.push(Object(body).Entries.length)
    return {}
  }
  await queueOf(call, URL).remove(Array.from({ length: 25 }, (_, i) => `handle ${i}`))
  expect(sizes).toEqual([10, 10, 5])
})

test("a message that SQS did not remove is an error, although SQS answers 200", async () => {
  const call: Call = async () => ({ Failed: [{ Id: "1", Code: "ReceiptHandleIsInvalid" }] })
  await expect(queueOf(call, URL).remove(["a", "b"])).rejects.toThrow(
    "DeleteMessageBatch: 1 of 2 failed, first ReceiptHandleIsInvalid",
  )
})
