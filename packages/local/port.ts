import { once } from "node:events"
import { createServer, type Server } from "node:net"

/** Nothing local is reachable from another machine. */
export const LOOPBACK = "127.0.0.1"

/** Starts to listen and gives the port. `another` says how one chooses another port, should this one be taken. */
export async function listen(server: Server, port: number, host: string, another: string): Promise<number> {
  server.listen(port, host)
  await once(server, "listening").catch((error: unknown) => {
    throw isTaken(error) ? portTaken(port, another) : error
  })
  return portOf(server)
}

/** A port of the loopback address on which nobody listens at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listen(server, 0, LOOPBACK, "")
  await closed(server)
  return port
}

/** Throws a sentence that names the port when somebody listens on it already. */
export async function mustBeFree(port: number, another: string) {
  const server = createServer()
  await listen(server, port, LOOPBACK, another)
  await closed(server)
}

export const portTaken = (port: number, another: string) =>
  new Error(`port ${port} is taken: end the program that listens there, or choose another port ${another}`)

export const isTaken = (error: unknown) => error instanceof Error && "code" in error && error.code === "EADDRINUSE"

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("this server does not listen on a port")
  return address.port
}

const closed = (server: Server) => new Promise<void>((done) => server.close(() => done()))
