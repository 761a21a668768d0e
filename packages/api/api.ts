import { type Context, Hono } from "hono"
import * as z from "zod/mini"
import { type Authenticate, createKey, listKeys, NewKey, revokeKey, type Scope } from "#access/key.ts"
import { getTenant } from "#access/tenant.ts"
import { instant } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { shortHash } from "#core/hash.ts"
import type { Log } from "#core/log.ts"
import type { Random } from "#core/random.ts"
import type { Tracing } from "#core/unit.ts"
import { zoneOf } from "#core/zone.ts"
import { catalogue } from "#events/catalogue.ts"
import type { JsonObject } from "#events/event.ts"
import { isShapely, limits, parseInstant } from "#events/message.ts"
import { type Metric, type MetricName, metrics } from "#metrics/catalogue.ts"
import { Query } from "#metrics/query.ts"
import { dimensionsOf } from "#metrics/run.ts"
import type { Enqueue } from "#pipeline/accept.ts"
import { type AnswerCache, cachedAnswer } from "#pipeline/cache.ts"
import { lastWeek, ledger } from "#pipeline/ledger.ts"
import { profileOf, timelineOf } from "#pipeline/profile.ts"
import type { QualityNeeds } from "#pipeline/quality/check.ts"
import { listQuarantine, release } from "#pipeline/quarantine.ts"
import { ask } from "#pipeline/reading.ts"
import type { TenantId } from "#store/keys.ts"
import { auditRoutes, by, shownTo } from "./audit.ts"
import { readJson } from "./body.ts"
import { keyInHeader } from "./collect.ts"
import { type HealthNeeds, healthRoutes } from "./health.ts"
import { type JobsNeeds, jobRoutes } from "./jobs.ts"
import { type LimitNeeds, within } from "./limits.ts"
import { type Correlated, otherMethods, parsed, perRequest, problem } from "./problem.ts"
import { qualityRoutes } from "./quality.ts"
import { type AdminNeeds, queueRoutes } from "./queues.ts"
import { mountSources, type SourcesNeeds } from "./sources.ts"

export type ApiNeeds = QualityNeeds &
  LimitNeeds &
  HealthNeeds &
  AdminNeeds &
  JobsNeeds &
  SourcesNeeds & {
    cache?: AnswerCache
    random: Random
    nonce: () => string
    log: Log
    authenticate: Authenticate
    enqueue: Enqueue
    tracing?: Tracing | undefined
  }

const BODY_BYTES = 256 * 1024
const date = z.optional(z.iso.date("must be a date such as 2026-01-31"))
const limit = (most: number, usual: number) =>
  z._default(z.coerce.number().check(z.int(), z.gte(1), z.lte(most)), usual)
const LedgerPage = z.strictObject({ from: date, to: date }).check(
  z.refine(({ from, to }) => from === undefined || to === undefined || from <= to, {
    path: ["to"],
    error: "must not be before from",
  }),
)
const words = z.optional(z.string().check(z.minLength(1), z.maxLength(500)))
/** As it is kept: in UTC, to the millisecond. */
const moment = z.optional(
  z.pipe(
    z.string().check(
      z.refine((text) => parseInstant(text) !== undefined, {
        error: "must be an instant such as 2026-01-31T12:00:00Z",
      }),
    ),
    z.transform((text: string) => instant(parseInstant(text)!)),
  ),
)
const search = {
  code: words,
  event: words,
  source: words,
  text: words,
  field: words,
  value: z.optional(z.string().check(z.maxLength(500))),
  from: moment,
  to: moment,
}
const fieldForValue = z.refine<{ field?: string | undefined; value?: string | undefined }>(
  ({ field, value }) => value === undefined || field !== undefined,
  { path: ["field"], error: "is needed with a value" },
)
const QuarantinePage = z
  .strictObject({ ...search, after: z.optional(z.string()), limit: limit(1000, 100) })
  .check(fieldForValue)
