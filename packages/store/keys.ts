import { sha256, shortHash } from "#core/hash.ts"
import type { Key } from "./table.ts"
import type { TenantId } from "./tenant-id.ts"

export type { TenantId }

/**
 * Every key of the table is made here, and every key begins with its tenant.
 * A tenant's id is a slug, so no id can hold the separator and no tenant's keys can begin another's.
 */
export const TENANT_ID = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/
export const isTenantId = (id: unknown): id is TenantId => typeof id === "string" && TENANT_ID.test(id)

/** Holds what belongs to no tenant: the register of tenants. Nobody can be given this id. */
export const OPERATOR = "octant" as TenantId

/**
 * A source's id says whose it is, as an API key does, so that whoever knocks with one needs no other name.
 * `undefined` for what no source can be called.
 */
export function ownerOf(source: string): TenantId | undefined {
  const tenant = SOURCE.exec(source)?.[1]
  return isTenantId(tenant) && tenant !== OPERATOR ? tenant : undefined
}
const SOURCE = /^src_([a-z0-9-]{1,40})_[0-9A-Za-z]{16}$/
export const SOURCE_TAIL = 16

/**
 * Whose an item is and of what kind, from its key alone: whatever is added to a tenant belongs to its backup.
 * The operator's registers name their tenants in the sort key.
 */
