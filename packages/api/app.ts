import { type Context, Hono } from "hono"
import "#core/words.ts"
import * as z from "zod/mini"
import type { Authenticate, Scope } from "#access/caller.ts"
import type { Clock } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import type { Figures } from "#core/figures.ts"
import { shortHash } from "#core/hash.ts"
import type { Log } from "#core/log.ts"
import type { Tracing } from "#core/unit.ts"
import type { TenantId } from "#store/keys.ts"
import { keyInHeader } from "./collect.ts"
import { callerOf, type LimitNeeds, within } from "./limits.ts"
import { type Correlated, otherMethods, perRequest, problem } from "./problem.ts"

export type AppNeeds = LimitNeeds & {
  clock: Clock
  nonce: () => string
  log: Log
  figures?: Figures
  authenticate: Authenticate
  tracing?: Tracing | undefined
}
/** A parameter of a URL: how many a page has. */
export const limit = (most: number, usual: number) =>
  z._default(z.coerce.number().check(z.int(), z.gte(1), z.lte(most)), usual)
/** How large the body of a question or a setting may be. */
export const BODY_BYTES = 256 * 1024

/** Whose key it is, if it has the scope; a route that takes no parameters is not asked with any. */
export type TenantOf = (c: Context<Correlated>, scope: Scope, parameters?: "some") => Promise<TenantId>

/** An app whose every request has its id, its line in the log, its limits, and an error that says what is wrong. */
export function appOf(needs: AppNeeds, mount: (app: Hono<Correlated>, tenantOf: TenantOf) => void) {
  const app = new Hono<Correlated>()
  app.use(perRequest(needs))
  app.onError((error, c) => problem(c, error, needs.log))
  app.notFound((c) => problem(c, new Fault("not_found", "there is no such path"), needs.log))

  mount(app, async (c, scope, parameters) => {
    // The tenant comes from the key alone.
    const caller = await callerOf(c, needs, keyInHeader(c.req.raw), scope, needs.planOf)
    const user = c.req.header("x-octant-user")
    await within(c, needs, { ...caller, user: user === undefined ? undefined : shortHash(user) })
    checkParameters(c.req.url, parameters)
    return caller.tenant
  })
  otherMethods(app)
  return app
}

function checkParameters(url: string, wanted: "some" | undefined) {
  const parameters = new URL(url).searchParams
  for (const name of parameters.keys()) {
    if (wanted === undefined) throw new Fault("invalid_request", `${name} is not a parameter of this`, { field: name })
    if (parameters.getAll(name).length > 1)
      throw new Fault("invalid_request", `${name} was given twice`, { field: name })
  }
}
