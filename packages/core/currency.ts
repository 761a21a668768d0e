/** Currencies whose amounts are not told in hundredths, as Unicode's CLDR has them: to ask `Intl` is a tenth of a cold start. */
const whole =
  "AFN ALL BIF CLP COP DJF GNF HUF IDR IQD IRR ISK JPY KMF KPW KRW LAK LBP MGA MMK PKR PYG RWF SLL SOS SYP UGX VND VUV XAF XOF XPF YER"
const thousandths = "BHD JOD KWD LYD OMR TND"
const places = new Map([
  ...whole.split(" ").map((code) => [code, 0] as const),
  ...thousandths.split(" ").map((code) => [code, 3] as const),
])

/** Decimal places of a currency (ISO 4217 code); 2 of one that is not known. */
export const currencyPlaces = (code: string): number => places.get(code) ?? 2
