import { type Clock, HOUR } from "#core/clock.ts"
import type { Random } from "#core/random.ts"
import { decrypt, encrypt, KEY_BYTES } from "#core/seal.ts"
import type { TenantId } from "#store/keys.ts"
import type { Sealing, Vault } from "#store/vault.ts"
import type { AwsCall } from "./aws.ts"

/** First byte: how to read the rest. */
const VERSION = 2
const HEAD_BYTES = 3
/** A process seals under its own key of a tenant for so long: far below the 2^32 messages that GCM allows one key. */
const KEY_LIFE_MS = 6 * HOUR
const KEYS_REMEMBERED = 10_000

type DataKey = { plain: Buffer; wrapped: Buffer }

export const aboutOf = ({ tenant, purpose }: Sealing) => `${tenant}\u001f${purpose}`

/**
 * Envelope encryption: content under a data key of the tenant's, that key under one that never leaves KMS. A sealed value
 * carries its wrapped key: version ‖ its length (2 bytes) ‖ wrapped key ‖ iv ‖ tag ‖ ciphertext. KMS unwraps it for the
 * same tenant only, and is asked once a process for each key.
 */
export function kmsVault(
  { call, clock, random }: { call: AwsCall; clock: Clock; random: Random },
  keyId: string,
): Vault {
  const current = new Map<TenantId, { until: number; key: Promise<DataKey> }>()
  const unwrapped = new Map<string, Promise<Buffer>>()
  const contextOf = (tenant: TenantId) => ({ EncryptionContext: { tenant } })

  const make = async (tenant: TenantId): Promise<DataKey> => {
    const wish = { KeyId: keyId, KeySpec: "AES_256", ...contextOf(tenant) }
    const { Plaintext, CiphertextBlob } = await call("kms", "GenerateDataKey", wish)
    const key = { plain: keyOf(Plaintext), wrapped: bytesOf(CiphertextBlob) }
    remember(unwrapped, nameOf(tenant, key.wrapped), Promise.resolve(key.plain))
    return key
  }
  const unwrap = async (tenant: TenantId, wrapped: Buffer) => {
    const { Plaintext } = await call("kms", "Decrypt", {
      KeyId: keyId,
      CiphertextBlob: wrapped.toString("base64"),
      ...contextOf(tenant),
    })
    return keyOf(Plaintext)
  }

  return {
    seal: async (about, content) => {
      const { tenant } = about
      const known = current.get(tenant)
      const key = known && known.until > clock() ? known.key : make(tenant)
      if (key !== known?.key) remember(current, tenant, { until: clock() + KEY_LIFE_MS, key })
      key.catch(() => current.delete(tenant))
      const { plain, wrapped } = await key
      const head = Buffer.from([VERSION, wrapped.length >> 8, wrapped.length & 0xff])
      return Buffer.concat([head, wrapped, encrypt(random, plain, aboutOf(about), content)])
    },
    open: async (about, sealed) => {
      if (sealed[0] !== VERSION) throw new Error(`unknown seal version ${sealed[0]}`)
      const end = HEAD_BYTES + ((sealed[1] ?? 0) << 8) + (sealed[2] ?? 0)
      const wrapped = Buffer.from(sealed.subarray(HEAD_BYTES, end))
      const name = nameOf(about.tenant, wrapped)
      const key = unwrapped.get(name) ?? unwrap(about.tenant, wrapped)
      if (!unwrapped.has(name)) remember(unwrapped, name, key)
      key.catch(() => unwrapped.delete(name))
      return decrypt(await key, aboutOf(about), sealed.subarray(end))
    },
  }
}

/** One key for all, for a machine of one's own: content under it, each value bound to its tenant and purpose. */
export function keyVault({ random }: { random: Random }, key: Uint8Array): Vault {
  const version = Buffer.of(VERSION - 1)
  return {
    seal: async (about, content) => Buffer.concat([version, encrypt(random, key, aboutOf(about), content)]),
    open: async (about, sealed) => {
      if (sealed[0] !== version[0]) throw new Error(`unknown seal version ${sealed[0]}`)
      return decrypt(key, aboutOf(about), sealed.subarray(1))
    },
  }
}

const bytesOf = (value: unknown) => Buffer.from(String(value), "base64")

function keyOf(plaintext: unknown) {
  const key = bytesOf(plaintext)
  if (key.length !== KEY_BYTES) throw new Error("KMS gave a key of another size")
  return key
}

/** KMS would refuse it for another tenant; the memory must too. */
const nameOf = (tenant: TenantId, wrapped: Buffer) => `${tenant}\u001f${wrapped.toString("base64")}`

function remember<K, V>(map: Map<K, V>, key: K, value: V) {
  if (map.size >= KEYS_REMEMBERED) map.clear()
  map.set(key, value)
}
