import type { Context, Hono } from "hono"
import "#core/words.ts"
import * as z from "zod/mini"
import type { Authenticate } from "#access/caller.ts"
import { type PlanName, plans } from "#access/plans.ts"
import { Fault } from "#core/fault.ts"
import { failure, type Log } from "#core/log.ts"
import {
  cancelJob,
  createJob,
  getJob,
  isOver,
  type Job,
  listJobs,
  type SendJob,
  shown,
  states,
} from "#pipeline/jobs/job.ts"
import { kindNames } from "#pipeline/jobs/kind.ts"
import { kindNamed } from "#pipeline/jobs/kinds.ts"
import { readResult } from "#pipeline/jobs/result.ts"
import type { AuditNeeds } from "#store/audit.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { BODY_BYTES, limit, type TenantOf } from "./app.ts"
import { by, shownTo } from "./audit.ts"
import { readJson } from "./body.ts"
import { keyInHeader } from "./collect.ts"
import { type Correlated, parsed } from "./problem.ts"

export type JobsNeeds = AuditNeeds & {
  table: Table
  log: Log
  authenticate: Authenticate
  planOf: (tenant: TenantId) => Promise<PlanName>
  sendJob: SendJob
}

const ASK_AGAIN_SECONDS = 2
const Wish = z.strictObject({
  kind: z.enum(kindNames, `must be one of ${kindNames.join(", ")}`),
  input: z._default(z.unknown(), {}),
})
const Page = z.strictObject({
  after: z.optional(z.string().check(z.regex(/^\d{13}-job_[\w-]{16}$/, "must be the `next` of a page"))),
  limit: limit(200, 50),
  kind: z.optional(z.enum(kindNames)),
  state: z.optional(z.enum(states)),
})
const IdempotencyKey = /^[\x21-\x7e]{1,255}$/

/** What takes longer than a request may: asked for, looked at, cancelled. */
export function jobRoutes(app: Hono<Correlated>, needs: JobsNeeds, tenantOf: TenantOf) {
  app.post("/v1/jobs", async (c) => {
    const tenant = await tenantOf(c, "read")
    const wish = parsed(Wish, await readJson(c.req.raw, BODY_BYTES))
    const kind = await allowed(c, wish.kind)
    const { input } = parsed(z.object({ input: await kind.Input() }), wish)
    const idempotencyKey = idempotencyKeyIn(c)
    const most = plans[await needs.planOf(tenant)].jobs
    const job = await createJob(by(c, needs), tenant, { kind: wish.kind, input, idempotencyKey }, kind, most)
    if (job.state === "queued") await sent(tenant, job)
    c.header("Location", `/v1/jobs/${job.id}`)
    return c.json(shown(job), 202)
  })
  app.get("/v1/jobs", async (c) => {
    const tenant = await tenantOf(c, "read", "some")
    return c.json(await listJobs(needs, tenant, given(parsed(Page, c.req.query()))))
  })
  app.get("/v1/jobs/:id", async (c) => {
    const tenant = await tenantOf(c, "read")
    const job = await getJob(needs, tenant, c.req.param("id"))
    if (!isOver(job)) c.header("Retry-After", String(ASK_AGAIN_SECONDS))
    return c.json(shown(job))
  })
  app.get("/v1/jobs/:id/result", async (c) => {
    const tenant = await tenantOf(c, "read")
    const job = await getJob(needs, tenant, c.req.param("id"))
    const kind = await allowed(c, job.kind)
    if (!isOver(job)) {
      throw new Fault("not_ready", `this job is ${job.state}; ask again`, { retryAfter: ASK_AGAIN_SECONDS })
    }
    if (!job.found) throw new Fault("conflict", job.error?.message ?? `this job is ${job.state}: it has no result`)
    const text = await readResult(needs, { tenant, id: job.id }, job.found)
    const deed = { action: "job.read", subject: job.id, details: { kind: job.kind } }
    const answer = kind.isPersonal(job.input) ? await shownTo(c, needs, tenant, deed, text) : text
    return c.body(answer, 200, { "Content-Type": "application/json" })
  })
  app.post("/v1/jobs/:id/cancel", async (c) => {
    const tenant = await tenantOf(c, "read")
    const { id, kind } = await getJob(needs, tenant, c.req.param("id"))
    await allowed(c, kind)
    return c.json(shown(await cancelJob(by(c, needs), tenant, id)))
  })

  /** The kind, if the key that asks may do it. */
  async function allowed(c: Context<Correlated>, name: Job["kind"]) {
    const kind = await kindNamed(name)
    await needs.authenticate(keyInHeader(c.req.raw), kind.scope)
    return kind
  }

  /** The job is durable by now: one that could not be sent is sent by the schedule. */
  async function sent(tenant: TenantId, { id, priority }: Job) {
    try {
      await needs.sendJob({ tenant, id, priority })
    } catch (error) {
      needs.log("send.failed", { tenant, job: id, ...failure(error) })
    }
  }
}

function idempotencyKeyIn(c: Context<Correlated>) {
  const key = c.req.header("idempotency-key")
  if (key === undefined || IdempotencyKey.test(key)) return key
  const message = "an Idempotency-Key has 1 to 255 visible ASCII characters"
  throw new Fault("invalid_request", message, { field: "Idempotency-Key" })
}

/** Only what was said. */
function given({ limit, after, kind, state }: z.output<typeof Page>) {
  return { limit, ...(after ? { after } : {}), ...(kind ? { kind } : {}), ...(state ? { state } : {}) }
}
