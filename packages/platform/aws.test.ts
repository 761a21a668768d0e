import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { isAway } from "#core/away.ts"
import { fakeClock } from "#core/clock.ts"
import { AwsError, type AwsOptions, awsClient, CircuitOpen } from "./aws.ts"

/** A service that misbehaves as it was told, one answer after the other. */
type Behaviour = (response: ServerResponse, request: IncomingMessage) => void
const script: Behaviour[] = []
const received: { headers: IncomingMessage["headers"]; body: string }[] = []
const slept: number[] = []
let url = ""

const server = createServer((request, response) => {
  let body = ""
  request.setEncoding("utf8").on("data", (text: string) => {
    body += text
  })
  request.on("end", () => {
    received.push({ headers: request.headers, body })
    script.shift()!(response, request)
  })
})

const answers =
  (status: number, body: unknown): Behaviour =>
  (response) => {
    response.writeHead(status, { "content-type": "application/x-amz-json-1.0" })
    response.end(typeof body === "string" ? body : JSON.stringify(body))
  }
const well = answers(200, { Item: { pk: { S: "a" } } })
const refuses = (code: string, status = 400, message = "no") =>
  answers(status, { __type: `com.amazonaws.dynamodb.v20120810#${code}`, message })
const hangsUp: Behaviour = (_, request) => void request.socket.destroy()
const cutsOff: Behaviour = (response, request) => {
  response.writeHead(200, { "content-length": "1000" })
  response.write('{"Item":{"pk":{"S":"a')
  setTimeout(() => request.socket.destroy(), 5)
}
const staysSilent: Behaviour = () => {}

const client = (options: Partial<AwsOptions> = {}) =>
  awsClient({
    region: "eu-central-1",
    credentials: () => ({ accessKeyId: "AKID", secretAccessKey: "secret" }),
    endpoints: { dynamodb: url, sqs: url },
    random: () => 0.5,
    sleep: async (ms) => void slept.push(ms),
    ...options,
  })
const get = (options?: Partial<AwsOptions>) => client(options)("dynamodb", "GetItem", { TableName: "t" })

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  url = `http://127.0.0.1:${Object(server.address()).port}`
})
afterAll(() => {
  server.close()
  server.closeAllConnections()
})
beforeEach(() => {
  for (const list of [script, received, slept]) list.length = 0
})

test("a call is one signed request of the AWS JSON protocol, and its answer is the JSON", async () => {
  script.push(well)
  expect(
    await get({ credentials: () => ({ accessKeyId: "AKID", secretAccessKey: "s", sessionToken: "token" }) }),
  ).toEqual({ Item: { pk: { S: "a" } } })
  const [{ headers, body }] = received as [(typeof received)[0]]
  expect(body).toBe('{"TableName":"t"}')
  expect(headers).toMatchObject({
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": "DynamoDB_20120810.GetItem",
    "x-amz-security-token": "token",
  })
  expect(headers.authorization).toMatch(
    /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-central-1\/dynamodb\/aws4_request, SignedHeaders=/,
  )
})

test("a queue's call names its own service", async () => {
  script.push(answers(200, ""))
  expect(await client()("sqs", "SendMessage", {})).toEqual({})
  expect(received[0]?.headers["x-amz-target"]).toBe("AmazonSQS.SendMessage")
  expect(received[0]?.headers.authorization).toContain("/eu-central-1/sqs/aws4_request")
})

test("credentials are asked for at each attempt, as Lambda renews them", async () => {
  let asked = 0
  script.push(refuses("ThrottlingException"), well)
  await get({ credentials: () => ({ accessKeyId: `AKID${++asked}`, secretAccessKey: "s" }) })
  expect(received.map(({ headers }) => /Credential=(\w+)/.exec(headers.authorization ?? "")?.[1])).toEqual([
    "AKID1",
    "AKID2",
  ])
})

