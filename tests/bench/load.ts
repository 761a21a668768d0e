import { once } from "node:events"
import { connect, type Socket } from "node:net"

export type Sent = { seconds: number; requests: number; refused: number; latenciesMs: number[] }

/**
 * Sends every body once over so many kept-alive connections, each sending its next when it has its answer. Written on
 * sockets: the load generator shares the machine with what it measures, and a client of `node:http` costs as much as
 * the server.
 */
export async function sendAll(url: string, key: string, bodies: readonly Buffer[], connections: number): Promise<Sent> {
  const { hostname, port, pathname, host, protocol } = new URL(url)
  if (protocol !== "http:") throw new Error(`the load generator speaks plain http, not ${protocol}`)
  const requests = bodies.map((body) => {
    const head = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
    return Buffer.concat([Buffer.from(head, "latin1"), body])
  })
  const sockets = await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect({ host: hostname, port: Number(port || 80), noDelay: true })
      await once(socket, "connect")
      return socket
    }),
  )
  const latenciesMs: number[] = []
  let [next, refused] = [0, 0]
  const lane = async (socket: Socket) => {
    const answers = answersOf(socket)
    while (next < requests.length) {
      const begun = performance.now()
      socket.write(requests[next++]!)
      const status = await answers.next()
      latenciesMs.push(performance.now() - begun)
      if (status < 200 || status > 299) refused++
    }
    socket.destroy()
  }
  const begun = performance.now()
  await Promise.all(sockets.map(lane))
  return { seconds: (performance.now() - begun) / 1000, requests: requests.length, refused, latenciesMs }
}

/** The status of each answer on a connection, when all of it has come. Enough of HTTP/1.1 for what we measure. */
function answersOf(socket: Socket) {
  let text = ""
  let waiting: PromiseWithResolvers<number> | undefined
  const look = () => {
    const end = endOf(text)
    if (end < 0 || !waiting) return
    waiting.resolve(Number(text.slice(9, 12)))
    text = text.slice(end)
    waiting = undefined
  }
  socket.setEncoding("latin1")
  socket.on("data", (chunk: string) => {
    text += chunk
    look()
  })
  const fail = (error?: Error) => waiting?.reject(error ?? new Error("the server closed the connection"))
  socket.on("error", fail)
  socket.on("close", () => fail())
  return {
    next: () => {
      waiting = Promise.withResolvers<number>()
      look()
      return waiting.promise
    },
  }
}

/** Where the first answer ends, or -1 if more of it is to come. */
function endOf(text: string) {
  const head = text.indexOf("\r\n\r\n")
  if (head < 0) return -1
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head))?.[1]
  if (length !== undefined) {
    const end = head + 4 + Number(length)
    return text.length >= end ? end : -1
  }
  const last = text.indexOf("0\r\n\r\n", head + 4)
  return last < 0 ? -1 : last + 5
}

/** Asks the API; throws unless it answers 200. */
export async function get<T>(
  url: string,
  key: string,
  path: string,
  parameters: Record<string, string> = {},
): Promise<T> {
  const response = await fetch(`${url}${path}?${new URLSearchParams(parameters).toString()}`, {
    headers: { authorization: `Bearer ${key}` },
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${path} answered ${response.status}: ${text}`)
  return JSON.parse(text) as T
}

type Ledger = { received: number; counted: number; duplicate: number; balanced: boolean }

/** What was sent must be what was stored: the `events` metric and the ledger say the same number. */
export async function checkStored(url: string, readKey: string, sent: number, from = "2020-01-01") {
  const to = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)
  const range = { from, to }
  const { total } = await get<{ total: number }>(url, readKey, "/v1/query", {
    metric: "events",
    grain: "total",
    ...range,
  })
  const ledger = (await get<{ total: Ledger }>(url, readKey, "/v1/ledger", range)).total
  const { received, counted, duplicate, balanced } = ledger
  if (total !== sent || counted !== sent || received !== sent || duplicate !== 0 || !balanced) {
    throw new Error(`${sent} events were sent; the events metric says ${total}, the ledger ${JSON.stringify(ledger)}`)
  }
}
