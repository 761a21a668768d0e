/**
 * Exact decimal amounts: a `bigint` counting units of 10^-12. Sums are exact and do not depend on their order.
 * Twelve places hold a token's price in dollars; amounts of 10^15 and more are refused at the door.
 */
export type Decimal = bigint

const PLACES = 12
const LIMIT = 10n ** 27n
const PATTERN = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/

/** A decimal from JSON: a finite number or a string such as "12.50" or "1e-7". `undefined` if it is neither, too large or too fine. */
export function decimal(value: unknown): Decimal | undefined {
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) return limited(BigInt(value) * 1_000_000_000_000n)
    if (!Number.isFinite(value)) return undefined
    return parse(String(value))
  }
  return typeof value === "string" ? parse(value.trim()) : undefined
}

function parse(text: string): Decimal | undefined {
  const match = PATTERN.exec(text)
  if (!match) return undefined
  const [, sign, whole = "", fraction = "", exponent = "0"] = match
  if (whole === "" && fraction === "") return undefined
  const shift = PLACES - fraction.length + Number(exponent)
  const digits = (whole + fraction).replace(/^0+/, "")
  if (digits === "") return 0n
  if (digits.length + shift > 28 || digits.length > 60) return undefined
  if (shift >= 0) return limited(signed(sign, BigInt(digits + "0".repeat(shift))))
  const kept = digits.length + shift
  if (/[1-9]/.test(digits.slice(Math.max(kept, 0)))) return undefined
  return limited(signed(sign, BigInt(digits.slice(0, Math.max(kept, 0)) || "0")))
}

const signed = (sign: string | undefined, amount: bigint) => (sign === "-" ? -amount : amount)
const limited = (amount: bigint) => (amount < LIMIT && amount > -LIMIT ? amount : undefined)

/** The amount that `toText` wrote, unchecked. */
export function fromText(text: string): Decimal {
  const point = text.indexOf(".")
  return point < 0
    ? BigInt(text) * 1_000_000_000_000n
    : BigInt(text.slice(0, point) + text.slice(point + 1).padEnd(PLACES, "0"))
}

/** The amount as a plain decimal string with at least `places` digits after the point: `toText(1250n * 10n ** 10n, 2)` is "12.50". */
export function toText(amount: Decimal, places = 0): string {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(PLACES + 1, "0")
  const fraction = digits.slice(-PLACES).replace(/0+$/, "").padEnd(places, "0")
  return `${amount < 0n ? "-" : ""}${digits.slice(0, -PLACES)}${fraction === "" ? "" : `.${fraction}`}`
}

/** Product of two decimals, rounded half away from zero to twelve places. */
export function times(a: Decimal, b: Decimal): Decimal {
  return rounded(a * b, 10n ** BigInt(PLACES))
}

/** Quotient of two decimals rounded half away from zero to `places` (0…12); `undefined` when dividing by zero. */
export function over(a: Decimal, b: Decimal, places: number): Decimal | undefined {
  if (b === 0n) return undefined
  const unit = 10n ** BigInt(PLACES - places)
  return rounded(a * 10n ** BigInt(PLACES), b * unit) * unit
}

function rounded(a: bigint, b: bigint): bigint {
  const negative = a < 0n !== b < 0n
  const [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b]
  const quotient = (x + y / 2n) / y
  return negative ? -quotient : quotient
}

/** The nearest double, for formulas that end in a ratio. */
export const toNumber = (amount: Decimal) => Number(toText(amount))

/** A whole number as a decimal. */
export const ofCount = (count: number): Decimal => BigInt(count) * 1_000_000_000_000n
