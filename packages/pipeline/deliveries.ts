import { DAY, instant, SECOND } from "#core/clock.ts"
import { shortHash } from "#core/hash.ts"
import { packBytes, unpackBytes } from "#core/pack.ts"
import { inFlight } from "#core/parallel.ts"
import type { Delivery, Secrets } from "#sources/source.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Item, Key, Table } from "#store/table.ts"
import type { Sealing, Vault } from "#store/vault.ts"

/**
 * Webhooks as they came in, kept sealed for some time: what was misread can be read again. The words are the vendor's
 * bytes and may hold anything, so nothing of them stands open in the table.
 */
export type Kept = {
  id: string
  receivedAt: string
  /** The vendor's id of the delivery; the batch's too. */
  deliveryId: string
  /** Of the body. */
  bytes: number
  /** "read": its messages were handed on; "nothing": it says nothing; "unreadable": its genuine body makes no sense to us. */
  outcome: "read" | "nothing" | "unreadable"
  messages: number
  /** How many of its records were refused one by one, if any. */
  rejected?: number
  /** The newest time that it tells of. */
  happenedAt?: string
}
export type Reading = Pick<Kept, "deliveryId" | "outcome" | "messages" | "happenedAt">

type Needs = { table: Table; vault: Vault }
type Whose = { tenant: TenantId; source: string }

const KEPT_DAYS = 30
/** Larger ones lie apart, so that a list of deliveries does not carry them. */
const INLINE_BYTES = 8 * 1024
const PART_BYTES = 350 * 1024
const PARTS_IN_FLIGHT = 4

const sealingOf = ({ tenant, source }: Whose): Sealing => ({ tenant, purpose: `delivery:${source}` })

/** Names a delivery in a URL: when it was received, and the hash of its own id. */
const NAME = /^(\d{13})-([\w-]{16})$/
const nameOf = (receivedAt: string, hash: string) => `${Date.parse(receivedAt)}-${hash}`

/** Durable when it resolves. What shows a secret is not kept: whoever may look at a delivery may not know it. */
export async function keepDelivery(
  { table, vault }: Needs,
  whose: Whose,
  delivery: Delivery,
  reading: Reading,
  secrets: Secrets,
): Promise<void> {
  const { tenant, source } = whose
  const receivedAt = instant(delivery.receivedAt)
  const hash = shortHash(reading.deliveryId)
  const sealed = await vault.seal(sealingOf(whose), packBytes(written(delivery, secrets)))
  const ttl = Math.ceil((delivery.receivedAt + KEPT_DAYS * DAY) / SECOND)
  const parts = sealed.length <= INLINE_BYTES ? 0 : Math.ceil(sealed.length / PART_BYTES)
  await inFlight([...Array(parts).keys()], PARTS_IN_FLIGHT, (part) => {
    const body = sealed.subarray(part * PART_BYTES, (part + 1) * PART_BYTES)
    return table.put({ ...keys.deliveryPart(tenant, source, receivedAt, hash, part), body, ttl })
  })
  const { happenedAt, ...said } = reading
  await table.put({
    ...keys.delivery(tenant, source, receivedAt, hash),
    ...said,
    ...(happenedAt === undefined ? {} : { happenedAt }),
    bytes: delivery.body.length,
    ...(parts === 0 ? { body: sealed } : { parts }),
    ttl,
  })
}

/** Notes what became of its records, where some were refused. */
export async function noteRejected(
  { table }: Pick<Needs, "table">,
  { tenant, source }: Whose,
  receivedAt: number,
  deliveryId: string,
  rejected: number,
): Promise<void> {
  const key = keys.delivery(tenant, source, instant(receivedAt), shortHash(deliveryId))
  await table.set(key, { rejected }, { attribute: "deliveryId", is: "=", value: deliveryId })
}

