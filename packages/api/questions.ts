import "#core/words.ts"
import type { Context } from "hono"
import * as z from "zod/mini"
import { Fault } from "#core/fault.ts"
import { zoneOf } from "#core/zone.ts"
import { catalogue } from "#events/catalogue.ts"
import { limits } from "#events/message.ts"
import { schemaOf } from "#events/property.ts"
import { type Metric, type MetricName, metrics } from "#metrics/catalogue.ts"
import { singlesOut } from "#metrics/filter.ts"
import { Query } from "#metrics/query.ts"
import { dimensionsOf } from "#metrics/run.ts"
import { type AnswerCache, cachedAnswer } from "#pipeline/cache.ts"
import { lastWeek, ledger } from "#pipeline/ledger.ts"
import { profileOf, timelineOf } from "#pipeline/profile.ts"
import { ask, type ReadNeeds } from "#pipeline/reading.ts"
import type { AuditNeeds } from "#store/audit.ts"
import type { TenantId } from "#store/keys.ts"
import { type AppNeeds, appOf, BODY_BYTES, limit } from "./app.ts"
import { shownTo } from "./audit.ts"
import { readJson } from "./body.ts"
import { type Correlated, parsed } from "./problem.ts"

export type QuestionNeeds = AppNeeds & ReadNeeds & AuditNeeds & { cache?: AnswerCache }

const date = z.optional(z.iso.date("must be a date such as 2026-01-31"))
const LedgerPage = z.strictObject({ from: date, to: date }).check(
  z.refine(({ from, to }) => from === undefined || to === undefined || from <= to, {
    path: ["to"],
    error: "must not be before from",
  }),
)
const TimelineQuery = z.strictObject({
  after: z.optional(z.string().check(z.regex(/^\d+\.\d+$/, "must be the `next` of a page"))),
  limit: limit(200, 50),
})

/** So much of a filter is kept in the audit log. */
const WHERE_CHARACTERS = 1000

/** What is asked most: everything that answers out of the journal and its views. */
export const questionsApp = (needs: QuestionNeeds) =>
  appOf(needs, (app, tenantOf) => {
    /** An answer about a single person is a look at personal data. */
    const answered = async (c: Context<Correlated>, tenant: TenantId, asked: unknown) => {
      const query = parsed(Query, asked)
      const answer = await cachedAnswer(needs, tenant, query)
      const { metric, where } = query
      if (where === undefined || !singlesOut(where)) return answer
      const details = { where: JSON.stringify(where).slice(0, WHERE_CHARACTERS) }
      return shownTo(c, needs, tenant, { action: "query.read", subject: metric, details }, answer)
    }
    app.get("/v1/query", async (c) => {
      const tenant = await tenantOf(c, "read", "some")
      return c.json(await answered(c, tenant, fromParameters(c.req.url)))
    })
    app.post("/v1/query", async (c) => {
      const tenant = await tenantOf(c, "read")
      return c.json(await answered(c, tenant, await readJson(c.req.raw, BODY_BYTES)))
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
          properties: { $schema: "https://json-schema.org/draft/2020-12/schema", ...schemaOf(properties) },
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
  })

/** An identifier as `toEvent` would have kept it; one that nothing could be kept under is not there. */
function idOf(parameter: string) {
  const id = parameter.normalize("NFC")
  if (id.length > limits.idLength) throw new Fault("not_found", "there is no such customer")
  return id
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
