import { zstdCompressSync, zstdDecompressSync, constants } from "node:zlib"

/** First byte of everything we pack: tells how to read the rest, so a later codec can live beside this one. */
const ZSTD_JSON = 1
const LIMIT_BYTES = 64 * 1024 * 1024
const LEVEL = { [constants.ZSTD_c_compressionLevel]: 3 }

/** Text → version byte + zstd (RFC 8878, level 3). */
export function packText(text: string): Buffer {
  return Buffer.concat([Buffer.of(ZSTD_JSON), zstdCompressSync(text, { params: LEVEL })])
}

/** The text back. Throws on an unknown version, on corrupt bytes and on more than 64 MB of text. */
export function unpackText(bytes: Uint8Array): string {
  if (bytes[0] !== ZSTD_JSON) throw new Error(`unknown pack version ${bytes[0]}`)
  return zstdDecompressSync(bytes.subarray(1), { maxOutputLength: LIMIT_BYTES }).toString("utf8")
}

export const pack = (value: unknown) => packText(JSON.stringify(value))

/** The value back, unchecked: only what we packed ourselves is unpacked. */
export const unpack = <T>(bytes: Uint8Array) => JSON.parse(unpackText(bytes)) as T
