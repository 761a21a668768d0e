import { type Clock, HOUR, instant, MINUTE, SECOND } from "#core/clock.ts"
import type { Polled, PollOutcome } from "#pipeline/backpoll.ts"
import { keys, ownerOf } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { openText, type Vault } from "#store/vault.ts"
import { credentialOf, setOf, vendorIn } from "./source.ts"

type Needs = { table: Table; clock: Clock; vault: Vault }

/** Longer than any poll takes: one that died is taken up again after this. */
const CLAIM_MS = 6 * MINUTE
const LONGEST_WAIT_MS = HOUR

/** The ids of all sources that have something to poll. */
export const listPolled = async ({ table }: Pick<Needs, "table">) =>
  (await table.query(keys.polled("").pk)).map(({ sk }) => sk)

export type Claim = {
  polled: Polled & { createdAt: number }
  save: (cursor: string) => Promise<boolean>
  /** Gives the source back, with what its tenant should know. */
  settle: (outcome: PollOutcome) => Promise<PollOutcome>
}

/** Takes a source for one poll: nothing if it is paused, is being polled, or its vendor has asked to wait. */
export async function claimPoll(needs: Needs, id: string): Promise<Claim | undefined> {
  const { table, clock, vault } = needs
  const tenant = ownerOf(id)
  const item = tenant && (await table.get(keys.source(tenant, id)))
  if (!tenant || !item || item.paused === true || !(item.credential instanceof Uint8Array)) return undefined
  const now = clock()
  const free = { attribute: "pollAfter", is: "<", value: now + 1 } as const
  // Whoever polled before may still save where it came to; what a claim has taken over is its own.
  const again: Record<string, number | null> =
    item.rewindTo === undefined ? {} : { rewindTo: null, cursor: null, pollSince: Number(item.rewindTo) }
  if (!(await table.set(keys.source(tenant, id), { pollAfter: now + CLAIM_MS, ...again }, free))) return undefined
  const createdAt = Date.parse(String(item.createdAt))
  const polled = {
    tenant,
    source: id,
    vendor: vendorIn(item),
    credential: await openText(vault, credentialOf(tenant, id), item.credential),
    baseUrl: String(item.baseUrl),
    cursor: item.cursor === undefined || item.rewindTo !== undefined ? undefined : String(item.cursor),
    since: Math.max(createdAt, Number(item.rewindTo ?? item.pollSince ?? 0)),
    createdAt,
  }
  return {
    polled,
    save: (cursor) => setOf(table, tenant, item, { cursor }),
    settle: async (outcome) => {
      const { fault } = outcome
      const wait = Math.min((fault?.retryAfter ?? 0) * SECOND, LONGEST_WAIT_MS)
      const after = { pollAfter: wait === 0 ? 0 : clock() + wait, pollError: fault?.message ?? null }
      await setOf(table, tenant, item, fault ? after : { ...after, polledAt: instant(clock()) })
      return outcome
    },
  }
}