export function belongs({ pk, sk }: Key): { tenant: TenantId | undefined; kind: string } {
  const [, owner, kind = "settings"] = pk.split("#")
  if (owner !== OPERATOR) return { tenant: owner as TenantId, kind }
  return { tenant: kind === "tenants" ? (sk as TenantId) : ownerOf(sk), kind }
}

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

  sources: (tenant: TenantId) => of(tenant, "sources"),
  source: (tenant: TenantId, id: string): Key => ({ pk: of(tenant, "sources"), sk: id }),
  /** The register of sources that have something to poll, of all tenants. */
  polled: (id: string): Key => ({ pk: of(OPERATOR, "polled"), sk: id }),
  refusals: (tenant: TenantId, source: string) => of(tenant, "refusals", source),
  /** `hour` as `2026-01-31T12`. */
  refusal: (tenant: TenantId, source: string, hour: string): Key => ({ pk: of(tenant, "refusals", source), sk: hour }),
  deliveries: (tenant: TenantId, source: string, day: string) => of(tenant, "deliveries", source, day),
  delivery: (tenant: TenantId, source: string, receivedAt: string, hash: string): Key => ({
    pk: of(tenant, "deliveries", source, receivedAt.slice(0, 10)),
    sk: `${receivedAt}#${hash}`,
  }),
  /** A body that is too large to be listed with its delivery. */
  deliveryPart: (tenant: TenantId, source: string, receivedAt: string, hash: string, part: number): Key => ({
    pk: of(tenant, "bodies", source, receivedAt.slice(0, 10)),
    sk: `${receivedAt}#${hash}#${padded(part)}`,
  }),

  journal: (tenant: TenantId) => of(tenant, "journal", 0),
  entry: (tenant: TenantId, position: number): Key => ({ pk: of(tenant, "journal", 0), sk: padded(position) }),
  sequencer: (tenant: TenantId): Key => ({ pk: of(tenant, "head", 0), sk: "head" }),

  views: (tenant: TenantId) => of(tenant, "views"),
  currentViews: (tenant: TenantId): Key => ({ pk: of(tenant, "views"), sk: "current" }),
  viewHead: (tenant: TenantId, generation: number): Key => ({ pk: of(tenant, "views"), sk: `head#${generation}` }),
  redo: (tenant: TenantId, generation: number) => of(tenant, "views", generation, "redo"),
  block: (tenant: TenantId, generation: number, kind: string) => of(tenant, "views", generation, kind),
  /** Where the row of a customer lies when all pages have been split in two so many times. */
  customerPage: (tenant: TenantId, generation: number, splits: number, id: string): Key => {
    const page = pageOf(id, splits)
    return { pk: keys.customers(tenant, generation, page % BUCKETS), sk: pageKey(splits, page) }
  },
  /** All pages that there can be after so many splits, as they lie. */
  customerPages: (tenant: TenantId, generation: number, splits: number): Key[] =>
    Array.from({ length: 2 ** splits }, (_, page) => page)
      .sort((a, b) => (a % BUCKETS) - (b % BUCKETS) || a - b)
      .map((page) => ({ pk: keys.customers(tenant, generation, page % BUCKETS), sk: pageKey(splits, page) })),
  customers: (tenant: TenantId, generation: number, bucket: number) =>
    of(tenant, "views", generation, "customers", bucket.toString(16)),
  timeline: (tenant: TenantId, generation: number) => of(tenant, "views", generation, "timeline"),
  seen: (tenant: TenantId, generation: number) => of(tenant, "views", generation, "seen"),
  copies: (tenant: TenantId, generation: number) => of(tenant, "views", generation, "copies"),
  /** Which events of an entry did not count. */
  copied: (tenant: TenantId, generation: number, position: number): Key => ({
    pk: of(tenant, "views", generation, "copies"),
    sk: padded(position),
  }),
  /** In the cache, not in the table. */
  answer: (tenant: TenantId, position: number, asked: string) => of(tenant, "answer", position, asked),
  quarantine: (tenant: TenantId, generation: number) => of(tenant, "views", generation, "quarantine"),

  /** The audit log: its rows by number, and apart from them the head, which says how many there are. */
  audit: (tenant: TenantId) => of(tenant, "audit"),
  auditRow: (tenant: TenantId, seq: number): Key => ({ pk: of(tenant, "audit"), sk: padded(seq) }),
  auditHead: (tenant: TenantId): Key => ({ pk: of(tenant, "audit", "head"), sk: "head" }),

  /** Why a message of a queue failed last. */
  failure: (tenant: TenantId, queue: string, message: string): Key => ({
    pk: of(tenant, "failures", queue),
    sk: message,
  }),

  /** What happened and was not told yet. */
  outbox: (tenant: TenantId) => of(tenant, "outbox"),
  untold: (tenant: TenantId, event: string): Key => ({ pk: of(tenant, "outbox"), sk: event }),
  /** Where a tenant wants to be told. */
  webhooks: (tenant: TenantId) => of(tenant, "webhooks"),
  webhook: (tenant: TenantId, id: string): Key => ({ pk: of(tenant, "webhooks"), sk: id }),
  /** Each holds one, so that there are never more than there are places. */
  webhookPlace: (tenant: TenantId, place: number): Key => ({ pk: of(tenant, "webhooks", "places"), sk: padded(place) }),
  /** What a webhook was told or is to be told, by the time of its event. */
  tellings: (tenant: TenantId, webhook: string) => of(tenant, "tellings", webhook),
  telling: (tenant: TenantId, webhook: string, at: string, event: string): Key => ({
    pk: of(tenant, "tellings", webhook),
    sk: `${at}#${event}`,
  }),
  /** Jobs by id; beside them their list in the order of making, and the places that those hold that are not over. */
  job: (tenant: TenantId, id: string): Key => ({ pk: of(tenant, "jobs"), sk: id }),
  jobList: (tenant: TenantId) => of(tenant, "jobs", "list"),
  jobListed: (tenant: TenantId, createdMs: number, id: string): Key => ({
    pk: of(tenant, "jobs", "list"),
    sk: `${createdMs}-${id}`,
  }),
  jobPlaces: (tenant: TenantId) => of(tenant, "jobs", "places"),
  jobPlace: (tenant: TenantId, place: number): Key => ({ pk: of(tenant, "jobs", "places"), sk: padded(place) }),
  /** A part of what one run of a job has found. */
  jobResult: (tenant: TenantId, id: string, run: string, part: number): Key => ({
    pk: of(tenant, "jobs", "results", id),
    sk: `${run}#${padded(part)}`,
  }),

  trackingPlan: (tenant: TenantId): Key => ({ pk: of(tenant), sk: "plan" }),
  /** What sources sent, day by day, and up to which position. */
  observed: (tenant: TenantId) => of(tenant, "quality", "observed"),
  observedUpTo: (tenant: TenantId): Key => ({ pk: of(tenant, "quality"), sk: "observed" }),
  /** The last time that all customers were added up. */
  sweep: (tenant: TenantId): Key => ({ pk: of(tenant, "quality"), sk: "customers" }),
  /** What vendors count themselves, by day and source. */
  census: (tenant: TenantId) => of(tenant, "quality", "census"),
  checks: (tenant: TenantId) => of(tenant, "quality", "checks"),
  standings: (tenant: TenantId) => of(tenant, "quality", "standings"),
  alerts: (tenant: TenantId) => of(tenant, "quality", "alerts"),
  alert: (tenant: TenantId, id: string): Key => ({ pk: of(tenant, "quality", "alerts"), sk: id }),
} as const

/** Sort keys under `timeline` and `seen`: all of one customer, all of one day, by position. */
export const timelineKey = (customer: string, upTo?: number) =>
  `${shortHash(customer)}#${upTo === undefined ? "" : padded(upTo)}`
export const seenKey = (day: string, position?: number) => `${day}#${position === undefined ? "" : padded(position)}`

/** Customers are spread over this many partitions, so that a fold's writes do not meet one partition's limit. */
export const BUCKETS = 16
const pageOf = (customer: string, splits: number) =>
  splits === 0 ? 0 : Number.parseInt(sha256(customer).slice(0, 8), 16) >>> (32 - splits)
const pageKey = (splits: number, page: number) => `${String(splits).padStart(2, "0")}#${padded(page)}`
/** The sort keys of all pages that have been split so many times. */
export const pageRange = (splits: number) => ({
  from: pageKey(splits, 0),
  to: pageKey(splits, Number.MAX_SAFE_INTEGER),
})
