import { expect, test } from "vitest"
import type { AwsCall } from "./aws.ts"
import { foldRequester, sender } from "./queue.ts"

const URL = "https://sqs.example/1/append"

/** A queue whose answers come when they are let go. */
function fakeQueue() {
  const requests: { bodies: string[]; answer(answer: object | Error): void }[] = []
  const call: AwsCall = (_, __, body) =>
    new Promise((resolve, reject) => {
      const { Entries } = body as { Entries: { MessageBody: string }[] }
      requests.push({
        bodies: Entries.map(({ MessageBody }) => MessageBody),
        answer: (answer) => (answer instanceof Error ? reject(answer) : resolve(answer as Record<string, unknown>)),
      })
    })
  return { call, requests, sizes: () => requests.map(({ bodies }) => bodies.length) }
}

const messages = (count: number, name = "m") => Array.from({ length: count }, (_, i) => `${name}${i}`)
const turn = () => new Promise((resolve) => setImmediate(resolve))

async function answerAll({ requests }: ReturnType<typeof fakeQueue>) {
  for (let i = 0; i < requests.length; i++) {
    requests[i]!.answer({})
    await turn()
  }
}

test("those that come while others are on their way share the next request, ten at a time", async () => {
  const queue = fakeQueue()
  const enqueue = sender(queue.call, URL)
  const sending = messages(31).map((message) => enqueue([message]))
  await turn()
  expect(queue.sizes()).toEqual([1, 1])
  await answerAll(queue)
  await Promise.all(sending)
  expect(queue.sizes()).toEqual([1, 1, 10, 10, 9])
  expect(queue.requests.flatMap(({ bodies }) => bodies)).toEqual(messages(31))
})

test("a caller is answered when all of its own are stored, and not before", async () => {
  const queue = fakeQueue()
  const enqueue = sender(queue.call, URL)
  let done = false
  const sending = enqueue(messages(12)).then(() => {
    done = true
  })
  expect(queue.sizes()).toEqual([10, 2])
  queue.requests[0]!.answer({})
  await turn()
  expect(done).toBe(false)
  queue.requests[1]!.answer({})
  await sending
  expect(done).toBe(true)
})

test("a message that the queue refuses fails its own caller alone", async () => {
  const queue = fakeQueue()
  const enqueue = sender(queue.call, URL)
  const first = messages(2, "busy").map((message) => enqueue([message]))
  const outcomes = Promise.allSettled(["a", "b", "c"].map((message) => enqueue([message])))
  for (const { answer } of [...queue.requests]) answer({})
  await Promise.all(first)
  await turn()
  expect(queue.requests[2]?.bodies).toEqual(["a", "b", "c"])
  queue.requests[2]!.answer({
    Successful: [{ Id: "0" }, { Id: "2" }],
    Failed: [{ Id: "1", Code: "InternalError", SenderFault: false }],
  })
  expect((await outcomes).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"])
  await expect((await outcomes)[1]).toMatchObject({
    reason: { message: "the queue refused a message: InternalError" },
  })
})

test("a request that fails as a whole fails all who share it, and the next one is sent all the same", async () => {
  const queue = fakeQueue()
  const enqueue = sender(queue.call, URL)
  const outcome = Promise.allSettled([enqueue(["a"]), enqueue(["b"])])
  queue.requests[0]!.answer(new Error("ThrottlingException"))
  queue.requests[1]!.answer({})
  expect((await outcome).map(({ status }) => status)).toEqual(["rejected", "fulfilled"])
  const later = enqueue(["c"])
  queue.requests[2]!.answer({})
  await later
})

test("a request takes no more than a megabyte, and a message that is larger goes alone", async () => {
  const queue = fakeQueue()
  const enqueue = sender(queue.call, URL)
  const first = messages(2, "busy").map((message) => enqueue([message]))
  const large = Array.from({ length: 3 }, () => "x".repeat(400_000))
  const sending = enqueue([...large, "y".repeat(1_000_001), "z"])
  await answerAll(queue)
  await Promise.all([...first, sending])
  expect(queue.requests.slice(2).map(({ bodies }) => bodies.map(({ length }) => length))).toEqual([
    [400_000, 400_000],
    [400_000],
    [1_000_001],
    [1],
  ])
})

test("nothing to send is sent at once", async () => {
  const queue = fakeQueue()
  await sender(queue.call, URL)([])
  expect(queue.requests).toEqual([])
})

test("a fold is asked for once for each step of a tenant, one at a time for each tenant", async () => {
  const asked: unknown[] = []
  const call: AwsCall = async (...request) => {
    asked.push(request)
    return {}
  }
  await foldRequester(call, "https://sqs.example/1/fold.fifo")("acme", "7")
  expect(asked).toEqual([
    [
      "sqs",
      "SendMessage",
      {
        QueueUrl: "https://sqs.example/1/fold.fifo",
        MessageBody: '{"version":1,"tenant":"acme"}',
        MessageGroupId: "acme",
        MessageDeduplicationId: "acme-7",
      },
    ],
  ])
})
