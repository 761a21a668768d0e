import { crypto } from "./node.ts"

const { hash, timingSafeEqual } = crypto

/** SHA-256 of a text or of bytes, in lower-case hex (64 characters). */
export const sha256 = (input: string | Uint8Array) => hash("sha256", input, "hex")

/** The first 96 bits of SHA-256, as 16 characters of base64url: an id short enough to keep one for every event. */
export const shortHash = (input: string | Uint8Array) => hash("sha256", input, "base64url").slice(0, 16)

/** CRC-32 of ASCII (ISO 3309, as `zlib.crc32`), bit by bit: for a key of sixty characters nobody has to load zlib. */
export function crc32(text: string): number {
  let crc = -1
  for (let i = 0; i < text.length; i++) {
    crc ^= text.charCodeAt(i)
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
  }
  return ~crc >>> 0
}
const POLYNOMIAL = 0xedb88320

/** Compares in a time that does not depend on where the two differ. Both are hashed first, so lengths may differ too. */
export const sameSecret = (a: string | Uint8Array, b: string | Uint8Array) =>
  timingSafeEqual(hash("sha256", a, "buffer"), hash("sha256", b, "buffer"))
