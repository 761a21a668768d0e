import { instant } from "#core/clock.ts"
import { shortHash } from "#core/hash.ts"
import type { DomainEvent } from "#store/domain-event.ts"
import type { TenantId } from "#store/keys.ts"
import { happened } from "#store/outbox.ts"
import type { Remedy } from "./documents.ts"
import type { Part, PartName, Severity } from "./parts.ts"

/** A gate that failed and stayed failed: what, since when, probably why, and what to do. */
export type Alert = {
  id: string
  source: string
  part: PartName
  severity: Severity
  status: "open" | "closed"
  /** The first of the bad checks that opened it. */
  since: string
  openedAt: string
  closedAt?: string
  title: string
  gate: string
  value: number | null
  cause: string
  advice: string
  evidence: Record<string, unknown>
  query: string
  /** What was done about it without being asked. */
  remedies: Remedy[]
}

/** How many checks in a row were bad or good, by part: two bad ones open an alert, two good ones close it. */
export type Standing = {
  /** `done`: what was done before there was an alert to tell it. */
  [part: string]: { bad: number; good: number; since?: string; alert?: string; done?: Remedy[] }
}
const IN_A_ROW = 2

export type Judged = { standing: Standing; opened: Alert[]; closed: string[]; worse: { id: string; part: Part }[] }

/** What a check's parts do to the alerts of a source. What cannot be said leaves things as they are. */
export function judge(before: Standing, source: string, parts: readonly Part[], now: number): Judged {
  const judged: Judged = { standing: { ...before }, opened: [], closed: [], worse: [] }
  const at = instant(now)
  for (const part of parts) {
    const was = before[part.name] ?? { bad: 0, good: 0 }
    if (part.value === null) continue
    if (!part.failing) {
      const good = was.good + 1
      if (was.alert !== undefined && good < IN_A_ROW) judged.standing[part.name] = { ...was, bad: 0, good }
      else {
        if (was.alert !== undefined) judged.closed.push(was.alert)
        delete judged.standing[part.name]
      }
      continue
    }
    const bad = was.bad + 1
    const since = was.since ?? at
    if (was.alert !== undefined) judged.worse.push({ id: was.alert, part })
    else if (bad >= IN_A_ROW) judged.opened.push(alertOf(source, part, since, at))
    const alert = was.alert ?? judged.opened.find((one) => one.part === part.name)?.id
    judged.standing[part.name] = { bad, good: 0, since, ...(alert === undefined ? {} : { alert }) }
  }
  return judged
}

const alertOf = (source: string, part: Part, since: string, at: string): Alert => ({
  id: `al_${shortHash([source, part.name, since].join("\u001f"))}`,
  source,
  part: part.name,
  severity: part.severity,
  status: "open",
  since,
  openedAt: at,
  title: part.title,
  gate: part.gate,
  value: part.value,
  cause: part.cause ?? "unknown",
  advice: part.advice,
  evidence: part.evidence,
  query: part.query,
  remedies: [],
})

/** How an alert is told to others: without its evidence, which `query` shows to whoever may see it. */
export function alertEvent(tenant: TenantId, { evidence: _, remedies, ...alert }: Alert): DomainEvent {
  const [type, at] = alert.closedAt === undefined ? ["alert.opened", alert.openedAt] : ["alert.closed", alert.closedAt]
  return happened(tenant, type, alert.id, { at, data: { ...alert, remedies: remedies.map(({ what }) => what) } })
}
