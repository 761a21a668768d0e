import { type Clock, instant, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { pack, unpack } from "#core/pack.ts"
import type { Plan } from "#events/plan.ts"
import { type AuditNeeds, audited } from "#store/audit.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"

/** A tenant's tracking plan as it is kept. */
export type KeptPlan = { revision: number; updatedAt: string; plan: Plan }

/** How long a function may go on believing what it read: a changed plan takes effect within this. */
const TRUST_MS = 5 * SECOND
const TENANTS_REMEMBERED = 10_000

export async function readPlan(
  { table }: { table: Pick<Table, "get"> },
  tenant: TenantId,
): Promise<KeptPlan | undefined> {
  const item = await table.get(keys.trackingPlan(tenant))
  return (
    item && {
      revision: Number(item.revision),
      updatedAt: String(item.updatedAt),
      plan: unpack<Plan>(item.body as Uint8Array),
    }
  )
}

/** Puts a plan in force. With a `revision`, only over that one: throws `Fault("conflict")` if another came between. */
export async function writePlan(needs: AuditNeeds, tenant: TenantId, plan: Plan, revision?: number): Promise<KeptPlan> {
  const { table, clock } = needs
  const before = (await readPlan({ table }, tenant))?.revision ?? 0
  const kept = { revision: before + 1, updatedAt: instant(clock()), plan }
  const item = {
    ...keys.trackingPlan(tenant),
    revision: kept.revision,
    updatedAt: kept.updatedAt,
    body: pack(plan),
  }
  const inTime = revision === undefined || revision === before
  const condition = before === 0 ? "absent" : ({ attribute: "revision", is: "=", value: before } as const)
  const details = { revision: kept.revision, events: plan.events.length, unknown: plan.unknown }
  const deed = { action: "plan.write", subject: "plan", details }
  if (inTime && (await audited(needs, tenant, deed, [{ put: item, condition }]))) return kept
  throw new Fault("conflict", "the plan was changed meanwhile; read it again", { field: "revision" })
}

/** The plan in force, read once in five seconds. */
export function trackingPlanReader({ table, clock }: { table: Pick<Table, "get">; clock: Clock }) {
  const remembered = new Map<TenantId, { until: number; plan: Promise<Plan | undefined> }>()
  return (tenant: TenantId): Promise<Plan | undefined> => {
    const known = remembered.get(tenant)
    if (known && known.until > clock()) return known.plan
    if (remembered.size >= TENANTS_REMEMBERED) remembered.clear()
    const plan = readPlan({ table }, tenant).then((kept) => kept?.plan)
    remembered.set(tenant, { until: clock() + TRUST_MS, plan })
    plan.catch(() => remembered.delete(tenant))
    return plan
  }
}
export type TrackingPlan = ReturnType<typeof trackingPlanReader>
