import { type Clock, MINUTE } from "#core/clock.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"

/** What a request is counted against, always within its tenant: no tenant can use up what is another's. */
export const dimensions = ["key", "tenant", "user", "ip", "route"] as const
export type Dimension = (typeof dimensions)[number]

export const quotas = { events: "events", aiMessages: "AI messages" } as const
export type Quota = keyof typeof quotas

export type Plan = {
  requestsPerMinute: Readonly<Record<Dimension, number>>
  /** By the day in UTC. */
  perDay: Readonly<Record<Quota, number | "unlimited">>
  /** That are not over, at once. */
  jobs: number
}

/** What a tenant may use. A request carries up to 1,000 events, so that requests are seldom what runs out first. */
export const plans = {
  free: {
    requestsPerMinute: { key: 300, tenant: 600, user: 120, ip: 240, route: 300 },
    perDay: { events: 10_000, aiMessages: 100 },
    jobs: 1,
  },
  basic: {
    requestsPerMinute: { key: 1_500, tenant: 3_000, user: 300, ip: 1_200, route: 1_500 },
    perDay: { events: 250_000, aiMessages: 1_000 },
    jobs: 3,
  },
  pro: {
    requestsPerMinute: { key: 12_000, tenant: 24_000, user: 1_200, ip: 6_000, route: 12_000 },
    perDay: { events: 5_000_000, aiMessages: 10_000 },
    jobs: 10,
  },
  enterprise: {
    requestsPerMinute: { key: 1_200_000, tenant: 2_400_000, user: 600_000, ip: 1_200_000, route: 1_200_000 },
    perDay: { events: "unlimited", aiMessages: "unlimited" },
    jobs: 50,
  },
} as const satisfies Record<string, Plan>
export type PlanName = keyof typeof plans

export const planNames = Object.keys(plans) as [PlanName, ...PlanName[]]
/** Of tenants that were made without a plan. */
export const USUAL_PLAN: PlanName = "enterprise"
export const planNamed = (name: unknown): PlanName => planNames.find((known) => known === name) ?? USUAL_PLAN

/** A change of plan takes effect within this. */
const TRUST_MS = MINUTE
const TENANTS_REMEMBERED = 10_000

/** A tenant's plan, as its settings say it. */
export function planReader({ table, clock }: { table: Pick<Table, "get">; clock: Clock }) {
  const remembered = new Map<TenantId, { until: number; plan: Promise<PlanName> }>()
  return (tenant: TenantId): Promise<PlanName> => {
    const known = remembered.get(tenant)
    if (known && known.until > clock()) return known.plan
    if (remembered.size >= TENANTS_REMEMBERED) remembered.clear()
    // A table that is away for a moment does not change what somebody pays for.
    const plan = table.get(keys.settings(tenant)).then(
      (item) => planNamed(item?.plan),
      (error: unknown) => known?.plan ?? Promise.reject(error),
    )
    remembered.set(tenant, { until: clock() + TRUST_MS, plan })
    plan.catch(() => remembered.delete(tenant))
    return plan
  }
}
