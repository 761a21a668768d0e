import { afterAll, beforeAll, beforeEach, expect, test } from "vitest"
import { Tenant } from "#access/tenant.ts"
import { SECOND } from "#core/clock.ts"
import { correlated, jsonLog } from "#core/log.ts"
import type { Span } from "#core/unit.ts"
import { type DevTenant, settle } from "#local/home.ts"
import { type Stack, startStack } from "#local/stack.ts"
import { appendWorker } from "#platform/append-worker.ts"
import { checkWorker } from "#platform/check-worker.ts"
import { closeWorker } from "#platform/close-worker.ts"
import { foldWorker } from "#platform/fold-worker.ts"
import { pollWorker } from "#platform/poll.ts"
import type { Runtime } from "#platform/runtime.ts"
import { doors, over, watched } from "./world.ts"

/** What a line of the log really says, as it is written, for each door and each worker. */
let stack: Stack
let acme: DevTenant
let written: string[] = []
const spans: Span[] = []
const toLines = jsonLog(
  (line) => written.push(line),
  () => "2026-01-31T12:00:00.000Z",
)
beforeAll(async () => {
  stack = await startStack({ log: toLines, tell: (span) => spans.push(span), foldEvery: () => 1 })
  acme = await settle(stack.runtime, Tenant.parse({ id: "acme", name: "Acme" }))
}, 60_000)
afterAll(() => stack.stop())
beforeEach(() => {
  written = []
})

