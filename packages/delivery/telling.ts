import "#core/words.ts"
import * as z from "zod/mini"
import { type Clock, DAY, instant, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { shortHash } from "#core/hash.ts"
import { pack, unpack } from "#core/pack.ts"
import { type AuditNeeds, announced, audited } from "#store/audit.ts"
import { DomainEvent } from "#store/domain-event.ts"
import { keys } from "#store/keys.ts"
import type { Item, Key, Table } from "#store/table.ts"
import { TenantId } from "#store/tenant-id.ts"
import { getWebhook, listWebhooks, TEST, wants } from "./webhook.ts"

export const states = ["pending", "delivered", "failed"] as const
export type State = (typeof states)[number]
/** One attempt: the status that was answered, or why nothing was. */
export type Attempt = { at: string; ms: number; status?: number; error?: string }
/** What a webhook was told or is to be told, kept for 30 days. */
export type Telling = {
  id: string
  event: string
  type: string
  at: string
  state: State
  attempts: number
  /** The last of them. */
  tries: Attempt[]
  /** Why it failed for good, where no attempt says so. */
  error?: string
  nextAt?: string
}

const FIRST_ROUND = 0
/** One message of the queue: which event to tell to which webhook. What it says lies in the table alone. */
export const DeliveryRequest = z.object({
  version: z.literal(1),
  tenant: TenantId,
  webhook: z.string(),
  delivery: z.string(),
  /** How often it had been asked for by hand; one that has been tried takes the place of those before it. */
  round: z._default(z.number(), FIRST_ROUND),
})
export type DeliveryRequest = z.output<typeof DeliveryRequest>
export type RequestDelivery = (requests: readonly DeliveryRequest[]) => Promise<void>

const KEPT_DAYS = 30
const MOST_TRIES = 20
/** How many deliveries a search may look at for one page. */
const LOOKED_AT = 500
/** Names one in a URL: when the event was, and the end of its id. */
const NAME = /^(\d{13})-([\w-]{16})$/
const nameOf = ({ at, id }: Pick<DomainEvent, "at" | "id">) => `${Date.parse(at)}-${id.slice("evt_".length)}`
const missing = () => new Fault("not_found", "there is no such delivery")

function keyOf(tenant: TenantId, webhook: string, name: string): Key | undefined {
  const [, ms, hash] = NAME.exec(name) ?? []
  return ms === undefined ? undefined : keys.telling(tenant, webhook, instant(Number(ms)), `evt_${hash}`)
}

type Needs = { table: Table; clock: Clock }
type Sending = Needs & { requestDelivery: RequestDelivery }

/** Has every webhook that wants it told of an event. Called twice, it asks for the same deliveries again, and no others. */
export async function notify(needs: Sending, event: DomainEvent): Promise<number> {
  const webhooks = (await listWebhooks(needs, event.tenant)).filter((one) => wants(one, event.type))
  await tell(
    needs,
    event,
    webhooks.map(({ id }) => id),
  )
  return webhooks.length
}

async function tell({ table, clock, requestDelivery }: Sending, event: DomainEvent, webhooks: readonly string[]) {
  const { tenant, type } = event
  const ttl = Math.ceil((clock() + KEPT_DAYS * DAY) / SECOND)
  const about = { type, event: event.id, state: "pending", attempts: 0, body: pack(event), ttl }
  const delivery = nameOf(event)
  for (const webhook of webhooks) await table.put({ ...keyOf(tenant, webhook, delivery)!, ...about }, "absent")
  await requestDelivery(webhooks.map((webhook) => ({ version: 1, tenant, webhook, delivery, round: FIRST_ROUND })))
}

/** Sends a webhook something that means nothing, in the way of everything else. */
export async function tryWebhook(needs: Sending & AuditNeeds, tenant: TenantId, id: string): Promise<Telling> {
  const { enabled } = await getWebhook(needs, tenant, id)
  if (!enabled) throw new Fault("conflict", "the webhook is disabled: enable it first")
  const at = instant(needs.clock())
  const event = { id: `evt_${shortHash(needs.nonce())}`, type: TEST, tenant, at, data: { webhook: id } }
  await announced(needs, tenant, { action: "webhook.test", subject: id }, () => tell(needs, event, [id]))
  return getTelling(needs, tenant, id, nameOf(event))
}

const getTelling = async (needs: Pick<Needs, "table">, tenant: TenantId, webhook: string, name: string) =>
  toTelling(await itemOf(needs, tenant, webhook, name))

async function itemOf({ table }: Pick<Needs, "table">, tenant: TenantId, webhook: string, name: string) {
  const key = keyOf(tenant, webhook, name)
  const item = key && (await table.get(key))
  if (!item) throw missing()
  return item
}

/** Tells it once more, whatever became of it. Receivers know it by the same `webhook-id`. */
export async function retryTelling(
  needs: Sending & AuditNeeds,
  tenant: TenantId,
  webhook: string,
  name: string,
): Promise<Telling> {
  const { enabled } = await getWebhook(needs, tenant, webhook)
  const item = await itemOf(needs, tenant, webhook, name)
  const { id, event } = toTelling(item)
  if (!enabled) throw new Fault("conflict", "the webhook is disabled: enable it first")
  const change = {
    set: keyOf(tenant, webhook, id)!,
    values: { state: "pending", nextAt: null, error: null },
    condition: { attribute: "event", is: "=", value: event } as const,
  }
  const deed = { action: "webhook.retry", subject: id, details: { webhook } }
  if (!(await audited(needs, tenant, deed, [change]))) throw missing()
  await needs.requestDelivery([{ version: 1, tenant, webhook, delivery: id, round: roundOf(item) + 1 }])
  return getTelling(needs, tenant, webhook, id)
}

export type Page = { after?: string | undefined; limit: number; state?: State | undefined }

/** A page of what a webhook was told, the newest first; `after` is the last one of the page before. */
export async function listTellings(
  needs: Needs,
  tenant: TenantId,
  webhook: string,
  { after, limit, state }: Page,
): Promise<{ deliveries: Telling[]; next?: string }> {
  await getWebhook(needs, tenant, webhook)
  const last = after === undefined ? undefined : keyOf(tenant, webhook, after)?.sk
  const range = { from: instant(needs.clock() - KEPT_DAYS * DAY), ...(last === undefined ? {} : { to: last }) }
  // One more than is shown tells whether there are more, another is the last one of the page before.
  const most = state === undefined ? limit + 2 : LOOKED_AT
  const looked = await needs.table.query(keys.tellings(tenant, webhook), { ...range, limit: most, reverse: true })
  const found = looked.filter((item) => item.sk !== last && (state === undefined || item.state === state))
  const deliveries = found.slice(0, limit).map(toTelling)
  if (found.length > limit) return { deliveries, next: deliveries.at(-1)!.id }
  return state !== undefined && looked.length === most
    ? { deliveries, next: toTelling(looked.at(-1)!).id }
    : { deliveries }
}

/** One that is about to be delivered: what it says, how often that was tried, and by which round of asking. */
export type Held = { telling: Telling; event: DomainEvent; round: number }
const roundOf = ({ round }: Item) => Number(round ?? FIRST_ROUND)

export async function holding({ table }: Pick<Needs, "table">, request: DeliveryRequest): Promise<Held | undefined> {
  const key = keyOf(request.tenant, request.webhook, request.delivery)
  const item = key && (await table.get(key))
  if (!item) return undefined
  const event = DomainEvent.parse(unpack(item.body as Uint8Array))
  return { telling: toTelling(item), event, round: roundOf(item) }
}

type Values = Parameters<Table["set"]>[1]

/** Only over what was read: of two that deliver the same at once, one does it. */
const put = (
  { table }: Pick<Needs, "table">,
  { tenant, webhook, delivery }: DeliveryRequest,
  read: Pick<Telling, "attempts">,
  values: Values,
) => table.set(keyOf(tenant, webhook, delivery)!, values, { attribute: "attempts", is: "=", value: read.attempts })

/** Counts the attempt before it is made, and says when there would be another. `false` when somebody else makes it. */
export const claim = (needs: Pick<Needs, "table">, request: DeliveryRequest, { attempts }: Telling, nextAt: string) =>
  put(needs, request, { attempts }, { attempts: attempts + 1, nextAt, round: request.round })

/** What came of an attempt that was claimed. */
export const settle = (
  needs: Pick<Needs, "table">,
  request: DeliveryRequest,
  { attempts, tries }: Telling,
  { attempt, state, nextAt }: { attempt: Attempt; state: State; nextAt: string | null },
) =>
  put(
    needs,
    request,
    { attempts: attempts + 1 },
    {
      state,
      nextAt,
      error: null,
      tries: JSON.stringify([...tries, attempt].slice(-MOST_TRIES)),
    },
  )

/** Nobody tries it any more. */
export const giveUp = (needs: Pick<Needs, "table">, request: DeliveryRequest, read: Telling, error: string) =>
  put(needs, request, read, { state: "failed", nextAt: null, error })

function toTelling(item: Item): Telling {
  const [at, event] = item.sk.split("#") as [string, string]
  return {
    id: nameOf({ at, id: event }),
    event,
    type: String(item.type),
    at,
    state: item.state as State,
    attempts: Number(item.attempts),
    tries: item.tries === undefined ? [] : (JSON.parse(String(item.tries)) as Attempt[]),
    ...(item.error === undefined ? {} : { error: String(item.error) }),
    ...(item.nextAt === undefined ? {} : { nextAt: String(item.nextAt) }),
  }
}