test.each([
  "ThrottlingException",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "TransactionInProgressException",
  "TransactionConflictException",
  "InternalServerError",
  "ServiceUnavailable",
])("after %s it is tried again, with the same body", async (code) => {
  script.push(refuses(code), well)
  expect(await get()).toEqual({ Item: { pk: { S: "a" } } })
  expect(received.map(({ body }) => body)).toEqual(['{"TableName":"t"}', '{"TableName":"t"}'])
})

test.each([
  ["a status of 500", answers(500, {})],
  ["a status of 503 with a page of HTML", answers(503, "<html>busy</html>")],
  ["a connection that is closed without an answer", hangsUp],
  ["an answer that is cut off", cutsOff],
])("after %s it is tried again", async (_, misbehaviour) => {
  script.push(misbehaviour, well)
  expect(await get()).toEqual({ Item: { pk: { S: "a" } } })
  expect(received).toHaveLength(2)
})

test("a service that stays silent is given up after the time allowed, and asked again", async () => {
  script.push(staysSilent, well)
  expect(await get({ timeoutMs: 30 })).toEqual({ Item: { pk: { S: "a" } } })
  script.push(staysSilent)
  await expect(get({ timeoutMs: 30, attempts: 1 })).rejects.toThrow("no answer in 30 ms")
})

test("all attempts together take no longer than was allowed", async () => {
  const clock = fakeClock("2026-01-01T00:00:00.000Z")
  const silentFor100: Behaviour = () => clock.advance(100)
  script.push(silentFor100, silentFor100, silentFor100, silentFor100)
  await expect(get({ clock, timeoutMs: 100, withinMs: 250, random: () => 0 })).rejects.toThrow("no answer in 50 ms")
  expect(received).toHaveLength(3)
})

test.each([
  "ConditionalCheckFailedException",
  "ValidationException",
  "ResourceNotFoundException",
  "AccessDeniedException",
])("%s is told at once: no attempt would change it", async (code) => {
  script.push(refuses(code, 400, "The conditional request failed"))
  const error = await get().catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(AwsError)
  expect(error).toMatchObject({ code, status: 400, message: `${code}: The conditional request failed` })
  expect(received).toHaveLength(1)
})

test("four attempts are made and no more; the last refusal is told", async () => {
  script.push(hangsUp, refuses("ThrottlingException"), hangsUp, refuses("RequestLimitExceeded"))
  await expect(get()).rejects.toMatchObject({ code: "RequestLimitExceeded" })
  expect(received).toHaveLength(4)
  script.push(hangsUp, hangsUp)
  await expect(get({ attempts: 2 })).rejects.toThrow("socket hang up")
})

test("a service that is too busy is not asked many times as often: retries are paid from a budget, each service its own", async () => {
  const call = client()
  const askFor = async (service: "dynamodb" | "sqs", times: number) => {
    for (let i = 0; i < times; i++) await call(service, "GetItem", {}).catch(() => {})
  }
  script.push(...Array.from({ length: 1000 }, () => refuses("ThrottlingException")))
  await askFor("dynamodb", 100)
  // A hundred retries in store, and one earned by every fifth call after the first; all attempts would be 400 requests.
  expect(received.length).toBe(100 + 100 + 19)
  received.length = 0
  await askFor("sqs", 1)
  expect(received.length).toBe(4)
})