const propertyName = z.string().check(z.minLength(1), z.maxLength(200))
const TimelineQuery = z.strictObject({
  after: z.optional(z.string().check(z.regex(/^\d+\.\d+$/, "must be the `next` of a page"))),
  limit: limit(200, 50),
})
const ReleaseWish = z
  .strictObject({
    ids: z.optional(z.array(z.string()).check(z.minLength(1), z.maxLength(1000))),
    all: z.optional(z.literal(true)),
    match: z.optional(
      z.strictObject(search).check(
        fieldForValue,
        z.refine((match) => Object.keys(match).length > 0, { error: "must name something; all: true is all of it" }),
      ),
    ),
    rename: z.optional(z.record(propertyName, propertyName)),
    remove: z.optional(z.array(propertyName).check(z.maxLength(100))),
    set: z.optional(z.custom<JsonObject>(isShapely, "must be an object of properties that nest at most ten levels")),
    dryRun: z.optional(z.boolean()),
  })
  .check(
    z.refine(({ ids, all, match }) => [ids, all, match].filter((one) => one !== undefined).length === 1, {
      path: ["ids"],
      error: "name ids, or say all: true, or what to match",
    }),
  )

/** Queries and management: everything that answers out of the journal and its views. */
export function apiApp(needs: ApiNeeds) {
  const app = new Hono<Correlated>()
  app.use(perRequest(needs))
  app.onError((error, c) => problem(c, error, needs.log))
  app.notFound((c) => problem(c, new Fault("not_found", "there is no such path"), needs.log))

  /** The tenant comes from the key alone. A route that takes no parameters is not asked with any. */
  const tenantOf = async (
    c: Context<Correlated>,
    scope: Scope,
    parameters: "some" | "none" = "none",
  ): Promise<TenantId> => {
    const caller = await needs.authenticate(keyInHeader(c.req.raw), scope)
    c.set("tenant", caller.tenant)
    c.set("key", caller.key)
    const user = c.req.header("x-octant-user")
    await within(c, needs, { ...caller, user: user === undefined ? undefined : shortHash(user) })
    checkParameters(c.req.url, parameters)
    return caller.tenant
  }

  healthRoutes(app, needs)
  queueRoutes(app, needs)

  app.get("/v1/query", async (c) => {
    const tenant = await tenantOf(c, "read", "some")
    return c.json(await cachedAnswer(needs, tenant, parsed(Query, fromParameters(c.req.url))))
  })
  app.post("/v1/query", async (c) => {
    const tenant = await tenantOf(c, "read")
    return c.json(await cachedAnswer(needs, tenant, parsed(Query, await readJson(c.req.raw, BODY_BYTES))))
  })
  app.get("/v1/cache", async (c) => {
    const tenant = await tenantOf(c, "read")
    return c.json(needs.cache?.figures(tenant) ?? { since: null, hits: 0, misses: 0, skipped: 0, hitRate: null })
  })
  app.get("/v1/metrics", async (c) => {
    await tenantOf(c, "read")
    return c.json({ metrics: Object.entries<Metric>(metrics).map(([name, metric]) => described(name, metric)) })
  })
  app.get("/v1/events", async (c) => {
    await tenantOf(c, "read")
    return c.json({
      events: Object.entries(catalogue).map(([name, { description, properties }]) => ({
        name,
        description,
        properties: z.toJSONSchema(properties, { io: "input" }),
      })),
    })
  })

  app.get("/v1/customers/:id", async (c) => {
    const tenant = await tenantOf(c, "read")
    const found = await ask(needs, tenant, async (reading) => {
      const customer = await reading.customer(idOf(c.req.param("id")))
      if (!customer) throw new Fault("not_found", "there is no such customer")
      return { customer: profileOf(customer, reading.currency), position: reading.position }
    })
    const deed = { action: "customer.read", subject: found.customer.id }
    return c.json(await shownTo(c, needs, tenant, deed, found))
  })
  app.get("/v1/customers/:id/timeline", async (c) => {
    const tenant = await tenantOf(c, "read", "some")
    const { after, limit: most } = parsed(TimelineQuery, c.req.query())
    const [position, shown] = (after ?? "").split(".").map(Number)
    const found = await ask(needs, tenant, async (reading) => {
      const customer = await reading.customer(idOf(c.req.param("id")))
      if (!customer) throw new Fault("not_found", "there is no such customer")
      const page = { limit: most, ...(after === undefined ? {} : { after: { position: position!, shown: shown! } }) }
      return { id: customer.id, timeline: await timelineOf(needs, tenant, reading, customer, page) }
    })
    const deed = { action: "timeline.read", subject: found.id, details: { events: found.timeline.events.length } }
    return c.json(await shownTo(c, needs, tenant, deed, found.timeline))
  })

  app.get("/v1/ledger", async (c) => {
    const tenant = await tenantOf(c, "read", "some")
    const page = parsed(LedgerPage, c.req.query())
    return c.json(
      await ask(needs, tenant, async (reading) => {
        const week = lastWeek(zoneOf("UTC").place(needs.clock()).day)
        const { from = week.from, to = week.to } = page
        return { from, to, ...(await ledger(reading, from, to)), position: reading.position }
      }),
    )
  })

  qualityRoutes(app, needs, tenantOf)

  app.get("/v1/quarantine", async (c) => {
    const tenant = await tenantOf(c, "read", "some")
    const page = parsed(QuarantinePage, c.req.query())
    const found = await ask(needs, tenant, (reading) => listQuarantine(reading, page))
    const deed = { action: "quarantine.read", subject: `${found.items.length} events`, details: asked(page) }
    return c.json(await shownTo(c, needs, tenant, deed, found))
  })
  app.post("/v1/quarantine/release", async (c) => {
    const tenant = await tenantOf(c, "admin")
    const { ids, match, set, rename, remove, dryRun } = parsed(ReleaseWish, await readJson(c.req.raw, BODY_BYTES))
    const wish = {
      ...(match ? { match } : {}),
      ...(rename ? { rename } : {}),
      ...(remove ? { remove } : {}),
      ...(ids ? { ids } : {}),
      ...(set ? { set: set as JsonObject } : {}),
      ...(dryRun === undefined ? {} : { dryRun }),
    }
    return c.json(await ask(needs, tenant, (reading) => release(by(c, needs), reading, tenant, wish)))
  })

  app.get("/v1/tenant", async (c) => {
    const tenant = await tenantOf(c, "read")
    return c.json(await getTenant(needs, tenant))
  })
  app.get("/v1/keys", async (c) => c.json({ keys: await listKeys(needs, await tenantOf(c, "admin")) }))
  app.post("/v1/keys", async (c) => {
    const tenant = await tenantOf(c, "admin")
    return c.json(await createKey(by(c, needs), tenant, parsed(NewKey, await readJson(c.req.raw, BODY_BYTES))), 201)
  })
  app.delete("/v1/keys/:id", async (c) => {
    const tenant = await tenantOf(c, "admin")
    return c.json(await revokeKey(by(c, needs), tenant, c.req.param("id")))
  })

  mountSources(app, needs, tenantOf)
  auditRoutes(app, needs, tenantOf)
  jobRoutes(app, needs, tenantOf)

  otherMethods(app)
  return app
}

