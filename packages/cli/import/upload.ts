import { promisify } from "node:util"
import { gzip } from "node:zlib"
import { MINUTE, SECOND } from "#core/clock.ts"
import type { Accepted } from "#pipeline/accept.ts"
import { exchange, type Target } from "../api.ts"
import { Refusal, Unreachable } from "../failure.ts"
import type { Terminal } from "../terminal.ts"
import type { Packed } from "./requests.ts"
import type { Outcome } from "./tally.ts"

const ATTEMPTS = 8
const FIRST_BACKOFF_MS = SECOND / 2
const SLOWEST_BACKOFF_MS = 30 * SECOND
const LONGEST_WAIT_MS = 5 * MINUTE
const PATIENCE_MS = MINUTE
const packWith = promisify(gzip)

/** Takes requests one after the other, several in flight; the first failure ends it when all others in flight have ended. */
export async function inLanes(
  requests: AsyncGenerator<Packed>,
  lanes: number,
  send: (packed: Packed) => Promise<void>,
) {
  let failed = false
  const lane = async () => {
    while (!failed) {
      const next = await requests.next()
      if (next.done) return
      await send(next.value)
    }
  }
  const guarded = () =>
    lane().catch((error: unknown) => {
      failed = true
      throw error
    })
  const ends = await Promise.allSettled(Array.from({ length: lanes }, guarded))
  await requests.return(undefined)
  const bad = ends.find((end) => end.status === "rejected")
  if (bad) throw bad.reason
}

/** Sends one request until it is acknowledged. Sending twice does no harm: each event has its id. */
export async function post(target: Target, { body, lines }: Packed, terminal: Terminal): Promise<Outcome> {
  const bytes = await packWith(body)
  for (let attempt = 1; ; attempt++) {
    try {
      const init = {
        method: "POST",
        headers: { "content-type": "application/json", "content-encoding": "gzip" },
        body: bytes,
        signal: AbortSignal.timeout(PATIENCE_MS),
      }
      return outcomeOf((await exchange(target, "/v1/batch", init)) as Accepted, lines)
    } catch (error) {
      if (error instanceof Refusal && saysOfEach(error.body)) return outcomeOf(error.body, lines)
      if (!passing(error) || attempt === ATTEMPTS) throw error
      await terminal.sleep(waitFor(error, attempt, terminal))
    }
  }
}

/** A request of which every event was refused is a 400 that still says what was wrong with each. */
const saysOfEach = (body: unknown): body is Accepted =>
  typeof body === "object" && body !== null && "rejected" in body && Array.isArray(body.rejected)

const passing = (error: unknown) =>
  error instanceof Unreachable || (error instanceof Refusal && (error.status === 429 || error.status >= 500))

/** As long as the API asks for; else twice as long each time, with full jitter (AWS Architecture Blog, 2015). */
function waitFor(error: unknown, attempt: number, { random }: Terminal) {
  const asked = error instanceof Refusal ? error.retryAfterMs : undefined
  if (asked !== undefined) return Math.min(asked, LONGEST_WAIT_MS)
  return random() * Math.min(SLOWEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt)
}

const outcomeOf = ({ accepted, quarantined, rejected }: Accepted, lines: readonly number[]): Outcome => ({
  accepted,
  quarantined,
  refusedEvents: rejected.length,
  reasons: rejected.map(({ index, field, message }) => ({ line: lines[index]!, reason: `${field} ${message}`.trim() })),
})
