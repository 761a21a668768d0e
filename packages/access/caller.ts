import { type Clock, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { crc32, sha256 } from "#core/hash.ts"
import { isTenantId, keys, type TenantId } from "#store/keys.ts"
import type { Item, Table } from "#store/table.ts"

/** What a key may do. `admin` includes `read`. */
export const scopes = ["write", "read", "admin"] as const
export type Scope = (typeof scopes)[number]

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

/** A good key, but not for this: who calls is known all the same. */
export class Forbidden extends Fault {
  readonly caller: Caller
  constructor(caller: Caller, wanted: Scope) {
    super("forbidden", `this key has the scope ${caller.scope}; ${wanted} is needed`)
    this.caller = caller
  }
}

export const SECRET_LENGTH = 32
const CHECK_LENGTH = 6
export const ID_LENGTH = 16
const FORM = new RegExp(
  `^oct_(write|read|admin)_([a-z0-9-]{1,40})_([0-9A-Za-z]{${SECRET_LENGTH}})([0-9a-z]{${CHECK_LENGTH}})$`,
)

/** A checksum, so that junk and typing errors are refused before anything is read. It protects nothing. */
export const checksum = (text: string) => crc32(text).toString(36).padStart(7, "0").slice(-CHECK_LENGTH)

export const toApiKey = (item: Item): ApiKey => ({
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

/**
 * Hears of the tenant that a key names while the key is looked up: what else will be read of it can be read with it.
 * If it fails, it fails again where it matters.
 */
type Beside = (claimed: TenantId) => Promise<unknown>

/**
 * Tells who calls by a key that was presented. Throws `Fault("unauthorized")` for a key that is malformed, unknown,
 * expired or revoked (all alike), `Forbidden` for one without the scope, and `Fault("unavailable")` when it
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
    remembered.set(hash, { until: clock() + TRUST_MS, item })
    item.catch(() => remembered.delete(hash))
    Promise.try(beside, tenant).catch(() => {})
    return item
  }

  return async (
    presented: string | undefined,
    wanted: Scope,
    beside: Beside = () => Promise.resolve(),
  ): Promise<Caller> => {
    const refused = () => new Fault("unauthorized", "a valid API key is needed")
    const match = presented === undefined ? null : FORM.exec(presented)
    if (!match || !presented || checksum(presented.slice(0, -CHECK_LENGTH)) !== match[4]) throw refused()
    const tenant = match[2]
    if (!isTenantId(tenant)) throw refused()
    const hash = sha256(presented)
    // Looked up by its hash: no comparison of secrets takes place whose time could tell anything.
    const item = await look(tenant, hash, beside)
    if (
      !item ||
      item.revokedAt !== undefined ||
      (item.expiresAt !== undefined && Date.parse(String(item.expiresAt)) <= clock())
    )
      throw refused()
    const key = toApiKey(item)
    const caller = { tenant, key: key.id, scope: key.scope, source: key.source }
    if (key.scope !== wanted && !(key.scope === "admin" && wanted === "read")) throw new Forbidden(caller, wanted)
    return caller
  }
}
export type Authenticate = ReturnType<typeof authenticator>
