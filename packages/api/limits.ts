import type { Context } from "hono"
import { type Authenticate, type Caller, Forbidden } from "#access/caller.ts"
import type { Limiter, Request, Verdict } from "#access/limit.ts"
import { type PlanName, type Quota, quotas } from "#access/plans.ts"
import { SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import type { Figures } from "#core/figures.ts"
import type { TenantId } from "#store/keys.ts"
import type { Correlated } from "./problem.ts"

export type LimitNeeds = {
  limiter: Limiter
  figures?: Figures
  planOf: (tenant: TenantId) => Promise<PlanName>
  /** The header in which a proxy of ours says who has called; whoever could reach us without it could claim anything. */
  addressHeader?: string | undefined
}

/** Who calls with this key. One that may not do this has asked all the same: it is counted, and stands in the log. */
export async function callerOf(
  c: Context<Correlated>,
  needs: LimitNeeds & { authenticate: Authenticate },
  ...asked: Parameters<Authenticate>
): Promise<Caller> {
  try {
    return known(c, await needs.authenticate(...asked))
  } catch (error) {
    if (error instanceof Forbidden) await within(c, needs, known(c, error.caller))
    throw error
  }
}

function known(c: Context<Correlated>, caller: Caller): Caller {
  c.set("tenant", caller.tenant)
  c.set("key", caller.key)
  return caller
}

/** What a caller is known by, and what its request would use up. */
export type Counted = Pick<Request, "tenant" | "key" | "user" | "cost" | "spends">

/**
 * Lets a request pass or throws `Fault("rate_limited")` or `Fault("quota_exceeded")`; either way the answer carries the
 * `RateLimit-*` headers (draft-ietf-httpapi-ratelimit-headers, as the field uses them). What it was counted with and
 * does not use can be given back.
 */
export async function within(
  c: Context<Correlated>,
  needs: LimitNeeds,
  counted: Counted,
): Promise<(unused: NonNullable<Counted["spends"]>) => Promise<void>> {
  const { tenant } = counted
  const plan = await needs.planOf(tenant)
  const ip = addressOf(c, needs.addressHeader)
  settle(c, needs, plan, await needs.limiter.check({ ...counted, plan, ip, route: c.req.routePath }))
  return (spends) => needs.limiter.giveBack({ tenant, plan, spends })
}

/** The same at a source's door, which knows no key. */
export async function knockAt(c: Context<Correlated>, needs: LimitNeeds, tenant: TenantId, source: string) {
  const plan = await needs.planOf(tenant)
  const ip = addressOf(c, needs.addressHeader)
  settle(c, needs, plan, await needs.limiter.knock({ tenant, source, ip, plan }))
}

function settle(c: Context<Correlated>, needs: LimitNeeds, plan: PlanName, verdict: Verdict) {
  const seconds = Math.max(1, Math.ceil(verdict.resetMs / SECOND))
  c.header("RateLimit-Limit", String(verdict.limit))
  c.header("RateLimit-Remaining", String(verdict.remaining))
  c.header("RateLimit-Reset", String(seconds))
  if (verdict.allowed) return
  needs.figures?.count("octant_refusals_total", { reason: verdict.reason, plan })
  c.set("outcome", `refused by ${verdict.reason}`)
  throw refusal(verdict, plan, seconds)
}

const isQuota = (reason: Verdict["reason"]): reason is Quota => reason in quotas

function refusal({ reason, limit }: Verdict, plan: PlanName, retryAfter: number): Fault {
  if (isQuota(reason)) {
    const message = `the plan ${plan} includes ${limit} ${quotas[reason]} a day (UTC); wait for tomorrow or change the plan`
    return new Fault("quota_exceeded", message, { retryAfter })
  }
  const message = `the plan ${plan} includes ${limit} requests a minute by ${reason}; try again in ${retryAfter} s`
  return new Fault("rate_limited", message, { retryAfter })
}

/** What our proxy says (the last of a list: its own addition); else the other end of the socket, or what Lambda saw. */
function addressOf(c: Context<Correlated>, header: string | undefined): string | undefined {
  if (header !== undefined) return c.req.header(header)?.split(",").at(-1)?.trim().replace(/:\d+$/, "").slice(0, 64)
  const { incoming, requestContext } = ((c.env as unknown) ?? {}) as {
    incoming?: { socket?: { remoteAddress?: string } }
    requestContext?: { http?: { sourceIp?: string }; identity?: { sourceIp?: string } }
  }
  return incoming?.socket?.remoteAddress ?? requestContext?.http?.sourceIp ?? requestContext?.identity?.sourceIp
}
