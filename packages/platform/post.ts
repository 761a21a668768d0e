import type { LookupAddress } from "node:dns"
import type { Clock } from "#core/clock.ts"
import { SECOND } from "#core/clock.ts"
import type { Figures } from "#core/figures.ts"
import type { Log } from "#core/log.ts"
import { origin, traced } from "#core/unit.ts"
import type { Post } from "#delivery/deliver.ts"
import type { TenantId } from "#store/keys.ts"
import { hostOf, isLoopback, isPublic } from "./address.ts"

const http = process.getBuiltinModule("node:http")
const https = process.getBuiltinModule("node:https")
const dns = process.getBuiltinModule("node:dns")
const net = process.getBuiltinModule("node:net")

const TIMEOUT_MS = 15 * SECOND
const TENANTS_REMEMBERED = 1000
/** More than that of headers is no answer. */
const HEADER_BYTES = 16 * 1024

type Resolve = (name: string) => Promise<readonly LookupAddress[]>
type Needs = {
  clock: Clock
  sleep: (ms: number) => Promise<void>
  log: Log
  figures: Figures
  /** Whether endpoints may be on this machine. */
  loopback: boolean
  resolve?: Resolve
}

/** An address to which nothing is sent. */
class Forbidden extends Error {
  override name = "Forbidden"
}

/**
 * Sends what a tenant's webhook is to be told. Each attempt has fifteen seconds, no redirect is followed, and what the
 * answer says beyond its status is not read. Each tenant has circuit breakers of its own, one for each host: nobody is
 * left alone because somebody else's endpoint on that host fails.
 */
export function poster(needs: Needs): Post {
  type Ask = ReturnType<typeof import("./late.ts").outsideFetch>
  const asks = new Map<TenantId, Ask>()
  const sending = sender(needs)

  const askOf = async (tenant: TenantId) => {
    const { outsideFetch } = await import("./late.ts")
    const known = asks.get(tenant)
    if (known) return known
    if (asks.size >= TENANTS_REMEMBERED) asks.clear()
    const onChange = (host: string, state: string) => needs.log(`outside.${state}`, { tenant, host })
    const breaking = { timeoutMs: TIMEOUT_MS, attempts: 1, bytes: 0, onChange }
    const made = outsideFetch({ ...needs, random: () => 0, fetch: sending }, breaking)
    asks.set(tenant, made)
    return made
  }

  return async ({ tenant, url, headers, body }) => {
    const { clock, figures } = needs
    const ask = await askOf(tenant)
    const started = clock()
    const tell = (outcome: string) => figures.took("octant_delivery_seconds", { outcome }, clock() - started)
    const work = async () => {
      const { traceId, traceparent } = origin()
      const traces = traceId !== undefined && traceparent !== undefined ? { traceparent } : {}
      const { status } = await ask(url, { method: "POST", headers: { ...headers, ...traces }, body })
      return status
    }
    const about = { "server.address": new URL(url).host, "http.request.method": "POST" }
    try {
      const status = await traced("POST", "client", work, about)
      tell(status < 300 ? "ok" : "redirect")
      return { status }
    } catch (error) {
      const { reason = "failed", status, message } = error as { reason?: string; status?: number; message: string }
      tell(reason)
      return reason === "status" && status !== undefined ? { status } : { error: message }
    }
  }
}

/**
 * A `fetch` that looks where a name leads before it connects, and connects to just that: a name that leads elsewhere a
 * moment later leads nobody astray. Each request has a connection of its own.
 */
function sender({ loopback, resolve = resolved }: Pick<Needs, "loopback" | "resolve">): typeof fetch {
  const mayReach = (address: string) => isPublic(address) || (loopback && isLoopback(address))

  const addressOf = async (url: URL) => {
    const host = hostOf(url)
    const family = net.isIP(host)
    const found = family === 0 ? await resolve(host) : [{ address: host, family }]
    const [first] = found
    if (first === undefined) throw new Forbidden(`${host} has no address`)
    if (!found.every(({ address }) => mayReach(address)))
      throw new Forbidden(`${host} is not an address that the internet reaches`)
    if (url.protocol !== "https:" && !(loopback && found.every(({ address }) => isLoopback(address))))
      throw new Forbidden("nothing is sent without TLS")
    return first
  }

  return async (input, init = {}) => {
    const url = new URL(String(input))
    const { address, family } = await addressOf(url)
    const { promise, resolve: answer, reject } = Promise.withResolvers<Response>()
    const send = url.protocol === "https:" ? https.request : http.request
    const request = send(url, {
      method: "POST",
      headers: { ...(init.headers as Record<string, string>), "content-length": Buffer.byteLength(String(init.body)) },
      agent: false,
      maxHeaderSize: HEADER_BYTES,
      ...(init.signal ? { signal: init.signal } : {}),
      // Asked for names only; what it says has been looked at.
      lookup: (_, { all }, done) => (all ? done(null, [{ address, family }]) : done(null, address, family)),
    })
    request.on("response", (response) => {
      const { statusCode = 0 } = response
      response.on("error", () => {})
      response.destroy()
      if (statusCode < 200 || statusCode > 599) return reject(new Error(`the status ${statusCode} is none`))
      answer(new Response(null, { status: statusCode }))
    })
    request.on("upgrade", ({ statusCode }, socket) => {
      socket.destroy()
      reject(new Error(`the status ${statusCode} is none`))
    })
    request.on("error", reject)
    request.end(String(init.body))
    return promise
  }
}

const resolved: Resolve = (name) => dns.promises.lookup(name, { all: true, verbatim: true })
