import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { afterAll, afterEach, expect, test, vi } from "vitest"
import { dynoxideBinary, startDynamo } from "#local/dynamodb.ts"
import { elsewhere } from "#local/elsewhere.ts"
import { OWNER } from "#local/orphan.ts"
import { freePort, listen } from "#local/port.ts"

const folder = mkdtempSync(join(tmpdir(), "octant-dynamodb-"))
const started: { stop(): Promise<void> }[] = []

afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.stop()))
})

afterAll(() => rmSync(folder, { recursive: true }))

async function start(options: Parameters<typeof startDynamo>[0]) {
  const dynamo = await startDynamo(options)
  started.push(dynamo)
  return dynamo
}

async function call(url: string, action: string, body: unknown) {
  const reply = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": `DynamoDB_20120810.${action}`,
      authorization:
        "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
      "x-amz-date": "20260101T000000Z",
    },
    body: JSON.stringify(body),
  })
  return await reply.json()
}

const createTable = (url: string, name: string) =>
  call(url, "CreateTable", {
    TableName: name,
    KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
    AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
    BillingMode: "PAY_PER_REQUEST",
  })

const hasJava = () => (process.env.PATH ?? "").split(delimiter).some((place) => existsSync(join(place, "java")))

const runs = (pid: number) => existsSync(`/proc/${pid}/exe`)

test("a table in a file is there again after a stop and a start", async () => {
  const file = join(folder, "deeper", "kept.db")
  const first = await start({ file })
  await createTable(first.url, "Events")
  await first.stop()
  expect(runs(first.pid)).toBe(false)
  const second = await start({ file })
  expect(await call(second.url, "ListTables", {})).toEqual({ TableNames: ["Events"] })
})

test("without a file each start has its own empty memory and its own port", async () => {
  const [one, other] = await Promise.all([start({}), start({})])
  await createTable(one.url, "Events")
  expect(await call(one.url, "ListTables", {})).toEqual({ TableNames: ["Events"] })
  expect(await call(other.url, "ListTables", {})).toEqual({ TableNames: [] })
})

test("a given port is used on the loopback address", async () => {
  const port = await freePort()
  expect((await start({ port })).url).toBe(`http://127.0.0.1:${port}`)
})

test.each(["dynoxide", "dynamodb-local"] as const)("a taken port is named: %s", async (engine) => {
  const squatter = createServer((_, response) => response.end("hello"))
  const port = await listen(squatter, 0, "127.0.0.1", "")
  await expect(startDynamo({ port, engine })).rejects.toThrow(
    `port ${port} is taken: end the program that listens there, or choose another port for DynamoDB`,
  )
  squatter.close()
})

test("a file that another living process serves is refused, for two writers would spoil it", async () => {
  const file = join(folder, "shared.db")
  const first = await start({ file })
  await expect(startDynamo({ file })).rejects.toThrow(
    `process ${first.pid} serves ${file} already: end it, or give another file`,
  )
  expect(runs((await start({ file: join(folder, "another.db") })).pid)).toBe(true)
})

test("a file that is served by a program started by hand is refused, and that program left alone", async () => {
  const file = join(folder, "by-hand.db")
  const byHand = spawn(dynoxideBinary(), ["serve", "--port", "0", "--db-path", file])
  await once(byHand.stderr, "data")
  await expect(startDynamo({ file })).rejects.toThrow(`process ${byHand.pid} serves ${file} already`)
  expect(byHand.exitCode).toBe(null)
  byHand.kill()
  await once(byHand, "exit")
})

test("a file that cannot be opened is told with the reason", async () => {
  await expect(startDynamo({ file: folder })).rejects.toThrow("unable to open database file")
})

// Between the two another test may take the port.
test("a left-over of a dead process that serves the same file on the same port is ended before the start", {
  retry: 3,
}, async () => {
  const file = join(folder, "orphan.db")
  const port = await freePort()
  const shell = spawn("sh", [
    "-c",
    `${OWNER}=$$ "$0" serve -p ${port} --db-path ${file} 2>&1 & echo $!`,
    dynoxideBinary(),
  ])
  const [line] = await once(shell.stdout, "data")
  await once(shell, "exit")
  const orphan = Number.parseInt(String(line), 10)
  expect(runs(orphan)).toBe(true)
  await start({ file, port })
  expect(runs(orphan)).toBe(false)
})

test("whoever starts it and is killed with SIGKILL leaves no process behind, and its table can be served again", async () => {
  const file = join(folder, "killed.db")
  const script = `import { startDynamo } from "#local/dynamodb.ts"
    const { url, pid } = await startDynamo({ file: ${JSON.stringify(file)} })
    console.log(JSON.stringify({ url, pid }))`
  const other = await elsewhere(script)
  const { url, pid } = JSON.parse(other.line)
  await createTable(url, "Events")
  await other.end("SIGKILL")
  const again = await start({ file })
  expect(await call(again.url, "ListTables", {})).toEqual({ TableNames: ["Events"] })
  expect(runs(pid)).toBe(false)
})

test("in memory, too, nothing outlives a killed owner", async () => {
  const other = await elsewhere(`import { startDynamo } from "#local/dynamodb.ts"
    console.log((await startDynamo({})).pid)`)
  const pid = Number(other.line)
  expect(runs(pid)).toBe(true)
  await other.end("SIGKILL")
  await expect.poll(() => runs(pid)).toBe(false)
})

test("where dynoxide is not installed the message says what to install", () => {
  const missing = () => {
    throw new Error("Cannot find module")
  }
  expect(() => dynoxideBinary(missing)).toThrow("install Java 17 and choose the engine dynamodb-local")
})

test("without Java the message says that it is needed", async () => {
  vi.stubEnv("PATH", "")
  await expect(startDynamo({ engine: "dynamodb-local" })).rejects.toThrow("it needs Java 17 on the PATH")
  vi.unstubAllEnvs()
})

test.runIf(hasJava())("Amazon's DynamoDB Local answers the same calls, from a folder", async () => {
  const dynamo = await start({ engine: "dynamodb-local", file: join(folder, "java") })
  await createTable(dynamo.url, "Events")
  expect(await call(dynamo.url, "ListTables", {})).toEqual({ TableNames: ["Events"] })
  expect(existsSync(join(folder, "java", "shared-local-instance.db"))).toBe(true)
})
