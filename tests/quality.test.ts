import { describe, expect, test } from "vitest"
import { DAY, HOUR, instant, MINUTE } from "#core/clock.ts"
import { addDays, type Zone, zoneOf } from "#core/zone.ts"
import type { Batch } from "#events/event.ts"
import { type Message, toEvent } from "#events/message.ts"
import { fold } from "#pipeline/fold.ts"
import { emptyMemory, type Memory, type Tallied } from "#pipeline/memory.ts"
import { type Alert, judge, type Standing } from "#pipeline/quality/alert.ts"
import { checkOf } from "#pipeline/quality/inspect.ts"
import { type Baseline, baselineOf } from "#pipeline/quality/look.ts"
import { type Day, type Hour, observe } from "#pipeline/quality/observe.ts"
import { businesses, simulate } from "#simulator/simulate.ts"
import type { BusinessName } from "#simulator/world.ts"

const SOURCE = "web"
const FIRST = "2026-01-05"
const START = Date.parse(`${FIRST}T00:00:00.000Z`)
/** An event is heard of a few seconds after it happened. */
const WAY_MS = 4000

/** A record on its way to us, and when it leaves. */
type Sent = { at: number; message: Message }

const sentBy = (business: BusinessName, days: number, scale: number): Sent[] =>
  [...simulate({ seed: 7, business, from: FIRST, days, scale })].map((message) => ({
    at: Date.parse(message.timestamp!),
    message,
  }))

/** What a tenant's checks see: folded and observed in memory, minute by minute, without HTTP and without a table. */
type World = {
  zone: Zone
  memory: Memory
  days: Map<string, Day>
  hours: Map<string, Hour>
  ledger: Map<string, Tallied>
  position: number
}

const begun = (business: BusinessName): World => {
  const zone = zoneOf(businesses[business].timeZone)
  const memory = emptyMemory({ zone, currency: businesses[business].currency })
  return { zone, memory, days: new Map(), hours: new Map(), ledger: new Map(), position: 0 }
}

/** The same past, to go on from in another way. */
const copied = (world: World): World => ({
  ...world,
  memory: emptyMemory({ zone: world.zone, currency: world.memory.currency }),
  days: new Map(),
  hours: new Map(world.hours),
  ledger: new Map(world.ledger),
})

function receive(world: World, batch: Batch) {
  const entry = { position: ++world.position, at: batch.receivedAt, batches: [batch] }
  fold(world.memory, entry)
  observe((day) => {
    const there = world.days.get(day) ?? { position: 0, hours: {} }
    world.days.set(day, there)
    return there
  }, entry)
  const hour = batch.receivedAt.slice(0, 13)
  world.hours.set(hour, world.days.get(hour.slice(0, 10))!.hours[hour.slice(11)]!)
  world.ledger.set(hour, world.memory.ledger.get(hour)!.get(SOURCE)!)
}

/** The records of each minute as one batch. */
function* minutes(sent: Iterable<Sent>): Generator<{ at: number; batch: Batch }> {
  let minute: { at: number; batch: Batch } | undefined
  for (const { at: left, message } of sent) {
    const at = left + WAY_MS
    if (minute && Math.floor(minute.at / MINUTE) !== Math.floor(at / MINUTE)) {
      yield minute
      minute = undefined
    }
    minute ??= { at, batch: { id: `b${at}`, source: SOURCE, receivedAt: instant(at), events: [] } }
    const parsed = toEvent(message, { receivedAt: at, messageId: () => "none" })
    if (!("code" in parsed)) minute.batch.events.push(parsed)
    else minute.batch.rejected = [...(minute.batch.rejected ?? []), { index: at, code: parsed.code }]
  }
  if (minute) yield minute
}

/** Lets records come, and checks every so often from some moment on, as the scheduled check does. */
function watch(world: World, sent: Iterable<Sent>, checks: { from: number; to: number; everyMs: number }) {
  let standing: Standing = {}
  const opened: Alert[] = []
  const closed = new Map<string, number>()
  let base: { day: number; baseline: Baseline } | undefined
  let now = checks.from
  const check = () => {
    const day = Math.floor(now / DAY)
    if (base?.day !== day) base = { day, baseline: baselineOf(world.hours, now) }
    const { zone, hours, ledger } = world
    const { parts } = checkOf({ now, zone, source: SOURCE, hours, ledger, baseline: base.baseline })
    const judged = judge(standing, SOURCE, parts, now)
    standing = judged.standing
    opened.push(...judged.opened)
    for (const id of judged.closed) closed.set(id, now)
    now += checks.everyMs
  }
  for (const { at, batch } of minutes(sent)) {
    while (now <= at && now <= checks.to) check()
    receive(world, batch)
  }
  while (now <= checks.to) check()
  return { opened, closed }
}

