import { rmSync } from "node:fs"
import { join } from "node:path"
import { instant } from "#core/clock.ts"
import { zoneOf } from "#core/zone.ts"
import type { Batch, Event } from "#events/event.ts"
import { toEvent } from "#events/message.ts"
import type { Fragment } from "#metrics/block.ts"
import { fold as foldEntry } from "#pipeline/fold.ts"
import { foldTenant } from "#pipeline/folding.ts"
import { fragmentsOf } from "#pipeline/fragments.ts"
import { emptyMemory, type Memory, metricNumber } from "#pipeline/memory.ts"
import { packBatches, unpackBatches } from "#store/journal.ts"
import { corpus, inBatches } from "./corpus.ts"
import { flow, newTenant, startPlace } from "./place.ts"
import { type Bench, perSecond, type Row } from "./report.ts"

const CUSTOMERS = 5000
const FROM = "2026-09-01T00:00:00.000Z"
const DAYS = 30
const EVENTS_AN_ENTRY = 1000
const AIM = 100_000

/** Events a second from packed entries to a memory that holds every figure, and from the journal to stored views. */
export const fold: Bench = async ({ quick, rounds, newFolder, say }) => {
  const events = quick ? 30_000 : 100_000
  const bodies = entriesOf(events)
  const rates: Record<"unpack" | "fold" | "both" | "fragments", number[]> = {
    unpack: [],
    fold: [],
    both: [],
    fragments: [],
  }
  for (let round = 0; round <= rounds; round++) {
    let [unpackMs, foldMs] = [0, 0]
    const memory = emptyMemory({ zone: zoneOf("UTC"), currency: "USD" })
    for (const [i, body] of bodies.entries()) {
      const begun = performance.now()
      const batches = unpackBatches(body)
      const unpacked = performance.now()
      foldEntry(memory, { position: i + 1, at: FROM, batches })
      unpackMs += unpacked - begun
      foldMs += performance.now() - unpacked
    }
    const begun = performance.now()
    const fragments = fragmentsOf(memory)
    const fragmentsMs = performance.now() - begun
    checkFolded(memory, fragments, events)
    if (round === 0) continue
    const spent = { unpack: unpackMs, fold: foldMs, both: unpackMs + foldMs, fragments: fragmentsMs }
    for (const [part, ms] of Object.entries(spent)) rates[part as keyof typeof rates].push(events / (ms / 1000))
  }
  const worst = (part: keyof typeof rates) => Math.min(...rates[part])
  const stored = await foldStored(events, newFolder())
  say(
    `fold: unpack ${perSecond(worst("unpack"), 1)}, fold ${perSecond(worst("fold"), 1)}, fragments ${perSecond(worst("fragments"), 1)}`,
  )
  const row = (what: string, rate: number, aim?: number): Row => ({
    bench: "fold",
    what,
    ours: perSecond(rate, 1),
    figure: perSecond(rate, 1),
    ...(aim === undefined ? {} : { aim: `>= ${perSecond(aim, 1)}`, ok: rate >= aim }),
  })
  return [row("unpack and fold in memory", worst("both"), AIM), row("foldTenant, journal to stored views", stored)]
}

/** Every event must be in the hours of the memory, and in the days of what would be stored. */
function checkFolded(memory: Memory, fragments: readonly Fragment[], events: number) {
  const inHours = [...memory.hours.values()]
    .flatMap((hours) => [...hours.values()])
    .reduce((sum, amounts) => sum + Number(amounts[metricNumber("events")] ?? 0), 0)
  const inDays = fragments
    .filter(({ kind }) => kind === "days")
    .flatMap(({ block }) => block.get("events")?.get("") ?? [])
    .reduce<number>((sum, value, i) => (i % 2 === 1 ? sum + Number(value) : sum), 0)
  if (inHours !== events || inDays !== events || memory.customers.size > CUSTOMERS) {
    throw new Error(
      `${events} events of ${CUSTOMERS} customers were folded; ${inHours} and ${inDays} were counted of ${memory.customers.size}`,
    )
  }
}

function entriesOf(events: number): Buffer[] {
  const messages = corpus({ seed: 7, events, customers: CUSTOMERS, from: FROM, days: DAYS })
  const receivedAt = Date.parse(FROM) + DAYS * 86_400_000
  return [...inBatches(messages, EVENTS_AN_ENTRY)].map((some, i) => {
    const kept = some.map((message) => toEvent(message, { receivedAt, messageId: () => "" }) as Event)
    const batch: Batch = { id: `ids-${i}`, source: "default", receivedAt: instant(receivedAt), events: kept }
    return packBatches([batch])
  })
}

/** The same from a database file into views there, as the fold worker does; once, for the rate of a first fold. */
async function foldStored(events: number, dir: string): Promise<number> {
  const place = await startPlace({ file: join(dir, "table.db") })
  try {
    const tenant = await newTenant(place, "bench")
    const messages = corpus({ seed: 8, events, customers: CUSTOMERS, from: FROM, days: DAYS })
    await flow(place, tenant.id, messages, { eventsARequest: 1000, messagesAtOnce: 10, folds: false })
    const begun = performance.now()
    await foldTenant(place.runtime, tenant.id)
    return events / ((performance.now() - begun) / 1000)
  } finally {
    await place.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}
