import { expect, test } from "vitest"
import { DAY, HOUR, instant, MINUTE } from "#core/clock.ts"
import { zoneOf } from "#core/zone.ts"
import type { Batch, Event, JsonObject } from "#events/event.ts"
import { type Message, toEvent } from "#events/message.ts"
import { fold } from "#pipeline/fold.ts"
import { emptyMemory, type Tallied } from "#pipeline/memory.ts"
import { type Alert, judge, type Standing } from "#pipeline/quality/alert.ts"
import { checkOf, hoursOf } from "#pipeline/quality/check.ts"
import { baselineOf } from "#pipeline/quality/look.ts"
import { type Day, observe } from "#pipeline/quality/observe.ts"
import { businesses, simulate } from "#simulator/simulate.ts"
import type { BusinessName } from "#simulator/world.ts"
import type { Entry } from "#store/journal.ts"

const SOURCE = "web"
const FIRST = "2026-01-05"
/** Heard a few seconds after it happened. */
const WAY_MS = 4000

/** A record on its way to us; a fault may change it, send it twice or lose it. */
type Sent = { at: number; message: Message }
type FaultOf = (sent: Sent, copy: number) => Sent[]

/** A business whose records arrive minute by minute, folded and observed in memory: no HTTP, no table. */
function observed(business: BusinessName, days: number, scale: number, fault: FaultOf = (sent) => [sent]) {
  const zone = zoneOf(businesses[business].timeZone)
  const memory = emptyMemory({ zone, currency: businesses[business].currency })
  const seen = new Map<string, Day>()
  const dayOf = (day: string, source: string) => {
    const name = `${day}#${source}`
    const there = seen.get(name) ?? { position: 0, hours: {} }
    seen.set(name, there)
    return there
  }
  let position = 0
  let minute: Batch | undefined
  const close = () => {
    if (!minute) return
    const entry: Entry = { position: ++position, at: minute.receivedAt, batches: [minute] }
    fold(memory, entry)
    observe(dayOf, entry)
    minute = undefined
  }
  let copy = 0
  for (const message of simulate({ seed: 7, business, from: FIRST, days, scale })) {
    for (const sent of fault({ at: Date.parse(message.timestamp!), message }, copy++)) {
      const receivedAt = sent.at + WAY_MS
      const parsed = toEvent(sent.message, { receivedAt, messageId: () => "none" })
      const at = instant(receivedAt)
      if (minute && minute.receivedAt.slice(0, 16) !== at.slice(0, 16)) close()
      minute ??= { id: `b${position}`, source: SOURCE, receivedAt: at, events: [] }
      if ("code" in parsed) minute.rejected = [...(minute.rejected ?? []), { index: minute.events.length, code: parsed.code }]
      else minute.events.push(parsed)
    }
  }
  close()
  const ledger = new Map<string, Tallied>()
  for (const [hour, sources] of memory.ledger) ledger.set(hour, sources.get(SOURCE)!)
  return { zone, hours: hoursOf(seen, SOURCE), ledger }
}

type World = ReturnType<typeof observed>

/** Checks every so often and keeps the alerts, as the scheduled check does. What is later than a check it cannot see. */
function watch({ zone, hours, ledger }: World, from: number, to: number, everyMs: number) {
  const known = { hours: new Map(hours), ledger: new Map(ledger) }
  let standing: Standing = {}
  const alerts: Alert[] = []
  const closed = new Map<string, number>()
  let [baseDay, baseline] = ["", baselineOf(hours, from)]
  // An hour that is over is as the check would find it; so checks are at full hours, unless the present is cut.
  for (let now = from; now <= to; now += everyMs) {
    const day = instant(now).slice(0, 10)
    if (day !== baseDay) [baseDay, baseline] = [day, baselineOf(hours, now)]
    const check = checkOf({ now, zone, source: SOURCE, hours: known.hours, ledger: known.ledger, baseline })
    const judged = judge(standing, SOURCE, check.parts, now)
    standing = judged.standing
    alerts.push(...judged.opened)
    for (const id of judged.closed) closed.set(id, now)
  }
  return { alerts, closed }
}

for (const [business, scale] of [["shop", 1], ["shop", 8], ["assistant", 2], ["academy", 1]] as const) {
  test(`90 clean days of ${business} x${scale}`, () => {
    const world = observed(business, 90, scale)
    const start = Date.parse(`${FIRST}T00:00:00.000Z`)
    const { alerts } = watch(world, start + HOUR, start + 90 * DAY, HOUR)
    for (const a of alerts) console.log(business, scale, a.part, a.openedAt, a.value, a.cause, JSON.stringify(a.evidence).slice(0, 600))
    expect(alerts.length).toBeLessThanOrEqual(1)
  })
}
