import { instant, MINUTE } from "#core/clock.ts"
import type { Log } from "#core/log.ts"
import { inFlight } from "#core/parallel.ts"
import { type AuditNeeds, announced } from "#store/audit.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import type { ReadNeeds } from "../reading.ts"
import { type Alert, judge, type Standing } from "./alert.ts"
import {
  type Check,
  type Remedy,
  readAlert,
  readDone,
  readStandings,
  turnAlert,
  writeAlert,
  writeCheck,
  writeCursor,
  writeDay,
  writeStanding,
  writeSweep,
} from "./documents.ts"
import { inspect, type QualityNeeds } from "./inspect.ts"
import type { Part, PartName } from "./parts.ts"

export type CheckNeeds = QualityNeeds &
  AuditNeeds & {
    table: Table
    requestFold: (tenant: TenantId, step: string) => Promise<void>
    /** Has a source's vendor asked again for what happened since then, if it can be asked. */
    rewind?: (tenant: TenantId, source: string, since: number) => Promise<"asked" | "asked lately" | "not polled">
    log?: Log
  }

const LONG_TAIL_ENTRIES = 1000

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
