import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Item, Value } from "#store/table.ts"

type Key = { pk: { S: string }; sk: { S: string } }
type Body = {
  TableName?: string
  Key?: Key
  ExpressionAttributeValues?: { ":pk"?: { S: string } }
  RequestItems?: Record<string, { Keys: Key[] }>
  Entries?: { Id: string }[]
  CiphertextBlob?: string
}

/** What KMS gives and takes: it wraps nothing. */
export const KEY = Buffer.alloc(32, 7).toString("base64")

/**
 * DynamoDB, SQS and KMS on loopback, as far as a first request asks: what was put into `items` can be read, and every write
 * succeeds without leaving a trace. It answers at once, so that what is measured is the function.
 */
export async function startEndpoint(items: readonly Item[]) {
  let seen: string[] = []
  const found = (key: Key) => items.find(({ pk, sk }) => pk === key.pk.S && sk === key.sk.S)

  const answers: Record<string, (body: Body) => object> = {
    GetItem: ({ Key }) => {
      const item = Key && found(Key)
      return item ? { Item: attributes(item) } : {}
    },
    Query: ({ ExpressionAttributeValues }) => ({
      Items: items.filter(({ pk }) => pk === ExpressionAttributeValues?.[":pk"]?.S).map(attributes),
    }),
    BatchGetItem: ({ RequestItems = {} }) => ({
      Responses: Object.fromEntries(
        Object.entries(RequestItems).map(([table, { Keys }]) => [
          table,
          Keys.flatMap((key) => found(key) ?? []).map(attributes),
        ]),
      ),
    }),
    PutItem: () => ({}),
    UpdateItem: () => ({ Attributes: { seq: { N: "2" }, events: { N: "200" } } }),
    BatchWriteItem: () => ({}),
    TransactWriteItems: () => ({}),
    GenerateDataKey: () => ({ Plaintext: KEY, CiphertextBlob: KEY }),
    Decrypt: ({ CiphertextBlob }) => ({ Plaintext: CiphertextBlob }),
    ChangeMessageVisibility: () => ({}),
    SendMessage: () => ({ MessageId: "1" }),
    SendMessageBatch: ({ Entries = [] }) => ({ Successful: Entries.map(({ Id }) => ({ Id, MessageId: Id })) }),
  }

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const action = String(request.headers["x-amz-target"]).split(".")[1] ?? ""
    seen.push(action)
    const answer = answers[action]?.(JSON.parse(Buffer.concat(chunks).toString("utf8")) as Body)
    response
      .writeHead(answer ? 200 : 400)
      .end(JSON.stringify(answer ?? { __type: "UnknownOperationException", message: action }))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** What was asked since this was last called. */
    seen: () => {
      const asked = seen
      seen = []
      return asked
    },
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const attributes = (item: Item) =>
  Object.fromEntries(Object.entries(item).map(([name, value]) => [name, attribute(value)]))

function attribute(value: Value) {
  if (typeof value === "string") return { S: value }
  if (typeof value === "number") return { N: String(value) }
  if (typeof value === "boolean") return { BOOL: value }
  return { B: Buffer.from(value).toString("base64") }
}
