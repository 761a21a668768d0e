import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, afterEach, beforeAll, expect, test } from "vitest"
import { fakeClock } from "#core/clock.ts"
import { exposition } from "#core/exposition.ts"
import { type Span, unitOf } from "#core/unit.ts"
import { readConfig } from "./config.ts"
import { runtimeOf } from "./runtime.ts"

/** A vendor that answers by turns what it is told, and tells what it was asked. */
let answers: (() => Response | "hang up")[] = []
let asked: { method: string; traceparent: string | null }[] = []
const well = () => new Response("well")
const server = createServer((request, response) => {
  asked.push({ method: request.method!, traceparent: String(request.headers.traceparent ?? "") || null })
  const answer = (answers.shift() ?? well)()
  if (answer === "hang up") return void request.socket.destroy()
  response.writeHead(answer.status, Object.fromEntries(answer.headers))
  void answer.text().then((text) => response.end(text))
})
let url = ""
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/list`
})
afterAll(() => void server.close())
afterEach(() => {
  answers = []
  asked = []
})

const status =
  (code: number, headers: Record<string, string> = {}, body = `${code}`) =>
  () =>
    new Response(body || null, { status: code, headers })
const always = (answer: () => Response | "hang up") => Array.from({ length: 5000 }, () => answer)

/** What every function is given to ask others with. */
async function world() {
  const clock = fakeClock("2026-01-31T12:00:00.000Z")
  const lines: object[] = []
  const spans: Span[] = []
  const runtime = runtimeOf(
    await readConfig({
      OCTANT_TABLE: "octant",
      OCTANT_APPEND_QUEUE_URL: "http://127.0.0.1/append",
      OCTANT_FOLD_QUEUE_URL: "http://127.0.0.1/fold",
      AWS_REGION: "eu-central-1",
      AWS_ACCESS_KEY_ID: "AKID",
      AWS_SECRET_ACCESS_KEY: "secret",
    }),
    { clock, log: (name, fields) => void lines.push({ name, ...fields }), tell: (span) => spans.push(span) },
  )
  const figure = (series: string) =>
    exposition(runtime.figures)
      .split("\n")
      .find((line) => line.startsWith(`${series} `))
      ?.split(" ")[1]
  return { runtime, clock, lines, spans, figure, fetch: runtime.fetch }
}

test("an answer is an answer, whatever its status: it is for whoever asked to judge", async () => {
  const { fetch } = await world()
  answers = [status(404, { "x-why": "gone" }, "no such list"), status(204, {}, ""), status(302, { location: "/" }, "")]
  const missing = await fetch(url)
  expect([missing.status, missing.headers.get("x-why"), await missing.text()]).toEqual([404, "gone", "no such list"])
  expect((await fetch(url, { method: "DELETE" })).status).toBe(204)
  expect((await fetch(url)).status).toBe(302)
  expect(asked).toHaveLength(3)
})

test("a vendor that tells one account to slow down is still asked for the others", async () => {
  const { fetch, lines } = await world()
  const told = status(429, { "retry-after": "60" })
  answers = Array.from({ length: 6 }, () => told)
  for (let i = 0; i < 6; i++) expect((await fetch(url)).status).toBe(429)
  expect(await (await fetch(url)).text()).toBe("well")
  expect(lines).toEqual([])
})

test("what passes is asked for again, and its last answer is the answer; what may be done once is done once", async () => {
  const { fetch } = await world()
  answers = [status(503), () => "hang up"]
  expect(await (await fetch(url)).text()).toBe("well")
  answers = always(status(500, {}, "broken")).slice(0, 3)
  expect(await (await fetch(url)).text()).toBe("broken")
  expect(asked).toHaveLength(6)
  answers = [status(500)]
  expect((await fetch(url, { method: "POST", body: "{}" })).status).toBe(500)
  expect(asked).toHaveLength(7)
})

test("whoever has gone is not asked for again, and does not speak against the vendor", async () => {
  const { fetch, lines } = await world()
  const ending = new AbortController()
  answers = [
    () => {
      ending.abort()
      return "hang up"
    },
  ]
  await expect(fetch(url, { signal: ending.signal })).rejects.toThrow("nobody waits")
  for (let i = 0; i < 20; i++) await expect(fetch(url, { signal: ending.signal })).rejects.toThrow("nobody waits")
  expect(asked).toHaveLength(1)
  expect(lines).toEqual([])
})

test("a dead vendor is left alone, probed once, and asked again when it is well; each is said once", async () => {
  const { runtime, fetch, clock, lines, figure } = await world()
  answers = always(() => "hang up")
  for (let i = 0; i < 50; i++) await fetch(url).catch(() => {})
  expect(asked).toHaveLength(5)
  expect(figure("octant_outside_open")).toBe("1")
  // Certificates and confirmations are asked for in the same way.
  await expect(runtime.fetchText(url.replace("http:", "https:"))).rejects.toMatchObject({ code: "unavailable" })
  expect(asked).toHaveLength(5)
  clock.advance(10_000)
  await fetch(url).catch(() => {})
  expect(asked).toHaveLength(6)
  answers = []
  clock.advance(10_000)
  expect((await fetch(url)).status).toBe(200)
  expect((await fetch(url)).status).toBe(200)
  expect(asked).toHaveLength(8)
  const { host } = new URL(url)
  expect(lines).toEqual([
    { name: "outside.open", host },
    { name: "outside.open", host },
    { name: "outside.closed", host },
  ])
  expect(figure("octant_outside_open")).toBe("0")
  expect(figure('octant_outside_seconds_count{outcome="ok"}')).toBe("2")
  expect(Number(figure('octant_outside_seconds_count{outcome="broken"}'))).toBeGreaterThan(40)
}, 30_000)

test("retries cannot storm: a vendor that fails four times of five is asked a tenth more often, and ten times", async () => {
  const { fetch } = await world()
  answers = Array.from({ length: 1000 }, (_, i) => (i % 5 === 4 ? well : status(500)))
  for (let i = 0; i < 300; i++) await fetch(url)
  expect(asked.length).toBeGreaterThan(300)
  expect(asked.length).toBeLessThanOrEqual(300 + 40)
}, 30_000)

test("an outside call is part of the trace, and carries it on", async () => {
  const { runtime, fetch, spans } = await world()
  const origin = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }
  await unitOf(runtime, { name: "poll", kind: "internal", origin }, () => fetch(url))
  const [call, poll] = spans
  expect(call).toMatchObject({ name: "GET", kind: "client", parentId: poll!.spanId })
  expect(call!.attributes).toEqual({ "server.address": new URL(url).host, "http.request.method": "GET" })
  expect(asked[0]!.traceparent).toBe(`00-${call!.traceId}-${call!.spanId}-01`)
  asked = []
  const without = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00" }
  await unitOf(runtime, { name: "poll", kind: "internal", origin: without }, () => fetch(url))
  expect(asked[0]!.traceparent).toBeNull()
})
