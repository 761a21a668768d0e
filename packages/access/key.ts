import "#core/words.ts"
import * as z from "zod/mini"
import { instant } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { sha256 } from "#core/hash.ts"
import { type Random, randomText } from "#core/random.ts"
import { type AuditNeeds, audited } from "#store/audit.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { type ApiKey, checksum, ID_LENGTH, SECRET_LENGTH, scopes, toApiKey } from "./caller.ts"

export const NewKey = z.strictObject({
  name: z.string().check(z.minLength(1), z.maxLength(200)),
  scope: z.enum(scopes),
  /** The source under which what comes with it is counted. */
  source: z.optional(
    z.string().check(z.regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, "must be 1 to 64 characters of a-z, 0-9, - and _")),
  ),
  expiresAt: z.optional(z.iso.datetime()),
})

type Needs = AuditNeeds & { table: Table; random: Random }

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
