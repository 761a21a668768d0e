import fc from "fast-check"
import { expect, test } from "vitest"
import { pack, packText, unpack, unpackText } from "./pack.ts"

const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown)

test("any JSON value survives being packed", () => {
  fc.assert(
    fc.property(json, (value) => {
      expect(JSON.stringify(unpack(pack(value)))).toBe(JSON.stringify(value))
    }),
  )
})

test("any text survives, at every size around the step from plain to compressed", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 0, max: 2000 }), (some, length) => {
      const text = some.toWellFormed() + "x".repeat(length)
      expect(unpackText(packText(text))).toBe(text)
    }),
  )
})

test("899 bytes stay plain, 900 are compressed, and the first byte tells which", () => {
  expect([packText("x".repeat(899))[0], packText("x".repeat(899)).length]).toEqual([0, 900])
  expect(packText("x".repeat(900))[0]).toBe(1)
  expect(packText("x".repeat(900)).length).toBeLessThan(60)
})

test("a value that is text is not written as JSON; one with half a character is, and none is taken for the other", () => {
  const json = JSON.stringify({ a: 1 })
  expect([pack(json)[0], pack({ a: 1 })[0], pack("x".repeat(900))[0], pack("\ud800")[0]]).toEqual([2, 0, 3, 0])
  expect([unpack(pack(json)), unpack(pack({ a: 1 })), unpack(pack("")), unpack(pack("\ud800"))]).toEqual([
    json,
    { a: 1 },
    "",
    "\ud800",
  ])
})

test("the same text gives the same bytes", () => {
  const text = JSON.stringify(Array.from({ length: 500 }, (_, i) => ({ i })))
  expect(packText(text)).toEqual(packText(text))
})

test("bytes that lie within larger ones are read from where they lie", () => {
  const packed = packText("hello".repeat(400))
  const within = Buffer.concat([Buffer.of(9, 9), packed, Buffer.of(9)])
  expect(unpackText(new Uint8Array(within.buffer, within.byteOffset + 2, packed.length))).toBe("hello".repeat(400))
})

test("an unknown version, and nothing at all, are refused", () => {
  expect(() => unpackText(Buffer.of(7, 1, 2))).toThrow("unknown pack version 7")
  expect(() => unpackText(Buffer.of())).toThrow("unknown pack version undefined")
})

test("compressed bytes that were damaged in any bit never give another text, and cut off ones give none", () => {
  const text = Array.from({ length: 400 }, (_, i) => `hello ${i}`).join()
  const packed = packText(text)
  for (let at = 1; at < packed.length; at++) {
    const damaged = Buffer.from(packed)
    damaged[at]! ^= 1 << (at % 8)
    let read = text
    try {
      read = unpackText(damaged)
    } catch {}
    expect(read === text, `byte ${at}`).toBe(true)
    expect(() => unpackText(packed.subarray(0, at)), `cut at ${at}`).toThrow()
  }
})

test("a bomb of more than 256 MB is not unpacked", () => {
  const frames = new Array(33).fill(packText("0".repeat(8 * 1024 * 1024)).subarray(1))
  const bomb = Buffer.concat([Buffer.of(1), ...frames])
  expect(bomb.length).toBeLessThan(100_000)
  expect(() => unpackText(bomb)).toThrow(RangeError)
})
