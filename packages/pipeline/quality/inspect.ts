import { DAY, HOUR, instant } from "#core/clock.ts"
import { zoneOf } from "#core/zone.ts"
import type { Plan } from "#events/plan.ts"
import { entriesAfter, journalHead } from "#store/journal.ts"
import type { TenantId } from "#store/keys.ts"
import { ledger } from "../ledger.ts"
import type { Tallied } from "../memory.ts"
import { ask, type Reading, type ReadNeeds } from "../reading.ts"
import { censusOf } from "./counted.ts"
import { type Check, daysBack, readCursor, readDays, readSweep, type Sweep } from "./documents.ts"
import { identities, sweepOf } from "./identities.ts"
import { BASELINE_DAYS, baselineOf, type Look, type Measured, rounded, VOLUME_DAYS } from "./look.ts"
import { type Day, type Hour, observe } from "./observe.ts"
import { partOf, partsOf, scoreOfParts } from "./parts.ts"

export type QualityNeeds = ReadNeeds & { trackingPlan?: (tenant: TenantId) => Promise<Plan | undefined> }

/** What is said of all sources together. */
export const ALL = "*"
/** How much one look takes in; the next one goes on. Until then nothing is judged. */
const MOST_EVENTS = 100_000
/** The first look at a tenant goes no further back than this. */
const FIRST_ENTRIES = 5000
const TAIL_GATE_ENTRIES = 5000

/**
 * How the data of one tenant is, at this moment: what was observed before ⊕ what the journal holds since. `sweeps`: adds
 * up all customers too, if that was not done for a while.
 */
export async function inspect(needs: QualityNeeds, tenant: TenantId, { sweeps = false } = {}) {
  const now = needs.clock()
  const span = daysBack(now, BASELINE_DAYS + 3)
  const [days, cursor, head, plan, lastSweep] = await Promise.all([
    readDays(needs, tenant, span.from, span.to),
    readCursor(needs, tenant),
    journalHead(needs, tenant),
    needs.trackingPlan?.(tenant),
    readSweep(needs, tenant),
  ])
  const seen = await observeNew(needs, tenant, days, cursor ?? Math.max(0, head.position - FIRST_ENTRIES))
  return ask(needs, tenant, async (reading) => {
    const today = zoneOf(reading.zone).place(now).day
    const swept = sweeps && isSweepDue(lastSweep, now) ? await sweepOf(reading, now) : undefined
    const [rows, census, { measured }] = await Promise.all([
      ledgerOf(reading, now),
      censusOf(needs, tenant, today),
      identities(reading, today, swept ?? lastSweep),
    ])
    const whole = [partOf("identities", measured), partOf("tail", tailOf(reading))]
    // A source that never told anything is known by its vendor's count alone.
    const named = [...rows.keys(), ...census.keys(), ...[...days.keys()].map((name) => name.slice(11))]
    const sources = [...new Set(named)].sort()
    const checks = sources.map((source) => {
      const hours = hoursOf(days, source)
      const look = { now, source, plan, hours, zone: zoneOf(reading.zone), ledger: rows.get(source) ?? new Map() }
      return checkOf({ ...look, census: census.get(source), baseline: baselineOf(hours, now) })
    })
    const score = scoreOfParts(whole)
    const all: Check = { source: ALL, at: instant(now), score, overall: overall(checks, score, rows), parts: whole }
    return { ...seen, swept, days, checks: [...checks, all], position: reading.position, zone: zoneOf(reading.zone) }
  })
}

export const checkOf = (look: Look): Check => {
  const parts = partsOf(look)
  return { source: look.source, at: instant(look.now), score: scoreOfParts(parts), parts }
}

/** The sources' scores, weighted by what each sent; no more than what is said of all together allows. */
function overall(
  checks: readonly Check[],
  whole: number | null,
  rows: ReadonlyMap<string, ReadonlyMap<string, Tallied>>,
): number | null {
  let [sum, weights] = [0, 0]
  for (const { source, score } of checks) {
    if (score === null) continue
    const weight = [...(rows.get(source)?.values() ?? [])].reduce((all, { received }) => all + received, 0)
    sum += score * weight
    weights += weight
  }
  return weights === 0 ? null : Math.min(rounded(sum / weights, 1), whole ?? 100)
}

async function observeNew(needs: ReadNeeds, tenant: TenantId, days: Map<string, Day>, cursor: number) {
  const touched = new Set<string>()
  const dayOf = (day: string, source: string) => {
    const name = `${day}#${source}`
    const there = days.get(name) ?? { position: 0, hours: {} }
    days.set(name, there)
    touched.add(name)
    return there
  }
  let [position, events] = [cursor, 0]
  for await (const entries of entriesAfter(needs, tenant, cursor)) {
    for (const entry of entries) {
      observe(dayOf, entry)
      position = entry.position
      for (const batch of entry.batches) events += batch.events.length
    }
    if (events >= MOST_EVENTS) return { touched, observedTo: position, caughtUp: false }
  }
  return { touched, observedTo: position, caughtUp: true }
}

/** Of the days of one source, its hours. */
export function hoursOf(days: ReadonlyMap<string, Day>, source: string): Map<string, Hour> {
  const hours = new Map<string, Hour>()
  for (const [name, day] of days) {
    if (name.slice(11) !== source) continue
    for (const [hour, seen] of Object.entries(day.hours)) hours.set(`${name.slice(0, 10)}T${hour}`, seen)
  }
  return hours
}

async function ledgerOf(reading: Reading, now: number): Promise<Map<string, Map<string, Tallied>>> {
  const { from, to } = daysBack(now, VOLUME_DAYS + 9)
  const sources = new Map<string, Map<string, Tallied>>()
  for (const { hour, source, ...row } of (await ledger(reading, from, to)).rows) {
    const rows = sources.get(source) ?? new Map<string, Tallied>()
    rows.set(hour.slice(0, 13), row)
    sources.set(source, rows)
  }
  return sources
}

function tailOf({ position, views = { position: 0, version: 0 } }: Reading): Measured {
  const value = Math.max(0, position - views.position)
  const failing = value > TAIL_GATE_ENTRIES
  return {
    value,
    failing,
    evidence: { journal: position, views: views.position, version: views.version },
    query: "/v1/query?metric=events&grain=total",
    ...(failing ? { cause: "folds fail or wait: see the dead letters of the fold queue" } : {}),
  }
}

/** All customers are added up once a day. */
const SWEEP_EVERY_MS = DAY
/** Where that found a difference it is done again sooner. */
const SWEEP_AGAIN_MS = HOUR

function isSweepDue(last: Sweep | undefined, now: number) {
  const wait = last?.list.every(({ holds }) => holds) === false ? SWEEP_AGAIN_MS : SWEEP_EVERY_MS
  return last === undefined || now - Date.parse(last.at) >= wait
}
