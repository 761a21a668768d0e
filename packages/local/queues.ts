import { ZodError } from "zod"
import { systemClock } from "#core/clock.ts"
import { agesOf } from "#local/ages.ts"
import { busOf } from "#local/bus.ts"
import { arnOf, emulator, persist, Refusal, type SqsQueue, type SqsStore, urlOf } from "#local/fauxqs.ts"
import { isTaken, LOOPBACK, portTaken } from "#local/port.ts"
import { redriveOf } from "#local/redrive.ts"

/** A queue as the cloud has it too; `.fifo` is added to the name of a FIFO queue. A dead-letter queue need not be listed. */
export type Queue = {
  name: string
  fifo?: boolean
  visibilitySeconds: number
  deadLetter?: { name: string; afterReceives: number }
}

/** SQS (and S3) on 127.0.0.1. With a `dataDir` messages survive the end of this process, those in flight too. */
export async function startQueues(options: { dataDir?: string; port?: number; queues: readonly Queue[] }) {
  const { dataDir, port = 0, queues } = options
  const { stores, app } = await emulator()
  const filled = Promise.withResolvers<void>()
  const actions = {
    ...redriveOf(stores.sqsStore, systemClock),
    ...agesOf(stores.sqsStore, systemClock),
    ...busOf(stores.sqsStore),
  }

  app.addHook("preHandler", async ({ headers, body }, reply) => {
    await filled.promise
    const action = actions[String(headers["x-amz-target"])]
    if (action === undefined) return
    const { status, answer } = answerOf(() => action(body))
    return reply.code(status).type("application/x-amz-json-1.0").send(JSON.stringify(answer))
  })
  app.addHook("onClose", async () => stores.sqsStore.persistence?.close())

  const url = await app.listen({ port, host: LOOPBACK }).catch((error: unknown) => {
    throw isTaken(error) ? portTaken(port, "for the queues") : error
  })
  try {
    if (dataDir !== undefined) await persist(stores, dataDir, url)
    for (const queue of stores.sqsStore.allQueues()) giveBack(queue)
    for (const queue of queues) create(stores.sqsStore, queue, url)
  } catch (error) {
    await app.close()
    throw error
  }
  filled.resolve()

  const known = new Map(queues.flatMap((queue) => namesOf(queue).map((name) => [name, physical(name, queue.fifo)])))
  const find = (name: string) => {
    const found = known.get(name)
    if (found === undefined) throw new Error(`no queue ${name}; there are ${[...known.keys()].join(", ")}`)
    return found
  }
  return {
    url,
    queueUrl: (name: string) => urlOf(url, find(name)),
    queueArn: (name: string) => arnOf(find(name)),
    /** Ends the long polls that wait now, as if their time were up. */
    wake: () => {
      for (const queue of stores.sqsStore.allQueues()) queue.cancelWaiters()
    },
    stop: async () => await app.close(),
  }
}

/** Whoever had messages in flight ended with the process before this one: they can be received again at once. */
function giveBack(queue: SqsQueue) {
  for (const handle of [...queue.inflightMessages.keys()]) queue.changeVisibility(handle, 0)
}

const namesOf = ({ name, deadLetter }: Queue) => (deadLetter ? [name, deadLetter.name] : [name])
const physical = (name: string, fifo: boolean | undefined) => (fifo && !name.endsWith(".fifo") ? `${name}.fifo` : name)

/** A queue that exists keeps its messages and takes on the settings given now. */
function create(store: SqsStore, { name, fifo, visibilitySeconds, deadLetter }: Queue, origin: string) {
  const dead = deadLetter && physical(deadLetter.name, fifo)
  if (dead) put(store, dead, kind(fifo), origin)
  put(
    store,
    physical(name, fifo),
    {
      ...kind(fifo),
      VisibilityTimeout: String(visibilitySeconds),
      RedrivePolicy: dead
        ? JSON.stringify({ deadLetterTargetArn: arnOf(dead), maxReceiveCount: deadLetter.afterReceives })
        : "",
    },
    origin,
  )
}

const kind = (fifo: boolean | undefined): Record<string, string> => (fifo ? { FifoQueue: "true" } : {})

function put(store: SqsStore, name: string, attributes: Record<string, string>, origin: string) {
  const queue = store.getQueueByName(name) ?? store.createQueue(name, urlOf(origin, name), arnOf(name), attributes)
  queue.setAttributes(attributes)
}

function answerOf(action: () => object) {
  try {
    return { status: 200, answer: action() }
  } catch (error) {
    if (!(error instanceof Refusal || error instanceof ZodError)) throw error
    const code = error instanceof Refusal ? error.code : "InvalidParameterValue"
    return { status: 400, answer: { __type: `com.amazonaws.sqs#${code}`, message: error.message } }
  }
}