describe("a service that fails ten times in a row", () => {
  const broken = () => {
    const clock = fakeClock("2026-01-31T12:00:00.000Z")
    const heard: string[] = []
    const call = client({ clock, attempts: 1, onChange: (service, state) => void heard.push(`${service} ${state}`) })
    const ask = (service: "dynamodb" | "sqs" = "dynamodb") => call(service, "GetItem", {})
    const fail = async (times: number, how = hangsUp) => {
      script.push(...Array.from({ length: times }, () => how))
      for (let i = 0; i < times; i++) await ask().catch(() => {})
    }
    return { clock, heard, ask, fail }
  }

  test("is left alone for five seconds, which its callers are told at once and may come again", async () => {
    const { clock, heard, ask, fail } = broken()
    await fail(10)
    clock.advance(4999)
    const error = (await ask().catch((reason: unknown) => reason)) as Error
    expect(error).toBeInstanceOf(CircuitOpen)
    expect(isAway(error)).toBe(true)
    expect(slept).toEqual([])
    expect(received).toHaveLength(10)
    expect(heard).toEqual(["dynamodb open"])
  })

  test("is then asked by one call, and by all when that has gone well", async () => {
    const { clock, heard, ask, fail } = broken()
    await fail(10)
    clock.advance(5000)
    script.push(hangsUp)
    await expect(ask()).rejects.toThrow("socket hang up")
    await expect(ask()).rejects.toThrow(CircuitOpen)
    clock.advance(5000)
    script.push(well, well)
    for (let i = 0; i < 2; i++) await expect(ask()).resolves.toEqual({ Item: { pk: { S: "a" } } })
    expect(heard).toEqual(["dynamodb open", "dynamodb open", "dynamodb closed"])
  })

  test("does not keep us from another one", async () => {
    const { ask, fail } = broken()
    await fail(10, answers(500, ""))
    await expect(ask()).rejects.toThrow(CircuitOpen)
    script.push(well)
    await expect(ask("sqs")).resolves.toEqual({ Item: { pk: { S: "a" } } })
  })

  test("is asked as ever if it answered once meanwhile, or if all it did was to refuse", async () => {
    const { ask, fail } = broken()
    await fail(9)
    script.push(well)
    await ask()
    await fail(9)
    await fail(20, refuses("ThrottlingException"))
    await fail(20, refuses("ValidationException"))
    script.push(well)
    await expect(ask()).resolves.toEqual({ Item: { pk: { S: "a" } } })
  })
})

test("pauses between attempts double, up to two seconds, and chance spreads them", async () => {
  script.push(...Array.from({ length: 8 }, () => refuses("ThrottlingException")), well)
  await get({ attempts: 9 })
  expect(slept).toEqual([50, 100, 200, 400, 800, 1000, 1000, 1000])
  slept.length = 0
  script.push(refuses("ThrottlingException"), well)
  await get({ random: () => 0 })
  expect(slept).toEqual([0])
})

test("an answer of 200 that is not JSON is an error and not an empty answer", async () => {
  script.push(answers(200, '{"Item":'))
  await expect(get()).rejects.toMatchObject({ code: "Http200" })
  script.push(answers(404, "nowhere"))
  await expect(get()).rejects.toMatchObject({ code: "Http404", status: 404 })
})

test("where nobody listens the network's own error is told", async () => {
  await expect(get({ endpoints: { dynamodb: "http://127.0.0.1:1" } })).rejects.toThrow("ECONNREFUSED")
  expect(slept).toHaveLength(3)
})

const canceled = (...codes: string[]) =>
  answers(400, {
    __type: "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    CancellationReasons: codes.map((Code) => ({ Code })),
  })

test.each([[["TransactionConflict", "None"]], [["None", "ThrottlingError"]], [["ProvisionedThroughputExceeded"]]])(
  "a transaction that others were in the way of (%j) is tried again",
  async (codes) => {
    script.push(canceled(...codes), well)
    await expect(get()).resolves.toEqual({ Item: { pk: { S: "a" } } })
    expect(received).toHaveLength(2)
  },
)

test.each([[["ConditionalCheckFailed", "TransactionConflict"]], [["ValidationError"]], [[]]])(
  "a transaction that was refused for more than that (%j) is not",
  async (codes) => {
    script.push(canceled(...codes))
    await expect(get()).rejects.toMatchObject({ code: "TransactionCanceledException" })
    expect(received).toHaveLength(1)
  },
)
