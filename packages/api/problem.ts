import type { Context, Env, Hono, MiddlewareHandler } from "hono"
import type { ContentfulStatusCode } from "hono/utils/http-status"
import type { Limiter } from "#access/limit.ts"
import { isAway } from "#core/away.ts"
import type { Clock } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import type { Figures } from "#core/figures.ts"
import { failure, type Log } from "#core/log.ts"
import { type Tracing, unitOf } from "#core/unit.ts"
import { fieldPath } from "#events/message.ts"
import type { TenantId } from "#store/keys.ts"

/** What every request has: an id by which its log line is found. */
export type Correlated = { Variables: { correlationId: string; tenant?: string; key?: string; outcome?: string } }

/** An error as RFC 9457 problem details. Only a `Fault` says what it is; of anything else nothing leaves the building. */
export function problem(c: Context, error: unknown, log: Log) {
  const fault = error instanceof Fault ? error : faultOf(error)
  const correlationId = c.get("correlationId") as string | undefined
  const inside = error instanceof Fault ? error.cause : error
  if (inside !== undefined) log("error", { correlationId, ...failure(inside) })
  if (fault.status === 401) c.header("WWW-Authenticate", 'Bearer realm="octant"')
  if (fault.retryAfter !== undefined) c.header("Retry-After", String(Math.ceil(fault.retryAfter)))
  return c.json(
    {
      type: `urn:octant:problem:${fault.code}`,
      title: fault.code.replaceAll("_", " "),
      status: fault.status,
      code: fault.code,
      detail: fault.message,
      ...(fault.field === undefined ? {} : { field: fault.field }),
      ...(fault.retryAfter === undefined ? {} : { retryAfter: fault.retryAfter }),
      correlationId,
    },
    fault.status as ContentfulStatusCode,
    { "Content-Type": "application/problem+json" },
  )
}

function faultOf(error: unknown) {
  if (error instanceof RangeError && /call stack/.test(error.message))
    return new Fault("invalid_request", "the body nests too deep")
  if (error instanceof Error && isAway(error))
    return new Fault("unavailable", "what this needs does not answer at this moment; try again", { retryAfter: 1 })
  return new Fault("internal", "something went wrong on our side; try again")
}

/** Every path answers the methods that it has not with 405, and names those that it has. */
export function otherMethods(app: Hono<Correlated>) {
  const served = Map.groupBy(
    app.routes.filter(({ method }) => method !== "ALL"),
    ({ path }) => path,
  )
  for (const [path, routes] of served) {
    const methods = [...new Set(routes.map(({ method }) => method))].join(", ")
    app.all(path, (c) => {
      c.header("Allow", methods)
      throw new Fault("method_not_allowed", `this path answers ${methods}`)
    })
  }
}

type RequestNeeds = {
  log: Log
  clock: Clock
  nonce: () => string
  figures?: Figures
  limiter?: Pick<Limiter, "note">
  tracing?: Tracing | undefined
}

/** Gives each request its id, its span, its security headers and its one log line. */
export function perRequest(needs: RequestNeeds): MiddlewareHandler<Correlated & Env> {
  const { log, clock, figures, limiter } = needs
  return (c, next) => {
    const { method } = c.req
    const origin = { correlationId: c.req.header("x-correlation-id"), traceparent: c.req.header("traceparent") }
    return unitOf(needs, { name: method, kind: "server", origin }, async (unit) => {
      const started = clock()
      const { correlationId, traceId } = unit
      c.set("correlationId", correlationId)
      // Before there is an answer: to change one that is finished means to build it again.
      c.header("X-Correlation-Id", correlationId)
      c.header("X-Content-Type-Options", "nosniff")
      c.header("Cache-Control", "no-store")
      await next()
      const [route, { status }, ms] = [c.req.routePath, c.res, clock() - started]
      const [tenant, outcome = outcomeOf(status)] = [c.get("tenant"), c.get("outcome")]
      figures?.count("octant_requests_total", { route, status })
      figures?.took("octant_request_seconds", { route, status }, ms)
      if (status >= 500) figures?.count("octant_errors_total", { route })
      if (tenant !== undefined) limiter?.note(tenant as TenantId, status)
      unit.name = `${method} ${route}`
      unit.failed = status >= 500
      unit.about["http.request.method"] = method
      unit.about["http.route"] = route
      unit.about["http.response.status_code"] = status
      unit.about["octant.outcome"] = outcome
      if (tenant !== undefined) unit.about["octant.tenant"] = tenant
      log("request", {
        correlationId,
        traceId,
        method,
        route,
        status,
        tenant,
        key: c.get("key"),
        outcome,
        ms,
        readUnits: unit.read,
        writeUnits: unit.write,
      })
    })
  }
}

const outcomeOf = (status: number) => (status < 400 ? "answered" : status < 500 ? "refused" : "failed")

/** A value that a schema accepts, or `Fault("invalid_request")` with the first offending field. */
export function parsed<T>(
  schema: {
    safeParse(
      value: unknown,
    ):
      | { success: true; data: T }
      | { success: false; error: { issues: { path: PropertyKey[]; message: string; code: string }[] } }
  },
  value: unknown,
): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const keys = "keys" in issue ? (issue.keys as string[]) : []
  const field = fieldPath([...issue.path, ...keys.slice(0, 1)])
  throw new Fault("invalid_request", `${field || "the request"}: ${issue.message}`, field ? { field } : {})
}
