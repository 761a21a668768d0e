import "#core/words.ts"
import * as z from "zod/mini"
import { decimal } from "#core/decimal.ts"
import type { Json } from "#events/event.ts"
import { parseInstant } from "#events/message.ts"
import {
  type Dimension,
  type Dims,
  dimensionNames,
  type EventDimension,
  eventDimensionNames,
  eventDimensions,
  isLineDimension,
  lineDimensions,
} from "./dimension.ts"
import { at, type Fact } from "./fact.ts"

/** Comparisons of one field with a value. */
export const operators = ["eq", "ne", "in", "gt", "gte", "lt", "lte", "exists", "contains", "starts_with"] as const
type Operator = (typeof operators)[number]

const scalar = z.union([z.string(), z.number(), z.boolean()])
/** A dimension, or a path into the event such as `properties.total` or `context.page.url`. */
const fieldPattern = new RegExp(
  `^(${dimensionNames.join("|")}|event|type|user_id|anonymous_id|(properties|traits|context)(\\.[^.]+)+)$`,
)

export type Filter = { and: Filter[] } | { or: Filter[] } | { not: Filter } | Comparison
export type Comparison = { field: string; op: Operator; value?: z.infer<typeof scalar> | z.infer<typeof scalar>[] }

const MOST_PARTS = 100
const DEEPEST = 8

const comparison = z
  .strictObject({
    field: z
      .string()
      .check(
        z.regex(
          fieldPattern,
          `must be a dimension (${dimensionNames.join(", ")}), event, type, user_id, anonymous_id or a path such as properties.total`,
        ),
      ),
    op: z.enum(operators),
    value: z.optional(z.union([scalar, z.array(scalar).check(z.minLength(1), z.maxLength(1000))])),
  })
  .check(
    z.refine(({ op, value }) => Array.isArray(value) === (op === "in"), {
      path: ["value"],
      error: "a list goes with in, and only with in",
    }),
    z.refine(({ op, value }) => op === "exists" || value !== undefined, {
      path: ["value"],
      error: "is needed with this operator",
    }),
    z.refine(({ op, value }) => op !== "exists" || value === undefined || typeof value === "boolean", {
      path: ["value"],
      error: "goes with exists as true or false",
    }),
  )

/** Conditions that compose: and, or, not, and comparisons. */
export const Filter: z.ZodMiniType<Filter> = z.lazy(() =>
  z.union([
    z.strictObject({ and: z.array(Filter).check(z.minLength(1), z.maxLength(MOST_PARTS)) }),
    z.strictObject({ or: z.array(Filter).check(z.minLength(1), z.maxLength(MOST_PARTS)) }),
    z.strictObject({ not: Filter }),
    comparison,
  ]),
)

/** Whether and, or and not nest at most eight levels. Asked before anything else looks at a filter. */
export function isShallow(filter: unknown, left = DEEPEST): boolean {
  if (typeof filter !== "object" || filter === null) return true
  const parts = ["and", "or", "not"].flatMap((name) => (filter as Record<string, unknown>)[name] ?? [])
  return parts.length === 0 || (left > 0 && parts.every((part) => isShallow(part, left - 1)))
}

/** Fields that a filter asks of an event. */
export function fieldsOf(filter: Filter): string[] {
  if ("and" in filter) return filter.and.flatMap(fieldsOf)
  if ("or" in filter) return filter.or.flatMap(fieldsOf)
  return "not" in filter ? fieldsOf(filter.not) : [filter.field]
}

const PERSONAL = /(^|\.)(user_?id|anonymous_?id|e?mail|phone|username|(first|last)_?name)$/i
/** Whether a filter may leave a single person: whoever sees the answer has seen what that person did. */
export const singlesOut = (filter: Filter): boolean => fieldsOf(filter).some((field) => PERSONAL.test(field))

/** Whether an event passes. A comparison with a field that is not there fails, but for `ne` and `exists: false`. */
export const matches = (filter: Filter, fact: Fact): boolean => passes(filter, (field) => valuesOf(field, fact))

/** Whether what stands in these dimensions passes: a session, a first visit, a subscription. */
export const matchesDims = (filter: Filter, dims: Dims): boolean =>
  passes(filter, (field) => {
    const value = dims[field as EventDimension]
    return value === undefined ? [] : [value]
  })

/** Whether a filter asks for nothing but dimensions that an event has one value of. */
export const asksDims = (filter: Filter): boolean =>
  fieldsOf(filter).every((field) => (eventDimensionNames as readonly string[]).includes(field))

function passes(filter: Filter, read: (field: string) => Json[]): boolean {
  if ("and" in filter) return filter.and.every((part) => passes(part, read))
  if ("or" in filter) return filter.or.some((part) => passes(part, read))
  if ("not" in filter) return !passes(filter.not, read)
  const { field, op, value } = filter
  const values = read(field)
  if (op === "exists") return values.length > 0 === (value ?? true)
  if (op === "ne") return !values.some((found) => same(found, value as Json))
  if (op === "in") return values.some((found) => (value as Json[]).some((one) => same(found, one)))
  return values.some((found) => compared(op, found, value as Json))
}

/** An event has one value in a field, or none; in a dimension of lines it has one for each line. */
function valuesOf(field: string, fact: Fact): Json[] {
  const found = fieldOf(field, fact)
  if (Array.isArray(found)) return found
  return found === undefined || found === null ? [] : [found]
}

function fieldOf(field: string, fact: Fact): Json | undefined {
  if (dimensionNames.includes(field as Dimension)) {
    const dimension = field as Dimension
    return isLineDimension(dimension)
      ? fact.lines.flatMap((line) => lineDimensions[dimension](line) ?? [])
      : eventDimensions[dimension](fact)
  }
  const { event } = fact
  if (field === "event") return event.event
  if (field === "type") return event.type
  if (field === "user_id") return event.userId
  if (field === "anonymous_id") return event.anonymousId
  const [root, ...path] = field.split(".")
  return at(root === "traits" ? fact.traits : root === "properties" ? fact.properties : event.context, ...path)
}

/** Equal as they are, or as numbers: `"12.50"` equals `12.5`. */
function same(found: Json, value: Json): boolean {
  if (found === value) return true
  const [a, b] = [decimal(found), decimal(value)]
  return a !== undefined && a === b
}

function compared(op: Exclude<Operator, "exists" | "ne" | "in">, found: Json, value: Json): boolean {
  if (op === "eq") return same(found, value)
  if (op === "contains") return String(found).toLowerCase().includes(String(value).toLowerCase())
  if (op === "starts_with") return String(found).startsWith(String(value))
  const order = ordered(found, value)
  if (order === undefined) return false
  if (op === "gt") return order > 0
  if (op === "gte") return order >= 0
  return op === "lt" ? order < 0 : order <= 0
}

/** Numbers by size, instants by time, other texts by code point; different kinds have no order. */
function ordered(found: Json, value: Json): number | undefined {
  const [a, b] = [decimal(found), decimal(value)]
  if (a !== undefined && b !== undefined) return a < b ? -1 : a > b ? 1 : 0
  if (typeof found !== "string" || typeof value !== "string") return undefined
  const [s, t] = [parseInstant(found), parseInstant(value)]
  if (s !== undefined && t !== undefined) return s - t
  return found < value ? -1 : found > value ? 1 : 0
}
