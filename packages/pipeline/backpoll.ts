import { bucket } from "#core/bucket.ts"
import { Fault } from "#core/fault.ts"
import { shortHash } from "#core/hash.ts"
import type { Event } from "#events/event.ts"
import { type Message, toEvent } from "#events/message.ts"
import type { Vendor } from "#sources/source.ts"
import type { TenantId } from "#store/keys.ts"
import { ask, type ReadNeeds } from "./reading.ts"
import { type AcceptNeeds, acceptAll } from "./receive.ts"

/** A source whose vendor can be asked for what happened. */
export type Polled = {
  tenant: TenantId
  source: string
  vendor: Vendor
  credential: string
  baseUrl: string
  /** Where the last poll came to; `undefined` for the first, which begins at `since`. */
  cursor: string | undefined
  since: number
}

export type PollNeeds = AcceptNeeds &
  ReadNeeds & {
    /** At the vendor's pace. */
    fetch: typeof fetch
    sleep: (ms: number) => Promise<unknown>
    /** Asked before each page. */
    isOver: () => boolean
  }

/** What came of it: `filled` messages had not come by webhook. `fault`: why the vendor gave no more. */
export type PollOutcome = {
  outcome: "caught up" | "cut short" | "refused" | "gone"
  pages: number
  listed: number
  filled: number
  fault?: Fault
}

/** For vendors that document no limit. */
const USUAL_RATE = 1

/** A `fetch` that asks a vendor no faster than it allows. */
export function paced(needs: Pick<PollNeeds, "clock" | "sleep" | "fetch">, { facts }: Vendor): typeof fetch {
  const token = bucket(needs, facts.requestsPerSecond ?? USUAL_RATE)
  return async (input, init) => {
    await token()
    return needs.fetch(input, init)
  }
}

/**
 * Finds what no webhook brought: walks through the vendor's own list from where the last poll ended, as fast as the vendor
 * allows. A page is accepted before its cursor is saved, so a poll that dies goes on there. Messages bear the ids of the
 * webhooks, so whatever is told twice counts once; what the journal has already is not sent to it again.
 */
export async function backpoll(
  needs: PollNeeds,
  polled: Polled,
  save: (cursor: string) => Promise<boolean>,
): Promise<PollOutcome> {
  const { vendor, credential, baseUrl, since } = polled
  const so = { pages: 0, listed: 0, filled: 0 }
  for (let cursor = polled.cursor; ; ) {
    if (needs.isOver()) return { outcome: "cut short", ...so }
    try {
      const asking = { fetch: needs.fetch, credential, baseUrl, now: needs.clock() }
      const page = await vendor.poll!(asking, cursor, since)
      const { listed, missing } = await missed(needs, polled, page.messages)
      await acceptAll(needs, polled, pageId(missing), missing)
      so.pages++
      so.listed += listed
      so.filled += missing.length
      if (!(await save(page.cursor))) return { outcome: "gone", ...so }
      if (page.done) return { outcome: "caught up", ...so }
      if (page.cursor === cursor) throw new Fault("unavailable", `${vendor.name} lists the same page again and again`)
      cursor = page.cursor
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault
      return { outcome: "refused", ...so, fault }
    }
  }
}

/** The same page again is the same batch. */
const pageId = (messages: readonly Message[]) =>
  `poll-${shortHash(messages.map(({ messageId }) => messageId).join("\u001f"))}`

async function missed(needs: PollNeeds, { tenant }: Polled, messages: readonly Message[]) {
  if (messages.length === 0) return { listed: 0, missing: [] }
  const receivedAt = needs.clock()
  const made = messages.map((message) => ({ message, event: toEvent(message, { receivedAt, messageId: needs.nonce }) }))
  const events = made.flatMap(({ event }): Event[] => ("code" in event ? [] : [event]))
  const untaken = new Set(await ask(needs, tenant, (reading) => reading.untaken(events)))
  const missing = made.filter(({ event }) => "code" in event || untaken.has(event)).map(({ message }) => message)
  return { listed: messages.length, missing }
}
