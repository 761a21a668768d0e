import { decimal, toText } from "#core/decimal.ts"
import type { Json, JsonObject } from "#events/event.ts"
import type { Condition, Value } from "./mapping.ts"

/** A line cannot be what its rule says; the message tells why. */
export class Unfit extends Error {}

/** A line's value in a column; `undefined` where there is none, or nothing but spaces. */
export function cellOf(line: JsonObject, column: string): Json | undefined {
  const value = Object.hasOwn(line, column) ? line[column] : undefined
  return value === null || (typeof value === "string" && value.trim() === "") ? undefined : value
}

/** What a line gives for a value of the mapping; throws `Unfit`. */
export function read(line: JsonObject, value: Value): Json | undefined {
  if (typeof value === "string") return cellOf(line, value)
  if ("const" in value) return value.const as Json
  const cell = cellOf(line, value.column)
  if (cell === undefined) return undefined
  const turned = value.negate ? negated(cell, value.column) : cell
  if (value.as === "number") return Number(amountOf(turned, value.column))
  return value.as === "boolean" ? truth(turned, value.column) : turned
}

/** The same for many, without those that have none. */
export function readAll(line: JsonObject, values: Record<string, Value>): JsonObject {
  const found = Object.entries(values).flatMap(([name, value]): [string, Json][] => {
    const cell = read(line, value)
    return cell === undefined ? [] : [[name, cell]]
  })
  return Object.fromEntries(found)
}

/** As an identifier: a text or a number. */
export function readId(line: JsonObject, value: Value | undefined): string | undefined {
  const found = value === undefined ? undefined : read(line, value)
  return typeof found === "string" || typeof found === "number" ? String(found) : undefined
}

const amountOf = (cell: Json, column: string) => {
  const amount = decimal(cell)
  if (amount === undefined) throw new Unfit(`${column} is not a number: ${JSON.stringify(cell)}`)
  return toText(amount)
}

/** Exactly, as text: no digit is lost. */
const negated = (cell: Json, column: string) => toText(-(decimal(amountOf(cell, column)) ?? 0n))

const words = new Map<Json, boolean>([
  ...([true, 1, "true", "1", "yes", "y"] as const).map((word): [Json, boolean] => [word, true]),
  ...([false, 0, "false", "0", "no", "n"] as const).map((word): [Json, boolean] => [word, false]),
])
function truth(cell: Json, column: string) {
  const found = words.get(typeof cell === "string" ? cell.trim().toLowerCase() : cell)
  if (found === undefined) throw new Unfit(`${column} is neither true nor false: ${JSON.stringify(cell)}`)
  return found
}

/** Whether a line meets a condition. One without a value in the column meets only `ne`, `not_starts_with` and `exists: false`. */
export function meets(line: JsonObject, { column, op, value }: Condition): boolean {
  const cell = cellOf(line, column)
  if (op === "exists") return (cell !== undefined) === (value ?? true)
  if (op === "ne") return !same(cell, value as Json)
  if (op === "not_starts_with") return !begins(cell, value)
  if (cell === undefined) return false
  if (op === "eq") return same(cell, value as Json)
  if (op === "in") return (value as Json[]).some((one) => same(cell, one))
  if (op === "starts_with") return begins(cell, value)
  const order = compared(cell, value as Json)
  if (order === undefined) return false
  if (op === "gt") return order > 0
  if (op === "gte") return order >= 0
  return op === "lt" ? order < 0 : order <= 0
}

const begins = (cell: Json | undefined, value: unknown) => cell !== undefined && String(cell).startsWith(String(value))

/** A number of the mapping is compared as a number, so that 12.5 equals "12.50"; a text as it stands. */
function same(cell: Json | undefined, value: Json) {
  if (cell === undefined) return false
  if (typeof value === "number") return decimal(cell) === decimal(value)
  return String(cell) === String(value)
}

/** Numbers by size, other texts by code point; a text and a number have no order. */
function compared(cell: Json, value: Json): number | undefined {
  const [a, b] = [decimal(cell), decimal(value)]
  if (b !== undefined) return a === undefined ? undefined : a < b ? -1 : a > b ? 1 : 0
  return typeof cell !== "string" || typeof value !== "string" ? undefined : cell < value ? -1 : cell > value ? 1 : 0
}