/** A page of deliveries, the newest first; `since` when there can be any, `after` the last one of the page before. */
export async function listDeliveries(
  { table }: Pick<Needs, "table">,
  { tenant, source }: Whose,
  page: { now: number; since: number; after?: string; limit: number },
): Promise<{ deliveries: Kept[]; next?: string }> {
  const last = page.after === undefined ? undefined : placeOf({ tenant, source }, page.after)
  const oldest = instant(Math.max(page.since, page.now - KEPT_DAYS * DAY)).slice(0, 10)
  const found: Kept[] = []
  for (let at = last?.at ?? page.now; instant(at).slice(0, 10) >= oldest && found.length <= page.limit; at -= DAY) {
    const pk = keys.deliveries(tenant, source, instant(at).slice(0, 10))
    const below = last?.key.pk === pk ? { to: last.key.sk } : {}
    // One more than is shown tells whether there are more, another is the last one of the page before.
    const items = await table.query(pk, { ...below, reverse: true, limit: page.limit + 2 - found.length })
    found.push(...items.filter(({ sk }) => sk !== last?.key.sk).map(toKept))
  }
  const deliveries = found.slice(0, page.limit)
  return { deliveries, ...(found.length > page.limit ? { next: deliveries.at(-1)!.id } : {}) }
}

/** A delivery with all that came; `undefined` if there is none of that name. */
export async function openDelivery(
  { table, vault }: Needs,
  whose: Whose,
  name: string,
): Promise<{ kept: Kept; delivery: Delivery } | undefined> {
  const place = placeOf(whose, name)
  const item = place && (await table.get(place.key))
  if (!item) return undefined
  const sealed = item.parts === undefined ? (item.body as Uint8Array) : await joined({ table }, whose, item)
  const kept = toKept(item)
  const about = sealingOf(whose)
  return { kept, delivery: read(unpackBytes(await vault.open(about, sealed)), Date.parse(kept.receivedAt)) }
}

async function joined({ table }: Pick<Needs, "table">, { tenant, source }: Whose, item: Item) {
  const [receivedAt, hash] = item.sk.split("#") as [string, string]
  const wanted = Array.from({ length: Number(item.parts) }, (_, part) =>
    keys.deliveryPart(tenant, source, receivedAt, hash, part),
  )
  const parts = await table.getMany(wanted)
  return Buffer.concat(parts.sort((a, b) => (a.sk < b.sk ? -1 : 1)).map(({ body }) => body as Uint8Array))
}

function placeOf({ tenant, source }: Whose, name: string): { key: Key; at: number } | undefined {
  const [, ms, hash] = NAME.exec(name) ?? []
  if (ms === undefined || hash === undefined) return undefined
  return { key: keys.delivery(tenant, source, instant(Number(ms)), hash), at: Number(ms) }
}

function toKept(item: Item): Kept {
  const [receivedAt, hash] = item.sk.split("#") as [string, string]
  return {
    id: nameOf(receivedAt, hash),
    receivedAt,
    deliveryId: String(item.deliveryId),
    bytes: Number(item.bytes),
    outcome: item.outcome as Kept["outcome"],
    messages: Number(item.messages),
    ...(item.rejected === undefined ? {} : { rejected: Number(item.rejected) }),
    ...(item.happenedAt === undefined ? {} : { happenedAt: String(item.happenedAt) }),
  }
}

/** A line of JSON about the request, then the bytes of its body. */
function written({ method, url, headers, body }: Delivery, secrets: Secrets): Uint8Array {
  const shown = Object.entries(headers).filter(
    ([, value]) => !secrets.some((secret) => secret !== "" && value.includes(secret)),
  )
  return Buffer.concat([Buffer.from(`${JSON.stringify({ method, url, headers: Object.fromEntries(shown) })}\n`), body])
}

function read(bytes: Buffer, receivedAt: number): Delivery {
  const end = bytes.indexOf("\n")
  const about = JSON.parse(bytes.toString("utf8", 0, end)) as Pick<Delivery, "method" | "url" | "headers">
  return { ...about, body: bytes.subarray(end + 1), receivedAt }
}
