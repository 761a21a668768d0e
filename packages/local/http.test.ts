import { once } from "node:events"
import { Agent, get } from "node:http"
import { connect, createServer, type Socket } from "node:net"
import { afterEach, expect, test } from "vitest"
import { type Limits, limits, type Route, serveHttp } from "#local/http.ts"
import { listen } from "#local/port.ts"

const ended: (() => Promise<void>)[] = []

afterEach(async () => {
  await Promise.all(ended.splice(0).map((end) => end()))
})

/** Tells which route answered, and how many bytes it read. */
const echo = (name: string): Route["fetch"] => {
  return async (request) => new Response(`${name} read ${(await request.text()).length}`)
}

async function serve(routes: Route[], bounds: Partial<Limits> = {}) {
  const server = await serveHttp(routes, { limits: bounds })
  ended.push(server.stop)
  return server
}

const quick = { headersMs: 200, requestMs: 400, checkEveryMs: 50 }

/** What the server has said by the time it closes the connection. */
async function talk(url: string, say: (socket: Socket) => void) {
  const socket = connect(Number(new URL(url).port), "127.0.0.1")
  let heard = ""
  socket.setEncoding("utf8").on("data", (text: string) => {
    heard += text
  })
  socket.on("error", () => {})
  const closed = new Promise((resolve) => socket.on("close", resolve))
  say(socket)
  await closed
  return heard
}

/** Sends one byte after another until the connection ends. */
const drip = (socket: Socket, everyMs: number, bytes: string) => {
  const timer = setInterval(() => socket.write(bytes), everyMs)
  socket.on("close", () => clearInterval(timer))
}

test("the longest prefix that fits the path answers", async () => {
  const { url } = await serve([
    { prefix: "/", fetch: echo("root") },
    { prefix: "/v1", fetch: echo("collect") },
    { prefix: "/v1/query", fetch: echo("api") },
  ])
  const ask = async (path: string) => (await fetch(`${url}${path}`)).text()
  expect(await ask("/v1/track?x=/v1/query")).toBe("collect read 0")
  expect(await ask("/v1")).toBe("collect read 0")
  expect(await ask("/v1?x")).toBe("collect read 0")
  expect(await ask("/v1/query/run")).toBe("api read 0")
  expect(await ask("/v10")).toBe("root read 0")
})

test("a path that no route has is not found", async () => {
  const { url } = await serve([{ prefix: "/v1", fetch: echo("collect") }])
  const reply = await fetch(`${url}/v2/track`)
  expect(reply.status).toBe(404)
  expect(reply.headers.get("content-type")).toBe("application/problem+json")
  expect(await reply.json()).toEqual({
    type: "about:blank",
    title: "Not Found",
    status: 404,
    code: "not_found",
    detail: "there is nothing at /v2/track",
  })
})

test("a taken port is named, and how to choose another", async () => {
  const squatter = createServer()
  const port = await listen(squatter, 0, "127.0.0.1", "")
  await expect(serveHttp([], { port })).rejects.toThrow(
    `port ${port} is taken: end the program that listens there, or choose another port with --port`,
  )
  squatter.close()
})

test("stopping finishes the request in flight, refuses new ones and closes kept connections", async () => {
  const begun = Promise.withResolvers<void>()
  const finish = Promise.withResolvers<void>()
  const server = await serveHttp([
    {
      prefix: "/",
      async fetch() {
        begun.resolve()
        await finish.promise
        return new Response("finished")
      },
    },
  ])
  const idle = talk(server.url, () => {})
  const inFlight = talk(server.url, (socket) => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
  await begun.promise
  const stopped = server.stop()
  await expect(fetch(server.url)).rejects.toThrow("fetch failed")
  finish.resolve()
  expect(await inFlight).toMatch(/^HTTP\/1.1 200 OK\r\n.*finished$/s)
  await stopped
  expect(await idle).toBe("")
})

test("a request that outlasts the grace is cut off", async () => {
  const begun = Promise.withResolvers<void>()
  const fetchNever = () => {
    begun.resolve()
    return new Promise<Response>(() => {})
  }
  const server = await serveHttp([{ prefix: "/", fetch: fetchNever }], { limits: { graceMs: 50 } })
  const cut = talk(server.url, (socket) => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
  await begun.promise
  await server.stop()
  expect(await cut).toBe("")
})

test.each<[string, string, (socket: Socket) => void]>([
  ["silence", "408", () => {}],
  [
    "a header that comes byte by byte",
    "408",
    (socket) => {
      socket.write("GET / HTTP/1.1\r\nX: ")
      drip(socket, 20, "a")
    },
  ],
  [
    "a body that comes byte by byte",
    "408",
    (socket) => {
      socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n")
      drip(socket, 20, "a")
    },
  ],
  [
    "a body that never comes",
    "408",
    (socket) => socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"),
  ],
  [
    "a chunked body that never ends",
    "408",
    (socket) => {
      socket.write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
      drip(socket, 20, "1\r\na\r\n")
    },
  ],
  ["a header of 1 MB", "431", (socket) => socket.write(`GET / HTTP/1.1\r\nX: ${"a".repeat(1_000_000)}`)],
  [
    "many headers of 1 MB together",
    "431",
    (socket) => socket.write(`GET / HTTP/1.1\r\n${`X: ${"a".repeat(1_000)}\r\n`.repeat(1_000)}`),
  ],
  [
    "a Content-Length of a terabyte",
    "413",
    (socket) => {
      socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n")
      drip(socket, 1, "a".repeat(1_000))
    },
  ],
  [
    "a chunked body without end or pause",
    "413",
    (socket) => {
      socket.write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
      drip(socket, 1, `3e8\r\n${"a".repeat(1_000)}\r\n`)
    },
  ],
])("%s is answered %s and the connection ends", async (_, status, say) => {
  const { url } = await serve([{ prefix: "/", fetch: echo("root") }], { ...quick, bodyBytes: 20_000 })
  expect(await talk(url, say)).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
})

test("whatever a client does, it is cut off within ten seconds", () => {
  expect(limits.requestMs + limits.checkEveryMs).toBeLessThan(10_000)
  expect(limits.headersMs).toBeLessThan(limits.requestMs)
})

test("a body of exactly the most bytes is taken, one more is not, whether its length is declared or not", async () => {
  const { url } = await serve([{ prefix: "/", fetch: echo("root") }], { bodyBytes: 20_000 })
  const send = async (bytes: number, chunked: boolean) => {
    const text = "a".repeat(bytes)
    const body = chunked ? new Blob([text]).stream() : text
    const reply = await fetch(url, { method: "POST", body, ...(chunked ? { duplex: "half" } : {}) } as RequestInit)
    return [reply.status, await reply.text()]
  }
  for (const chunked of [false, true]) {
    expect(await send(20_000, chunked)).toEqual([200, "root read 20000"])
    expect(await send(20_001, chunked)).toEqual([
      413,
      expect.stringContaining("send at most 20000 bytes in one request"),
    ])
  }
})

test("one connection serves request after request", async () => {
  const { url } = await serve([{ prefix: "/", fetch: echo("root") }])
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ports = new Set<number | undefined>()
  for (let i = 0; i < 3; i++) {
    const [reply] = await once(get(url, { agent }), "response")
    ports.add(reply.socket.localPort)
    await once(reply.resume(), "end")
  }
  agent.destroy()
  expect(ports.size).toBe(1)
})
