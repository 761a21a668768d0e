import { origin, outside, traced } from "#core/unit.ts"
import type { Enqueue } from "#pipeline/accept.ts"
import type { AwsCall } from "./aws.ts"

const MOST_MESSAGES = 10
const MOST_BYTES = 1_000_000
/** Few, so that under load what comes meanwhile goes together: ten messages cost what one does. */
const SENDS_IN_FLIGHT = 2

type Waiting = { body: string; attributes: object; done: () => void; failed: (error: unknown) => void }

/**
 * Sends messages, ten to a request: those that come while others are on their way share the next request. Each caller
 * is answered when all of its own are stored.
 */
export function sender(call: AwsCall, queueUrl: string): Enqueue {
  const waiting: Waiting[] = []
  let sending = 0

  const next = () => {
    const taken: Waiting[] = []
    let bytes = 0
    while (
      waiting.length > 0 &&
      taken.length < MOST_MESSAGES &&
      (taken.length === 0 || bytes + waiting[0]!.body.length <= MOST_BYTES)
    ) {
      const one = waiting.shift()!
      bytes += one.body.length
      taken.push(one)
    }
    return taken
  }

  const send = async (messages: Waiting[]) => {
    const Entries = messages.map(({ body, attributes }, i) => ({ Id: String(i), MessageBody: body, ...attributes }))
    try {
      const answer = await call("sqs", "SendMessageBatch", { QueueUrl: queueUrl, Entries })
      const refused = new Map(
        ((answer.Failed ?? []) as { Id: string; Code: string }[]).map(({ Id, Code }) => [Number(Id), Code]),
      )
      for (const [i, { done, failed }] of messages.entries()) {
        if (refused.has(i)) failed(new Error(`the queue refused a message: ${refused.get(i)}`))
        else done()
      }
    } catch (error) {
      for (const { failed } of messages) failed(error)
    }
  }

  const work = async () => {
    sending++
    for (let messages = next(); messages.length > 0; messages = next()) await send(messages)
    sending--
  }

  return (messages) =>
    traced(
      "send append",
      "producer",
      async () => {
        const attributes = originAttributes()
        const stored = messages.map(
          (body) => new Promise<void>((done, failed) => waiting.push({ body, attributes, done, failed })),
        )
        while (sending < SENDS_IN_FLIGHT && waiting.length > 0) outside(() => void work())
        await Promise.all(stored)
      },
      { ...SQS, "messaging.batch.message_count": messages.length },
    )
}

export const SQS = { "messaging.system": "aws_sqs" }

/** Which unit of work a message came from. It stands beside the message: what is kept does not depend on it. */
export function originAttributes(): object {
  const { correlationId, traceparent } = origin()
  const said = Object.entries({ correlationId, traceparent }).filter(([, value]) => value !== undefined)
  if (said.length === 0) return {}
  const text = (StringValue: string | undefined) => ({ DataType: "String", StringValue })
  return { MessageAttributes: Object.fromEntries(said.map(([name, value]) => [name, text(value)])) }
}

/** Asks for a fold of a tenant: one at a time for each, and once for each step that its journal has grown by. */
export const foldRequester = (call: AwsCall, queueUrl: string) => (tenant: string, step: string) =>
  traced(
    "send fold",
    "producer",
    async () => {
      await call("sqs", "SendMessage", {
        QueueUrl: queueUrl,
        MessageBody: JSON.stringify({ version: 1, tenant }),
        MessageGroupId: tenant,
        MessageDeduplicationId: `${tenant}-${step}`,
        ...originAttributes(),
      })
    },
    { ...SQS, "octant.tenant": tenant },
  )
