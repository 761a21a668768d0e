import { decimal } from "#core/decimal.ts"
import type { Json, JsonObject } from "./event.ts"

/**
 * What a property of an event type may be. Every event is held to it, also the first one of a function that has just
 * started: so it is a plain test, in which a schema's library would take ten times as long (docs/decisions/011).
 */
export type Property = {
  description: string
  /** Whether a value is such a one, and what it must be. */
  is(value: Json): boolean
  must: string
  /** The same as JSON Schema. */
  schema: object
  needed?: true
  /** Of a list of objects: what their properties may be. */
  lines?: Properties
}
export type Properties = Readonly<Record<string, Property>>
export type Rule = { field: string; must: string; holds(properties: JsonObject): boolean }
/** The first place where properties are not what they may be, and what must be there. */
export type Breach = { path: (string | number)[]; must: string }

const SHORT = 256
const LONG = 10_000
const MOST_LINES = 5000
const CURRENCY = /^[A-Za-z]{3}$/

/** Characters are Unicode's, as JSON Schema counts them: an emoji is one. */
const isWithin = (value: string, most: number) =>
  value.length <= most || (value.length <= 2 * most && [...value].length <= most)
const shortText = (value: Json) => typeof value === "string" && value !== "" && isWithin(value, SHORT)
const anAmount = (value: Json) => (typeof value === "number" || typeof value === "string" ? decimal(value) : undefined)
const SHORT_TEXT = { type: "string", minLength: 1, maxLength: SHORT }
const DECIMAL = { type: ["number", "string"] }

/** A decimal, exactly: below 10^15, with at most 12 places. */
export const amount = (about: string): Property => ({
  description: `${about} A number or a decimal string.`,
  is: (value) => anAmount(value) !== undefined,
  must: "must be a decimal such as 12.50, below 10^15, with at most 12 places",
  schema: DECIMAL,
})
export const positive = (about: string): Property => ({
  description: `${about} A number or a decimal string, not negative.`,
  is: (value) => (anAmount(value) ?? -1n) >= 0n,
  must: "must be a decimal such as 12.50, not negative, below 10^15, with at most 12 places",
  schema: DECIMAL,
})
export const id = (description: string): Property => ({
  description,
  // JSON may say 1e999, which no number can hold.
  is: (value) => (typeof value === "number" ? Number.isFinite(value) : shortText(value)),
  must: `must be text of 1 to ${SHORT} characters, or a number`,
  schema: { anyOf: [SHORT_TEXT, { type: "number" }] },
})
export const label = (description: string): Property => ({
  description,
  is: shortText,
  must: `must be text of 1 to ${SHORT} characters`,
  schema: SHORT_TEXT,
})
export const text = (description: string, most = LONG): Property => ({
  description,
  is: (value) => typeof value === "string" && isWithin(value, most),
  must: `must be text of at most ${most} characters`,
  schema: { type: "string", maxLength: most },
})
export const flag = (description: string): Property => ({
  description,
  is: (value) => typeof value === "boolean",
  must: "must be true or false",
  schema: { type: "boolean" },
})
export const oneOf = (values: readonly string[], description: string): Property => ({
  description,
  is: (value) => typeof value === "string" && values.includes(value),
  must: `must be one of ${values.join(", ")}`,
  schema: { type: "string", enum: values },
})
export const between = (least: number, most: number, description: string): Property => ({
  description,
  is: (value) => typeof value === "number" && value >= least && value <= most,
  must: `must be a number from ${least} to ${most}`,
  schema: { type: "number", minimum: least, maximum: most },
})
export const currencyCode = (description: string): Property => ({
  description,
  is: (value) => typeof value === "string" && CURRENCY.test(value),
  must: "must be a currency's code (ISO 4217) such as USD",
  schema: { type: "string", pattern: CURRENCY.source },
})
export const list = (lines: Properties, description: string): Property => ({
  description,
  is: (value) => Array.isArray(value) && value.length <= MOST_LINES,
  must: `must be a list of at most ${MOST_LINES} objects`,
  schema: { maxItems: MOST_LINES, type: "array", items: schemaOf(lines) },
  lines,
})
export const needed = (property: Property): Property => ({ ...property, needed: true })

/** What breaks first, in the order of the properties; others than these may be there as they are. */
export function breachOf(properties: Properties, of: JsonObject): Breach | undefined {
  for (const name in properties) {
    const property = properties[name]!
    const value = of[name]
    if (value === undefined) {
      if (property.needed) return { path: [name], must: "is needed" }
      continue
    }
    if (!property.is(value)) return { path: [name], must: property.must }
    const within = property.lines && breachIn(property.lines, value as Json[])
    if (within) return { path: [name, ...within.path], must: within.must }
  }
  return undefined
}

function breachIn(lines: Properties, values: readonly Json[]): Breach | undefined {
  for (const [i, value] of values.entries()) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return { path: [i], must: "must be an object" }
    const breach = breachOf(lines, value)
    if (breach) return { path: [i, ...breach.path], must: breach.must }
  }
  return undefined
}

/** JSON Schema (draft 2020-12) of an object with such properties. */
export function schemaOf(properties: Properties) {
  const all = Object.entries(properties)
  const wanted = all.flatMap(([name, property]) => (property.needed ? [name] : []))
  return {
    type: "object",
    properties: Object.fromEntries(all.map(([name, { schema, description }]) => [name, { ...schema, description }])),
    ...(wanted.length > 0 ? { required: wanted } : {}),
    additionalProperties: {},
  }
}
