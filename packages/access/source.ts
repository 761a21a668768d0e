import "#core/words.ts"
import * as z from "zod/mini"
import { DAY, instant } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { type Random, randomText } from "#core/random.ts"
import { ofAccount } from "#sources/account.ts"
import { isDescribed, usualConfig, VendorConfig, VendorId, VendorName, vendorOf } from "#sources/registry.ts"
import type { Vendor } from "#sources/source.ts"
import { type AuditNeeds, audited } from "#store/audit.ts"
import { isStill } from "#store/item.ts"
import { keys, ownerOf, SOURCE_TAIL, type TenantId } from "#store/keys.ts"
import type { Item, Table, Write } from "#store/table.ts"
import { type Sealing, sealText, type Vault } from "#store/vault.ts"
import { noteChange } from "./changes.ts"

const name = z.string().check(z.minLength(1), z.maxLength(200))
const secretText = z.string().check(z.minLength(1), z.maxLength(4096))

export const NewSource = z.strictObject({
  vendor: VendorName,
  name,
  /** What the vendor signs with. Without it one is made; the vendor's own can be given later, by a rotation. */
  secret: z.optional(secretText),
  /** For the vendor's own API, so that what no webhook brought is found there. */
  credential: z.optional(secretText),
  baseUrl: z.optional(z.url()),
  /** Which account, of a vendor whose ids are only its account's own: sources of one account share what they tell. */
  account: z.optional(z.string().check(z.regex(/^[a-z0-9][a-z0-9-]{0,39}$/, "must be 1 to 40 of a-z, 0-9 and -"))),
  /** How to read a vendor that has to be described. */
  config: z.optional(VendorConfig),
})
export const SourceChange = z
  .strictObject({
    name: z.optional(name),
    paused: z.optional(z.boolean()),
    /** `null` forgets it: nothing is polled any more. */
    credential: z.optional(z.nullable(secretText)),
    baseUrl: z.optional(z.url()),
  })
  .check(z.refine((change) => Object.keys(change).length > 0, { error: "name at least one field to change" }))
export const Rotation = z.strictObject({
  /** The vendor's new one; of ours a new one is made. */
  secret: z.optional(secretText),
  /** `false` ends the old one at once, as when it was seen by somebody. */
  keepOld: z._default(z.boolean(), true),
})

/** A source as it is listed: never a secret, which is shown once. */
export type Source = {
  id: string
  vendor: VendorId
  name: string
  /** Where the vendor has to send to. */
  url: string
  paused: boolean
  createdAt: string
  /** Without a secret nothing can be verified, and nothing is taken. */
  hasSecret: boolean
  /** Until when the secret before this one is accepted too. */
  oldSecretUntil?: string
  config?: VendorConfig
  /** By which its vendor's ids are told from those of another account. */
  account?: string
  /** Present when a credential is set. */
  poll?: { baseUrl: string; at?: string; error?: string; notBefore?: string }
}

export type SourceNeeds = AuditNeeds & {
  table: Table
  random: Random
  vault: Vault
  hooksUrl: () => string
  /** Whether a vendor's API may be on this machine: its stand-in. */
  loopback: boolean
}

const OLD_SECRET_MS = DAY
/** Some 256 bits. */
const SECRET_LENGTH = 43
export const secretOf = (tenant: TenantId, id: string): Sealing => ({ tenant, purpose: `secret:${id}` })
export const credentialOf = (tenant: TenantId, id: string): Sealing => ({ tenant, purpose: `credential:${id}` })
export const missing = () => new Fault("not_found", "there is no such source")

/** A rotated source: a secret of ours is shown this once; one of the vendor's is not told again. */
export type Shown = Source & { secret?: string }
/** A new source: its secret, made or given, is shown this once. `next` says what is still to be pasted. */
export type MadeSource = Source & { secret: string | null; next?: string }

/** Makes a source. */
export async function createSource(
  needs: SourceNeeds,
  tenant: TenantId,
  wish: z.output<typeof NewSource>,
): Promise<MadeSource> {
  const { vault, random, clock } = needs
  const id = `src_${tenant}_${randomText(random, SOURCE_TAIL)}`
  const config = configOf(id, wish)
  const vendor = vendorOf(wish.vendor, config)
  const account = accountOf(id, vendor, wish)
  const secret = wish.secret ?? (vendor.pasted === undefined ? newSecret(vendor, random) : undefined)
  const next = wish.secret === undefined ? nextFor(vendor, id) : undefined
  const poll = wish.credential === undefined ? undefined : pollable(needs, vendor, wish.baseUrl)
  const item: Item = {
    ...keys.source(tenant, id),
    vendor: wish.vendor,
    name: wish.name,
    createdAt: instant(clock()),
    paused: false,
    rotations: 0,
    pollAfter: 0,
    ...(config === undefined ? {} : { config: JSON.stringify(config) }),
    ...(account === undefined ? {} : { account }),
    ...(secret === undefined ? {} : { secret: await sealText(vault, secretOf(tenant, id), secret) }),
    ...(poll === undefined
      ? {}
      : { ...poll, credential: await sealText(vault, credentialOf(tenant, id), wish.credential!) }),
  }
  const deed = {
    action: "source.create",
    subject: id,
    details: { vendor: wish.vendor, name: wish.name, polled: !!poll },
  }
  await audited(needs, tenant, deed, [
    { put: item, condition: "absent" },
    ...(poll ? [{ put: { ...keys.polled(id), tenant } }] : []),
  ])
  return { ...toSource(needs, item), secret: secret ?? null, ...(next === undefined ? {} : { next }) }
}

