import { DAY, HOUR, instant, MINUTE } from "#core/clock.ts"
import type { Log } from "#core/log.ts"
import { inFlight } from "#core/parallel.ts"
import { zoneOf } from "#core/zone.ts"
import type { Event } from "#events/event.ts"
import type { Plan } from "#events/plan.ts"
import { type AuditNeeds, announced } from "#store/audit.ts"
import { entriesAfter, journalHead } from "#store/journal.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { ledger } from "../ledger.ts"
import type { Tallied } from "../memory.ts"
import { ask, type Reading, type ReadNeeds } from "../reading.ts"
import { type Alert, judge, type Standing } from "./alert.ts"
import { censusOf } from "./counted.ts"
import {
  type Check,
  daysBack,
  type Remedy,
  readAlert,
  readCursor,
  readDays,
  readDone,
  readStandings,
  readSweep,
  type Sweep,
  turnAlert,
  writeAlert,
  writeCheck,
  writeCursor,
  writeDay,
  writeStanding,
  writeSweep,
} from "./documents.ts"
import { identities, sweepOf } from "./identities.ts"
import { BASELINE_DAYS, baselineOf, type Look, type Measured, rounded, VOLUME_DAYS } from "./look.ts"
import { type Day, type Hour, observe } from "./observe.ts"
import { type Part, type PartName, partOf, partsOf, scoreOfParts } from "./parts.ts"

export type QualityNeeds = ReadNeeds & { trackingPlan?: (tenant: TenantId) => Promise<Plan | undefined> }
export type CheckNeeds = QualityNeeds &
  AuditNeeds & {
    table: Table
    requestFold: (tenant: TenantId, step: string) => Promise<void>
    /** Has a source's vendor asked again for what happened since then, if it can be asked. */
    rewind?: (tenant: TenantId, source: string, since: number) => Promise<"asked" | "asked lately" | "not polled">
    log?: Log
  }

/** What is said of all sources together. */
export const ALL = "*"
/** How much one check takes in; the next one goes on. Until then nothing is judged. */
const MOST_EVENTS = 100_000
/** The first check of a tenant looks no further back than this. */
const FIRST_ENTRIES = 5000
const LONG_TAIL_ENTRIES = 1000
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

export type Checked = { outcome: "checked" | "catching up"; opened: Alert[]; closed: string[]; failing: number }

/** Checks one tenant and keeps what was found: scores by the hour, alerts that open and close, what was done about them. */
export async function check(needs: CheckNeeds, tenant: TenantId): Promise<Checked> {
  const now = needs.clock()
  const found = await inspect(needs, tenant, { sweeps: true })
  const days = [...found.touched].map((name) => ({ name, day: found.days.get(name)! }))
  const [standings, done] = await Promise.all([
    readStandings(needs, tenant),
    readDone(needs, tenant, now),
    found.swept && writeSweep(needs, tenant, found.swept),
    inFlight(days, WRITES_IN_FLIGHT, ({ name, day }) => writeDay(needs, tenant, name, day, found.observedTo)),
  ])
  await writeCursor(needs, tenant, found.observedTo)
  if (!found.caughtUp) return { outcome: "catching up", opened: [], closed: [], failing: 0 }
  for (const one of found.checks) await remedy(needs, tenant, one)
  const kept = await inFlight(found.checks, WRITES_IN_FLIGHT, (one) => {
    const before = { standing: standings.get(one.source) ?? {}, done: done.get(one.source) ?? [] }
    return keep(needs, tenant, one, before, now)
  })
  const opened = kept.flatMap((one) => one.opened)
  const closed = kept.flatMap((one) => one.closed)
  const failing = found.checks.flatMap(({ parts }) => parts.filter((part) => part.failing)).length
  return { outcome: "checked", opened, closed, failing }
}

const WRITES_IN_FLIGHT = 8

