import { Fault } from "#core/fault.ts"
import { shortHash } from "#core/hash.ts"
import type { Message } from "#events/message.ts"
import { jsonOf } from "#sources/generic.ts"
import type { Vendor } from "#sources/source.ts"
import type { TenantId } from "#store/keys.ts"
import { requestLimits } from "./accept.ts"
import { type AcceptNeeds, acceptAll } from "./receive.ts"

/** Where an import goes to. */
export type Into = { tenant: TenantId; source: string; vendor: Vendor }

export type Imported = {
  /** Objects of the export. */
  lines: number
  accepted: number
  quarantined: number
  rejected: number
  /** Lines that could not be read, counted from 1; the first hundred. */
  unread: { line: number; message: string }[]
  unreadCount: number
}

const SHOWN = 100

/**
 * Takes in a vendor's own export: NDJSON, one object a line, as its API gives them (Stripe's events, Shopify's orders).
 * It is read as the webhooks are and under their ids, so what came by webhook before counts once; so does all of it when
 * an import that was cut off is begun again.
 */
export async function importHistory(
  needs: AcceptNeeds,
  { tenant, source, vendor }: Into,
  lines: AsyncIterable<string> | Iterable<string>,
  onProgress: (so: Imported) => void = () => {},
): Promise<Imported> {
  const { exported } = vendor
  if (!exported) throw new Fault("invalid_request", `no export of ${vendor.name} can be read yet`)
  const so: Imported = { lines: 0, accepted: 0, quarantined: 0, rejected: 0, unread: [], unreadCount: 0 }
  let waiting: Message[] = []
  const handOn = async (batch: Message[]) => {
    if (batch.length === 0) return
    const { accepted, quarantined, rejected } = await acceptAll(needs, { tenant, source }, idOf(batch), batch)
    so.accepted += accepted
    so.quarantined += quarantined
    so.rejected += rejected
    onProgress(so)
  }
  let at = 0
  for await (const line of lines) {
    at++
    if (line.trim() === "") continue
    so.lines++
    try {
      waiting.push(...exported(jsonOf(line)))
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault
      so.unreadCount++
      if (so.unread.length < SHOWN) so.unread.push({ line: at, message: fault.message })
    }
    while (waiting.length >= requestLimits.events) {
      await handOn(waiting.slice(0, requestLimits.events))
      waiting = waiting.slice(requestLimits.events)
    }
  }
  await handOn(waiting)
  return so
}

/** The same messages again are the same batch. */
const idOf = (messages: readonly Message[]) =>
  `history-${shortHash(messages.map(({ messageId }) => messageId).join("\u001f"))}`
