import * as zlib from "node:zlib"
import fc from "fast-check"
import { expect, test } from "vitest"
import { crc32, sameSecret, sha256, shortHash } from "./hash.ts"

test("SHA-256 of a text is that of FIPS 180-4's example", () => {
  expect(sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  expect(sha256(Buffer.from("abc"))).toBe(sha256("abc"))
})

test("a short hash is the first 96 bits in 16 characters", () => {
  expect(shortHash("abc")).toBe(Buffer.from(sha256("abc"), "hex").subarray(0, 12).toString("base64url"))
  expect(shortHash("abc")).toHaveLength(16)
})

test("secrets are the same only if they are the same, of whatever length", () => {
  expect(sameSecret("secret", Buffer.from("secret"))).toBe(true)
  for (const other of ["", "secre", "secret ", "Secret"]) expect(sameSecret("secret", other)).toBe(false)
})

test("a CRC-32 is zlib's", () => {
  expect(crc32("123456789")).toBe(0xcbf43926)
  fc.assert(fc.property(fc.string({ unit: "binary-ascii" }), (text) => crc32(text) === zlib.crc32(text)))
})
