import { Agent, request } from "node:http"

export type Sent = { seconds: number; requests: number; refused: number; latenciesMs: number[] }

/** Sends every body once over so many kept-alive connections, each sending its next when it has its answer. */
export async function sendAll(url: string, key: string, bodies: readonly Buffer[], connections: number): Promise<Sent> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const latenciesMs: number[] = []
  let [next, refused] = [0, 0]
  const lane = async () => {
    while (next < bodies.length) {
      const body = bodies[next++]!
      const begun = performance.now()
      const status = await post(agent, url, key, body)
      latenciesMs.push(performance.now() - begun)
      if (status < 200 || status > 299) refused++
    }
  }
  const begun = performance.now()
  await Promise.all(Array.from({ length: connections }, lane))
  const seconds = (performance.now() - begun) / 1000
  agent.destroy()
  return { seconds, requests: bodies.length, refused, latenciesMs }
}

const post = (agent: Agent, url: string, key: string, body: Buffer) =>
  new Promise<number>((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", "content-length": body.length }
    const sending = request(url, { method: "POST", agent, headers }, (response) => {
      response.on("data", () => undefined)
      response.on("end", () => resolve(response.statusCode ?? 0))
      response.on("error", reject)
    })
    sending.on("error", reject)
    sending.end(body)
  })

/** Asks the API; throws unless it answers 200. */
export async function get<T>(url: string, key: string, path: string, parameters: Record<string, string> = {}): Promise<T> {
  const response = await fetch(`${url}${path}?${new URLSearchParams(parameters).toString()}`, { headers: { authorization: `Bearer ${key}` } })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${path} answered ${response.status}: ${text}`)
  return JSON.parse(text) as T
}

/** What was sent must be what was stored: the `events` metric and the ledger say the same number. */
export async function checkStored(url: string, readKey: string, sent: number, from = "2020-01-01") {
  const to = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)
  const { total } = await get<{ total: number }>(url, readKey, "/v1/query", { metric: "events", grain: "total", from, to })
  const ledger = await get<{ total: { received: number; counted: number; duplicate: number; balanced: boolean } }>(url, readKey, "/v1/ledger", { from, to })
  const { received, counted, duplicate, balanced } = ledger.total
  if (total !== sent || counted !== sent || received !== sent || duplicate !== 0 || !balanced) {
    throw new Error(`${sent} events were sent; the events metric says ${total}, the ledger ${JSON.stringify(ledger.total)}`)
  }
}
