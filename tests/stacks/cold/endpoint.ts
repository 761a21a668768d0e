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
 * succeeds without leaving a trace. It answers at once, out of what it has made ready: what is measured is the function.
 */
export async function startEndpoint(items: readonly Item[]) {
  let seen: string[] = []
  const shown = items.map((item) => ({ ...item, text: JSON.stringify(attributes(item)) }))
  const found = (key: Key | undefined) => shown.find(({ pk, sk }) => pk === key?.pk.S && sk === key.sk.S)?.text
  const list = (texts: readonly string[]) => `[${texts.join()}]`

  const answers: Record<string, (body: Body) => string> = {
    GetItem: ({ Key }) => {
      const item = found(Key)
      return item ? `{"Item":${item}}` : "{}"
    },
    Query: ({ ExpressionAttributeValues }) => {
      const of = ExpressionAttributeValues?.[":pk"]?.S
      return `{"Items":${list(shown.filter(({ pk }) => pk === of).map(({ text }) => text))}}`
    },
    BatchGetItem: ({ RequestItems = {} }) => {
      const tables = Object.entries(RequestItems)
      const texts = tables.map(([table, { Keys }]) => `"${table}":${list(Keys.flatMap((key) => found(key) ?? []))}`)
      return `{"Responses":{${texts.join()}}}`
    },
    PutItem: nothing,
    UpdateItem: () => '{"Attributes":{"seq":{"N":"2"},"events":{"N":"200"}}}',
    BatchWriteItem: nothing,
    TransactWriteItems: nothing,
    GenerateDataKey: () => JSON.stringify({ Plaintext: KEY, CiphertextBlob: KEY }),
    Decrypt: ({ CiphertextBlob }) => JSON.stringify({ Plaintext: CiphertextBlob }),
    SendMessage: () => '{"MessageId":"1"}',
    ChangeMessageVisibility: nothing,
    SendMessageBatch: ({ Entries = [] }) =>
      JSON.stringify({ Successful: Entries.map(({ Id }) => ({ Id, MessageId: Id })) }),
  }

  const server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text
    })
    request.on("end", () => {
      const action = String(request.headers["x-amz-target"]).split(".")[1] ?? ""
      seen.push(action)
      const answer = answers[action]
      // What nobody looks at is not read.
      const text = answer
        ? answer(answer === nothing ? {} : (JSON.parse(body) as Body))
        : JSON.stringify({ __type: "UnknownOperationException", message: action })
      response.writeHead(answer ? 200 : 400, { "content-length": Buffer.byteLength(text) }).end(text)
    })
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

const nothing = () => "{}"

const attributes = (item: Item) =>
  Object.fromEntries(Object.entries(item).map(([name, value]) => [name, attribute(value)]))

function attribute(value: Value) {
  if (typeof value === "string") return { S: value }
  if (typeof value === "number") return { N: String(value) }
  if (typeof value === "boolean") return { BOOL: value }
  return { B: Buffer.from(value).toString("base64") }
}