const newSecret = ({ makeSecret }: Vendor, random: Random) => makeSecret?.(random) ?? randomText(random, SECRET_LENGTH)

/** What the tenant has to do before the vendor can send, where the vendor signs with something of its own. */
function nextFor({ name, secretFrom, pasted }: Vendor, id: string): string | undefined {
  if (secretFrom === "us") return undefined
  const rotate = `POST /v1/sources/${id}/rotate { "secret" }`
  return pasted === undefined
    ? `${name} makes its own secret: paste it with ${rotate}; until then only what is signed with this one is taken`
    : `paste ${pasted}, with ${rotate}; until then nothing is taken`
}

/** Senders that we know nothing of would give the same ids to different facts: each source's facts get names of their own. */
function configOf(id: string, { vendor, config: given }: z.output<typeof NewSource>): VendorConfig | undefined {
  if (!isDescribed(vendor)) {
    if (given !== undefined) throw new Fault("invalid_request", "this vendor needs no config", { field: "config" })
    return undefined
  }
  const config = given ?? usualConfig(vendor)
  return (config.id ?? vendor) === vendor
    ? { ...config, id: `${vendor}-${id.slice(-SOURCE_TAIL).toLowerCase()}` }
    : config
}

/** As given, else as the vendor's URL of the account says, else the source's own: never that of another. */
function accountOf(id: string, vendor: Vendor, { account, baseUrl }: z.output<typeof NewSource>): string | undefined {
  if (!vendor.idsOfAccount) {
    if (account === undefined) return undefined
    throw new Fault(
      "invalid_request",
      `the ids of ${vendor.name} are one account's as much as another's: leave it out`,
      {
        field: "account",
      },
    )
  }
  const { hostname = "" } = URL.parse(baseUrl ?? "") ?? {}
  const ofUrl = vendor.api?.hosts.test(hostname) ? hostname.split(".")[0] : undefined
  return account ?? ofUrl ?? id.slice(-SOURCE_TAIL).toLowerCase()
}

/** Where to poll, or why not. */
function pollable(
  { loopback }: Pick<SourceNeeds, "loopback">,
  vendor: Vendor,
  given: string | undefined,
): { baseUrl: string } {
  if (!vendor.poll || !vendor.api) {
    throw new Fault("invalid_request", `${vendor.name} has no list to poll: leave the credential out`, {
      field: "credential",
    })
  }
  const baseUrl = given ?? vendor.api.url
  if (baseUrl === undefined) {
    throw new Fault("invalid_request", `say where your account of ${vendor.name} is`, { field: "baseUrl" })
  }
  const { protocol, hostname, port, username, password } = new URL(baseUrl)
  const isVendors = protocol === "https:" && port === "" && !username && !password && vendor.api.hosts.test(hostname)
  // Only there: the credential is a secret, and our functions can reach what strangers cannot.
  if (isVendors || (loopback && hostname === "127.0.0.1")) return { baseUrl }
  throw new Fault("invalid_request", `must be an https URL of ${vendor.name}'s`, { field: "baseUrl" })
}

export const listSources = async (needs: SourceNeeds, tenant: TenantId): Promise<Source[]> =>
  (await needs.table.query(keys.sources(tenant))).map((item) => toSource(needs, item))

/** Throws `Fault("not_found")`, for another tenant's as for none. */
export const getSource = async (needs: SourceNeeds, tenant: TenantId, id: string): Promise<Source> =>
  toSource(needs, await itemOf(needs, tenant, id))

/** Throws `Fault("not_found")`. */
export async function itemOf({ table }: { table: Pick<Table, "get"> }, tenant: TenantId, id: string): Promise<Item> {
  const item = ownerOf(id) === tenant ? await table.get(keys.source(tenant, id)) : undefined
  if (!item) throw missing()
  return item
}

/** Sets attributes of a source that is there. */
export const setOf = (table: Table, tenant: TenantId, item: Item, values: Values) =>
  table.set(keys.source(tenant, item.sk), values, isStill(item))
type Values = Parameters<Table["set"]>[1]

