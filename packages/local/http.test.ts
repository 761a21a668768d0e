import { once } from "node:events"
import { Agent, get } from "node:http"
import { connect, createServer } from "node:net"
import { afterEach, expect, test } from "vitest"
import { type Route, serveHttp } from "#local/http.ts"
import { listen } from "#local/port.ts"
import { talk } from "#local/talk.ts"

const ended: (() => Promise<void>)[] = []

afterEach(async () => {
  await Promise.all(ended.splice(0).map((end) => end()))
})

/** Tells which route answered, and how many bytes it read. */
const echo = (name: string): Route["fetch"] => {
  return async (request) => new Response(`${name} read ${(await request.text()).length}`)
}

async function serve(routes: Route[]) {
  const server = await serveHttp(routes)
  ended.push(server.stop)
  return server
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

test("no other address than 127.0.0.1 reaches the server", async () => {
  const { url } = await serve([{ prefix: "/", fetch: echo("root") }])
  const socket = connect(Number(new URL(url).port), "127.0.0.2")
  await expect(once(socket, "connect")).rejects.toThrow("ECONNREFUSED")
})

test("stopping waits for no connection on which nothing is asked", async () => {
  const server = await serveHttp([{ prefix: "/", fetch: echo("root") }], { limits: { graceMs: 60_000 } })
  const silent = talk(server.url, () => {})
  await (await fetch(server.url)).text()
  await server.stop()
  expect(await silent).toBe("")
})

test("stopping finishes the request in flight, refuses new ones and closes its connection at once", async () => {
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
  const inFlight = talk(server.url, (socket) => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
  await begun.promise
  const stopped = server.stop()
  await expect(fetch(server.url)).rejects.toThrow("fetch failed")
  const finishing = performance.now()
  finish.resolve()
  expect(await inFlight).toMatch(/^HTTP\/1.1 200 OK\r\n.*finished$/s)
  await stopped
  expect(performance.now() - finishing).toBeLessThan(2_000)
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
