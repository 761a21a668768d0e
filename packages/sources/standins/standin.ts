import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { type Clock, SECOND } from "#core/clock.ts"
import type { Fields } from "#sources/generic.ts"
import type { Delivery, Vendor } from "#sources/source.ts"

/** A webhook as the vendor sends it. `tells`: names for what it says, since some say again what was said before. */
export type Sent = Pick<Delivery, "headers" | "body"> & { tells: string[] }

/** What one thing that happened is to Octant: so many new events, and money in cents. */
export type Telling = { webhooks: Sent[]; events: number; ordered?: number; refunded?: number }

/** A vendor on loopback: things happen there, it tells of them by webhook, and its API lists them. */
export type StandIn = {
  vendor: string
  baseUrl: string
  credential: string
  secret?: string
  /** The thing with the number `n` happens now. Some undo the one before: numbers go on from a multiple of 20. */
  happen(n: number): Telling
  /** Paths that were asked for, and when. */
  asked: string[]
  askedAt: number[]
  /** Makes it answer 429 to everything, so many times. */
  refuse(times: number, retryAfter: number): void
  stop(): Promise<void>
}

export type Asked = { method: string; path: string; query: URLSearchParams; authorization: string; headers: Headers }
export type Answer = { status?: number; headers?: Record<string, string>; body: unknown }

/** How many requests the rate is measured over, and how many more may come in that time. */
const [OVER, MORE] = [10, 2]

/** Serves a vendor's API. Whoever asks faster than the vendor's documented rate is told to wait. */
export async function serve(
  { facts }: Pick<Vendor, "facts">,
  clock: Clock,
  answer: (asked: Asked, url: string) => Answer,
): Promise<Pick<StandIn, "asked" | "askedAt" | "refuse" | "stop"> & { url: string }> {
  const asked: string[] = []
  const apart = SECOND / (facts.requestsPerSecond ?? 1)
  const askedAt: number[] = []
  let refusing = { times: 0, retryAfter: 0 }
  let url = ""
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      const { pathname, searchParams } = new URL(request.url!, "http://x")
      asked.push(pathname)
      const headers = new Headers(request.headers as Record<string, string>)
      const early = clock() - (askedAt.at(-OVER - MORE) ?? Number.NEGATIVE_INFINITY) < OVER * apart
      const waits = refusing.times > 0 ? refusing.retryAfter : early ? 60 : undefined
      askedAt.push(clock())
      if (refusing.times > 0) refusing.times--
      const { status = 200, ...rest } =
        waits === undefined
          ? answered({ method: request.method!, path: pathname, query: searchParams, headers })
          : { status: 429, headers: { "retry-after": String(waits) }, body: {} }
      response.writeHead(status, { "content-type": "application/json", ...rest.headers })
      response.end(JSON.stringify(rest.body))
    })
  })
  const answered = (of: Omit<Asked, "authorization">) =>
    answer({ ...of, authorization: of.headers.get("authorization") ?? "" }, url)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    asked,
    askedAt,
    refuse: (times, retryAfter) => {
      refusing = { times, retryAfter }
    },
    stop: () =>
      new Promise<void>((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

export const refused: Answer = { status: 401, body: { error: "the credential is not known" } }
export const basic = (credential: string) => `Basic ${Buffer.from(credential).toString("base64")}`
export const dollars = (cents: number) => (cents / 100).toFixed(2)
export const jsonType = { "content-type": "application/json" }
export const bytes = (value: Fields) => Buffer.from(JSON.stringify(value))
