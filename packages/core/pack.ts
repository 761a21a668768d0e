import { zlib } from "./node.ts"

const { constants, zstdCompressSync, zstdDecompressSync } = zlib

/** First byte of everything we pack: tells how to read the rest, so that a later codec can live beside these. */
const PLAIN_JSON = 0
const ZSTD_JSON = 1
const LIMIT_BYTES = 256 * 1024 * 1024
/** Below this a write costs one unit either way, and plain is quicker. */
const SMALL_BYTES = 900
/** With a checksum: what was damaged on its way is told from what was not. */
const PARAMETERS = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 }

/** Bytes → version byte + the bytes if they are few, else zstd (RFC 8878, level 3). */
export function packBytes(bytes: Uint8Array): Buffer {
  if (bytes.length < SMALL_BYTES) return Buffer.concat([Buffer.of(PLAIN_JSON), bytes])
  return Buffer.concat([Buffer.of(ZSTD_JSON), zstdCompressSync(bytes, { params: PARAMETERS })])
}

/** The bytes back. Throws on an unknown version, on corrupt bytes and on more than 256 MB. */
export function unpackBytes(bytes: Uint8Array): Buffer {
  const packed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (packed[0] === PLAIN_JSON) return packed.subarray(1)
  if (packed[0] !== ZSTD_JSON) throw new Error(`unknown pack version ${packed[0]}`)
  return zstdDecompressSync(packed.subarray(1), { maxOutputLength: LIMIT_BYTES })
}

export const packText = (text: string): Buffer => packBytes(Buffer.from(text, "utf8"))
export const unpackText = (bytes: Uint8Array): string => unpackBytes(bytes).toString("utf8")

/** Any JSON value → bytes. */
export const pack = (value: unknown) => packText(JSON.stringify(value))

/** The value back, unchecked: only what we packed ourselves is unpacked. */
export const unpack = <T>(bytes: Uint8Array) => JSON.parse(unpackText(bytes)) as T
