import "#core/words.ts"
import * as z from "zod/mini"
import { shortHash } from "#core/hash.ts"
import type { Key } from "./table.ts"

/**
 * Every key of the table is made here, and every key begins with its tenant.
 * A tenant's id is a slug, so no id can hold the separator and no tenant's keys can begin another's.
 */
export const TenantId = z
  .string()
  .check(z.regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, "must be 1 to 40 characters of a-z, 0-9 and inner hyphens"))
  .brand<"TenantId">()
export type TenantId = z.infer<typeof TenantId>

/** Holds what belongs to no tenant: the register of tenants. Nobody can be given this id. */
export const OPERATOR = "octant" as TenantId

const DIGITS = 12
/** Positions as text that sorts as numbers do. */
export const padded = (position: number) => String(position).padStart(DIGITS, "0")

const of = (tenant: TenantId, ...parts: (string | number)[]) => ["T", tenant, ...parts].join("#")

export const keys = {
  settings: (tenant: TenantId): Key => ({ pk: of(tenant), sk: "settings" }),
  registered: (tenant: TenantId): Key => ({ pk: of(OPERATOR, "tenants"), sk: tenant }),
  apiKeys: (tenant: TenantId) => of(tenant, "keys"),
  apiKey: (tenant: TenantId, hash: string): Key => ({ pk: of(tenant, "keys"), sk: hash }),
  claim: (tenant: TenantId, key: string): Key => ({ pk: of(tenant, "idempotency", shortHash(key)), sk: "claim" }),

  journal: (tenant: TenantId) => of(tenant, "journal", 0),
  entry: (tenant: TenantId, position: number): Key => ({ pk: of(tenant, "journal", 0), sk: padded(position) }),
  sequencer: (tenant: TenantId): Key => ({ pk: of(tenant, "head", 0), sk: "head" }),

  views: (tenant: TenantId) => of(tenant, "views"),
  currentViews: (tenant: TenantId): Key => ({ pk: of(tenant, "views"), sk: "current" }),
  viewHead: (tenant: TenantId, generation: number): Key => ({ pk: of(tenant, "views"), sk: `head#${generation}` }),
  redo: (tenant: TenantId, generation: number) => of(tenant, "views", generation, "redo"),
  block: (tenant: TenantId, generation: number, kind: string) => of(tenant, "views", generation, kind),
  customer: (tenant: TenantId, generation: number, id: string): Key => ({
    pk: of(tenant, "views", generation, "customers", bucketOf(id)),
    sk: id,
  }),
  customers: (tenant: TenantId, generation: number, bucket: number) =>
    of(tenant, "views", generation, "customers", bucket.toString(16)),
  timeline: (tenant: TenantId, generation: number) => of(tenant, "views", generation, "timeline"),
  seen: (tenant: TenantId, generation: number) => of(tenant, "views", generation, "seen"),
  quarantine: (tenant: TenantId, generation: number) => of(tenant, "views", generation, "quarantine"),
} as const

/** Sort keys under `timeline` and `seen`: all of one customer, all of one day, by position. */
export const timelineKey = (customer: string, upTo?: number) =>
  `${shortHash(customer)}#${upTo === undefined ? "" : padded(upTo)}`
export const seenKey = (day: string, position?: number) => `${day}#${position === undefined ? "" : padded(position)}`

/** Customers are spread over this many partitions, so that a fold's writes do not meet one partition's limit. */
export const BUCKETS = 16
const bucketOf = (customer: string) => (shortHash(customer).charCodeAt(0) % BUCKETS).toString(16)
