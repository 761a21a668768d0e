import { expect, test } from "vitest"
import { currencyPlaces } from "./currency.ts"

const byIntl = (currency: string) =>
  new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits

test("every currency that the runtime knows has the places that it has there", () => {
  const known = Intl.supportedValuesOf("currency")
  const different = known.filter((code) => currencyPlaces(code) !== byIntl(code))
  expect(different).toEqual([])
  expect(known).toEqual(expect.arrayContaining(["USD", "JPY", "KWD"]))
})

test("yen have no places, dinars of Kuwait three, and what nobody knows two", () => {
  expect(["JPY", "KWD", "USD", "XXQ"].map(currencyPlaces)).toEqual([0, 3, 2, 2])
})
