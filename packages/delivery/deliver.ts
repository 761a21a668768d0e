import { type Clock, instant, SECOND } from "#core/clock.ts"
import { standardKey, standardSignature } from "#core/standard.ts"
import type { AuditNeeds } from "#store/audit.ts"
import type { DomainEvent } from "#store/domain-event.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import type { Vault } from "#store/vault.ts"
import { ATTEMPTS, waitMs } from "./schedule.ts"
import { claim, type DeliveryRequest, giveUp, holding, settle, type Telling } from "./telling.ts"
import { disableGone, signing } from "./webhook.ts"

/** Sends a request to somebody's endpoint: the status that it answered, or why it answered nothing. */
export type Post = (wish: {
  tenant: TenantId
  url: string
  headers: Record<string, string>
  body: string
}) => Promise<{ status: number } | { error: string }>

export type DeliverNeeds = AuditNeeds & {
  table: Table
  clock: Clock
  vault: Pick<Vault, "open">
  post: Post
  /** Numbers in [0, 1), for jitter. */
  jitter: () => number
}

/**
 * What became of a message. `delivered`, `gone` (the endpoint wants nothing any more), `already` (it was delivered before),
 * `waiting` (another copy of the message is to be tried later) and `off` (the webhook is disabled, or one of them is not
 * there any more) are its end. `retry`, `busy` (somebody else delivers it at this moment) and `given up` are not.
 */
export type Delivered =
  | { outcome: "delivered" | "gone" | "already" | "waiting" | "off"; status?: number; host?: string; attempt?: number }
  | { outcome: "retry" | "busy" | "given up"; waitMs: number; why: string; host?: string; attempt?: number }

const SUCCESS = { from: 200, to: 299 }
const GONE = 410
const BUSY_MS = 5 * SECOND
/** Longer than an attempt takes. Should its worker die, its message comes again by itself. */
const CLAIMED_MS = 30 * SECOND

/** Tells an endpoint of an event, once by each message that came so often. */
export async function deliver(needs: DeliverNeeds, request: DeliveryRequest, receives: number): Promise<Delivered> {
  const { clock } = needs
  const held = await holding(needs, request)
  if (!held) return { outcome: "off" }
  const { telling, event, round } = held
  if (telling.state === "delivered") return { outcome: "already" }
  // Else what is asked for five times by hand would be tried by six messages, each ten times.
  if (request.round < round) return { outcome: "waiting" }
  // Whatever has set the time of the next attempt, or makes one at this moment, is a message too, and comes then.
  if (receives === 1 && telling.nextAt !== undefined && Date.parse(telling.nextAt) > clock())
    return { outcome: "waiting" }
  const signer = await signing(needs, request.tenant, request.webhook)
  if (!signer?.webhook.enabled) {
    await giveUp(needs, request, telling, signer ? "the webhook is disabled" : "the webhook was deleted")
    return { outcome: "off" }
  }
  const secrets = await signer.secrets()
  if (!(await claim(needs, request, telling, instant(clock() + CLAIMED_MS))))
    return { outcome: "busy", waitMs: BUSY_MS, why: "another copy of the message is being delivered" }
  const { url } = signer.webhook
  return attempt(needs, { request, telling, event, secrets, url, receives })
}

type Attempted = {
  request: DeliveryRequest
  telling: Telling
  event: DomainEvent
  secrets: readonly string[]
  url: string
  receives: number
}

async function attempt(needs: DeliverNeeds, attempted: Attempted): Promise<Delivered> {
  const { clock, post, jitter } = needs
  const { request, telling, event, secrets, url, receives } = attempted
  const { tenant, webhook } = request
  const started = clock()
  const body = bodyOf(event)
  const answer = await post({ tenant, url, headers: headersOf(event, secrets, started, body), body })
  const about = { host: new URL(url).host, attempt: telling.attempts + 1 }
  const made = { at: instant(started), ms: clock() - started, ...answer }
  if ("status" in answer) {
    const { status } = answer
    if (status >= SUCCESS.from && status <= SUCCESS.to) {
      await settle(needs, request, telling, { attempt: made, state: "delivered", nextAt: null })
      return { outcome: "delivered", status, ...about }
    }
    if (status === GONE && (await disableGone(needs, tenant, webhook, url))) {
      await settle(needs, request, telling, { attempt: made, state: "failed", nextAt: null })
      return { outcome: "gone", status, ...about }
    }
  }
  const why = "status" in answer ? `the endpoint answered ${answer.status}` : answer.error
  if (receives >= ATTEMPTS) {
    await settle(needs, request, telling, { attempt: made, state: "failed", nextAt: null })
    return { outcome: "given up", waitMs: 0, why, ...about }
  }
  const later = waitMs(receives, jitter)
  await settle(needs, request, telling, { attempt: made, state: "pending", nextAt: instant(clock() + later) })
  return { outcome: "retry", waitMs: later, why, ...about }
}

/** The same bytes at every attempt. */
const bodyOf = ({ type, at, data }: DomainEvent) => JSON.stringify({ type, timestamp: at, data })

/** As Standard Webhooks has it: while a secret is being changed, one signature by each. */
function headersOf({ id }: DomainEvent, secrets: readonly string[], now: number, body: string): Record<string, string> {
  const seconds = String(Math.floor(now / SECOND))
  return {
    "content-type": "application/json",
    "user-agent": "Octant-Webhooks/1",
    "webhook-id": id,
    "webhook-timestamp": seconds,
    "webhook-signature": secrets.map((one) => standardSignature(standardKey(one), id, seconds, body)).join(" "),
  }
}
