import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, expect, test } from "vitest"
import { type Queue, startQueues } from "#local/queues.ts"
import { queueOf } from "#local/sqs.ts"
import { unsigned } from "#local/unsigned.ts"

const started: { stop(): Promise<void> }[] = []

afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.stop()))
})

const work = { name: "work", visibilitySeconds: 30, deadLetter: { name: "dead", afterReceives: 2 } }

async function start(queues: readonly Queue[], dataDir?: string) {
  const server = await startQueues({ queues, dataDir })
  started.push(server)
  const call = unsigned(server.url)
  return { ...server, call, queue: (name: string) => queueOf(call, server.queueUrl(name)) }
}

test("dead letters go back to the queue they came from, as new messages with their attributes", async () => {
  const { call, queue, queueUrl, queueArn } = await start([work])
  const sent = new Set<unknown>()
  for (let i = 0; i < 25; i++) {
    const answer = await call("sqs", "SendMessage", {
      QueueUrl: queueUrl("dead"),
      MessageBody: `letter ${i}`,
      MessageAttributes: { tenant: { DataType: "String", StringValue: "acme" } },
    })
    sent.add(Object(answer).MessageId)
  }
  await call("sqs", "StartMessageMoveTask", { SourceArn: queueArn("dead") })
  const [first, ...others] = await queue("work").receive(10, 1)
  expect(first?.Body).toBe("letter 0")
  expect(sent.has(first?.MessageId)).toBe(false)
  expect(first?.MessageAttributes).toEqual({ tenant: { DataType: "String", StringValue: "acme" } })
  expect(first?.Attributes.ApproximateReceiveCount).toBe("1")
  expect(others).toHaveLength(9)
  expect(await queue("dead").isEmpty()).toBe(true)
  expect(await call("sqs", "ListMessageMoveTasks", { SourceArn: queueArn("dead") })).toEqual({
    Results: [
      {
        Status: "COMPLETED",
        SourceArn: queueArn("dead"),
        ApproximateNumberOfMessagesMoved: 25,
        ApproximateNumberOfMessagesToMove: 25,
        StartedTimestamp: expect.any(Number),
      },
    ],
  })
})

test("a FIFO queue's dead letters keep their group and their order", async () => {
  const { call, queue, queueUrl, queueArn } = await start([{ ...work, fifo: true }])
  for (const body of ["1", "2"]) {
    await call("sqs", "SendMessage", {
      QueueUrl: queueUrl("dead"),
      MessageBody: body,
      MessageGroupId: "acme",
      MessageDeduplicationId: body,
    })
  }
  await call("sqs", "StartMessageMoveTask", { SourceArn: queueArn("dead") })
  const seen: unknown[] = []
  while (seen.length < 2) {
    const messages = await queue("work").receive(10, 1)
    seen.push(...messages.map(({ Body, Attributes }) => [Body, Attributes.MessageGroupId]))
    await queue("work").remove(messages.map(({ ReceiptHandle }) => ReceiptHandle))
  }
  expect(seen).toEqual([
    ["1", "acme"],
    ["2", "acme"],
  ])
})

test("a letter that went back is in its queue alone after a restart", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "octant-redrive-"))
  const first = await start([work], dataDir)
  await first.call("sqs", "SendMessage", { QueueUrl: first.queueUrl("dead"), MessageBody: "letter" })
  await first.call("sqs", "StartMessageMoveTask", { SourceArn: first.queueArn("dead") })
  await first.stop()
  const { queue } = await start([work], dataDir)
  expect(await queue("dead").isEmpty()).toBe(true)
  expect((await queue("work").receive(10, 0)).map(({ Body }) => Body)).toEqual(["letter"])
  rmSync(dataDir, { recursive: true })
})

test("with a destination the letters go there", async () => {
  const { call, queue, queueUrl, queueArn } = await start([work, { name: "other", visibilitySeconds: 30 }])
  await call("sqs", "SendMessage", { QueueUrl: queueUrl("dead"), MessageBody: "letter" })
  await call("sqs", "StartMessageMoveTask", { SourceArn: queueArn("dead"), DestinationArn: queueArn("other") })
  expect((await queue("other").receive(10, 1)).map(({ Body }) => Body)).toEqual(["letter"])
})

test("a dead-letter queue names the queues that feed it", async () => {
  const { call, queueUrl } = await start([work, { ...work, name: "also" }, { name: "other", visibilitySeconds: 30 }])
  expect(await call("sqs", "ListDeadLetterSourceQueues", { QueueUrl: queueUrl("dead") })).toEqual({
    queueUrls: [queueUrl("work"), queueUrl("also")],
  })
})

test.each([
  [
    "of a queue that nobody feeds",
    "other",
    {},
    "InvalidParameterValue: Source queue must be configured as a Dead Letter Queue.",
  ],
  [
    "of a queue that two feed",
    "dead",
    {},
    "UnsupportedOperation: Several queues share this dead-letter queue: give a DestinationArn.",
  ],
  [
    "to a queue that is missing",
    "dead",
    { DestinationArn: "arn:aws:sqs:us-east-1:000000000000:x" },
    "ResourceNotFoundException",
  ],
])("a move %s is refused", async (_, name, more, message) => {
  const { call, queueArn } = await start([work, { ...work, name: "also" }, { name: "other", visibilitySeconds: 30 }])
  await expect(call("sqs", "StartMessageMoveTask", { SourceArn: queueArn(name), ...more })).rejects.toThrow(message)
})

test("a request that lacks its queue is refused", async () => {
  const { call } = await start([work])
  await expect(call("sqs", "StartMessageMoveTask", {})).rejects.toThrow("400 com.amazonaws.sqs#InvalidParameterValue")
})
