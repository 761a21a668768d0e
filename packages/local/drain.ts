import { once } from "node:events"
import type { Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"

/**
 * Gives the way to end a server: what is in flight is finished, every other connection is closed at once.
 * Node alone would wait for a kept-alive one, and for one on which nothing was ever asked.
 */
export function drainOf(server: Server) {
  const open = new Set<Socket>()
  const inFlight = new Set<ServerResponse>()
  let ending = false

  const closeUnused = () => {
    const used = new Set([...inFlight].map(({ req }) => req.socket))
    for (const socket of open.difference(used)) socket.destroySoon()
  }
  server.on("connection", (socket) => {
    open.add(socket)
    socket.once("close", () => open.delete(socket))
  })
  server.on("request", (_, response) => {
    inFlight.add(response)
    response.once("close", () => {
      inFlight.delete(response)
      if (ending) closeUnused()
    })
  })

  return async (graceMs: number) => {
    ending = true
    const closed = once(server, "close")
    server.close()
    closeUnused()
    const late = setTimeout(() => server.closeAllConnections(), graceMs)
    await closed
    clearTimeout(late)
  }
}
