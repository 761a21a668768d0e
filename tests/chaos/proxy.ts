import { Agent, createServer, request as httpRequest } from "node:http"
import type { AddressInfo } from "node:net"

/** How often (0…1) each fault happens to a request. */
export type Faults = {
  reset: number
  dropped: number
  throttled: number
  conflicted: number
  unsure: number
  late: number
  lateMs: number
}
export const calm: Faults = { reset: 0, dropped: 0, throttled: 0, conflicted: 0, unsure: 0, late: 0, lateMs: 0 }
export const rough: Faults = {
  reset: 0.02,
  dropped: 0.03,
  throttled: 0.03,
  conflicted: 0.01,
  unsure: 0.02,
  late: 0.02,
  lateMs: 3,
}

const kinds = ["reset", "dropped", "throttled", "conflicted", "unsure", "late"] as const
type Fault = (typeof kinds)[number]

/** Which fault a draw in [0, 1) means for a request, if any. */
function chosen(faults: Faults, draw: number, writes: boolean, conditional: boolean): Fault | undefined {
  let from = 0
  for (const kind of kinds) {
    const hit = draw >= from && draw < from + faults[kind]
    from += faults[kind]
    if (hit) return (kind === "conflicted" && !writes) || (kind === "unsure" && !conditional) ? undefined : kind
  }
  return undefined
}

/**
 * Stands between a client and an emulator and misbehaves as networks and services do: closes the connection before the
 * request arrives, or after it was carried out; answers that it is throttled, or that another transaction is in the
 * way; carries a conditional write out twice, so that the second answer says that the condition failed.
 */
export async function startProxy(target: string) {
  const { hostname, port } = new URL(target)
  const agent = new Agent({ keepAlive: true })
  const state = { faults: calm, random: () => 1 as number, injected: new Map<string, number>() }

  const forward = (method: string, path: string, headers: Record<string, unknown>, body: Buffer) =>
    new Promise<{ status: number; body: Buffer; headers: Record<string, unknown> }>((resolve, reject) => {
      const out = httpRequest(
        { hostname, port, method, path, headers: headers as Record<string, string>, agent },
        (answer) => {
          const chunks: Buffer[] = []
          answer.on("data", (chunk: Buffer) => chunks.push(chunk))
          answer.on("end", () =>
            resolve({ status: answer.statusCode ?? 500, body: Buffer.concat(chunks), headers: answer.headers }),
          )
        },
      )
      out.on("error", reject)
      out.end(body)
    })

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const writes = /Put|Update|Delete|Write|Transact/.test(String(request.headers["x-amz-target"]))
    const fault = chosen(state.faults, state.random(), writes, body.includes("ConditionExpression"))
    if (fault) state.injected.set(fault, (state.injected.get(fault) ?? 0) + 1)
    if (fault === "reset") return void request.socket.destroy()
    if (fault === "throttled" || fault === "conflicted") {
      const code = fault === "throttled" ? "ProvisionedThroughputExceededException" : "TransactionConflictException"
      response.writeHead(400, { "content-type": "application/x-amz-json-1.0" })
      return void response.end(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${code}` }))
    }
    const send = () => forward(request.method ?? "POST", request.url ?? "/", request.headers, body)
    let answer = await send()
    if (fault === "dropped") return void request.socket.destroy()
    if (fault === "unsure") answer = await send()
    if (fault === "late") await new Promise((resolve) => setTimeout(resolve, state.faults.lateMs))
    response.writeHead(answer.status, answer.headers as Record<string, string>)
    response.end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
        agent.destroy()
      }),
  }
}