export async function changeSource(
  needs: SourceNeeds,
  tenant: TenantId,
  id: string,
  change: z.output<typeof SourceChange>,
): Promise<Source> {
  const { vault } = needs
  const item = await itemOf(needs, tenant, id)
  const { credential, baseUrl, ...plain } = change
  const values: Values = { ...plain }
  const register: Write[] = []
  if (credential === null) {
    Object.assign(values, { credential: null, baseUrl: null, cursor: null })
  } else if (credential !== undefined || baseUrl !== undefined) {
    if (credential === undefined && item.credential === undefined) {
      throw new Fault("invalid_request", "give the credential for it too", { field: "credential" })
    }
    const stored = item.baseUrl === undefined ? undefined : String(item.baseUrl)
    const poll = pollable(needs, vendorIn(item), baseUrl ?? stored)
    Object.assign(values, poll, { pollAfter: 0, pollError: null })
    // Another account's list has other places.
    if (poll.baseUrl !== stored) values.cursor = null
    if (credential !== undefined) values.credential = await sealText(vault, credentialOf(tenant, id), credential)
    register.push({ put: { ...keys.polled(id), tenant } })
  }
  if (credential === null) register.push({ delete: keys.polled(id) })
  const changed = { set: keys.source(tenant, id), values, condition: isStill(item) }
  const deed = { action: deedOf(change), subject: id, details: { changed: Object.keys(change) } }
  if (!(await audited(needs, tenant, deed, [changed, ...register]))) throw missing()
  noteChange(id)
  return getSource(needs, tenant, id)
}

const deedOf = ({ paused }: z.output<typeof SourceChange>) =>
  paused === undefined ? "source.change" : paused ? "source.pause" : "source.resume"

/** A new secret. The one before it is accepted for a day, or ends at once. */
export async function rotateSecret(
  needs: SourceNeeds,
  tenant: TenantId,
  id: string,
  { secret: given, keepOld }: z.output<typeof Rotation>,
): Promise<Shown> {
  const { vault, random, clock } = needs
  const item = await itemOf(needs, tenant, id)
  const vendor = vendorIn(item)
  if (given === undefined && vendor.secretFrom === "vendor") {
    throw new Fault("invalid_request", `${vendor.name} makes the secret: paste its new one`, { field: "secret" })
  }
  const secret = given ?? newSecret(vendor, random)
  const kept = keepOld && item.secret !== undefined
  const values = {
    secret: await sealText(vault, secretOf(tenant, id), secret),
    oldSecret: kept ? item.secret! : null,
    oldUntil: kept ? clock() + OLD_SECRET_MS : null,
    rotations: Number(item.rotations) + 1,
  }
  const condition = { attribute: "rotations", is: "=", value: Number(item.rotations) } as const
  const deed = { action: "source.rotate", subject: id, details: { keepOld: kept } }
  if (!(await audited(needs, tenant, deed, [{ set: keys.source(tenant, id), values, condition }]))) {
    await itemOf(needs, tenant, id)
    throw new Fault("conflict", "another rotation was faster: look at the source, and rotate again if need be")
  }
  noteChange(id)
  const source = await getSource(needs, tenant, id)
  return given === undefined ? { ...source, secret } : source
}

/** Ends a source at once; what it brought stays. Throws `Fault("not_found")`. */
export async function deleteSource(needs: SourceNeeds, tenant: TenantId, id: string): Promise<Source> {
  const item = await itemOf(needs, tenant, id)
  const deed = {
    action: "source.delete",
    subject: id,
    details: { vendor: String(item.vendor), name: String(item.name) },
  }
  const gone = [{ delete: keys.source(tenant, id), condition: isStill(item) }, { delete: keys.polled(id) }]
  if (!(await audited(needs, tenant, deed, gone))) throw missing()
  noteChange(id)
  return toSource(needs, item)
}

const configIn = ({ config }: Item) => (config === undefined ? undefined : (JSON.parse(String(config)) as VendorConfig))
export const vendorIn = (item: Item): Vendor => {
  const vendor = vendorOf(VendorId.parse(item.vendor), configIn(item))
  return item.account === undefined ? vendor : ofAccount(vendor, String(item.account))
}

function toSource({ hooksUrl, clock }: Pick<SourceNeeds, "hooksUrl" | "clock">, item: Item): Source {
  const config = configIn(item)
  const live = item.oldUntil !== undefined && Number(item.oldUntil) > clock()
  return {
    id: item.sk,
    vendor: VendorId.parse(item.vendor),
    name: String(item.name),
    url: hookUrl(hooksUrl(), item.sk),
    paused: item.paused === true,
    createdAt: String(item.createdAt),
    hasSecret: item.secret !== undefined,
    ...(live ? { oldSecretUntil: instant(Number(item.oldUntil)) } : {}),
    ...(config === undefined ? {} : { config }),
    ...(item.account === undefined ? {} : { account: String(item.account) }),
    ...(item.credential === undefined ? {} : { poll: pollOf(item, clock()) }),
  }
}

const pollOf = ({ baseUrl, polledAt, pollError, pollAfter }: Item, now: number) => ({
  baseUrl: String(baseUrl),
  ...(polledAt === undefined ? {} : { at: String(polledAt) }),
  ...(pollError === undefined ? {} : { error: String(pollError) }),
  ...(Number(pollAfter) > now ? { notBefore: instant(Number(pollAfter)) } : {}),
})

export const hookUrl = (base: string, id: string) => `${base.replace(/\/+$/, "")}/hooks/${id}`
