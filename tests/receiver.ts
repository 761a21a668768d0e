import { once } from "node:events"
import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"

export type Received = { path: string; headers: IncomingHttpHeaders; body: string }

/** Somebody's endpoint: what came in, and what is answered to it; a promise answers later. */
export async function startReceiver(answer: (received: Received) => number | Promise<number> = () => 204) {
  const received: Received[] = []
  const state = { answer }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const one = { path: request.url ?? "/", headers: request.headers, body: Buffer.concat(chunks).toString("utf8") }
    received.push(one)
    const status = await state.answer(one)
    response.writeHead(status, status < 400 && status >= 300 ? { location: "/elsewhere" } : {}).end()
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    state,
    /** What came in since this was last asked. */
    taken: () => received.splice(0),
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
export type Receiver = Awaited<ReturnType<typeof startReceiver>>
