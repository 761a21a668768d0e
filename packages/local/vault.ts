import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { systemRandom } from "#core/random.ts"
import { KEY_BYTES } from "#core/seal.ts"
import { keyVault } from "#platform/vault.ts"
import type { Vault } from "#store/vault.ts"

const ONLY_OWNER = 0o600

export const vaultKeyFile = (dir: string) => join(dir, "vault.key")

/** A vault whose key lies in the folder of the local stack, made on the first run; in memory where there is no folder. */
export function localVault(dir?: string): Vault {
  return keyVault({ random: systemRandom }, dir === undefined ? systemRandom(KEY_BYTES) : keyIn(vaultKeyFile(dir)))
}

function keyIn(file: string): Uint8Array {
  if (!existsSync(file)) {
    // Never half of a key, even if this process ends in between.
    writeFileSync(`${file}.new`, systemRandom(KEY_BYTES), { mode: ONLY_OWNER })
    renameSync(`${file}.new`, file)
  }
  const key = readFileSync(file)
  if (key.length !== KEY_BYTES)
    throw new Error(`${file} must hold ${KEY_BYTES} bytes: without it, what is sealed is lost`)
  return key
}
