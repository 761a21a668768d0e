import * as z from "zod/mini"
import { getTenant } from "#access/tenant.ts"
import { Fault } from "#core/fault.ts"
import { silent } from "#core/log.ts"
import { type DevFile, readDev } from "#local/home.ts"
import { readConfig } from "#platform/config.ts"
import { type Runtime, runtimeOf } from "#platform/runtime.ts"
import { TenantId } from "#store/tenant-id.ts"
import { Usage } from "./failure.ts"
import { type Common, checked } from "./options.ts"
import type { Terminal } from "./terminal.ts"

const DEFAULT_TENANT = "acme"

/** The storage of the local stack if one runs, else the one that the environment names. */
export const openStorage = async (options: Common, terminal: Terminal): Promise<Runtime> =>
  (await openTable(options, terminal)).runtime

/** The same, and the table's name. */
export async function openTable({ data }: Common, terminal: Terminal): Promise<{ runtime: Runtime; table: string }> {
  const dev = runningOn(data)
  const named = terminal.env.OCTANT_TABLE
  if (!dev && named === undefined) {
    throw new Error(
      `no Octant runs on ${data}: start it with npm start, or set OCTANT_TABLE and the other variables of a deployed one`,
    )
  }
  if (dev && named !== undefined && named !== dev.environment.OCTANT_TABLE) {
    terminal.err(`this is the local stack on ${data}, not ${named}; for that, give --data a folder where none runs\n`)
  }
  const config = await readConfig({ ...terminal.env, ...dev?.environment })
  return { runtime: runtimeOf(config, { log: silent }), table: config.OCTANT_TABLE }
}

/** The storage, and the one tenant of it that is meant. */
export async function openTenant(options: Common, terminal: Terminal): Promise<{ runtime: Runtime; tenant: TenantId }> {
  const runtime = await openStorage(options, terminal)
  const chosen = options.tenant ?? usualTenant(runningOn(options.data)?.tenants ?? [])
  const { tenant } = checked(z.object({ tenant: TenantId }), { tenant: chosen })
  try {
    await getTenant(runtime, tenant)
  } catch (error) {
    if (error instanceof Fault && error.code === "not_found")
      throw new Error(`there is no tenant ${tenant}: octant tenants list shows them`)
    throw error
  }
  return { runtime, tenant }
}

/** The only one, or acme. */
export function usualTenant(tenants: readonly { id: string }[]): string {
  const usual = tenants.length === 1 ? tenants[0] : tenants.find(({ id }) => id === DEFAULT_TENANT)
  if (usual) return usual.id
  const known = tenants.map(({ id }) => id).join(", ")
  throw new Usage(`say which tenant with --tenant${known === "" ? "" : `: ${known}`}`)
}

/** What a running local stack says of itself. */
export function runningOn(folder: string): DevFile | undefined {
  try {
    return readDev(folder)
  } catch {
    return undefined
  }
}
