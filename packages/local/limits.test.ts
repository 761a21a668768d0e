import { afterEach, expect, test } from "vitest"
import { type Limits, limits, type Route, serveHttp } from "#local/http.ts"
import { talk } from "#local/talk.ts"

const ended: (() => Promise<void>)[] = []

afterEach(async () => {
  await Promise.all(ended.splice(0).map((end) => end()))
})

const count: Route["fetch"] = async (request) => new Response(`read ${(await request.text()).length}`)

async function serve(bounds: Partial<Limits>, fetch = count) {
  const { url, stop } = await serveHttp([{ prefix: "/", fetch }], { limits: { checkEveryMs: 50, ...bounds } })
  ended.push(stop)
  return url
}

const GET = "GET / HTTP/1.1\r\n"
const POST = "POST / HTTP/1.1\r\nHost: x\r\n"
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`

/** One connection: says `first`, then `more` every so often until it is closed. */
const hear = (url: string, first: string, more = "", everyMs = 10) =>
  talk(url, (socket) => {
    socket.write(first)
    const timer = more && setInterval(() => socket.write(more), everyMs)
    socket.on("close", () => clearInterval(timer || undefined))
  })

test.each([
  ["nothing", "", ""],
  ["a first line byte by byte", "GET /", "a"],
  ["a header byte by byte", `${GET}X: `, "a"],
])("%s instead of headers is answered 408 and cut off", async (_, first, more) => {
  const url = await serve({ headersMs: 100, requestMs: 60_000 })
  expect(await hear(url, first, more)).toMatch(/^HTTP\/1.1 408 /)
})

test.each([
  ["that never comes", `${POST}Content-Length: 9\r\n\r\n`, ""],
  ["byte by byte", `${POST}Content-Length: 9999\r\n\r\n`, "a"],
  ["in chunks without end", CHUNKED, "1\r\na\r\n"],
])("a body %s is answered 408 and cut off", async (_, first, more) => {
  const url = await serve({ headersMs: 100, requestMs: 200 })
  expect(await hear(url, first, more)).toMatch(/^HTTP\/1.1 408 /)
})

test.each([
  ["one header", `${GET}X: ${"a".repeat(1_000_000)}`],
  ["many headers", `${GET}${`X: ${"a".repeat(1_000)}\r\n`.repeat(1_000)}`],
])("%s of 1 MB is answered 431 and cut off", async (_, first) => {
  expect(await hear(await serve({}), first)).toMatch(/^HTTP\/1.1 431 /)
})

test.each([
  ["announces a terabyte", `${POST}Content-Length: 1000000000000\r\n\r\n`, "a".repeat(1_000)],
  ["comes in chunks without end or pause", CHUNKED, `3e8\r\n${"a".repeat(1_000)}\r\n`],
])("a body that %s is answered 413 and cut off", async (_, first, more) => {
  const url = await serve({ bodyBytes: 20_000, requestMs: 60_000 })
  expect(await hear(url, first, more, 1)).toMatch(/^HTTP\/1.1 413 /)
})

test("whatever a client does, it is cut off within ten seconds", () => {
  expect(limits.requestMs + limits.checkEveryMs).toBeLessThan(10_000)
  expect(limits.headersMs).toBeLessThan(limits.requestMs)
})

const post = async (url: string, bytes: number, chunked: boolean) => {
  const text = "a".repeat(bytes)
  const init = { method: "POST", body: chunked ? new Blob([text]).stream() : text, duplex: "half" }
  const reply = await fetch(url, init as RequestInit)
  return [reply.status, await reply.text()]
}

test.each([
  ["declared", false],
  ["not declared", true],
])("a body of exactly the most bytes is taken, one more is not: length %s", async (_, chunked) => {
  const url = await serve({ bodyBytes: 20_000 })
  expect(await post(url, 20_000, chunked)).toEqual([200, "read 20000"])
  expect(await post(url, 20_001, chunked)).toEqual([413, expect.stringContaining("send at most 20000 bytes")])
})

test("a body is too large also for a route that makes nothing of it", async () => {
  const forgiving: Route["fetch"] = async (request) => {
    const length = await request.text().then(
      (text) => text.length,
      () => -1,
    )
    return new Response(`read ${length}`)
  }
  const url = await serve({ bodyBytes: 20_000 }, forgiving)
  expect(await post(url, 30_000, true)).toEqual([413, expect.stringContaining('"code":"payload_too_large"')])
})

test("a route that fails is answered 500, whether the body's length is declared or not", async () => {
  const failing: Route["fetch"] = () => Promise.reject(new Error("secret"))
  const url = await serve({}, failing)
  expect(await post(url, 1, false)).toEqual([500, ""])
  expect(await post(url, 1, true)).toEqual([500, ""])
})
