import { execFile } from "node:child_process"
import { createServer, type Server } from "node:net"
import { promisify } from "node:util"
import { afterAll, beforeAll, expect, test } from "vitest"
import { createKey, NewKey } from "#access/key.ts"
import { seededRandom } from "#core/random.ts"
import { factsOf } from "#platform/topology.ts"
import type { Table } from "#store/table.ts"
import { TenantId } from "#store/tenant-id.ts"

/** A table that takes every question and answers none. */
let silent: Server
let environment: Record<string, string>
beforeAll(async () => {
  silent = createServer(() => {})
  await new Promise<void>((done) => silent.listen(0, "127.0.0.1", done))
  const url = `http://127.0.0.1:${Object(silent.address()).port}`
  const queues = ["APPEND", "FOLD", "JOBS_HIGH", "JOBS_LOW"]
  environment = {
    AWS_REGION: "eu-central-1",
    AWS_ACCESS_KEY_ID: "AKIA",
    AWS_SECRET_ACCESS_KEY: "secret",
    AWS_ENDPOINT_URL_DYNAMODB: url,
    AWS_ENDPOINT_URL_SQS: url,
    AWS_ENDPOINT_URL_KMS: url,
    OCTANT_TABLE: "octant",
    OCTANT_KMS_KEY_ID: "key",
    OCTANT_HOOKS_URL: url,
    ...Object.fromEntries(queues.map((name) => [`OCTANT_${name}_QUEUE_URL`, `${url}/${name}`])),
  }
})
afterAll(() => silent.close())

/** A call of a door, in a process of its own as on Lambda: what it answers, and after how long. */
async function called(name: string, method: string, rawPath: string) {
  const event = {
    rawPath,
    rawQueryString: "",
    headers: { authorization: `Bearer ${await anyKey()}`, "content-type": "application/json" },
    requestContext: { domainName: "octant.example", http: { method, sourceIp: "192.0.2.1" } },
    ...(method === "POST" ? { body: '{"userId":"ada","event":"Page Viewed"}' } : {}),
    isBase64Encoded: false,
  }
  const lines = `
    const { handler } = await import("./functions/${name}.ts")
    const started = performance.now()
    const answer = await handler(${JSON.stringify(event)}, {})
    console.log(JSON.stringify({ ...answer, seconds: (performance.now() - started) / 1000 }))
    process.exit()`
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", lines], {
    env: environment,
  })
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as {
    statusCode: number
    headers: object
    body: string
    seconds: number
  }
}

const anyKey = async () => {
  const table = { get: async () => undefined, transact: async () => [] } as unknown as Table
  const needs = { table, clock: Date.now, random: seededRandom(1), nonce: () => "1" }
  return (await createKey(needs, TenantId.parse("acme"), NewKey.parse({ name: "a key", scope: "admin" }))).key
}

test.concurrent.each([
  ["collect", "POST", "/v1/track"],
  ["hooks", "POST", "/hooks/src_acme_0123456789abcdef"],
  ["api", "GET", "/v1/tenant"],
] as const)(
  "when the table hangs, %s says so before Lambda ends the call",
  async (name, method, path) => {
    const answer = await called(name, method, path)
    expect(answer.statusCode).toBe(503)
    expect(JSON.parse(answer.body)).toMatchObject({ code: "unavailable", retryAfter: 1 })
    expect(answer.headers).toMatchObject({ "retry-after": "1" })
    expect(answer.seconds).toBeLessThan(factsOf(name).timeoutSeconds - 3)
  },
  60_000,
)
