import { crc32 } from "node:zlib"
import "#core/words.ts"
import * as z from "zod/mini"
import { type Clock, instant, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { sha256 } from "#core/hash.ts"
import { type Random, randomText } from "#core/random.ts"
import { type AuditNeeds, audited } from "#store/audit.ts"
import { keys, TenantId } from "#store/keys.ts"
import type { Item, Table } from "#store/table.ts"

/** What a key may do. `admin` includes `read`. */
export const scopes = ["write", "read", "admin"] as const
export type Scope = (typeof scopes)[number]

export const NewKey = z.strictObject({
  name: z.string().check(z.minLength(1), z.maxLength(200)),
  scope: z.enum(scopes),
  /** The source under which what comes with it is counted. */
  source: z.optional(
    z.string().check(z.regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, "must be 1 to 64 characters of a-z, 0-9, - and _")),
  ),
  expiresAt: z.optional(z.iso.datetime()),
})

/** A key as it is listed: never the key itself, which is shown once. */
export type ApiKey = {
  id: string
  name: string
  scope: Scope
  source: string
  createdAt: string
  expiresAt?: string
  revokedAt?: string
}
/** Who calls. The tenant comes from the key alone. */
export type Caller = { tenant: TenantId; key: string; scope: Scope; source: string }

type Needs = AuditNeeds & { table: Table; random: Random }

const SECRET_LENGTH = 32
const CHECK_LENGTH = 6
const ID_LENGTH = 16
const FORM = new RegExp(
  `^oct_(write|read|admin)_([a-z0-9-]{1,40})_([0-9A-Za-z]{${SECRET_LENGTH}})([0-9a-z]{${CHECK_LENGTH}})$`,
)

/** A checksum, so that junk and typing errors are refused before anything is read. It protects nothing. */
const checksum = (text: string) => crc32(text).toString(36).padStart(7, "0").slice(-CHECK_LENGTH)

/** Makes a key; `key` is shown this once, the table keeps its SHA-256. Throws `Fault("invalid_request")` for one that is over. */
export async function createKey(
  needs: Needs,
  tenant: TenantId,
  wish: z.output<typeof NewKey>,
): Promise<ApiKey & { key: string }> {
  const { clock, random } = needs
  if (wish.expiresAt !== undefined && Date.parse(wish.expiresAt) <= clock())
    throw new Fault("invalid_request", "expiresAt is over already", { field: "expiresAt" })
  const unchecked = `oct_${wish.scope}_${tenant}_${randomText(random, SECRET_LENGTH)}`
  const key = unchecked + checksum(unchecked)
  const hash = sha256(key)
  const { name, scope, source = "default", expiresAt } = wish
  const stored = { name, scope, source, createdAt: instant(clock()), ...(expiresAt === undefined ? {} : { expiresAt }) }
  const id = hash.slice(0, ID_LENGTH)
  const deed = { action: "key.create", subject: id, details: { name, scope, source, expiresAt: expiresAt ?? null } }
  await audited(needs, tenant, deed, [{ put: { ...keys.apiKey(tenant, hash), ...stored }, condition: "absent" }])
  return { id, ...stored, key }
}

export const listKeys = async ({ table }: Pick<Needs, "table">, tenant: TenantId): Promise<ApiKey[]> =>
  (await table.query(keys.apiKeys(tenant))).map(toApiKey)

/** Ends a key, by its id. Calling it again changes nothing. Throws `Fault("not_found")`. */
export async function revokeKey(needs: Omit<Needs, "random">, tenant: TenantId, id: string): Promise<ApiKey> {
  const { table, clock } = needs
  const item = (await table.query(keys.apiKeys(tenant))).find(({ sk }) => sk.slice(0, ID_LENGTH) === id)
  if (!item) throw new Fault("not_found", "there is no such key")
  if (item.revokedAt !== undefined) return toApiKey(item)
  const revokedAt = instant(clock())
  const deed = { action: "key.revoke", subject: id, details: { name: String(item.name) } }
  await audited(needs, tenant, deed, [{ set: keys.apiKey(tenant, item.sk), values: { revokedAt } }])
  return { ...toApiKey(item), revokedAt }
}

const toApiKey = (item: Item): ApiKey => ({
  id: item.sk.slice(0, ID_LENGTH),
  name: String(item.name),
  scope: item.scope as Scope,
  source: String(item.source),
  createdAt: String(item.createdAt),
  ...(item.expiresAt === undefined ? {} : { expiresAt: String(item.expiresAt) }),
  ...(item.revokedAt === undefined ? {} : { revokedAt: String(item.revokedAt) }),
})

/** How long a function may go on believing what it read of a key: a revocation takes effect within this. */
const TRUST_MS = 4 * SECOND
const KEYS_REMEMBERED = 10_000

/** Hears of the tenant that a key names while the key is looked up: what else will be read of it can be read with it. */
type Beside = (claimed: TenantId) => void

/**
 * Tells who calls by a key that was presented. Throws `Fault("unauthorized")` for a key that is malformed, unknown,
 * expired or revoked (all alike), `Fault("forbidden")` for one without the scope, and `Fault("unavailable")` when it
 * cannot be read: nobody is let in unseen.
 */
export function authenticator({ table, clock }: { table: Pick<Table, "get">; clock: Clock }) {
  const remembered = new Map<string, { until: number; item: Promise<Item | undefined> }>()

  const read = async (tenant: TenantId, hash: string) => {
    try {
      return await table.get(keys.apiKey(tenant, hash))
    } catch (cause) {
      throw new Fault("unavailable", "keys cannot be checked at this moment; try again", { retryAfter: 1, cause })
    }
  }
  const look = (tenant: TenantId, hash: string, beside: Beside) => {
    const known = remembered.get(hash)
    if (known && known.until > clock()) return known.item
    if (remembered.size >= KEYS_REMEMBERED) remembered.clear()
    const item = read(tenant, hash)
    beside(tenant)
    remembered.set(hash, { until: clock() + TRUST_MS, item })
    item.catch(() => remembered.delete(hash))
    return item
  }

  return async (presented: string | undefined, wanted: Scope, beside: Beside = () => {}): Promise<Caller> => {
    const refused = () => new Fault("unauthorized", "a valid API key is needed")
    const match = presented === undefined ? null : FORM.exec(presented)
    if (!match || !presented || checksum(presented.slice(0, -CHECK_LENGTH)) !== match[4]) throw refused()
    const tenant = TenantId.safeParse(match[2])
    if (!tenant.success) throw refused()
    const hash = sha256(presented)
    // Looked up by its hash: no comparison of secrets takes place whose time could tell anything.
    const item = await look(tenant.data, hash, beside)
    if (
      !item ||
      item.revokedAt !== undefined ||
      (item.expiresAt !== undefined && Date.parse(String(item.expiresAt)) <= clock())
    )
      throw refused()
    const key = toApiKey(item)
    if (key.scope !== wanted && !(key.scope === "admin" && wanted === "read")) {
      throw new Fault("forbidden", `this key has the scope ${key.scope}; ${wanted} is needed`)
    }
    return { tenant: tenant.data, key: key.id, scope: key.scope, source: key.source }
  }
}
export type Authenticate = ReturnType<typeof authenticator>
