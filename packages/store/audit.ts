import { type Clock, instant } from "#core/clock.ts"
import { sha256 } from "#core/hash.ts"
import { keys, padded, type TenantId } from "./keys.ts"
import type { Item, Table, Write } from "./table.ts"

/**
 * The audit log of one tenant: a chain in which each row holds the hash of the one before it. The head says how many
 * rows there are, and lets only one writer put the next. A change and its row are one write, so neither is without
 * the other.
 */
export type AuditRow = {
  /** 1, 2, 3, … without holes. */
  seq: number
  /** When it was written, ISO 8601 in UTC. */
  at: string
  actor: Actor
  /** What was done, such as `key.revoke`. */
  action: string
  /** To what: an id. */
  subject: string
  /** More about it: never a payload, never a secret. */
  details: Details
  /** The hash of the row before; of the first, `GENESIS`. */
  prev: string
  hash: string
}
export type Details = Readonly<Record<string, string | number | boolean | null | readonly string[]>>
/** Whoever did it: the key that asked, a schedule, or whoever runs all this and needs no key. */
export type Actor = "operator" | "schedule" | `key:${string}`
export type Deed = { action: string; subject: string; details?: Details }

export type AuditNeeds = {
  table: Pick<Table, "get" | "transact">
  clock: Clock
  nonce: () => string
  /** The operator, if nobody is named: whoever holds the table itself. */
  actor?: Actor
}

/** What the first row follows. */
export const GENESIS = "0000000000000000000000000000000000000000000000000000000000000000"
const VERSION = 1
/** Of so many writers at once each gets its turn: whenever one has to begin again, another has gone on. */
const ATTEMPTS = 200
/** A request's token, by which its repetition is told: the same row, the same request. DynamoDB takes 36 characters. */
const TOKEN_LENGTH = 32

/**
 * Makes a change and writes its row, both or neither. `false` when a condition of the change did not hold: then nothing
 * was written. Throws when it cannot be done, or cannot be known to have been done.
 */
export function audited(needs: AuditNeeds, tenant: TenantId, deed: Deed, change: readonly Write[]): Promise<boolean> {
  return inTurn(needs.table, tenant, () => attempted(needs, tenant, deed, change))
}

/** Writes a row alone: of what is about to be read, or to be done elsewhere than in the table. */
export async function noted(needs: AuditNeeds, tenant: TenantId, deed: Deed): Promise<void> {
  await audited(needs, tenant, deed, [])
}

/** Writes the row, then does what is done elsewhere; a second row tells if that has failed. */
export async function announced<T>(
  needs: AuditNeeds,
  tenant: TenantId,
  deed: Deed,
  work: () => Promise<T>,
): Promise<T> {
  await noted(needs, tenant, deed)
  try {
    return await work()
  } catch (error) {
    await noted(needs, tenant, { ...deed, details: { ...deed.details, outcome: "failed" } })
    throw error
  }
}

async function attempted(needs: AuditNeeds, tenant: TenantId, deed: Deed, change: readonly Write[]): Promise<boolean> {
  const { table, clock, nonce, actor = "operator" } = needs
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const head = await table.get(keys.auditHead(tenant))
    const seq = Number(head?.seq ?? 0) + 1
    const id = nonce()
    const { action, subject, details = {} } = deed
    const said = { seq, at: instant(clock()), actor, action, subject, details: JSON.stringify(details), id }
    const row = sealed(tenant, { ...said, prev: String(head?.hash ?? GENESIS) })
    const next: Write = {
      put: { ...keys.auditHead(tenant), seq, hash: row.hash },
      condition: head ? { attribute: "seq", is: "=", value: seq - 1 } : "absent",
    }
    const failed = await table.transact(
      [...change, next, { put: row, condition: "absent" }],
      row.hash.slice(0, TOKEN_LENGTH),
    )
    if (failed.length === 0) return true
    // After an unclear answer it may have been our own first attempt that won.
    const there = await table.get(keys.auditRow(tenant, seq))
    if (there?.id === id) return true
    if (failed.some((place) => place < change.length)) return false
    // A row without the head that counts it: somebody has taken the head back.
    if (there && !failed.includes(change.length)) throw new Error(`the audit log of ${tenant} is damaged at ${seq}`)
  }
  throw new Error("the audit log is too busy")
}

type Said = { [name in (typeof names)[number]]: string | number }
const names = ["seq", "at", "actor", "action", "subject", "details", "id", "prev"] as const

const sealed = (tenant: TenantId, said: Said) => ({
  ...keys.auditRow(tenant, Number(said.seq)),
  ...said,
  hash: hashOf(tenant, said),
})
/** Of its own content and, by `prev`, of all before it. */
const hashOf = (tenant: TenantId, said: Partial<Said>) =>
  sha256(JSON.stringify([VERSION, tenant, ...names.map((name) => said[name])]))

const lanes = new WeakMap<object, Map<TenantId, Promise<unknown>>>()

