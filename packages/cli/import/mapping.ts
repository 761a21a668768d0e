import { readFileSync } from "node:fs"
import "#core/words.ts"
import * as z from "zod/mini"
import { parsed } from "#api/problem.ts"
import { Fault } from "#core/fault.ts"
import { isZone } from "#core/zone.ts"
import { Usage } from "../failure.ts"

const column = z.string("must be the name of a column").check(z.minLength(1))
const scalar = z.union([z.string(), z.number(), z.boolean()], { error: "must be a text, a number or a boolean" })

/** Where a value comes from: a column by its name, a constant, or a column that is turned into something. */
const Value = z.union(
  [
    column,
    z.strictObject({ const: z.json() }),
    z.strictObject({ column, negate: z.optional(z.boolean()), as: z.optional(z.enum(["number", "boolean"])) }),
  ],
  {
    error:
      'must be a column\'s name, {"const": …}, or {"column": "…"} with "negate": true or "as": "number" or "boolean"',
  },
)
export type Value = z.output<typeof Value>

const operators = ["eq", "ne", "in", "gt", "gte", "lt", "lte", "starts_with", "not_starts_with", "exists"] as const
const Condition = z
  .strictObject({
    column,
    op: z.enum(operators),
    value: z.optional(
      z.union([scalar, z.array(scalar)], { error: "must be a text, a number, a boolean or a list of them" }),
    ),
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
export type Condition = z.output<typeof Condition>

/** Which lines become which event. */
const Rule = z
  .strictObject({
    event: z.string().check(z.minLength(1), z.maxLength(200)),
    where: z._default(z.array(Condition), []),
    /** Lines with the same value here become one event. */
    groupBy: z.optional(column),
    timestamp: column,
    /** Of timestamps that name no zone. */
    timeZone: z._default(
      z.string().check(z.refine(isZone, { error: "must be a zone of the IANA database such as Europe/London" })),
      "UTC",
    ),
    userId: z.optional(Value),
    /** Taken where userId has no value. */
    anonymousId: z.optional(Value),
    properties: z._default(z.record(z.string(), Value), {}),
    /** What each line of a group gives to `properties.products`. */
    lines: z.optional(z.record(z.string(), Value)),
  })
  .check(
    z.refine(({ userId, anonymousId }) => userId !== undefined || anonymousId !== undefined, {
      path: ["userId"],
      error: "one of userId and anonymousId is needed",
    }),
    z.refine(({ lines, groupBy }) => lines === undefined || groupBy !== undefined, {
      path: ["groupBy"],
      error: "is needed with lines",
    }),
    z.refine(({ lines, properties }) => lines === undefined || !("products" in properties), {
      path: ["properties", "products"],
      error: "is made of lines: leave one of them out",
    }),
  )
export type Rule = z.output<typeof Rule>

const Mapping = z.object({ rules: z.array(Rule, "the file must hold a list of rules").check(z.minLength(1)) })

/** The rules of a mapping file. Throws `Usage` that names the file and the field. */
export function readMapping(file: string): Rule[] {
  const text = readFileSync(file, "utf8")
  try {
    return parsed(Mapping, { rules: JSON.parse(text) }).rules
  } catch (error) {
    if (error instanceof SyntaxError) throw new Usage(`${file} is not JSON: ${error.message}`)
    if (error instanceof Fault) throw new Usage(`${file}: ${error.message}`)
    throw error
  }
}

/** Every column that a rule asks for. */
export function columnsOf({ where, groupBy, timestamp, userId, anonymousId, properties, lines }: Rule): string[] {
  const values = [userId, anonymousId, ...Object.values(properties), ...Object.values(lines ?? {})]
  const named = values.flatMap((value) =>
    typeof value === "string" ? value : value && "column" in value ? value.column : [],
  )
  return [
    timestamp,
    ...(groupBy === undefined ? [] : [groupBy]),
    ...where.map((condition) => condition.column),
    ...named,
  ]
}
