import { origin } from "./unit.ts"

/** What may stand on a log line. Anything else is dropped: secrets and payloads cannot leak by being passed along. */
const allowed = new Set(
  "tenant route method status outcome ms correlationId joined traceId key source queue host entry position events batches code error stack count bytes writeUnits readUnits seed attempt job kind".split(
    " ",
  ),
)
const MOST_CHARACTERS = 4000

/** One JSON line per unit of work: a name and fields, no sentences. */
export type Log = (name: string, fields?: Record<string, unknown>) => void

/** A log that writes each line to `write`. */
export const jsonLog =
  (write: (line: string) => void, now: () => string): Log =>
  (name, fields = {}) => {
    const kept = Object.entries(fields).flatMap(([field, value]) => {
      const said = allowed.has(field) ? sayable(field, value) : undefined
      return said === undefined ? [] : [[field, said]]
    })
    write(`${JSON.stringify({ at: now(), name, ...Object.fromEntries(kept) })}\n`)
  }

/** The same, and each line says to which unit of work it belongs. */
export const correlated =
  (log: Log): Log =>
  (name, fields) => {
    const { correlationId, traceId } = origin()
    log(name, { correlationId, traceId, ...fields })
  }

/** What a failure may say of itself: its code and where it was. */
export function failure(error: unknown): { code: string; stack: string | undefined } {
  if (!(error instanceof Error)) return { code: "unknown", stack: undefined }
  const { name, message, stack } = error
  const code = "code" in error && typeof error.code === "string" ? error.code : name
  // What has no message has nothing to hide; of all else the frames alone are told.
  return { code, stack: message === "" ? stack : stack?.split(message).at(-1) }
}

export const silent: Log = () => {}

function sayable(field: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((one) => typeof one === "string")
  if (typeof value === "string") return (field === "stack" ? framesOf(value) : value).slice(0, MOST_CHARACTERS)
  return typeof value === "number" || typeof value === "boolean" ? value : undefined
}

/** Where a failure was, without its message: that may quote what could not be read. */
const framesOf = (stack: string) =>
  stack
    .split("\n")
    .filter((line) => /^\s+at (?:[^"']*\()?(?:file:|node:|\/)[^"'\s]*:\d+:\d+\)?$/.test(line))
    .map((line) => line.trim())
    .join("\n")
