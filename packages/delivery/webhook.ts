import "#core/words.ts"
import * as z from "zod/mini"
import { type Clock, DAY, instant } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { type Random, randomText } from "#core/random.ts"
import { eventTypes } from "#events/domain.ts"
import { type AuditNeeds, audited } from "#store/audit.ts"
import { isStill } from "#store/item.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Item, Table } from "#store/table.ts"
import { openText, type Sealing, sealText, type Vault } from "#store/vault.ts"

/** Sent when somebody asks for it, to whatever types a webhook listens. */
export const TEST = "webhook.test"
/** Every type there is, and those that will be. */
const ALL = "*"

const url = z.string().check(z.maxLength(2000), z.url({ protocol: /^https?$/ }))
const events = z.array(z.enum([ALL, ...eventTypes])).check(
  z.minLength(1),
  z.maxLength(50),
  z.refine((names) => new Set(names).size === names.length, "names a type twice"),
)
const description = z.string().check(z.maxLength(200))

export const NewWebhook = z.strictObject({
  url,
  events: z._default(events, [ALL]),
  description: z.optional(description),
})
export const WebhookChange = z
  .strictObject({
    url: z.optional(url),
    events: z.optional(events),
    enabled: z.optional(z.boolean()),
    description: z.optional(description),
  })
  .check(z.refine((change) => Object.keys(change).length > 0, { error: "name at least one field to change" }))

export const WebhookRotation = z.strictObject({
  /** `false` ends the old secret at once, as when it was seen by somebody. */
  keepOld: z._default(z.boolean(), true),
})

/** A webhook as it is listed: never its secret, which is shown once. */
export type Webhook = {
  id: string
  url: string
  events: string[]
  enabled: boolean
  /** Why nobody is told there any more, if it was not a person who said so: the endpoint answered 410. */
  disabled?: "gone"
  description?: string
  createdAt: string
  /** Until when the secret before this one signs too. */
  oldSecretUntil?: string
}
export type Shown = Webhook & { secret: string }

export type WebhookNeeds = AuditNeeds & {
  table: Table
  random: Random
  vault: Vault
  /** What is wrong with a URL as a place to send to, if anything is. */
  complaint: (url: string) => Promise<string | undefined>
}

export const MOST_WEBHOOKS = 20
const OLD_SECRET_MS = DAY
const SECRET_BYTES = 32
const FORM = /^wh_[0-9A-Za-z]{16}$/
const TAIL = 16
const sealing = (tenant: TenantId, id: string): Sealing => ({ tenant, purpose: `webhook:${id}` })
const missing = () => new Fault("not_found", "there is no such webhook")
const newSecret = (random: Random) => `whsec_${Buffer.from(random(SECRET_BYTES)).toString("base64")}`

/** Makes a webhook. Throws `Fault("conflict")` if there are as many as may be. */
export async function createWebhook(
  needs: WebhookNeeds,
  tenant: TenantId,
  wish: z.output<typeof NewWebhook>,
): Promise<Shown> {
  const { table, vault, random, clock } = needs
  await mustBeReachable(needs, wish.url)
  const id = `wh_${randomText(random, TAIL)}`
  const secret = newSecret(random)
  const item: Item = {
    ...keys.webhook(tenant, id),
    url: wish.url,
    events: JSON.stringify(wish.events),
    enabled: true,
    createdAt: instant(clock()),
    rotations: 0,
    secret: await sealText(vault, sealing(tenant, id), secret),
    ...(wish.description === undefined ? {} : { description: wish.description }),
  }
  const deed = { action: "webhook.create", subject: id, details: { host: new URL(wish.url).host, events: wish.events } }
  // Whoever loses a place to another is told that there is none left, if that was the last.
  for (let attempt = 0; attempt <= MOST_WEBHOOKS; attempt++) {
    const place = await freePlace(table, tenant)
    const made = await audited(needs, tenant, deed, [
      { put: { ...item, place }, condition: "absent" },
      { put: { ...keys.webhookPlace(tenant, place), id }, condition: "absent" },
    ])
    if (made) return { ...toWebhook(item, clock()), secret }
  }
  throw new Fault("unavailable", "too many webhooks are being made at this moment; try again", { retryAfter: 1 })
}

/** Somebody else may take it meanwhile. */
async function freePlace(table: Pick<Table, "query">, tenant: TenantId): Promise<number> {
  const taken = new Set((await table.query(keys.webhooks(tenant))).map(({ place }) => place))
  for (let place = 0; place < MOST_WEBHOOKS; place++) if (!taken.has(place)) return place
  throw new Fault("conflict", `a tenant may have ${MOST_WEBHOOKS} webhooks: delete one first`)
}

async function mustBeReachable({ complaint }: Pick<WebhookNeeds, "complaint">, url: string) {
  const wrong = await complaint(url)
  if (wrong !== undefined) throw new Fault("invalid_request", `url ${wrong}`, { field: "url" })
}

type Reading = { table: Pick<Table, "get" | "query">; clock: Clock }

export const listWebhooks = async ({ table, clock }: Reading, tenant: TenantId): Promise<Webhook[]> =>
  (await table.query(keys.webhooks(tenant))).map((item) => toWebhook(item, clock()))

