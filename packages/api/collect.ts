import type { Context } from "hono"
// A router that prepares nothing is enough for so few paths, and the quickest to start.
import { HonoBase } from "hono/hono-base"
import { LinearRouter } from "hono/router/linear-router"
import type { Authenticate } from "#access/caller.ts"
import type { TrackingPlan } from "#access/tracking.ts"
import type { Clock } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import type { Figures } from "#core/figures.ts"
import { shortHash } from "#core/hash.ts"
import type { Log } from "#core/log.ts"
import type { Tracing } from "#core/unit.ts"
import { accept, type Enqueue, requestLimits } from "#pipeline/accept.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { readJson } from "./body.ts"
import { callerOf, type LimitNeeds, within } from "./limits.ts"
import { type Correlated, otherMethods, perRequest, problem } from "./problem.ts"

export type CollectNeeds = {
  table: Pick<Table, "put" | "get">
  clock: Clock
  nonce: () => string
  log: Log
  authenticate: Authenticate
  enqueue: Enqueue
  figures?: Figures
  trackingPlan?: TrackingPlan
  tracing?: Tracing | undefined
} & LimitNeeds

/** The Segment HTTP Tracking API's paths and the short forms of browsers' SDKs, with the call that each carries. */
const calls = {
  track: "track",
  t: "track",
  identify: "identify",
  i: "identify",
  page: "page",
  p: "page",
  screen: "screen",
  s: "screen",
  group: "group",
  g: "group",
  alias: "alias",
  a: "alias",
} as const
export const collectPaths = new Set([...Object.keys(calls), "batch", "b", "m"].map((name) => `/v1/${name}`))

/** The door for tracked events: tiny, and with its own concurrency, so that no query can starve it. */
export function collectApp(needs: CollectNeeds) {
  const app = new HonoBase<Correlated>({ router: new LinearRouter() })
  app.use(perRequest(needs))
  app.use(async (c, next) => {
    c.header("Access-Control-Allow-Origin", "*")
    if (c.req.method !== "OPTIONS") return next()
    c.header("Access-Control-Allow-Methods", "POST, OPTIONS")
    c.header(
      "Access-Control-Allow-Headers",
      "Authorization, Content-Type, Content-Encoding, Idempotency-Key, X-Correlation-Id, Traceparent",
    )
    c.header("Access-Control-Max-Age", "86400")
    return c.body(null, 204)
  })
  app.onError((error, c) => problem(c, error, needs.log))
  app.notFound((c) => problem(c, new Fault("not_found", "there is no such path"), needs.log))

  /** What else it takes to answer, read with the key itself. */
  const beside = (tenant: TenantId) => Promise.all([needs.planOf(tenant), needs.trackingPlan?.(tenant)])

  const receive = async (c: Context<Correlated>, records: (body: object) => unknown) => {
    const request = c.req.raw
    const presented = keyInHeader(request)
    // A key in the header is checked before the body is read; the current Node SDK sends its key in the body only.
    const known = presented === undefined ? undefined : await callerOf(c, needs, presented, "write", beside)
    const body = await readObject(request).catch(async (error: unknown) => {
      // What cannot be read is a request all the same.
      if (known) await within(c, needs, known)
      throw error
    })
    const caller = known ?? (await callerOf(c, needs, keyOf(body), "write", beside))
    const list = records(body)
    const events = Array.isArray(list) ? list.length : 0
    const giveBack = await within(c, needs, { ...caller, user: userOf(list), spends: { events } })
    if (!Array.isArray(list)) throw new Fault("invalid_request", "batch must be a list of calls", { field: "batch" })
    if (list.length === 0) throw new Fault("invalid_request", "batch is empty", { field: "batch" })
    const sentAt = "sentAt" in body && typeof body.sentAt === "string" ? body.sentAt : undefined
    const idempotencyKey = request.headers.get("idempotency-key") ?? undefined
    const { tenant, source } = caller
    const accepting = accept(needs, { tenant, source, records: list, sentAt, idempotencyKey })
    const outcome = await accepting.catch(async (error: unknown) => {
      await giveBack({ events })
      throw error
    })
    if (outcome.rejected.length > 0) await giveBack({ events: outcome.rejected.length })
    c.set(
      "outcome",
      outcome.rejected.length === 0 ? "accepted" : outcome.accepted === 0 ? "rejected" : "partly accepted",
    )
    return outcome
  }

  const batch = ["/v1/batch", "/v1/b"]
  for (const path of batch) {
    app.post(path, async (c) => {
      const outcome = await receive(c, (body) => ("batch" in body ? body.batch : undefined))
      if (outcome.accepted > 0) return c.json({ success: true, ...outcome })
      const [first] = outcome.rejected
      const detail = `every record was refused; the first: ${first!.field || "record"} ${first!.message}`
      return problemWith(c, detail, `batch[0]${first!.field ? `.${first!.field}` : ""}`, outcome)
    })
  }
  for (const [name, type] of Object.entries(calls)) {
    app.post(`/v1/${name}`, async (c) => {
      const outcome = await receive(c, (body) => {
        const { writeKey: _, ...record } = body as { writeKey?: unknown }
        return [{ ...record, type }]
      })
      if (outcome.accepted > 0) return c.json({ success: true, ...outcome })
      const [first] = outcome.rejected
      return problemWith(c, `${first!.field || "the call"} ${first!.message}`, first!.field, outcome)
    })
  }
  // Browsers' SDKs report about themselves here; it is not about the tenant's customers.
  app.post("/v1/m", (c) => c.json({ success: true }))
  otherMethods(app)
  return app

  function problemWith(c: Parameters<typeof problem>[0], detail: string, field: string, outcome: object) {
    return c.json(
      {
        type: "urn:octant:problem:invalid_request",
        title: "invalid request",
        status: 400,
        code: "invalid_request",
        detail,
        field,
        correlationId: c.get("correlationId") as string,
        ...outcome,
      },
      400,
      { "Content-Type": "application/problem+json" },
    )
  }
}

async function readObject(request: Request): Promise<object> {
  const body = await readJson(request, requestLimits.bytes)
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body
  throw new Fault("invalid_request", "the body must be a JSON object")
}

/** The one customer that a request is about, if it is one: a browser, as a rule. */
function userOf(list: unknown): string | undefined {
  if (!Array.isArray(list) || list.length === 0) return undefined
  const ids = list.map((one: { userId?: unknown; anonymousId?: unknown } | null) => one?.userId ?? one?.anonymousId)
  return typeof ids[0] === "string" && ids.every((id) => id === ids[0]) ? shortHash(ids[0]) : undefined
}

/** A key as the Basic user name or as Bearer. */
export function keyInHeader(request: Request): string | undefined {
  const header = request.headers.get("authorization")
  if (header === null) return undefined
  const [scheme, value, ...more] = header.split(" ")
  if (more.length > 0 || value === undefined) return ""
  if (scheme!.toLowerCase() === "bearer") return value
  if (scheme!.toLowerCase() !== "basic") return ""
  return Buffer.from(value, "base64").toString("utf8").split(":")[0]
}

const keyOf = (body: object): string | undefined =>
  "writeKey" in body && typeof body.writeKey === "string" ? body.writeKey : undefined
