import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import * as z from "zod/mini"
import { Tenant } from "#access/tenant.ts"
import { unpackText } from "#core/pack.ts"
import type { Span } from "#core/unit.ts"
import { type DevTenant, settle } from "#local/home.ts"
import { type Stack, type StackOptions, startStack } from "#local/stack.ts"
import { newTraces, treeOf } from "#local/traces.ts"
import { toMessage } from "#pipeline/accept.ts"
import { appendWorker } from "#platform/append-worker.ts"
import { keys, type TenantId } from "#store/keys.ts"

const TRACE = "0af7651916cd43dd8448eb211c80319c"
const CALLER = "b7ad6b7169203331"
const batch = JSON.stringify({
  batch: [{ type: "track", userId: "ada", event: "Page Viewed", messageId: "m1", timestamp: "2026-01-31T12:00:00Z" }],
})

async function settled(options: StackOptions): Promise<{ stack: Stack; acme: DevTenant }> {
  const stack = await startStack(options)
  const acme = await settle(stack.runtime, Tenant.parse({ id: "acme", name: "Acme" }))
  return { stack, acme }
}
const send = ({ url }: Stack, { writeKey }: DevTenant, traceparent?: string) =>
  fetch(`${url}/v1/batch`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${writeKey}`,
      "content-type": "application/json",
      ...(traceparent === undefined ? {} : { traceparent }),
    },
    body: batch,
  })

describe("a trace", () => {
  const traces = newTraces()
  let [stack, acme]: [Stack, DevTenant] = [] as never
  beforeAll(async () => {
    // What begins here is not traced: only whoever says so in its traceparent.
    const { tell } = traces
    ;({ stack, acme } = await settled({ tell, traces: { OTEL_TRACES_SAMPLER_ARG: "0" }, foldEvery: () => 1 }))
  }, 60_000)
  afterAll(() => stack.stop())

  test("goes from the request through both queues to the journal, the fold and its commit", async () => {
    await send(stack, acme, `00-${TRACE}-${CALLER}-01`)
    await stack.idle()
    const spans = traces.of(TRACE)
    const parts = spans.filter(({ name }) => !/^(DynamoDB|SQS) /.test(name))
    const tree = treeOf(parts).replaceAll(/ · \d+ ms, after \d+ ms/g, "")
    expect(tree).toBe(
      [
        "POST /v1/batch · acme · accepted · 200",
        "└─ send append",
        "   └─ process append · acme · 1",
        "      ├─ journal write",
        "      └─ send fold · acme",
        "         └─ process fold · acme · folded",
        "            ├─ fold",
        "            ├─ commit",
        "            └─ settle",
      ].join("\n"),
    )
    const root = spans.find(({ name }) => name === "POST /v1/batch")
    expect(root).toMatchObject({ traceId: TRACE, parentId: CALLER, kind: "server", failed: false })
    const calls = spans.filter(({ name }) => name.startsWith("DynamoDB "))
    expect(calls.every(({ parentId }) => spans.some(({ spanId }) => spanId === parentId))).toBe(true)
    expect(calls.some(({ name }) => name === "DynamoDB UpdateItem")).toBe(true)
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length)
  })

  test("is not kept when its caller keeps none, nor when the caller is silent and no share is kept", async () => {
    const [other] = ["1af7651916cd43dd8448eb211c80319c"]
    await send(stack, acme, `00-${other}-${CALLER}-00`)
    await send(stack, acme)
    await stack.idle()
    expect(traces.of(other!)).toEqual([])
  })

  test("shows a failure where it was", async () => {
    const spans: Span[] = []
    const { tracing, ...runtime } = stack.runtime
    const nobody = toMessage("nobody" as TenantId, { id: "b", source: "s", receivedAt: "2026-01-31", events: [] })
    const told = { ...tracing!, tell: (span: Span) => spans.push(span) }
    const traceparent = { stringValue: `00-${TRACE}-${CALLER}-01` }
    await appendWorker({ ...runtime, tracing: told })({
      Records: [{ messageId: "1", body: nobody, messageAttributes: { traceparent } }],
    })
    expect(spans.find(({ name }) => name === "process append")).toMatchObject({ failed: true, parentId: CALLER })
  })

  test("costs the journal nothing: with it or without it, the same bytes are kept", async () => {
    const { runtime } = stack
    const bodies: string[] = []
    for (const [id, traceparent] of [
      ["traced", `00-${TRACE}-${CALLER}-01`],
      ["plain", undefined],
    ] as const) {
      const tenant = await settle(runtime, Tenant.parse({ id, name: id }))
      await send(stack, tenant, traceparent)
      await stack.idle()
      const entry = await runtime.table.get(keys.entry(id as TenantId, 1))
      const receivedAt = /"receivedAt":"[^"]+"/g
      bodies.push(unpackText(entry!.body as Uint8Array).replaceAll(receivedAt, ""))
    }
    expect(bodies[0]).toBe(bodies[1])
    expect(bodies[0]).toContain('"id":"m1"')
  })
})

/** OTLP over HTTP in JSON, as far as a collector must be able to read it. */
const hex = (length: number) => z.string().check(z.regex(new RegExp(`^[\\da-f]{${length}}$`)))
const nanos = z.string().check(z.regex(/^\d{19}$/))
const Value = z.strictObject({
  stringValue: z.optional(z.string()),
  intValue: z.optional(z.union([z.int(), z.string()])),
})
const Attribute = z.strictObject({ key: z.string(), value: Value })
const OtlpSpan = z.looseObject({
  traceId: hex(32),
  spanId: hex(16),
  parentSpanId: z.optional(hex(16)),
  name: z.string(),
  kind: z.int().check(z.gte(1), z.lte(5)),
  startTimeUnixNano: nanos,
  endTimeUnixNano: nanos,
  attributes: z.array(Attribute),
  status: z.looseObject({ code: z.int() }),
})
const Export = z.strictObject({
  resourceSpans: z.array(
    z.looseObject({
      resource: z.looseObject({ attributes: z.array(Attribute) }),
      scopeSpans: z.array(z.looseObject({ scope: z.looseObject({ name: z.string() }), spans: z.array(OtlpSpan) })),
    }),
  ),
})

/** A collector that takes what it is sent, or does not. */
async function startCollector(mood: "well" | "failing" | "silent" | "garbled") {
  const got: z.infer<typeof Export>[] = []
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    const chunks: Buffer[] = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      if (mood === "silent") return
      if (mood === "failing") return void response.writeHead(500).end("no")
      if (mood === "garbled") return void response.socket?.destroy()
      const isRight = request.method === "POST" && request.url === "/v1/traces"
      const parsed = Export.safeParse(JSON.parse(Buffer.concat(chunks).toString("utf8")))
      if (!isRight || !parsed.success) return void response.writeHead(400).end(String(parsed.error))
      got.push(parsed.data)
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    spans: () =>
      got.flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
      ),
    services: () => got.flatMap(({ resourceSpans }) => resourceSpans.flatMap(({ resource }) => resource.attributes)),
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

describe("a collector", () => {
  test("is sent the spans of a trace, by OTLP", async () => {
    const collector = await startCollector("well")
    const { stack, acme } = await settled({
      traces: { OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/` },
      foldEvery: () => 1,
    })
    await send(stack, acme, `00-${TRACE}-${CALLER}-01`)
    await stack.idle()
    await stack.runtime.told.spans(5000)
    const spans = collector.spans().filter(({ traceId }) => traceId === TRACE)
    const named = (name: string) => spans.find((span) => span.name === name)!
    expect(named("POST /v1/batch")).toMatchObject({
      parentSpanId: CALLER,
      kind: 2,
      attributes: expect.arrayContaining([{ key: "octant.tenant", value: { stringValue: "acme" } }]),
    })
    expect(named("send append")).toMatchObject({ kind: 4, parentSpanId: named("POST /v1/batch").spanId })
    expect(named("process append")).toMatchObject({ kind: 5, parentSpanId: named("send append").spanId })
    expect(named("commit").parentSpanId).toBe(named("process fold").spanId)
    for (const { startTimeUnixNano, endTimeUnixNano } of spans)
      expect(BigInt(endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(startTimeUnixNano))
    expect(collector.services()).toContainEqual({ key: "service.name", value: { stringValue: "octant" } })
    await stack.stop()
    collector.stop()
  }, 60_000)

  test.each(["failing", "silent", "garbled"] as const)(
    "that is %s neither fails nor slows a request",
    async (mood) => {
      const collector = await startCollector(mood)
      const { stack, acme } = await settled({ traces: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } })
      await send(stack, acme)
      const slowest: number[] = []
      for (let i = 0; i < 60; i++) {
        const started = performance.now()
        expect((await send(stack, acme)).status).toBe(200)
        slowest.push(performance.now() - started)
      }
      void stack.runtime.told.spans(1000)
      await expect.poll(collector.requests, { timeout: 10_000 }).toBeGreaterThan(0)
      const started = performance.now()
      expect((await send(stack, acme)).status).toBe(200)
      // The collector takes forever, and its client gives up after five seconds.
      expect(Math.max(...slowest, performance.now() - started)).toBeLessThan(1000)
      await stack.stop()
      collector.stop()
    },
    60_000,
  )

  test("that is not there costs nothing: no span is made, and no message is marked", async () => {
    const { stack, acme } = await settled({ workers: false })
    expect(stack.runtime.tracing).toBeUndefined()
    await send(stack, acme, `00-${TRACE}-${CALLER}-01`)
    const { Messages } = (await stack.runtime.call("sqs", "ReceiveMessage", {
      QueueUrl: stack.config.OCTANT_APPEND_QUEUE_URL,
      MessageAttributeNames: ["All"],
    })) as { Messages: { MessageAttributes: object }[] }
    expect(Object.keys(Messages[0]!.MessageAttributes)).toEqual(["correlationId"])
    await stack.stop()
  }, 60_000)
})
