import { setImmediate } from "node:timers/promises"
import { afterEach, expect, test, vi } from "vitest"
import type { BatchAnswer, QueueEvent } from "#local/batch.ts"
import { type PollOptions, poll } from "#local/poller.ts"
import { startQueues } from "#local/queues.ts"
import { queueOf } from "#local/sqs.ts"
import { unsigned } from "#local/unsigned.ts"

const ended: (() => Promise<void>)[] = []

afterEach(async () => {
  await Promise.all(ended.splice(0).map((end) => end()))
})

const described = {
  work: { name: "work", visibilitySeconds: 30, deadLetter: { name: "dead", afterReceives: 3 } },
  fold: { name: "fold", fifo: true, visibilitySeconds: 30 },
}

async function world(name: keyof typeof described = "work") {
  const server = await startQueues({ queues: Object.values(described) })
  ended.push(server.stop)
  const call = unsigned(server.url)
  const QueueUrl = server.queueUrl(name)
  const errors: unknown[] = []
  return {
    ...server,
    call,
    errors,
    async send(bodies: readonly string[], more: (body: string) => object = () => ({})) {
      for (let from = 0; from < bodies.length; from += 10) {
        const Entries = bodies
          .slice(from, from + 10)
          .map((MessageBody, i) => ({ Id: String(i), MessageBody, ...more(MessageBody) }))
        await call("sqs", "SendMessageBatch", { QueueUrl, Entries })
      }
    },
    listen(handler: PollOptions["handler"], more: Partial<PollOptions> = {}) {
      const poller = poll({
        call,
        queueUrl: QueueUrl,
        queueArn: server.queueArn(name),
        handler,
        batchSize: 10,
        windowMs: 0,
        concurrency: 2,
        onError: (error) => errors.push(error),
        retryAfterSeconds: 0,
        ...more,
      })
      ended.push(poller.stop)
      return poller
    },
  }
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i))
const failing = (event: QueueEvent, fails: (body: string) => boolean): BatchAnswer => ({
  batchItemFailures: event.Records.filter(({ body }) => fails(body)).map(({ messageId }) => ({
    itemIdentifier: messageId,
  })),
})
const bodies = (event: QueueEvent) => event.Records.map(({ body }) => body)

test("every message is handled once and the queue is empty when idle", async () => {
  const { send, listen } = await world()
  await send(numbers(95))
  const seen: string[] = []
  const poller = listen(async (event) => void seen.push(...bodies(event)))
  await poller.idle()
  expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers(95))
  expect(poller.stats).toMatchObject({ done: 95, failed: 0 })
})

test("a handler gets what Lambda would give it", async () => {
  const { send, listen, queueArn } = await world()
  await send(["hello"], () => ({ MessageAttributes: { traceparent: { DataType: "String", StringValue: "00-ab" } } }))
  const events: QueueEvent[] = []
  await listen(async (event) => void events.push(event)).idle()
  expect(events).toEqual([
    {
      Records: [
        {
          messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
          receiptHandle: expect.any(String),
          body: "hello",
          attributes: expect.objectContaining({ ApproximateReceiveCount: "1", SentTimestamp: expect.any(String) }),
          messageAttributes: { traceparent: { stringValue: "00-ab", binaryValue: undefined, dataType: "String" } },
          eventSource: "aws:sqs",
          eventSourceARN: queueArn("work"),
        },
      ],
    },
  ])
})

test("only the messages that an answer names come again", async () => {
  const { send, listen } = await world()
  await send(["good", "flaky", "fine"])
  const seen: string[][] = []
  const poller = listen(async (event) => {
    seen.push(bodies(event))
    return failing(event, (body) => body === "flaky" && seen.length === 1)
  })
  await poller.idle()
  expect(seen).toEqual([["good", "flaky", "fine"], ["flaky"]])
  expect(poller.stats).toEqual({ batches: 2, done: 3, failed: 1 })
})

test("a message that always fails is a dead letter after as many tries as described", async () => {
  const { send, listen, call, queueUrl } = await world()
  await send(["poison", "good"])
  const poller = listen(async (event) => failing(event, (body) => body === "poison"))
  await poller.idle()
  expect(poller.stats).toMatchObject({ done: 1, failed: 3 })
  expect((await queueOf(call, queueUrl("dead")).receive(10, 0)).map(({ Body }) => Body)).toEqual(["poison"])
})

test.each<[string, () => Promise<BatchAnswer>, unknown[]]>([
  ["that throws", () => Promise.reject(new Error("broken")), [new Error("broken")]],
  [
    "that throws at once",
    () => {
      throw new Error("broken")
    },
    [new Error("broken")],
  ],
  ["whose answer names an unknown id", async () => ({ batchItemFailures: [{ itemIdentifier: "?" }] }), []],
])("a handler %s fails its whole batch, which comes again", async (_, fail, errors) => {
  const world_ = await world()
  await world_.send(["a", "b"])
  const seen: string[][] = []
  const poller = world_.listen(async (event) => {
    seen.push(bodies(event))
    return seen.length === 1 ? await fail() : undefined
  })
  await poller.idle()
  expect(seen).toEqual([
    ["a", "b"],
    ["a", "b"],
  ])
  expect(world_.errors).toEqual(errors)
})

