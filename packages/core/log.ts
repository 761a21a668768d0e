/** What may stand on a log line. Anything else is dropped: secrets and payloads cannot leak by being passed along. */
const allowed = new Set(
  "tenant route method status outcome ms correlationId key source queue entry position events batches code error stack count bytes writeUnits readUnits seed attempt".split(
    " ",
  ),
)

/** One JSON line per unit of work: a name and fields, no sentences. */
export type Log = (name: string, fields?: Record<string, unknown>) => void

/** A log that writes each line to `write`. */
export const jsonLog =
  (write: (line: string) => void, now: () => string): Log =>
  (name, fields = {}) => {
    const kept = Object.entries(fields).filter(([field, value]) => allowed.has(field) && value !== undefined)
    write(`${JSON.stringify({ at: now(), name, ...Object.fromEntries(kept) })}\n`)
  }

export const silent: Log = () => {}