/** Keeps what was found of one source, and what that does to its alerts. */
async function keep(
  needs: CheckNeeds,
  tenant: TenantId,
  one: Check,
  before: { standing: Standing; done: readonly Remedy[] },
  now: number,
): Promise<Pick<Checked, "opened" | "closed">> {
  const remedies = [...before.done, ...(one.remedies ?? [])]
  await writeCheck(needs, tenant, remedies.length > 0 ? { ...one, remedies } : one, now)
  const remediesOf = (name: PartName) => (one.remedies ?? []).filter(({ part }) => part === name)
  const { standing, opened, closed, worse } = judge(before.standing, one.source, one.parts, now)
  const doneAbout = (name: PartName) => [...(before.standing[name]?.done ?? []), ...remediesOf(name)]
  for (const alert of opened) {
    // One that a check before us has opened, which then died, was opened then.
    const { openedAt = alert.openedAt } = (await readAlert(needs, tenant, alert.id)) ?? {}
    await turnAlert(needs, tenant, { ...alert, openedAt, remedies: doneAbout(alert.part) })
  }
  for (const { name, failing } of one.parts) {
    const stands = standing[name]
    if (failing && stands && stands.alert === undefined && doneAbout(name).length > 0) stands.done = doneAbout(name)
  }
  for (const { id, part } of worse) {
    await change(needs, tenant, id, (alert) => ({
      ...alert,
      value: part.value,
      evidence: part.evidence,
      cause: part.cause ?? alert.cause,
      remedies: [...alert.remedies, ...remediesOf(part.name)].slice(-MOST_REMEDIES),
    }))
  }
  for (const id of closed) {
    const alert = await readAlert(needs, tenant, id)
    const { closedAt = instant(now) } = alert ?? {}
    if (alert) await turnAlert(needs, tenant, { ...alert, status: "closed", closedAt })
  }
  // Last: after a crash the same alerts, by the same ids, are written again.
  if (Object.keys(before.standing).length + Object.keys(standing).length > 0)
    await writeStanding(needs, tenant, one.source, standing)
  return { opened, closed }
}

/** All customers are added up once a day. */
const SWEEP_EVERY_MS = DAY
/** Where that found a difference it is done again sooner. */
const SWEEP_AGAIN_MS = HOUR

function isSweepDue(last: Sweep | undefined, now: number) {
  const wait = last?.list.every(({ holds }) => holds) === false ? SWEEP_AGAIN_MS : SWEEP_EVERY_MS
  return last === undefined || now - Date.parse(last.at) >= wait
}

const MOST_REMEDIES = 20

async function change(needs: ReadNeeds, tenant: TenantId, id: string, to: (alert: Alert) => Alert) {
  const alert = await readAlert(needs, tenant, id)
  if (alert) await writeAlert(needs, tenant, to(alert))
}

/** What may safely be done without asking: a fold is the same whenever it comes, and what is polled twice counts once. */
async function remedy(needs: CheckNeeds, tenant: TenantId, check: Check) {
  for (const part of check.parts) {
    if (part.name === "tail" && (part.value ?? 0) > LONG_TAIL_ENTRIES) {
      const step = `check-${String(part.evidence.version)}`
      const deed = { action: "remedy.fold", subject: step, details: { entries: part.value } }
      await announced({ ...needs, actor: "schedule" }, tenant, deed, () => needs.requestFold(tenant, step))
      await noted(needs, tenant, check, part, { what: "asked for a fold", outcome: "queued" })
    }
    const since = part.failing ? missedSince(part, needs.clock()) : undefined
    if (since === undefined || (await needs.rewind?.(tenant, check.source, since)) !== "asked") continue
    await noted(needs, tenant, check, part, { what: `back-poll from ${instant(since)}`, outcome: "at the next poll" })
  }
}

/** From when on something may never have come. */
function missedSince({ name, evidence }: Part, now: number): number | undefined {
  if (name === "counted") return Date.parse(String(evidence.from))
  if (name !== "silence") return undefined
  return now - (Number(evidence.silentMinutes) + Number(evidence.endedMinutesAgo)) * MINUTE - BEFORE_SILENCE_MS
}
/** A clock that goes after, and what was on its way when the silence began. */
const BEFORE_SILENCE_MS = 15 * MINUTE

/** Nothing is done in secret: a remedy stands in the check's record, in the alert, on the log; in the audit log it stands before. */
async function noted(
  needs: CheckNeeds,
  tenant: TenantId,
  check: Check,
  { name: part }: Part,
  done: Pick<Remedy, "what" | "outcome">,
) {
  const remedy = { at: instant(needs.clock()), source: check.source, part, ...done }
  check.remedies = [...(check.remedies ?? []), remedy]
  needs.log?.("remedy", { tenant, source: check.source, outcome: part })
}

/** Events of the last entries, at most so many: what a draft and a comparison with the plan look at. */
export async function recentEvents(needs: ReadNeeds, tenant: TenantId, most = 50_000): Promise<Event[]> {
  const { position } = await journalHead(needs, tenant)
  const events: Event[] = []
  for (let to = position; to > 0 && events.length < most; to -= STEP) {
    const from = Math.max(0, to - STEP)
    const step: Event[] = []
    for await (const entries of entriesAfter(needs, tenant, from, { to })) {
      for (const { batches } of entries) for (const batch of batches) for (const event of batch.events) step.push(event)
    }
    for (const event of step.slice(-(most - events.length))) events.push(event)
    const oldest = step[0]
    if (oldest && needs.clock() - Date.parse(oldest.at) > SAMPLE_DAYS * DAY && events.length >= ENOUGH_EVENTS) break
  }
  return events
}
const STEP = 200
const SAMPLE_DAYS = 14
const ENOUGH_EVENTS = 5000
