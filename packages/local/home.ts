import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createKey } from "#access/key.ts"
import { createTenant, type Tenant } from "#access/tenant.ts"
import { randomText, systemRandom } from "#core/random.ts"
import type { Runtime } from "#platform/runtime.ts"

/** The folder of a local stack: its data, the keys that were shown once, and who is running on it. */
export type DevTenant = { id: string; name: string; writeKey: string; readKey: string; adminKey: string }
export type DevFile = {
  collectUrl: string
  apiUrl: string
  tenants: DevTenant[]
  /** For the command line: where the parts are. */
  environment: Record<string, string>
}
type State = { tenants: DevTenant[]; seededAt?: number; seeded?: boolean }

export const devFile = (dir: string) => join(dir, "dev.json")
const stateFile = (dir: string) => join(dir, "state.json")
const lockFile = (dir: string) => join(dir, "octant.pid")
const ONLY_OWNER = 0o600
const OPERATOR_TOKEN_LENGTH = 32

/** Takes the folder for this process; an error if another lives in it. The function gives it back. */
export function occupy(dir: string): () => void {
  mkdirSync(dir, { recursive: true })
  const other = Number(readOr(lockFile(dir), "0"))
  if (other && other !== process.pid && lives(other)) {
    throw new Error(
      `Octant is running on ${dir} already (process ${other}); stop it first, or give another folder with --data`,
    )
  }
  writeFileSync(lockFile(dir), String(process.pid))
  rmSync(devFile(dir), { force: true })
  return () => {
    rmSync(devFile(dir), { force: true })
    rmSync(lockFile(dir), { force: true })
  }
}

/** A process id may have been given to another program since: only a Node process counts. */
function lives(pid: number) {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  return readOr(`/proc/${pid}/cmdline`, "node").includes("node")
}

/** Forgets everything. */
export const empty = (dir: string) => {
  for (const name of ["table.db", "table.db-wal", "table.db-shm", "queues", "state.json", "dev.json", "vault.key"])
    rmSync(join(dir, name), { recursive: true, force: true })
}

export const readState = (dir: string): State => JSON.parse(readOr(stateFile(dir), '{"tenants":[]}')) as State
export const writeState = (dir: string, state: State) =>
  writeFileSync(stateFile(dir), JSON.stringify(state), { mode: ONLY_OWNER })
export const writeDev = (dir: string, dev: DevFile) =>
  writeFileSync(devFile(dir), `${JSON.stringify(dev, null, 2)}\n`, { mode: ONLY_OWNER })

/** What a running stack says of itself, or an error that tells how to start one. */
export function readDev(dir: string): DevFile {
  const text = readOr(devFile(dir), "")
  if (text === "") throw new Error(`no Octant runs on ${dir}: start it with npm start`)
  return JSON.parse(text) as DevFile
}

/** A tenant with its three keys. */
export async function settle(runtime: Runtime, tenant: Tenant): Promise<DevTenant> {
  await createTenant(runtime, tenant)
  const keyFor = async (scope: "write" | "read" | "admin") =>
    (await createKey(runtime, tenant.id, { name: `local ${scope}`, scope })).key
  return {
    id: tenant.id,
    name: tenant.name,
    writeKey: await keyFor("write"),
    readKey: await keyFor("read"),
    adminKey: await keyFor("admin"),
  }
}

/** The token for health and metrics: made once for a folder, so that a scraper goes on after a restart. */
export function operatorToken(dir?: string): string {
  const fresh = `oct_operator_${randomText(systemRandom, OPERATOR_TOKEN_LENGTH)}`
  if (dir === undefined) return fresh
  const file = join(dir, "operator-token")
  const kept = readOr(file, "")
  if (kept !== "") return kept
  mkdirSync(dir, { recursive: true })
  writeFileSync(file, fresh, { mode: ONLY_OWNER })
  return fresh
}

function readOr(file: string, otherwise: string) {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return otherwise
  }
}
