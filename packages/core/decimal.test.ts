import fc from "fast-check"
import { expect, test } from "vitest"
import { decimal, fromText, ofCount, over, times, toNumber, toText } from "./decimal.ts"

test.each([
  ["12.50", "12.50"],
  [0.1, "0.10"],
  ["1e-7", "0.0000001"],
  [1e21, undefined],
  ["1e14", "100000000000000.00"],
  ["-0", "0.00"],
  [9007199254740993n.toString(), undefined],
  ["NaN", undefined],
  ["", undefined],
  [".", undefined],
  ["+.5", "0.50"],
  [Number.POSITIVE_INFINITY, undefined],
  [true, undefined],
  ["0.0000000000001", undefined],
  ["12,50", undefined],
])("%j reads as %s", (input, text) => {
  const amount = decimal(input)
  expect(amount === undefined ? undefined : toText(amount, 2)).toBe(text)
})

test("a tenth and two tenths are three tenths", () => {
  expect(toText(decimal(0.1)! + decimal(0.2)!)).toBe("0.3")
})

test("any amount survives being written and read", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 27n) + 1n, max: 10n ** 27n - 1n }), (amount) => {
      expect(decimal(toText(amount))).toBe(amount)
    }),
  )
})

test("products and quotients are rounded half away from zero", () => {
  expect(toText(times(decimal("2.55")!, ofCount(6)))).toBe("15.3")
  expect(toText(over(decimal("-1")!, decimal("8")!, 2)!)).toBe("-0.13")
  expect(over(1n, 0n, 2)).toBeUndefined()
})

test("what was written is read back, however small or large, and with any number of places", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
      fc.integer({ min: 0, max: 12 }),
      (amount, places) => {
        expect(fromText(toText(amount, places))).toBe(amount)
      },
    ),
  )
  expect(fromText("-0.5")).toBe(-500_000_000_000n)
})

test("sums do not depend on their order, and products are those of whole numbers", () => {
  const cents = fc.bigInt({ min: -(10n ** 9n), max: 10n ** 9n }).map((n) => decimal(`${n}e-2`)!)
  fc.assert(
    fc.property(fc.array(cents), fc.integer({ min: -1000, max: 1000 }), (amounts, count) => {
      const sum = (some: bigint[]) => some.reduce((a, b) => a + b, 0n)
      expect(sum(amounts)).toBe(sum([...amounts].reverse()))
      expect(times(sum(amounts), ofCount(count))).toBe(sum(amounts) * BigInt(count))
    }),
  )
})

test("a quotient is the nearest of so many places", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.bigInt({ min: 1n, max: 10n ** 20n }), (a, b) => {
      const cents = over(a, b, 2)! / 10n ** 10n
      // |a ÷ b − cents ÷ 100| ≤ 0.005, multiplied out.
      const off = a * 100n - cents * b
      expect((off < 0n ? -off : off) * 2n <= b).toBe(true)
    }),
  )
})

test("the nearest double of a decimal is that of its text", () => {
  expect([toNumber(decimal("0.1")!), toNumber(decimal("-12.5")!), toNumber(0n)]).toEqual([0.1, -12.5, 0])
})