describe("90 clean days, checked every hour", () => {
  const businessesAt: [BusinessName, number][] = [
    ["shop", 2],
    ["assistant", 1],
  ]
  for (const [business, scale] of businessesAt) {
    test(`raise at most one alarm: ${business}`, { timeout: 60_000 }, () => {
      const checks = { from: START + HOUR, to: START + 90 * DAY, everyMs: HOUR }
      const { opened } = watch(begun(business), sentBy(business, 90, scale), checks)
      expect(opened.map(({ part, openedAt, cause }) => ({ part, openedAt, cause })).slice(1)).toEqual([])
    })
  }
})

describe("a fault in a busy hour, checked every five minutes", () => {
  const days = 31
  const all = sentBy("shop", days + 1, 20)
  /** A Wednesday evening. */
  const at = Date.parse(`${addDays(FIRST, 30)}T19:00:00.000Z`)
  const past = begun("shop")
  for (const { batch } of minutes(all.filter((sent) => sent.at + WAY_MS < at - 19 * HOUR))) receive(past, batch)
  const future = all.filter((sent) => sent.at + WAY_MS >= at - 19 * HOUR)
  /** Alerts that a fault opens, by the minutes that it took. */
  const found = (fault: (sent: Sent) => Sent[], hours = 4) => {
    const sent = future.flatMap((one) => (one.at < at ? [one] : fault(one)))
    const { opened, closed } = watch(copied(past), sent, {
      from: at - HOUR,
      to: at + hours * HOUR,
      everyMs: 5 * MINUTE,
    })
    return {
      parts: Object.fromEntries(opened.map((alert) => [alert.part, (Date.parse(alert.openedAt) - at) / MINUTE])),
      opened,
      closed,
    }
  }
  const changed = (sent: Sent, change: Partial<Message>): Sent[] => [
    { ...sent, message: { ...sent.message, ...change } },
  ]

  test("nothing happens without a fault", () => {
    expect(found((sent) => [sent]).opened).toEqual([])
  })

  test("a field gone missing is found within 15 minutes", () => {
    const { parts, opened } = found((sent) => {
      const { price: _, ...properties } = sent.message.properties ?? {}
      return sent.message.event === "Product Viewed" ? changed(sent, { properties }) : [sent]
    })
    expect(Object.keys(parts)).toEqual(["fields"])
    expect(parts.fields).toBeLessThanOrEqual(15)
    expect(opened[0]!.cause).toContain("properties.price of Product Viewed")
  })

  test("ten silent minutes are found 15 minutes after they began, and closed when it is well again", () => {
    const { parts, opened, closed } = found((sent) => (sent.at < at + 10 * MINUTE ? [] : [sent]))
    expect(Object.keys(parts)).toEqual(["silence"])
    expect(parts.silence).toBeLessThanOrEqual(15)
    expect((closed.get(opened[0]!.id)! - at) / MINUTE).toBeLessThanOrEqual(40)
  })

  test("doubled volume is found when its first hour is over", () => {
    const { parts } = found((sent) => [sent, ...changed(sent, { messageId: `again-${sent.message.messageId}` })])
    expect(Object.keys(parts)).toEqual(["volume"])
    expect(parts.volume).toBeLessThanOrEqual(75)
  })

  test("the same events twice are copies and no volume", () => {
    const { parts } = found((sent) => [sent, sent])
    expect(Object.keys(parts)).toEqual(["uniqueness"])
    expect(parts.uniqueness).toBeLessThanOrEqual(60)
  })

  test("a shifted currency is found within the hour", () => {
    const { parts, opened } = found((sent) => withProperties(sent, "currency", () => "EUR"))
    expect(Object.keys(parts)).toEqual(["drift"])
    expect(parts.drift).toBeLessThanOrEqual(75)
    expect(opened[0]!.cause).toContain("EUR")
  })

  test("amounts in cents instead of pounds are found within three hours", () => {
    const { parts } = found((sent) => withProperties(sent, "revenue", (revenue) => Number(revenue) * 100))
    expect(Object.keys(parts)).toEqual(["drift"])
    expect(parts.drift).toBeLessThanOrEqual(180)
  })

  test("a clock two hours wrong is found within 15 minutes, whichever way", () => {
    const late = found((sent) => changed(sent, { timestamp: instant(sent.at - 2 * HOUR) }))
    expect(Object.keys(late.parts)).toEqual(["lag"])
    expect(late.parts.lag).toBeLessThanOrEqual(15)
    const early = found((sent) => changed(sent, { timestamp: instant(sent.at + 2 * HOUR) }))
    expect(Object.keys(early.parts)).toEqual(["clock"])
    expect(early.parts.clock).toBeLessThanOrEqual(15)
  })

  test("a clock that is wrong but known by sentAt is put right and raises nothing", () => {
    const wrong = (sent: Sent) => instant(sent.at - 2 * HOUR)
    expect(found((sent) => changed(sent, { timestamp: wrong(sent), sentAt: wrong(sent) })).opened).toEqual([])
  })
})

function withProperties(sent: Sent, name: string, to: (value: unknown) => unknown): Sent[] {
  const { properties } = sent.message
  if (properties?.[name] === undefined) return [sent]
  return [{ ...sent, message: { ...sent.message, properties: { ...properties, [name]: to(properties[name]) } } }]
}
