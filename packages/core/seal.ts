import { createCipheriv, createDecipheriv } from "node:crypto"
import type { Random } from "./random.ts"

const CIPHER = "aes-256-gcm"
const IV_BYTES = 12
const TAG_BYTES = 16
export const KEY_BYTES = 32

/** AES-256-GCM (NIST SP 800-38D) as iv ‖ tag ‖ ciphertext. `about` is not in it, but must be the same to open it. */
export function encrypt(random: Random, key: Uint8Array, about: string, content: Uint8Array): Buffer {
  const iv = random(IV_BYTES)
  const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(about))
  const hidden = Buffer.concat([cipher.update(content), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), hidden])
}

/** The content back. Throws when a bit, the key or `about` is another. */
export function decrypt(key: Uint8Array, about: string, sealed: Uint8Array): Buffer {
  const [iv, tag] = [sealed.subarray(0, IV_BYTES), sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES)]
  const cipher = createDecipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(about))
    .setAuthTag(tag)
  return Buffer.concat([cipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), cipher.final()])
}
