import { randomBytes } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as z from "zod/mini"
import type { Statement } from "./model.ts"

const Body = z.looseObject({
  TableName: z.optional(z.string()),
  RequestItems: z.optional(z.record(z.string(), z.unknown())),
  QueueUrl: z.optional(z.string()),
  MessageBody: z.optional(z.string()),
  KeyId: z.optional(z.string()),
  CiphertextBlob: z.optional(z.string()),
  EncryptionContext: z.optional(z.record(z.string(), z.string())),
  Entries: z.optional(
    z.array(
      z.looseObject({
        Id: z.optional(z.string()),
        MessageBody: z.optional(z.string()),
        EventBusName: z.optional(z.string()),
      }),
    ),
  ),
  TransactItems: z.optional(z.array(z.record(z.string(), z.looseObject({ TableName: z.string() })))),
})
type Body = z.output<typeof Body>

export type Guard = { url: string; used: Set<string>; stop(): void }

/** How each service is known in a request, and in a role. */
const services: Record<string, string> = {
  DynamoDB_20120810: "dynamodb",
  AmazonSQS: "sqs",
  TrentService: "kms",
  GraniteServiceVersion20100801: "cloudwatch",
  AWSEvents: "events",
}
/** A transaction is granted by what it does to each item. */
const parts: Record<string, string> = { Put: "PutItem", Update: "UpdateItem", Delete: "DeleteItem" }

/**
 * AWS as one function sees it: does what its role grants, refuses anything else, and notes what was asked. The table is
 * a real one; messages are put into `sent`, by the queue's ARN.
 */
export async function startGuard(options: {
  grants: readonly Statement[]
  /** ARNs by a table's name and by a queue's URL. */
  arns: Record<string, string>
  dynamo: string
  sent: Map<string, string[]>
  /** What lies in queues, by their ARN; whoever receives it takes it away. */
  lying: Map<string, string[]>
}): Promise<Guard> {
  const { grants, arns, dynamo, sent, lying } = options
  const used = new Set<string>()

  /** The one condition that any role has is that KMS is asked for a tenant. */
  const allowed = (action: string, arn: string, { EncryptionContext }: Body) =>
    grants.some(
      ({ Effect, Action, Resource, Condition }) =>
        Effect === "Allow" &&
        Action.includes(action) &&
        Resource.includes(arn) &&
        (Condition === undefined || EncryptionContext?.tenant !== undefined),
    )

  const answers: Record<string, (arn: string, body: Body) => object> = {
    "sqs:SendMessage": (arn, { MessageBody, Entries = [] }) => {
      const bodies = MessageBody === undefined ? Entries.map((entry) => entry.MessageBody ?? "") : [MessageBody]
      sent.set(arn, [...(sent.get(arn) ?? []), ...bodies])
      return { MessageId: "1", Successful: Entries.map(({ Id }) => ({ Id, MessageId: Id })) }
    },
    "sqs:ReceiveMessage": (arn) => {
      const Messages = (lying.get(arn) ?? []).map((Body, i) => {
        const Attributes = { SentTimestamp: "0", MessageGroupId: "acme", MessageDeduplicationId: `${i}` }
        return { MessageId: `letter-${i}`, ReceiptHandle: `handle-${i}`, Body, Attributes }
      })
      lying.delete(arn)
      return { Messages }
    },
    "sqs:DeleteMessage": () => ({}),
    "sqs:ChangeMessageVisibility": () => ({}),
    "events:PutEvents": (_, { Entries = [] }) => ({
      FailedEntryCount: 0,
      Entries: Entries.map(() => ({ EventId: "1" })),
    }),
    "cloudwatch:GetMetricStatistics": () => ({ Datapoints: [{ Timestamp: 0, Maximum: 7 }] }),
    "sqs:GetQueueAttributes": () => ({ Attributes: { ApproximateNumberOfMessages: "0" } }),
    // A key that wraps nothing: what it gives is taken back as it is.
    "kms:GenerateDataKey": () => {
      const key = randomBytes(32).toString("base64")
      return { Plaintext: key, CiphertextBlob: key }
    },
    "kms:Decrypt": (_, { CiphertextBlob }) => ({ Plaintext: CiphertextBlob }),
  }

  const answer = async (target: string, text: string, headers: Record<string, string>) => {
    const [service = "", operation = ""] = target.split(".")
    const body = Body.parse(JSON.parse(text))
    const action = `${services[service]}:${operation.replace(/^(Send|Delete|Change)(\w+)Batch$/, "$1$2")}`
    const name =
      body.TableName ??
      Object.keys(body.RequestItems ?? {})[0] ??
      body.QueueUrl ??
      body.KeyId ??
      body.Entries?.[0]?.EventBusName ??
      "*"
    const asked = (body.TransactItems ?? []).flatMap((item) =>
      Object.entries(item).map(([part, { TableName }]) => [`dynamodb:${parts[part]}`, arns[TableName] ?? ""] as const),
    )
    const arn = arns[name] ?? name
    for (const [one, on] of asked.length > 0 ? asked : [[action, arn] as const]) {
      if (on !== "*") used.add(`${one} ${on}`)
      if (!allowed(one, on, body))
        return { status: 400, text: JSON.stringify({ __type: "AccessDeniedException", message: `${one} on ${on}` }) }
    }
    const own = answers[action]
    if (own) return { status: 200, text: JSON.stringify(own(arn, body)) }
    const response = await fetch(dynamo, { method: "POST", headers, body: text })
    return { status: response.status, text: await response.text() }
  }

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const signed = Object.entries(request.headers).filter(([name]) =>
      /^(x-amz-.*|authorization|content-type)$/.test(name),
    )
    const headers = Object.fromEntries(signed.map(([name, value]) => [name, String(value)]))
    const { status, text } = await answer(
      headers["x-amz-target"] ?? "",
      Buffer.concat(chunks).toString("utf8"),
      headers,
    )
    response.writeHead(status).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    used,
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
