import { type Clock, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import type { Hook } from "#pipeline/receive.ts"
import { ownerOf, type TenantId } from "#store/keys.ts"
import type { Item, Table } from "#store/table.ts"
import { openText, type Vault } from "#store/vault.ts"
import { changeOf } from "./changes.ts"
import { itemOf, missing, secretOf, vendorIn } from "./source.ts"

type Needs = { table: Pick<Table, "get">; clock: Clock; vault: Vault }
/** A source as a delivery meets it. */
export type Open = Hook & { paused: boolean }

/** Throws `Fault("not_found")`. */
export async function openHook(needs: Needs, tenant: TenantId, id: string): Promise<Open> {
  const item = await itemOf(needs, tenant, id)
  const secrets = await secretsIn(needs, tenant, item)
  return { tenant, source: id, vendor: vendorIn(item), secrets, paused: item.paused === true }
}

/** The secrets that hold now, the current one first. */
async function secretsIn({ vault, clock }: Needs, tenant: TenantId, item: Item): Promise<string[]> {
  const old = Number(item.oldUntil ?? 0) > clock() ? item.oldSecret : undefined
  const sealed = [item.secret, old].filter((one) => one instanceof Uint8Array)
  return Promise.all(sealed.map((one) => openText(vault, secretOf(tenant, item.sk), one)))
}

/** How long a door may go on believing what it read of a source: a change made elsewhere takes effect within this. */
const TRUST_MS = 2 * SECOND
/** A refusal is looked at twice, but a flood of junk must not be a flood of reads. */
const AGAIN_MS = SECOND
const SOURCES_REMEMBERED = 10_000

type Believed = { readAt: number; againAt: number; change: number; hook: Promise<Open> }

/**
 * Finds the source that a URL names; the tenant comes from the id alone. Throws `Fault("not_found")`: for what no source
 * can be called, before anything is read. Before anybody is turned away by what was read earlier, it is read again.
 */
export function hookFinder(needs: Needs) {
  const remembered = new Map<string, Believed>()

  function read(tenant: TenantId, id: string, againAt: number): Promise<Open> {
    if (remembered.size >= SOURCES_REMEMBERED) remembered.clear()
    const change = changeOf(id)
    const hook = openHook(needs, tenant, id)
    const believed = { readAt: needs.clock(), againAt, change, hook }
    remembered.set(id, believed)
    hook.catch((error: unknown) => {
      if (!(error instanceof Fault) && remembered.get(id) === believed) remembered.delete(id)
    })
    return hook
  }

  async function find(id: string): Promise<Open> {
    const tenant = ownerOf(id)
    if (tenant === undefined) throw missing()
    const [known, now] = [remembered.get(id), needs.clock()]
    if (!known || known.readAt + TRUST_MS <= now || known.change !== changeOf(id)) {
      return read(tenant, id, known?.againAt ?? 0)
    }
    const isOpen = await known.hook.then(
      ({ paused, secrets }) => !paused && secrets.length > 0,
      () => false,
    )
    return isOpen ? known.hook : again(id, now)
  }

  /** The source as it is now, for who is about to be refused by what was read before `since`. */
  async function again(id: string, since: number): Promise<Open> {
    const tenant = ownerOf(id)
    if (tenant === undefined) throw missing()
    const [known, now] = [remembered.get(id), needs.clock()]
    if (known && (known.readAt >= since || known.againAt > now)) return known.hook
    return read(tenant, id, now + AGAIN_MS)
  }

  return { find, again }
}
