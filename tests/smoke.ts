import { randomUUID } from "node:crypto"
import { setTimeout as pause } from "node:timers/promises"
import { parseArgs } from "node:util"
import { DAY, instant, SECOND } from "#core/clock.ts"

/**
 * `npm run smoke -- --url https://octant.example`, after a deployment: an event goes in twice, and is counted once.
 * The keys are those of a tenant for this alone, in OCTANT_SMOKE_WRITE_KEY and OCTANT_SMOKE_READ_KEY.
 */
type Wish = { url: string; writeKey: string; readKey: string; withinMs: number; say: (line: string) => void }

/** As runbook.md promises: fresh within five minutes; after a cold start too. */
const WITHIN_MS = 300 * SECOND
const ANSWERS_WITHIN_MS = 30 * SECOND
const GLANCE_MS = 500

class Smoke extends Error {}

async function smoke({ url, writeKey, readKey, withinMs, say }: Wish) {
  const call = async (path: string, init: RequestInit = {}, key?: string) => {
    const begun = performance.now()
    const response = await fetch(url.replace(/\/$/, "") + path, {
      ...init,
      headers: { "content-type": "application/json", ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) },
      signal: AbortSignal.timeout(ANSWERS_WITHIN_MS),
    })
    const text = await response.text()
    return { status: response.status, text, ms: performance.now() - begun }
  }
  const must = async (what: string, status: number, path: string, init: RequestInit = {}, key?: string) => {
    const answer = await call(path, init, key)
    if (answer.status !== status)
      throw new Smoke(`${what}: ${path} answered ${answer.status}, not ${status}: ${answer.text.slice(0, 300)}`)
    say(`✓ ${what} (${answer.ms.toFixed(0)} ms)`)
    return answer.text
  }
  const id = randomUUID()
  const now = Date.now()
  const event = { type: "track", event: "Smoke Tested", messageId: id, userId: "smoke", timestamp: instant(now) }
  const batch = { method: "POST", body: JSON.stringify({ batch: [{ ...event, properties: { smoke: id } }] }) }
  const question = {
    metric: "events",
    grain: "total",
    from: instant(now - DAY).slice(0, 10),
    to: instant(now + DAY).slice(0, 10),
    where: { field: "properties.smoke", op: "eq", value: id },
  }
  const counted = async () => {
    const answer = await call("/v1/query", { method: "POST", body: JSON.stringify(question) }, readKey)
    if (answer.status !== 200)
      throw new Smoke(`the question was answered with ${answer.status}: ${answer.text.slice(0, 300)}`)
    return (JSON.parse(answer.text) as { total: number }).total
  }

  await must("it lives", 200, "/health/live")
  await must("nobody is let in without a key", 401, "/v1/batch", batch)
  await must("an event is accepted", 200, "/v1/batch", batch, writeKey)
  await must("and again", 200, "/v1/batch", batch, writeKey)
  const sent = performance.now()
  let total = await counted()
  while (total < 1) {
    if (performance.now() - sent > withinMs) throw new Smoke(`it was not counted within ${withinMs / SECOND} s`)
    await pause(GLANCE_MS)
    total = await counted()
  }
  say(`✓ it is counted (${(performance.now() - sent).toFixed(0)} ms after it was sent)`)
  // The second copy may still be on its way.
  await pause(GLANCE_MS)
  total = await counted()
  if (total !== 1) throw new Smoke(`it was sent twice and counted ${total} times`)
  say("✓ it is counted once")
}

const { values } = parseArgs({ options: { url: { type: "string" }, within: { type: "string" } } })
const { OCTANT_SMOKE_WRITE_KEY: writeKey = "", OCTANT_SMOKE_READ_KEY: readKey = "" } = process.env
const say = (line: string) => void process.stdout.write(`${line}\n`)
try {
  if (!URL.canParse(values.url ?? "")) throw new Smoke("give the address of the stage with --url")
  if (writeKey === "" || readKey === "")
    throw new Smoke("set OCTANT_SMOKE_WRITE_KEY and OCTANT_SMOKE_READ_KEY: keys of a tenant that is there for this")
  if (values.within !== undefined && !/^\d+(?:\.\d+)?$/.test(values.within))
    throw new Smoke("--within is a number of seconds, such as 300")
  const withinMs = values.within === undefined ? WITHIN_MS : Number(values.within) * SECOND
  await smoke({ url: values.url!, writeKey, readKey, withinMs, say })
} catch (error) {
  const { message, cause } = error as Error
  say(`✗ ${message}${cause instanceof Error ? `: ${cause.message}` : ""}`)
  process.exitCode = 1
}
