import type { Context, Hono } from "hono"
import "#core/words.ts"
import * as z from "zod/mini"
import { instant } from "#core/clock.ts"
import { parseInstant } from "#events/message.ts"
import { type Actor, type AuditNeeds, type Deed, noted, readAudit } from "#store/audit.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { limit, type TenantOf } from "./app.ts"
import { type Correlated, parsed } from "./problem.ts"

/** The same powers in the hands of the key that asks. */
export const by = <T extends object>(c: Context<Correlated>, needs: T): T & { actor: Actor } => ({
  ...needs,
  actor: `key:${c.get("key") ?? ""}`,
})

/** Writes down that something personal was read; nothing is shown before that. */
export async function shownTo<T>(
  c: Context<Correlated>,
  needs: AuditNeeds,
  tenant: TenantId,
  deed: Deed,
  answer: T,
): Promise<T> {
  await noted(by(c, needs), tenant, deed)
  return answer
}

/** An instant, or a day: then its first or its last millisecond. */
const moment = (end: string) =>
  z.optional(
    z.string().check(
      z.refine((text) => parseInstant(text) !== undefined, {
        error: "must be an instant such as 2026-01-31T12:00:00Z, or a day",
      }),
      z.overwrite((text) => {
        const ms = parseInstant(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T${end}Z` : text)
        return ms === undefined ? text : instant(ms)
      }),
    ),
  )
const name = z.optional(z.string().check(z.minLength(1), z.maxLength(100)))
const AuditQuery = z.strictObject({
  after: z.optional(z.coerce.number().check(z.int(), z.gte(1))),
  limit: limit(1000, 100),
  action: name,
  actor: name,
  from: moment("00:00:00.000"),
  to: moment("23:59:59.999"),
})

/** Who did what, and who looked at what. */
export function auditRoutes(app: Hono<Correlated>, needs: { table: Table }, tenantOf: TenantOf) {
  app.get("/v1/audit", async (c) => {
    const tenant = await tenantOf(c, "admin", "some")
    return c.json(await readAudit(needs, tenant, parsed(AuditQuery, c.req.query())))
  })
}
