import "#core/words.ts"
import * as z from "zod/mini"
import { createKey, listKeys, NewKey, revokeKey } from "#access/key.ts"
import { getTenant } from "#access/tenant.ts"
import { instant } from "#core/clock.ts"
import type { Random } from "#core/random.ts"
import type { JsonObject } from "#events/event.ts"
import { isShapely, parseInstant } from "#events/message.ts"
import type { Enqueue } from "#pipeline/accept.ts"
import type { QualityNeeds } from "#pipeline/quality/inspect.ts"
import { listQuarantine, release } from "#pipeline/quarantine.ts"
import { ask } from "#pipeline/reading.ts"
import { type AppNeeds, appOf, BODY_BYTES, limit } from "./app.ts"
import { auditRoutes, by, shownTo } from "./audit.ts"
import { readJson } from "./body.ts"
import { type HealthNeeds, healthRoutes } from "./health.ts"
import { type JobsNeeds, jobRoutes } from "./jobs.ts"
import { parsed } from "./problem.ts"
import { qualityRoutes } from "./quality.ts"
import { type AdminNeeds, queueRoutes } from "./queues.ts"
import { mountSources, type SourcesNeeds } from "./sources.ts"
import { mountWebhooks, type WebhooksNeeds } from "./webhooks.ts"

export type ManagementNeeds = AppNeeds &
  QualityNeeds &
  HealthNeeds &
  AdminNeeds &
  SourcesNeeds &
  WebhooksNeeds &
  JobsNeeds & { random: Random; enqueue: Enqueue }

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

/** What is set up and looked after: a function that only answers questions never loads it. */
export const managementApp = (needs: ManagementNeeds) =>
  appOf(needs, (app, tenantOf) => {
    healthRoutes(app, needs)
    queueRoutes(app, needs)
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
    mountWebhooks(app, needs, tenantOf)
    auditRoutes(app, needs, tenantOf)
    jobRoutes(app, needs, tenantOf)
  })

/** Which events were asked for. */
const asked = ({ event, code }: { event?: string | undefined; code?: string | undefined }) => ({
  ...(event === undefined ? {} : { event }),
  ...(code === undefined ? {} : { code }),
})
