import "#core/words.ts"
import * as z from "zod/mini"
import { instant } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { isZone } from "#core/zone.ts"
import { type AuditNeeds, audited } from "#store/audit.ts"
import { keys, OPERATOR } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { TenantId } from "#store/tenant-id.ts"
import { firstHead, theSwitch } from "#store/views.ts"
import { type PlanName, planNamed, planNames, USUAL_PLAN } from "./plans.ts"

/** A customer of ours: whose data it is, and how its days and money are meant. */
export const Tenant = z.strictObject({
  id: TenantId.check(z.refine((id) => id !== OPERATOR, { error: "is taken" })),
  name: z.string().check(z.minLength(1), z.maxLength(200)),
  timeZone: z._default(
    z.string().check(z.refine(isZone, { error: "must be a zone of the IANA database such as Europe/Athens" })),
    "UTC",
  ),
  currency: z._default(z.string().check(z.regex(/^[A-Z]{3}$/, "must be an ISO 4217 code such as EUR")), "USD"),
  plan: z._default(z.enum(planNames), USUAL_PLAN),
})
export type Tenant = z.output<typeof Tenant>

type Needs = AuditNeeds & { table: Table }
const FIRST_GENERATION = 1

/** Makes a tenant with empty views. Throws `Fault("conflict")` when the id is taken. */
export async function createTenant(needs: Needs, tenant: Tenant) {
  const { clock } = needs
  const { id, name, timeZone, currency, plan } = tenant
  const settings = { ...keys.settings(id), name, timeZone, currency, plan, createdAt: instant(clock()) }
  const deed = { action: "tenant.create", subject: id, details: { name, timeZone, currency, plan } }
  const fresh = await audited(needs, id, deed, [
    { put: settings, condition: "absent" },
    { put: firstHead(id, FIRST_GENERATION, { zone: timeZone, currency }), condition: "absent" },
    theSwitch(id, 0, FIRST_GENERATION, clock()),
    { put: { ...keys.registered(id), name } },
  ])
  if (!fresh) throw new Fault("conflict", `there is a tenant ${id} already`, { field: "id" })
}

/** Throws `Fault("not_found")`. */
export async function getTenant(
  { table }: Pick<Needs, "table">,
  id: TenantId,
): Promise<Tenant & { createdAt: string }> {
  const item = await table.get(keys.settings(id))
  if (!item) throw new Fault("not_found", "there is no such tenant")
  return {
    id,
    name: String(item.name),
    timeZone: String(item.timeZone),
    currency: String(item.currency),
    plan: planNamed(item.plan),
    createdAt: String(item.createdAt),
  }
}

/** Another plan, in force within a minute. Throws `Fault("not_found")`, or `Fault("conflict")` if it was changed meanwhile. */
export async function changePlan(needs: Needs, id: TenantId, plan: PlanName) {
  const before = await getTenant(needs, id)
  const item = await needs.table.get(keys.settings(id))
  const condition =
    item?.plan === undefined
      ? ({ attribute: "createdAt", is: "=", value: before.createdAt } as const)
      : ({ attribute: "plan", is: "=", value: String(item.plan) } as const)
  const deed = { action: "tenant.plan", subject: id, details: { from: before.plan, to: plan } }
  if (!(await audited(needs, id, deed, [{ set: keys.settings(id), values: { plan }, condition }])))
    throw new Fault("conflict", "the plan was changed meanwhile; look at it again", { field: "plan" })
  return { ...before, plan }
}
