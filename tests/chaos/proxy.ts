import { createServer, request as httpRequest, Agent } from "node:http"
import type { AddressInfo } from "node:net"

/** How often (0…1) each fault happens to a request. */
export type Faults = { reset: number; dropped: number; throttled: number; conflicted: number; unsure: number; late: number; lateMs: number }
export const calm: Faults = { reset: 0, dropped: 0, throttled: 0, conflicted: 0, unsure: 0, late: 0, lateMs: 0 }
export const rough: Faults = { reset: 0.02, dropped: 0.03, throttled: 0.03, conflicted: 0.01, unsure: 0.02, late: 0.02, lateMs: 3 }

/**
 * Stands between a client and an emulator and misbehaves as networks and services do: closes the connection before the
 * request arrives, or after it was carried out; answers that it is throttled, or that another transaction is in the
 * way; carries a conditional write out twice, so that the second answer says that the condition failed.
 */
export async function startProxy(target: string) {
  const { hostname, port } = new URL(target)
  const agent = new Agent({ keepAlive: true })
  const state = { faults: calm, random: () => 1 as number, injected: new Map<string, number>() }
  const note = (fault: string) => state.injected.set(fault, (state.injected.get(fault) ?? 0) + 1)

  const forward = (method: string, path: string, headers: Record<string, unknown>, body: Buffer) =>
    new Promise<{ status: number; body: Buffer; headers: Record<string, unknown> }>((resolve, reject) => {
      const out = httpRequest({ hostname, port, method, path, headers: headers as Record<string, string>, agent }, (answer) => {
        const chunks: Buffer[] = []
        answer.on("data", (chunk: Buffer) => chunks.push(chunk))
        answer.on("end", () => resolve({ status: answer.statusCode ?? 500, body: Buffer.concat(chunks), headers: answer.headers }))
      })
      out.on("error", reject)
      out.end(body)
    })

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const { reset, dropped, throttled, conflicted, unsure, late, lateMs } = state.faults
    const draw = state.random()
    const within = (from: number, width: number) => draw >= from && draw < from + width
    const refuse = (code: string) => {
      response.writeHead(400, { "content-type": "application/x-amz-json-1.0" })
      response.end(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${code}`, message: "injected" }))
    }
    let from = 0
    if (within(from, reset)) return note("reset"), void request.socket.destroy()
    from += reset
    if (within(from, throttled)) return note("throttled"), refuse("ProvisionedThroughputExceededException")
    from += throttled
    const writes = /Put|Update|Delete|Write/.test(String(request.headers["x-amz-target"]))
    if (within(from, conflicted) && writes) return note("conflicted"), refuse("TransactionConflictException")
    from += conflicted
    const send = () => forward(request.method ?? "POST", request.url ?? "/", request.headers, body)
    let answer = await send()
    if (within(from, dropped)) return note("dropped"), void request.socket.destroy()
    from += dropped
    if (within(from, unsure) && body.includes("ConditionExpression")) {
      note("unsure")
      answer = await send()
    }
    from += unsure
    if (within(from, late)) {
      note("late")
      await new Promise((resolve) => setTimeout(resolve, lateMs))
    }
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
