import { createServer, STATUS_CODES } from "node:http"
import { getRequestListener } from "@hono/node-server"
import { drainOf } from "#local/drain.ts"
import { LOOPBACK, listen } from "#local/port.ts"

type FetchCallback = Parameters<typeof getRequestListener>[0]

export type Route = { prefix: string; fetch: (request: Request, env?: object) => Response | Promise<Response> }

/** What a client may take and send. One that is slower is answered 408, one that sends more 413 or 431, and is cut off. */
export const limits = {
  headersMs: 4_000,
  requestMs: 8_000,
  checkEveryMs: 500,
  headerBytes: 16 * 1024,
  bodyBytes: 10 * 1024 * 1024,
  /** How long a request in flight may still take after the end was announced. */
  graceMs: 10_000,
}
export type Limits = typeof limits

type Options = { port?: number; host?: string; limits?: Partial<Limits> }

/** Gives each request to the route with the longest prefix that fits its path. */
export async function serveHttp(routes: readonly Route[], options: Options = {}) {
  const { port = 0, host = LOOPBACK } = options
  const bounds = { ...limits, ...options.limits }
  const answer = getRequestListener(dispatch(routes, bounds.bodyBytes))
  const server = createServer(
    {
      maxHeaderSize: bounds.headerBytes,
      headersTimeout: bounds.headersMs,
      requestTimeout: bounds.requestMs,
      connectionsCheckingInterval: bounds.checkEveryMs,
    },
    (request, response) => void answer(request, response),
  )
  const drain = drainOf(server)
  const at = await listen(server, port, host, "with --port")
  return { url: `http://${host}:${at}`, stop: () => drain(bounds.graceMs) }
}

function dispatch(routes: readonly Route[], mostBytes: number): FetchCallback {
  const byLength = routes.toSorted((a, b) => b.prefix.length - a.prefix.length)
  return (request, { incoming }) => {
    const path = pathOf(request.url)
    const route = byLength.find(({ prefix }) => isWithin(path, prefix))
    if (route === undefined) return problem(404, "not_found", `there is nothing at ${path}`)
    if (Number(incoming.headers["content-length"]) > mostBytes) return tooLarge(mostBytes)
    return incoming.headers["transfer-encoding"] === undefined
      ? route.fetch(request, { incoming })
      : counted(request, { incoming }, route, mostBytes)
  }
}

/** A body of unknown length is cut off where it becomes too large. */
async function counted(request: Request, env: object, route: Route, mostBytes: number) {
  let bytes = 0
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength
      if (bytes > mostBytes) controller.error(new Error("the body is too large"))
      else controller.enqueue(chunk)
    },
  })
  try {
    const body = request.body?.pipeThrough(count)
    const { method, headers } = request
    const response = await route.fetch(new Request(request.url, { method, headers, body, duplex: "half" }), env)
    return bytes > mostBytes ? tooLarge(mostBytes) : response
  } catch (error) {
    if (bytes > mostBytes) return tooLarge(mostBytes)
    throw error
  }
}

const pathOf = (url: string) => url.slice(url.indexOf("/", url.indexOf("//") + 2)).split("?", 1)[0] ?? "/"

const isWithin = (path: string, prefix: string) =>
  path.startsWith(prefix) && (prefix.endsWith("/") || path.length === prefix.length || path[prefix.length] === "/")

const tooLarge = (bytes: number) => problem(413, "payload_too_large", `send at most ${bytes} bytes in one request`)

const problem = (status: number, code: string, detail: string) =>
  new Response(JSON.stringify({ type: "about:blank", title: STATUS_CODES[status], status, code, detail }), {
    status,
    headers: { "content-type": "application/problem+json" },
  })
