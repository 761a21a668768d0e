import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, expect, test } from "vitest"
import { elsewhere } from "#local/elsewhere.ts"
import { listen } from "#local/port.ts"
import { startQueues } from "#local/queues.ts"
import { queueOf } from "#local/sqs.ts"
import { unsigned } from "#local/unsigned.ts"

const folder = mkdtempSync(join(tmpdir(), "octant-queues-"))
const started: { stop(): Promise<void> }[] = []

afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.stop()))
})
afterAll(() => rmSync(folder, { recursive: true }))

const work = { name: "work", visibilitySeconds: 30, deadLetter: { name: "work-dead", afterReceives: 2 } }

async function start(options: Parameters<typeof startQueues>[0]) {
  const queues = await startQueues(options)
  started.push(queues)
  const call = unsigned(queues.url)
  const send = (name: string, body: string, more: object = {}) =>
    call("sqs", "SendMessage", { QueueUrl: queues.queueUrl(name), MessageBody: body, ...more })
  /** Bodies with how often each was received. */
  const receive = async (name: string, waitSeconds = 0) => {
    const messages = await queueOf(call, queues.queueUrl(name)).receive(10, waitSeconds)
    return messages.map(({ Body, Attributes }) => `${Body} ×${Attributes.ApproximateReceiveCount}`)
  }
  return { ...queues, call, send, receive }
}

test("a queue's address and ARN follow from its name, a FIFO queue's with .fifo", async () => {
  const { url, queueUrl, queueArn } = await start({
    queues: [work, { name: "fold", fifo: true, visibilitySeconds: 300 }],
  })
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  expect(queueUrl("work")).toBe(`${url}/000000000000/work`)
  expect(queueUrl("work-dead")).toBe(`${url}/000000000000/work-dead`)
  expect(queueUrl("fold")).toBe(`${url}/000000000000/fold.fifo`)
  expect(queueArn("fold")).toBe("arn:aws:sqs:us-east-1:000000000000:fold.fifo")
  expect(() => queueUrl("wrok")).toThrow("no queue wrok; there are work, work-dead, fold")
})

test("queues that SQS is asked for by name are at an address that resolves", async () => {
  const { call, queueUrl, url } = await start({ queues: [work] })
  expect(await call("sqs", "GetQueueUrl", { QueueName: "work" })).toEqual({ QueueUrl: queueUrl("work") })
  expect(await call("sqs", "CreateQueue", { QueueName: "other" })).toEqual({ QueueUrl: `${url}/000000000000/other` })
})

test("a message that fails as often as described is a dead letter", async () => {
  const { call, queueUrl, send, receive } = await start({ queues: [work] })
  const queue = queueOf(call, queueUrl("work"))
  await send("work", "poison")
  for (const _ of [1, 2])
    await queue.release(
      (await queue.receive(10, 0)).map((message) => message.ReceiptHandle),
      0,
    )
  expect(await receive("work")).toEqual([])
  expect((await queueOf(call, queueUrl("work-dead")).receive(10, 0)).map(({ Body }) => Body)).toEqual(["poison"])
})

test("messages survive SIGKILL of the process that holds the queues, those in flight and those released too", async () => {
  const dataDir = join(folder, "killed")
  const queues = [{ name: "work", visibilitySeconds: 300 }]
  const other = await elsewhere(`
    import { startQueues } from "#local/queues.ts"
    import { queueOf } from "#local/sqs.ts"
    import { unsigned } from "#local/unsigned.ts"
    const { url, queueUrl } = await startQueues({ dataDir: ${JSON.stringify(dataDir)}, queues: ${JSON.stringify(queues)} })
    const call = unsigned(url)
    const queue = queueOf(call, queueUrl("work"))
    const send = (MessageBody) => call("sqs", "SendMessage", { QueueUrl: queueUrl("work"), MessageBody })
    await send("deleted")
    await queue.remove((await queue.receive(1, 0)).map((message) => message.ReceiptHandle))
    await send("in flight")
    await send("released")
    const [, second] = await queue.receive(2, 0)
    await queue.release([second.ReceiptHandle], 0)
    await send("ready")
    console.log("done")`)
  await other.end("SIGKILL")

  const { receive, call, queueUrl } = await start({ dataDir, queues: [{ name: "work", visibilitySeconds: 30 }] })
  expect(await call("sqs", "GetQueueUrl", { QueueName: "work" })).toEqual({ QueueUrl: queueUrl("work") })
  const found: string[] = []
  while (found.length < 3) found.push(...(await receive("work", 20)))
  expect(new Set(found)).toEqual(new Set(["in flight ×2", "released ×2", "ready ×1"]))
})

test("started again with other settings, a queue keeps its messages and has the new settings", async () => {
  const dataDir = join(folder, "settings")
  const first = await start({ dataDir, queues: [work] })
  await first.send("work", "kept")
  await first.stop()
  const { call, queueUrl, receive } = await start({ dataDir, queues: [{ name: "work", visibilitySeconds: 7 }] })
  const QueueUrl = queueUrl("work")
  expect(
    await call("sqs", "GetQueueAttributes", { QueueUrl, AttributeNames: ["VisibilityTimeout", "RedrivePolicy"] }),
  ).toEqual({
    Attributes: { VisibilityTimeout: "7" },
  })
  expect(await receive("work")).toEqual(["kept ×1"])
})

test("what is sent and removed after a restart is so after the next", async () => {
  const dataDir = join(folder, "again")
  const first = await start({ dataDir, queues: [work] })
  await first.send("work", "old")
  await first.stop()
  const second = await start({ dataDir, queues: [work] })
  await second.send("work", "new")
  const queue = queueOf(second.call, second.queueUrl("work"))
  await queue.remove((await queue.receive(1, 0)).map((message) => message.ReceiptHandle))
  await second.stop()
  const third = await start({ dataDir, queues: [work] })
  expect(await third.receive("work")).toEqual(["new ×1"])
})

test("no other address than 127.0.0.1 reaches the queues", async () => {
  const { url } = await start({ queues: [work] })
  const socket = connect(Number(new URL(url).port), "127.0.0.2")
  await expect(once(socket, "connect")).rejects.toThrow("ECONNREFUSED")
})

test("a FIFO group waits for its first message, in order, across a restart", async () => {
  const dataDir = join(folder, "fifo")
  const queues = [{ name: "fold", fifo: true, visibilitySeconds: 300 }]
  const first = await start({ dataDir, queues })
  for (const body of ["1", "2", "3"])
    await first.send("fold", body, { MessageGroupId: "a", MessageDeduplicationId: body })
  expect(await first.receive("fold")).toEqual(["1 ×1"])
  expect(await first.receive("fold")).toEqual([])
  await first.stop()
  const { call, queueUrl } = await start({ dataDir, queues })
  const queue = queueOf(call, queueUrl("fold"))
  const order: string[] = []
  while (order.length < 3) {
    const messages = await queue.receive(10, 20)
    order.push(...messages.map(({ Body }) => Body))
    await queue.remove(messages.map(({ ReceiptHandle }) => ReceiptHandle))
  }
  expect(order).toEqual(["1", "2", "3"])
})

test("a taken port is named", async () => {
  const squatter = createServer()
  const port = await listen(squatter, 0, "127.0.0.1", "")
  await expect(startQueues({ port, queues: [] })).rejects.toThrow(
    `port ${port} is taken: end the program that listens there, or choose another port for the queues`,
  )
  squatter.close()
})
