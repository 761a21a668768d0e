import { type Decimal, decimal, ofCount, times } from "#core/decimal.ts"
import { catalogueName } from "#events/catalogue.ts"
import type { Event, Json, JsonObject } from "#events/event.ts"

/** An event as the fold looks at it: with its catalogue name, its lines, its dimensions, and whose it is. */
export type Fact = {
  event: Event
  /** What metrics are declared on: the catalogue's name of a track event, `page`, `screen`, `identify`, …; or `undefined`. */
  name: string | undefined
  properties: JsonObject
  source: string
  traits: JsonObject
  /** Whether its amounts are in the tenant's currency (or say none): others are kept but never added to these. */
  home: boolean
  lines: readonly Line[]
}

/** A line of an order, or the one product that an event is about. */
export type Line = {
  product: string | undefined
  category: string | undefined
  price: Decimal | undefined
  quantity: Decimal
}

const NOTHING: JsonObject = {}
const NO_LINES: readonly Line[] = []
const ONE = ofCount(1)

export function factOf(event: Event, source: string, traits: JsonObject, currency: string): Fact {
  const properties = event.properties ?? NOTHING
  const name = event.type === "track" ? catalogueName(event.event ?? "") : event.type
  const stated = properties.currency
  const home = typeof stated !== "string" || stated === "" || stated.toUpperCase() === currency
  return { event, name, properties, source, traits, home, lines: linesOf(properties) }
}

function linesOf(properties: JsonObject): readonly Line[] {
  const products = properties.products
  if (Array.isArray(products)) return products.filter(isObject).map(lineOf)
  return saysNothing(properties.product_id) ? NO_LINES : [lineOf(properties)]
}

const lineOf = (line: JsonObject): Line => ({
  product: textOf(line.product_id) ?? textOf(line.sku),
  category: textOf(line.category),
  price: decimal(line.price),
  quantity: saysNothing(line.quantity) ? ONE : (decimal(line.quantity) ?? 0n),
})

/** SDKs send `null` and empty text for what they do not know. */
const saysNothing = (value: Json | undefined) => value === undefined || value === null || value === ""

/** What a line earned: its price times its quantity; `undefined` without a price. */
export const lineRevenue = ({ price, quantity }: Line) => (price === undefined ? undefined : times(price, quantity))

/** An order's revenue: `revenue`, else `total`, else the sum of its lines. */
export function orderRevenue({ properties, lines }: Fact): Decimal {
  return (
    decimal(properties.revenue) ??
    decimal(properties.total) ??
    lines.reduce((sum, line) => sum + (lineRevenue(line) ?? 0n), 0n)
  )
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const TEXT_LENGTH = 512

/** A text or a number as the text of a dimension (its first 512 characters); `undefined` for anything else and for "". */
export function textOf(value: Json | undefined): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value.slice(0, TEXT_LENGTH)
  return typeof value === "number" ? String(value) : undefined
}

/** The value at a path such as `page.path`; own properties only. */
export function at(value: Json | undefined, ...path: string[]): Json | undefined {
  let found = value
  for (const part of path) {
    if (!isObject(found) || !Object.hasOwn(found, part)) return undefined
    found = found[part]
  }
  return found
}