/** Throws `Fault("not_found")`, for another tenant's as for none. */
export const getWebhook = async (needs: Reading, tenant: TenantId, id: string): Promise<Webhook> =>
  toWebhook(await itemOf(needs, tenant, id), needs.clock())

async function itemOf({ table }: { table: Pick<Table, "get"> }, tenant: TenantId, id: string): Promise<Item> {
  const item = FORM.test(id) ? await table.get(keys.webhook(tenant, id)) : undefined
  if (!item) throw missing()
  return item
}

export const wants = ({ enabled, events }: Webhook, type: string) =>
  enabled && (events.includes(ALL) || events.includes(type))

export async function changeWebhook(
  needs: WebhookNeeds,
  tenant: TenantId,
  id: string,
  change: z.output<typeof WebhookChange>,
): Promise<Webhook> {
  const item = await itemOf(needs, tenant, id)
  if (change.url !== undefined) await mustBeReachable(needs, change.url)
  const { events, ...plain } = change
  const values = {
    ...plain,
    ...(events === undefined ? {} : { events: JSON.stringify(events) }),
    ...(change.enabled ? { disabled: null } : {}),
  }
  const deed = { action: "webhook.change", subject: id, details: { changed: Object.keys(change) } }
  const changed = { set: keys.webhook(tenant, id), values, condition: isStill(item) }
  if (!(await audited(needs, tenant, deed, [changed]))) throw missing()
  return getWebhook(needs, tenant, id)
}

/**
 * Nobody is told there any more: the endpoint has said that it is gone for good. `false` when the webhook has another
 * endpoint by now, or was deleted.
 */
export function disableGone(needs: AuditNeeds, tenant: TenantId, id: string, url: string): Promise<boolean> {
  const change = {
    set: keys.webhook(tenant, id),
    values: { enabled: false, disabled: "gone" },
    condition: { attribute: "url", is: "=", value: url } as const,
  }
  const deed = { action: "webhook.disable", subject: id, details: { why: "410 Gone" } }
  return audited({ ...needs, actor: "schedule" }, tenant, deed, [change])
}

/** A new secret. The one before it signs beside it for a day, so that receivers can change theirs without a gap, or ends at once. */
export async function rotateWebhook(
  needs: WebhookNeeds,
  tenant: TenantId,
  id: string,
  { keepOld }: z.output<typeof WebhookRotation>,
): Promise<Shown> {
  const { vault, random, clock } = needs
  const item = await itemOf(needs, tenant, id)
  const secret = newSecret(random)
  const rotations = Number(item.rotations)
  const change = {
    set: keys.webhook(tenant, id),
    values: {
      secret: await sealText(vault, sealing(tenant, id), secret),
      oldSecret: keepOld ? item.secret! : null,
      oldUntil: keepOld ? clock() + OLD_SECRET_MS : null,
      rotations: rotations + 1,
    },
    condition: { attribute: "rotations", is: "=", value: rotations } as const,
  }
  const deed = { action: "webhook.rotate", subject: id, details: { keepOld } }
  if (!(await audited(needs, tenant, deed, [change]))) {
    await itemOf(needs, tenant, id)
    throw new Fault("conflict", "another rotation was faster: rotate again if need be")
  }
  return { ...(await getWebhook(needs, tenant, id)), secret }
}

/** Ends a webhook at once. Throws `Fault("not_found")`. */
export async function deleteWebhook(
  needs: Pick<WebhookNeeds, "table" | "clock" | "nonce">,
  tenant: TenantId,
  id: string,
): Promise<Webhook> {
  const item = await itemOf(needs, tenant, id)
  const deed = { action: "webhook.delete", subject: id, details: { host: new URL(String(item.url)).host } }
  const gone = [
    { delete: keys.webhook(tenant, id), condition: isStill(item) },
    { delete: keys.webhookPlace(tenant, Number(item.place)) },
  ]
  if (!(await audited(needs, tenant, deed, gone))) throw missing()
  return toWebhook(item, needs.clock())
}

/** A webhook with the secrets that sign now, the current one first; `undefined` for one that is not there any more. */
export async function signing(
  { table, vault, clock }: { table: Pick<Table, "get">; vault: Pick<Vault, "open">; clock: Clock },
  tenant: TenantId,
  id: string,
): Promise<{ webhook: Webhook; secrets: () => Promise<string[]> } | undefined> {
  const item = await table.get(keys.webhook(tenant, id))
  if (!item) return undefined
  const old = Number(item.oldUntil ?? 0) > clock() ? item.oldSecret : undefined
  const sealed = [item.secret, old].filter((one) => one instanceof Uint8Array)
  return {
    webhook: toWebhook(item, clock()),
    secrets: () => Promise.all(sealed.map((one) => openText(vault as Vault, sealing(tenant, id), one))),
  }
}

function toWebhook(item: Item, now: number): Webhook {
  return {
    id: item.sk,
    url: String(item.url),
    events: JSON.parse(String(item.events)) as string[],
    enabled: item.enabled === true,
    ...(item.disabled === "gone" ? { disabled: "gone" } : {}),
    ...(item.description === undefined ? {} : { description: String(item.description) }),
    createdAt: String(item.createdAt),
    ...(Number(item.oldUntil ?? 0) > now ? { oldSecretUntil: instant(Number(item.oldUntil)) } : {}),
  }
}