/** One after the other within this process: writers of one tenant would only get in each other's way. */
function inTurn<T>(table: object, tenant: TenantId, work: () => Promise<T>): Promise<T> {
  const lane = lanes.get(table) ?? new Map<TenantId, Promise<unknown>>()
  lanes.set(table, lane)
  const done = (lane.get(tenant) ?? Promise.resolve()).then(work, work)
  const last = done.catch(() => {})
  lane.set(tenant, last)
  void last.then(() => lane.get(tenant) === last && lane.delete(tenant))
  return done
}

export type AuditPage = { after?: number; limit: number; action?: string; actor?: string; from?: string; to?: string }
/** How many rows one page may look at. */
const LOOKED_AT = 2000

/** Rows, the newest first, before the one that a page ended with; `from` and `to` are instants, both inclusive. */
export async function readAudit(
  { table }: { table: Pick<Table, "query"> },
  tenant: TenantId,
  page: AuditPage,
): Promise<{ rows: AuditRow[]; next?: number }> {
  const rows: AuditRow[] = []
  if (page.after === 1) return { rows }
  const upTo = page.after === undefined ? {} : { to: padded(page.after - 1) }
  const items = await table.query(keys.audit(tenant), { ...upTo, reverse: true, limit: LOOKED_AT })
  for (const item of items) {
    const row = toRow(item)
    if (wanted(row, page)) rows.push(row)
    if (rows.length === page.limit) return row.seq > 1 ? { rows, next: row.seq } : { rows }
  }
  const last = items.length === LOOKED_AT ? toRow(items.at(-1)!).seq : 1
  return last > 1 ? { rows, next: last } : { rows }
}

const wanted = ({ action, actor, at }: AuditRow, page: AuditPage) =>
  (page.action === undefined || action === page.action) &&
  (page.actor === undefined || actor === page.actor) &&
  (page.from === undefined || at >= page.from) &&
  (page.to === undefined || at <= page.to)

const toRow = (item: Item): AuditRow => ({
  seq: Number(item.seq),
  at: String(item.at),
  actor: item.actor as Actor,
  action: String(item.action),
  subject: String(item.subject),
  details: detailsIn(item),
  prev: String(item.prev),
  hash: String(item.hash),
})

/** One row that somebody has altered must not hide the others; that it was altered, `verifyAudit` finds. */
function detailsIn({ details }: Item): Details {
  try {
    return JSON.parse(String(details)) as Details
  } catch {
    return { unreadable: true }
  }
}

/** What is wrong with a log, and from which row on. */
export type Flaw = { seq: number; what: "altered" | "removed" | "inserted" | "unlinked" | "cut off" }
export type Verified = { tenant: TenantId; rows: number; hash: string; flaws: Flaw[] }
const MOST_FLAWS = 100

/**
 * Recomputes the chain. Finds a row that was altered, removed, inserted or put elsewhere, and a tail that was cut off.
 * Whoever can write the whole table can make a new chain of it: `anchor`, a hash that was noted elsewhere before, tells.
 */
export async function verifyAudit(
  { table }: { table: Pick<Table, "get" | "pages"> },
  tenant: TenantId,
  anchor?: { seq: number; hash: string },
): Promise<Verified> {
  const flaws: Flaw[] = []
  const before = Number((await table.get(keys.auditHead(tenant)))?.seq ?? 0)
  const hashes = new Map<number, string>()
  let [expected, last] = [1, GENESIS]
  for await (const items of table.pages(keys.audit(tenant))) {
    for (const item of items) {
      const seq = Number(item.sk)
      if (item.sk !== padded(seq) || seq < expected) {
        flaws.push({ seq: expected, what: "inserted" })
        continue
      }
      for (; expected < seq && flaws.length < MOST_FLAWS; expected++) flaws.push({ seq: expected, what: "removed" })
      const removedBefore = flaws.at(-1)?.what === "removed" && flaws.at(-1)?.seq === seq - 1
      if (!isWhole(tenant, item)) flaws.push({ seq, what: "altered" })
      else if (item.prev !== last && !removedBefore) flaws.push({ seq, what: "unlinked" })
      expected = seq + 1
      last = String(item.hash)
      if (seq === anchor?.seq) hashes.set(seq, last)
    }
  }
  const head = await table.get(keys.auditHead(tenant))
  const counted = Number(head?.seq ?? 0)
  // What was counted before we read must have been read; what came meanwhile may have.
  for (; expected <= before && flaws.length < MOST_FLAWS; expected++) flaws.push({ seq: expected, what: "cut off" })
  if (expected - 1 > counted) flaws.push({ seq: counted + 1, what: "inserted" })
  if (expected - 1 === counted && counted > 0 && head?.hash !== last && flaws.length === 0)
    flaws.push({ seq: counted, what: "altered" })
  if (anchor && hashes.get(anchor.seq) !== anchor.hash) flaws.push({ seq: anchor.seq, what: "altered" })
  return { tenant, rows: expected - 1, hash: last, flaws: flaws.slice(0, MOST_FLAWS) }
}

/** Its number is its place, it has all that a row has and nothing else, and its hash is that of its content. */
const isWhole = (tenant: TenantId, item: Item) =>
  item.seq === Number(item.sk) &&
  Object.keys(item).every((name) => ["pk", "sk", "hash", ...names].includes(name)) &&
  item.hash === hashOf(tenant, item as Partial<Said>)