/** An identifier as `toEvent` would have kept it; one that nothing could be kept under is not there. */
function idOf(parameter: string) {
  const id = parameter.normalize("NFC")
  if (id.length > limits.idLength) throw new Fault("not_found", "there is no such customer")
  return id
}

/** Which events were asked for. */
const asked = ({ event, code }: { event?: string | undefined; code?: string | undefined }) => ({
  ...(event === undefined ? {} : { event }),
  ...(code === undefined ? {} : { code }),
})

function checkParameters(url: string, wanted: "some" | "none") {
  const parameters = new URL(url).searchParams
  for (const name of parameters.keys()) {
    if (wanted === "none") throw new Fault("invalid_request", `${name} is not a parameter of this`, { field: name })
    if (parameters.getAll(name).length > 1)
      throw new Fault("invalid_request", `${name} was given twice`, { field: name })
  }
}

/** A query out of a URL: numbers as numbers, `where` as JSON. */
function fromParameters(url: string): unknown {
  const parameters = new URL(url).searchParams
  const query: [name: string, value: unknown][] = []
  for (const [name, value] of parameters) {
    const isNumber = (name === "limit" || name === "asOf") && /^\d{1,15}$/.test(value)
    query.push([name, name === "where" ? parsedWhere(value) : isNumber ? Number(value) : value])
  }
  return Object.fromEntries(query)
}

function parsedWhere(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Fault("invalid_request", "where must be JSON", { field: "where" })
  }
}

/** A metric as it is listed. */
function described(name: string, { title, definition, unit }: Metric) {
  return { name, title, definition, unit, dimensions: dimensionsOf(name as MetricName) }
}
