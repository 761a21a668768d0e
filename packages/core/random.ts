import { crypto } from "./node.ts"

/** A source of random bytes; `size` bytes a call. */
export type Random = (size: number) => Uint8Array

export const systemRandom: Random = (size) => crypto.randomBytes(size)

/**
 * Bytes that a seed decides, for tests and simulations. sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state.
 */
export function seededRandom(seed: number): Random {
  const next = seededNumbers(seed)
  return (size) => Uint8Array.from({ length: size }, () => Math.floor(next() * 256))
}

/** Numbers in [0, 1) that a seed decides (sfc32). */
export function seededNumbers(seed: number): () => number {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, seed ^ 0xdeadbeef]
  const next = () => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t
    return (t >>> 0) / 4294967296
  }
  for (let i = 0; i < 15; i++) next()
  return next
}

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/** `length` characters of 0-9A-Za-z, each equally likely (bytes of 248 and more are drawn again). */
export function randomText(random: Random, length: number): string {
  let text = ""
  while (text.length < length) {
    for (const byte of random(length)) if (byte < 248 && text.length < length) text += ALPHABET[byte % 62]
  }
  return text
}
