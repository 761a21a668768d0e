import fc from "fast-check"
import { expect, test } from "vitest"
import { decimal, ofCount, over, times, toText } from "./decimal.ts"

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
