import { zlib } from "./node.ts"
import { once } from "./once.ts"

/** First byte of everything we pack: tells how to read the rest, so that a later codec can live beside these. */
const PLAIN = 0
const ZSTD = 1
/** Added to these for a value that is text itself: it is not written as JSON, so that nobody has to parse it. */
const TEXT = 2
const LIMIT_BYTES = 256 * 1024 * 1024
/** Below this a write costs one unit either way, and plain is quicker. */
const SMALL_BYTES = 900
/** With a checksum: what was damaged on its way is told from what was not. */
const parameters = once(() => {
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = zlib().constants
  return { [ZSTD_c_compressionLevel]: 3, [ZSTD_c_checksumFlag]: 1 }
})

/** Bytes → version byte + the bytes if they are fewer than `small`, else zstd (RFC 8878, level 3). */
export function packBytes(bytes: Uint8Array, small = SMALL_BYTES, kind: 0 | typeof TEXT = 0): Buffer {
  if (bytes.length < small) return Buffer.concat([Buffer.of(PLAIN + kind), bytes])
  return Buffer.concat([Buffer.of(ZSTD + kind), zlib().zstdCompressSync(bytes, { params: parameters() })])
}

/** The bytes back. Throws on an unknown version, on corrupt bytes and on more than 256 MB. */
export function unpackBytes(bytes: Uint8Array): Buffer {
  const packed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const version = packed[0]
  if (version === PLAIN || version === PLAIN + TEXT) return packed.subarray(1)
  if (version !== ZSTD && version !== ZSTD + TEXT) throw new Error(`unknown pack version ${version}`)
  return zlib().zstdDecompressSync(packed.subarray(1), { maxOutputLength: LIMIT_BYTES })
}

export const packText = (text: string, small?: number): Buffer => packBytes(Buffer.from(text, "utf8"), small)
export const unpackText = (bytes: Uint8Array): string => unpackBytes(bytes).toString("utf8")

/** Any JSON value → bytes. */
export const pack = (value: unknown) =>
  typeof value === "string" && value.isWellFormed()
    ? packBytes(Buffer.from(value), SMALL_BYTES, TEXT)
    : packText(JSON.stringify(value))

/** The value back, unchecked: only what we packed ourselves is unpacked. */
export function unpack<T>(bytes: Uint8Array): T {
  const text = unpackText(bytes)
  return (bytes[0]! & TEXT ? text : JSON.parse(text)) as T
}
