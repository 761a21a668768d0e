import "#core/words.ts"
import type { Hono } from "hono"
import * as z from "zod/mini"
import { readPlan, writePlan } from "#access/tracking.ts"
import { DAY, instant } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { type Plan, planModes, planTypes } from "#events/plan.ts"
import { ledger } from "#pipeline/ledger.ts"
import { daily, hourly, type Trend } from "#pipeline/quality/daily.ts"
import { readAlerts, readChecks } from "#pipeline/quality/documents.ts"
import { differencesOf, draftOf } from "#pipeline/quality/draft.ts"
import { ALL, inspect, type QualityNeeds } from "#pipeline/quality/inspect.ts"
import { recentEvents } from "#pipeline/quality/recent.ts"
import { ask } from "#pipeline/reading.ts"
import type { AuditNeeds } from "#store/audit.ts"
import type { TenantId } from "#store/keys.ts"
import { BODY_BYTES, type TenantOf } from "./app.ts"
import { by } from "./audit.ts"
import { readJson } from "./body.ts"
import { type Correlated, parsed } from "./problem.ts"

const TREND_DAYS = 7
const MOST_TREND_DAYS = 92
const ALERTS_SHOWN = 100

const date = z.optional(z.iso.date("must be a date such as 2026-01-31"))
const Asked = z
  .strictObject({
    source: z.optional(z.string().check(z.minLength(1), z.maxLength(100))),
    from: date,
    to: date,
    /** Of the trends: each hour's last check, or days. */
    grain: z._default(z.enum(["hour", "day"]), "hour"),
  })
  .check(
    z.refine(({ from, to }) => from === undefined || to === undefined || from <= to, {
      path: ["to"],
      error: "must not be before from",
    }),
    z.refine(
      ({ from, to }) =>
        from === undefined || to === undefined || Date.parse(to) - Date.parse(from) < MOST_TREND_DAYS * DAY,
      { path: ["to"], error: `may be ${MOST_TREND_DAYS} days after from` },
    ),
  )

const name = z.string().check(z.minLength(1), z.maxLength(200))
/** A tracking plan as it is sent. */
export const PlanDocument = z.strictObject({
  unknown: z._default(z.enum(planModes), "observe"),
  events: z
    .array(
      z.strictObject({
        name,
        version: z.optional(z.string().check(z.minLength(1), z.maxLength(50))),
        mode: z._default(z.enum(planModes), "observe"),
        properties: z._default(
          z.record(
            name,
            z.strictObject({
              type: z.optional(z.enum(planTypes)),
              required: z.optional(z.boolean()),
              enum: z.optional(
                z
                  .array(z.union([z.string().check(z.maxLength(256)), z.number(), z.boolean()]))
                  .check(z.minLength(1), z.maxLength(100)),
              ),
            }),
          ),
          {},
        ),
      }),
    )
    .check(
      z.maxLength(500),
      z.refine(
        (events) => new Set(events.map(({ name, version }) => `${name}\u001f${version ?? ""}`)).size === events.length,
        { error: "names an event and version twice" },
      ),
    ),
})
const PlanWish = z.strictObject({ plan: PlanDocument, revision: z.optional(z.int().check(z.gte(0))) })
const DraftWish = z.strictObject({ apply: z.optional(z.boolean()) })

/** How good the data is, and what is expected of it. */
export function qualityRoutes(app: Hono<Correlated>, needs: QualityNeeds & AuditNeeds, tenantOf: TenantOf) {
  app.get("/v1/quality", async (c) => {
    const tenant = await tenantOf(c, "read", "some")
    return c.json(await qualityOf(needs, tenant, parsed(Asked, c.req.query())))
  })
  app.get("/v1/plan", async (c) => {
    const kept = await readPlan(needs, await tenantOf(c, "read"))
    return c.json(kept ?? { revision: 0, updatedAt: null, plan: { events: [], unknown: "observe" } })
  })
  app.put("/v1/plan", async (c) => {
    const tenant = await tenantOf(c, "admin")
    const { plan, revision } = parsed(PlanWish, await readJson(c.req.raw, BODY_BYTES))
    return c.json(await writePlan(by(c, needs), tenant, plan, revision))
  })
  app.post("/v1/plan/draft", async (c) => {
    const tenant = await tenantOf(c, "admin")
    const { apply } = parsed(DraftWish, await readJson(c.req.raw, BODY_BYTES, {}))
    const [kept, events] = await Promise.all([readPlan(needs, tenant), recentEvents(needs, tenant)])
    const plan = draftOf(events, kept?.plan)
    const about = { seen: events.length, plan }
    return c.json(apply ? { ...about, ...(await writePlan(by(c, needs), tenant, plan, kept?.revision ?? 0)) } : about)
  })
  app.get("/v1/plan/differences", async (c) => {
    const tenant = await tenantOf(c, "read")
    const [kept, events] = await Promise.all([readPlan(needs, tenant), recentEvents(needs, tenant)])
    const plan: Plan = kept?.plan ?? { events: [], unknown: "observe" }
    return c.json({ revision: kept?.revision ?? 0, seen: events.length, differences: differencesOf(plan, events) })
  })
}

/** What is said of the quality of a tenant's data. */
export type QualityAnswer = Awaited<ReturnType<typeof qualityOf>>

/** The present, measured now; the hours before, as checks kept them; the alerts; the ledger's totals. */
async function qualityOf(needs: QualityNeeds, tenant: TenantId, asked: z.output<typeof Asked>) {
  const now = needs.clock()
  const to = asked.to ?? instant(now).slice(0, 10)
  const from = asked.from ?? instant(Date.parse(to) - (TREND_DAYS - 1) * DAY).slice(0, 10)
  const wanted = ({ source }: { source: string }) => asked.source === undefined || source === asked.source
  const [present, stored, alerts] = await Promise.all([
    inspect(needs, tenant),
    readChecks(needs, tenant, from, to),
    readAlerts(needs, tenant),
  ])
  const checks = present.checks.filter(wanted)
  if (asked.source !== undefined && checks.length === 0)
    throw new Fault("not_found", "nothing has come from such a source", { field: "source" })
  const kept = stored.filter(wanted)
  const trends: Trend[] = asked.grain === "day" ? daily(kept, present.zone) : hourly(kept)
  const total = await ask(needs, tenant, async (reading) => {
    const { rows } = await ledger(reading, from, to)
    return totalsOf(rows.filter(wanted))
  })
  return {
    at: instant(now),
    from,
    to,
    score: present.checks.find(({ source }) => source === ALL)?.overall ?? null,
    sources: checks.map(({ source, score, parts }) => ({ source, score, parts })),
    failing: checks.flatMap(({ source, parts }) =>
      parts
        .filter(({ failing }) => failing)
        .map(({ name, value, gate, cause, query }) => ({ source, part: name, value, gate, cause, query })),
    ),
    alerts: alerts.filter(wanted).slice(0, ALERTS_SHOWN),
    grain: asked.grain,
    trends,
    ledger: total,
    position: present.position,
    complete: present.caughtUp,
  }
}

type Row = { received: number; counted: number; duplicate: number; rejected: number; quarantined: number }

function totalsOf(rows: readonly Row[]) {
  const total = { received: 0, counted: 0, duplicate: 0, rejected: 0, quarantined: 0 }
  for (const row of rows) for (const name of Object.keys(total) as (keyof Row)[]) total[name] += row[name]
  const settled = total.counted + total.duplicate + total.rejected + total.quarantined
  return { ...total, balanced: total.received === settled }
}
