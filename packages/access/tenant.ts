import "#core/words.ts"
import * as z from "zod/mini"
import { type Clock, instant } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { isZone } from "#core/zone.ts"
import { keys, OPERATOR, TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { beginGeneration, switchGeneration } from "#store/views.ts"
import { planNamed, planNames, USUAL_PLAN } from "./plans.ts"

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

type Needs = { table: Table; clock: Clock }
const FIRST_GENERATION = 1

/**
 * Makes a tenant with empty views. It is made when it is registered, which comes last: what died before is finished by
 * whoever begins the same tenant again. Throws `Fault("conflict")` when the id is taken.
 */
export async function createTenant({ table, clock }: Needs, tenant: Tenant) {
  const { id, name, timeZone, currency, plan } = tenant
  const fresh = await table.put(
    { ...keys.settings(id), name, timeZone, currency, plan, createdAt: instant(clock()) },
    "absent",
  )
  if (!fresh && !(await isHalfMade({ table }, tenant)))
    throw new Fault("conflict", `there is a tenant ${id} already`, { field: "id" })
  await beginGeneration({ table }, id, FIRST_GENERATION, { zone: timeZone, currency })
  await switchGeneration({ table }, id, 0, FIRST_GENERATION, clock())
  await table.put({ ...keys.registered(id), name })
}

/** Whether this very tenant was begun and never registered. */
async function isHalfMade({ table }: Pick<Needs, "table">, tenant: Tenant) {
  if (await table.get(keys.registered(tenant.id))) return false
  const begun = await getTenant({ table }, tenant.id)
  return (["name", "timeZone", "currency", "plan"] as const).every((name) => begun[name] === tenant[name])
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

/** The ids of all tenants, in order. */
export const listTenants = async ({ table }: Pick<Needs, "table">) =>
  (await table.query(keys.registered(OPERATOR).pk)).map(({ sk }) => sk as TenantId)