type Line = Record<string, unknown> & { name: string }
const lines = (name: string) => written.map((line) => JSON.parse(line) as Line).filter((line) => line.name === name)
const send = (path: string, { headers = {}, body = "{}" }: { headers?: Record<string, string>; body?: string } = {}) =>
  fetch(stack.url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${acme.writeKey}`, "content-type": "application/json", ...headers },
    body,
  })
const ms = expect.any(Number)
const at = "2026-01-31T12:00:00.000Z"
const traceId = expect.stringMatching(/^[\da-f]{32}$/)

test("one request is one line at the door, one at the journal and one at the fold, all with its id", async () => {
  const body = JSON.stringify({ batch: [{ type: "track", userId: "ada", event: "Page Viewed" }] })
  await send("/v1/batch", { headers: { "x-correlation-id": "order-7" }, body })
  await stack.idle()
  const of = { at, correlationId: "order-7", tenant: "acme", traceId, ms }
  expect(lines("request")).toEqual([
    {
      ...of,
      name: "request",
      method: "POST",
      route: "/v1/batch",
      status: 200,
      key: expect.stringMatching(/^[\w-]+$/),
      outcome: "accepted",
      // The key, the plan and what is expected of events; a second request reads none of them.
      readUnits: 3,
      writeUnits: 0,
    },
  ])
  expect(lines("append")).toEqual([
    {
      ...of,
      name: "append",
      route: "append",
      outcome: "appended",
      position: 1,
      count: 1,
      events: 1,
      readUnits: expect.any(Number),
      writeUnits: 2,
    },
  ])
  expect(lines("fold")).toEqual([
    {
      ...of,
      name: "fold",
      route: "fold",
      outcome: "folded",
      readUnits: expect.any(Number),
      writeUnits: expect.any(Number),
    },
  ])
  expect(lines("fold")[0]!.writeUnits).toBeGreaterThan(4)
  expect(written).toHaveLength(3)
})

test("requests that share an entry share its line, which names them", async () => {
  const { runtime } = stack
  const sent: string[] = []
  const enqueue = async (messages: readonly string[]) => void sent.push(...messages)
  const { knock } = doors({ ...runtime, enqueue })
  for (const id of ["one", "two"]) {
    const headers = { authorization: `Bearer ${acme.writeKey}`, "x-correlation-id": id }
    await knock("collect", "/v1/page", { method: "POST", headers, body: JSON.stringify({ userId: id }) })
  }
  const said = (id: string) => ({ correlationId: { stringValue: id } })
  await appendWorker({ ...runtime, requestFold: () => Promise.resolve() })({
    Records: sent.map((body, i) => ({ messageId: `m${i}`, body, messageAttributes: said(["one", "two"][i]!) })),
  })
  expect(lines("append")).toMatchObject([{ correlationId: "one", joined: ["two"], count: 2, events: 2 }])
})

test("a query is a line with what it read", async () => {
  const answer = await fetch(`${stack.url}/v1/query?metric=events&grain=total`, {
    headers: { authorization: `Bearer ${acme.readKey}` },
  })
  const [line] = lines("request")
  expect(line).toEqual({
    at,
    name: "request",
    correlationId: answer.headers.get("x-correlation-id"),
    traceId,
    method: "GET",
    route: "/v1/query",
    status: 200,
    tenant: "acme",
    key: expect.any(String),
    outcome: "answered",
    ms,
    readUnits: expect.any(Number),
    writeUnits: 0,
  })
  expect(line!.readUnits).toBeGreaterThan(0)
})

test("whoever is not let in is a line too, and so is a webhook", async () => {
  await send("/v1/batch", { headers: { authorization: "Bearer nobody" } })
  await send("/hooks/src_acme_0123456789abcdef")
  await send("/v1/nowhere")
  const line = { at, name: "request", correlationId: expect.any(String), traceId, ms, writeUnits: 0 }
  const refused = { ...line, method: "POST", outcome: "refused", readUnits: expect.any(Number) }
  expect(lines("request")).toEqual([
    { ...refused, route: "/v1/batch", status: 401 },
    { ...refused, route: "/hooks/:source", status: 404 },
    { ...refused, route: "/*", status: 404 },
  ])
})

test("each run of a schedule is a line, and so is each part of it that did something", async () => {
  const { runtime } = stack
  await closeWorker(runtime)()
  await checkWorker(runtime)()
  await pollWorker(runtime)()
  const line = { at, correlationId: expect.any(String), traceId, ms }
  const units = { readUnits: expect.any(Number), writeUnits: expect.any(Number) }
  expect(lines("run")).toEqual([
    { ...line, name: "run", route: "close", outcome: "done", count: 1, ...units },
    { ...line, name: "run", route: "check", outcome: "done", count: 1, ...units },
    { ...line, name: "run", route: "poll", outcome: "done", count: 0, ...units },
  ])
  const [check] = lines("check")
  expect(check).toEqual({
    ...line,
    name: "check",
    route: "check",
    tenant: "acme",
    outcome: expect.any(String),
    count: expect.any(Number),
    ...units,
  })
  const [, run] = lines("run")
  expect(check!.correlationId).toBe(run!.correlationId)
  expect(run!.readUnits as number).toBeGreaterThanOrEqual(check!.readUnits as number)
})

test("a schedule that fails is a line with where it failed, and is told to whoever called it", async () => {
  const { runtime } = stack
  const table = watched(runtime.table, () => {
    throw new Error("gone")
  })
  await expect(closeWorker(over(runtime, table))()).rejects.toThrow("gone")
  const [line] = lines("run.failed")
  expect(line).toMatchObject({ route: "close", outcome: "failed", code: "Error" })
  expect(line!.stack).toContain("logs.test.ts")
})

const CANARY = "c4n4ry-7f3a"

test("nothing of a key, a header, a query, a path, a body or a message is ever on a line or in a trace", async () => {
  const { runtime, url, config } = stack
  spans.length = 0
  const payload = JSON.stringify({
    batch: [
      { type: "track", userId: CANARY, event: `Paid ${CANARY}`, properties: { card: CANARY } },
      { type: "track", event: CANARY, userId: 7, [CANARY]: CANARY },
      CANARY,
    ],
    writeKey: CANARY,
  })
  const authorization = `Bearer ${acme.writeKey}`
  const noisy = {
    "user-agent": CANARY,
    cookie: CANARY,
    "x-forwarded-for": CANARY,
    "x-octant-user": CANARY,
    tracestate: `octant=${CANARY}`,
    traceparent: `00-${CANARY}-00`,
    "idempotency-key": CANARY,
    "stripe-signature": CANARY,
  }
  for (const path of ["/v1/batch", `/v1/batch?${CANARY}=${CANARY}`, "/v1/track", "/v1/query", "/v1/quarantine/release"])
    for (const key of [authorization, `Bearer oct_write_acme_${CANARY}`, `Basic ${btoa(`${CANARY}:${CANARY}`)}`])
      for (const body of [payload, `{"a": ${CANARY}`, `\n    at ${CANARY} (/x.js:1:1)\n`, CANARY])
        await send(path, { headers: { ...noisy, authorization: key }, body })
  for (const path of [
    `/${CANARY}`,
    `/v1/customers/${CANARY}`,
    `/v1/ledger?from=${CANARY}`,
    `/hooks/src_acme_${CANARY}`,
  ])
    for (const method of ["GET", "POST"])
      await fetch(url + path, { method, headers: { ...noisy, authorization: `Bearer ${acme.adminKey}` } })

  // A source, its secret and a delivery that is not genuine.
  const made = await fetch(`${url}/v1/sources`, {
    method: "POST",
    headers: { authorization: `Bearer ${acme.adminKey}`, "content-type": "application/json" },
    body: JSON.stringify({ vendor: "stripe", name: CANARY, secret: `whsec_${CANARY}` }),
  })
  expect(made.status).toBe(201)
  const hook = new URL(((await made.json()) as { url: string }).url).pathname
  expect((await send(hook, { headers: noisy, body: payload })).status).toBe(401)

  // Poison, and parts that fail with what they were given in their message.
  const attributes = { [CANARY]: CANARY, correlationId: `${CANARY} `, traceparent: CANARY }
  const MessageAttributes = Object.fromEntries(
    Object.entries(attributes).map(([name, StringValue]) => [name, { DataType: "String", StringValue }]),
  )
  const poison = { MessageBody: `{"${CANARY}"`, MessageAttributes }
  await runtime.call("sqs", "SendMessage", { QueueUrl: config.OCTANT_APPEND_QUEUE_URL, ...poison })
  const record = { messageId: "1", body: `{"${CANARY}": ${CANARY}` }
  await foldWorker(runtime)({ Records: [record] })
  const failing = watched(runtime.table, () => {
    throw new Error(`cannot read\n    at ${CANARY} (/x.js:1:1)\n${CANARY}`)
  })
  const broken = doors(over(runtime, failing) as Runtime)
  for (const door of ["collect", "api", "hooks"] as const) {
    await broken.knock(door, { collect: "/v1/batch", api: "/v1/query", hooks: hook }[door], {
      method: "POST",
      headers: { ...noisy, authorization },
      body: payload,
    })
  }
  await expect.poll(() => lines("append.unreadable").length, { timeout: 20 * SECOND }).toBeGreaterThan(0)
  await expect.poll(() => lines("append").length, { timeout: 20 * SECOND }).toBeGreaterThan(0)

  expect(lines("request").length).toBeGreaterThan(60)
  expect(lines("error")).toHaveLength(3)
  expect(lines("fold.failed")).toHaveLength(1)
  expect(written.filter((line) => line.includes(CANARY) || line.includes(btoa(CANARY).slice(0, 12)))).toEqual([])
  for (const secret of [acme.writeKey, acme.adminKey, acme.readKey]) expect(written.join("")).not.toContain(secret)
  expect(spans.length).toBeGreaterThan(100)
  expect(spans.filter((span) => JSON.stringify(span).includes(CANARY))).toEqual([])
}, 60_000)

test("a line can say nothing but words and figures, and of a failure no more than where it was", () => {
  const log = correlated(toLines)
  const failed = new Error(CANARY)
  log("error", {
    outcome: { secret: CANARY },
    count: [1, CANARY, { CANARY }],
    stack: failed.stack,
    key: "k".repeat(9000),
  })
  const [line] = written.map((text) => JSON.parse(text) as Line)
  expect(line).toEqual({
    at,
    name: "error",
    count: [CANARY],
    stack: expect.stringContaining("logs.test.ts"),
    key: "k".repeat(4000),
  })
  expect(line!.stack).not.toContain(CANARY)
})
