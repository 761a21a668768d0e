import { type Clock, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import type { Hook } from "#pipeline/receive.ts"
import { ownerOf, type TenantId } from "#store/keys.ts"
import type { Item, Table } from "#store/table.ts"
import { openText, type Vault } from "#store/vault.ts"
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

/** How long a door may go on believing what it read of a source: a change takes effect within this. */
const TRUST_MS = 4 * SECOND
const SOURCES_REMEMBERED = 10_000

/**
 * Finds the source that a URL names; the tenant comes from the id alone. Throws `Fault("not_found")`: for what no source
 * can be called, before anything is read.
 */
export function hookFinder(needs: Needs) {
  const remembered = new Map<string, { until: number; hook: Promise<Open> }>()
  return async (id: string): Promise<Open> => {
    const tenant = ownerOf(id)
    if (tenant === undefined) throw missing()
    const known = remembered.get(id)
    if (known && known.until > needs.clock()) return known.hook
    if (remembered.size >= SOURCES_REMEMBERED) remembered.clear()
    const hook = openHook(needs, tenant, id)
    remembered.set(id, { until: needs.clock() + TRUST_MS, hook })
    hook.catch((error: unknown) => {
      if (!(error instanceof Fault)) remembered.delete(id)
    })
    return hook
  }
}
