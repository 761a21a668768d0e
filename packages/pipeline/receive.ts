import { instant } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { shortHash } from "#core/hash.ts"
import { slices } from "#core/parallel.ts"
import { type Message, parseInstant } from "#events/message.ts"
import type { Answer, Delivery, FetchText, Secrets, Vendor, Verdict } from "#sources/source.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import type { Vault } from "#store/vault.ts"
import { accept, requestLimits } from "./accept.ts"
import { keepDelivery, noteRejected, type Reading } from "./deliveries.ts"

/** A source, as a delivery meets it. */
export type Hook = { tenant: TenantId; source: string; vendor: Vendor; secrets: Secrets }

export type Refusal = Exclude<Verdict, "genuine">
export type Received =
  /** A handshake, answered as the vendor expects it. */
  | { outcome: "answered"; answer: Answer }
  | { outcome: "refused"; refusal: Refusal }
  /** Durable. `problem` says why a genuine body could not be read. */
  | HandedOn
type HandedOn = { outcome: Reading["outcome"]; messages: number; problem?: string } & Taken
type Taken = { accepted: number; quarantined: number; rejected: number }

export type AcceptNeeds = Parameters<typeof accept>[0]
export type ReceiveNeeds = AcceptNeeds & { table: Table; vault: Vault; fetchText: FetchText }

/** Marks a delivery that only tries the door out: it goes all the way, but counts as nothing but a trial. */
export const TRIAL_HEADER = "x-octant-trial"

/**
 * Takes a delivery in: whether it is genuine, what it says, its raw copy, its events. Resolves when the events are
 * durable. A genuine body that cannot be read is kept and stands in the ledger as a rejected record: the vendor would
 * only send the same again, and a better reader can still take it from the copy.
 */
export async function receive(needs: ReceiveNeeds, hook: Hook, delivery: Delivery): Promise<Received> {
  const { vendor, secrets } = hook
  if (vendor.challengeFirst) {
    const answer = vendor.challenge?.(delivery)
    if (answer) return { outcome: "answered", answer }
  }
  const verdict = await verdictOf(needs, hook, delivery)
  if (verdict !== "genuine") return { outcome: "refused", refusal: verdict }
  const said = understood(hook, delivery)
  if ("answer" in said) return { outcome: "answered", answer: said.answer }
  await keepDelivery(needs, hook, delivery, said.reading, secrets)
  const taken = await handOn(needs, hook, said)
  // An unreadable one shows that itself.
  if (taken.rejected > 0 && taken.outcome === "read") {
    await noteRejected(needs, hook, delivery.receivedAt, said.reading.deliveryId, taken.rejected)
  }
  return taken
}

/** The same once more for a delivery that was kept: what was counted before counts nothing now. */
export function replayDelivery(needs: AcceptNeeds, hook: Omit<Hook, "secrets">, delivery: Delivery): Promise<HandedOn> {
  const said = understood(hook, delivery)
  if ("answer" in said) throw new Error("a handshake was kept")
  // Dated as it was then, so that what has no time of its own is found to have been counted.
  return handOn({ ...needs, clock: () => delivery.receivedAt }, hook, said)
}

/** What a delivery says, or why nobody knows. */
type Said = { reading: Reading; records: unknown[]; problem?: string }

async function verdictOf(
  { fetchText }: Pick<ReceiveNeeds, "fetchText">,
  { vendor, secrets }: Hook,
  delivery: Delivery,
): Promise<Verdict> {
  try {
    return await vendor.verify(delivery, secrets, { fetchText })
  } catch (error) {
    // A body in which the signature cannot even be found.
    if (error instanceof Fault && error.code === "invalid_request")
      return { code: "bad_signature", message: error.message }
    throw error
  }
}

function understood(
  { vendor, source }: Pick<Hook, "vendor" | "source">,
  delivery: Delivery,
): Said | { answer: Answer } {
  try {
    const answer = vendor.challenge?.(delivery)
    if (answer) return { answer }
    const { id, messages } = vendor.read(delivery, source)
    const told = TRIAL_HEADER in delivery.headers ? messages.map((message) => trial(vendor, message)) : messages
    const happenedAt = newest(told)
    const outcome = told.length === 0 ? "nothing" : "read"
    return {
      reading: { deliveryId: id, outcome, messages: told.length, ...(happenedAt === undefined ? {} : { happenedAt }) },
      records: told,
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    const deliveryId = `unreadable:${shortHash(delivery.body)}`
    // No record at all: it is rejected, and so the ledger tells of it.
    return { reading: { deliveryId, outcome: "unreadable", messages: 0 }, records: [null], problem: error.message }
  }
}

async function handOn(needs: AcceptNeeds, hook: Omit<Hook, "secrets">, said: Said): Promise<HandedOn> {
  const { reading, records, problem } = said
  const taken = await acceptAll(needs, hook, reading.deliveryId, records)
  const { outcome, messages } = reading
  return { outcome, messages, ...(problem === undefined ? {} : { problem }), ...taken }
}

/** As many requests as it takes; the id of each derives from the one given. */
export async function acceptAll(
  needs: AcceptNeeds,
  { tenant, source }: Pick<Hook, "tenant" | "source">,
  id: string,
  records: readonly unknown[],
): Promise<Taken> {
  const taken = { accepted: 0, quarantined: 0, rejected: 0 }
  for (const [n, some] of slices(records, requestLimits.events).entries()) {
    const deliveryId = n === 0 ? id : `${id}#${n}`
    const { accepted, quarantined, rejected } = await accept(needs, { tenant, source, records: some, deliveryId })
    taken.accepted += accepted
    taken.quarantined += quarantined
    taken.rejected += rejected.length
  }
  return taken
}

const trial = ({ id }: Vendor, { messageId, event, type, timestamp }: Message): Message => ({
  type: "track",
  event: "Source Tried",
  messageId: `${messageId}:trial`,
  timestamp,
  anonymousId: "octant:trial",
  properties: { vendor: id, message: event ?? type },
})

function newest(messages: readonly Message[]): string | undefined {
  const times = messages.map(({ timestamp }) => parseInstant(timestamp ?? "")).filter((ms) => ms !== undefined)
  return times.length === 0 ? undefined : instant(Math.max(...times))
}