test("an event may hold more than ten messages, gathered by several receives", async () => {
  const { send, listen } = await world()
  await send(numbers(60))
  const sizes: number[] = []
  const poller = listen(async ({ Records }) => void sizes.push(Records.length), {
    batchSize: 25,
    windowMs: 60_000,
    concurrency: 1,
  })
  await poller.idle()
  expect(sizes).toEqual([25, 25, 10])
})

test("without a window an event holds what one receive brought", async () => {
  const { send, listen } = await world()
  await send(numbers(20))
  const sizes: number[] = []
  await listen(async ({ Records }) => void sizes.push(Records.length), { batchSize: 100, concurrency: 1 }).idle()
  expect(sizes).toEqual([10, 10])
})

test("an event that does not fill up is handed over when its window ends", async () => {
  const { send, listen } = await world()
  await send(["alone"])
  let now = 0
  const pause = async (ms: number) => {
    now += ms
  }
  const handled = Promise.withResolvers<number>()
  listen(async () => void handled.resolve(now), { batchSize: 100, windowMs: 505, time: { now: () => now, pause } })
  expect(await handled.promise).toBe(505)
})

test("a queue that cannot be reached is reported, and asked again", async () => {
  const { send, listen, call, errors } = await world()
  await send(["patient"])
  const broken = new Error("connection refused")
  let asked = 0
  const seen: string[] = []
  const poller = listen(async (event) => void seen.push(...bodies(event)), {
    concurrency: 1,
    call: async (service, action, body) => {
      if (action === "ReceiveMessage" && ++asked === 1) throw broken
      return await call(service, action, body)
    },
  })
  await poller.idle()
  expect(seen).toEqual(["patient"])
  expect(errors).toEqual([broken])
})

test("as many handlers as told run at once, and no more", async () => {
  const { send, listen, call } = await world()
  await send(numbers(40))
  let asked = 0
  let running = 0
  const both = Promise.withResolvers<void>()
  const poller = listen(
    async () => {
      running += 1
      if (running === 2) both.resolve()
      await both.promise
    },
    {
      batchSize: 5,
      concurrency: 2,
      call: (service, action, body) => {
        asked += 1
        return call(service, action, body)
      },
    },
  )
  expect(asked).toBe(2)
  await poller.idle()
  expect(poller.stats).toEqual({ batches: 8, done: 40, failed: 0 })
})

test("the messages of a FIFO group are handled in order, also when one of them fails", async () => {
  const { send, listen } = await world("fold")
  await send(["a1", "b1", "a2", "b2", "a3"], (body) => ({ MessageGroupId: body[0], MessageDeduplicationId: body }))
  const seen: string[] = []
  const poller = listen(async (event) => {
    seen.push(...bodies(event))
    return failing(event, (body) => body === "a2" && seen.filter((each) => each === "a2").length === 1)
  })
  await poller.idle()
  expect(seen.filter((body) => body.startsWith("a"))).toEqual(["a1", "a2", "a2", "a3"])
  expect(seen.filter((body) => body.startsWith("b"))).toEqual(["b1", "b2"])
})

test("idle waits for a handler that still runs, and for what it sends", async () => {
  const { send, listen } = await world()
  await send(["first"])
  const seen: string[] = []
  const poller = listen(async (event) => {
    if (bodies(event).includes("first")) await send(["second"])
    seen.push(...bodies(event))
  })
  await poller.idle()
  expect(seen).toEqual(["first", "second"])
})

test("stopping lets a running handler finish, and its message is gone", async () => {
  const { send, listen, call, queueUrl } = await world()
  await send(["slow"])
  const begun = Promise.withResolvers<void>()
  const finish = Promise.withResolvers<void>()
  const poller = listen(async () => {
    begun.resolve()
    await finish.promise
  })
  await begun.promise
  const stopped = poller.stop()
  await expect(poller.idle()).rejects.toThrow("the poller was stopped before the queue was empty")
  finish.resolve()
  await stopped
  expect(poller.stats).toEqual({ batches: 1, done: 1, failed: 0 })
  expect(await queueOf(call, queueUrl("work")).isEmpty()).toBe(true)
})

test("what a long poll brings after the stop goes back at once", async () => {
  const { send, listen, call, queueUrl } = await world()
  const asked = Promise.withResolvers<void>()
  const poller = listen(async () => {}, {
    concurrency: 1,
    call: (service, action, body) => {
      asked.resolve()
      return call(service, action, body)
    },
  })
  await asked.promise
  const stopped = poller.stop()
  await send(["late"])
  await stopped
  expect(poller.stats.batches).toBe(0)
  expect((await queueOf(call, queueUrl("work")).receive(10, 0)).map(({ Body }) => Body)).toEqual(["late"])
})

test("nobody waits for a long poll to stop, where the queue ends it", async () => {
  const { listen, wake } = await world()
  // The second that a long poll takes never passes.
  vi.useFakeTimers({ toFake: ["setTimeout"] })
  try {
    const poller = listen(async () => {})
    let hasStopped = false
    void poller.stop().then(() => {
      hasStopped = true
    })
    for (let turn = 0; turn < 10_000 && !hasStopped; turn++) {
      wake()
      await setImmediate()
    }
    expect(hasStopped).toBe(true)
  } finally {
    vi.useRealTimers()
  }
})
