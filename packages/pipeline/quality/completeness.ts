import { type Look, type Measured, recent, rounded, unknown, wilson } from "./look.ts"
import { together } from "./observe.ts"

/** A field is expected where so large a share of an event's copies had it. */
const EXPECTED_SHARE = 0.99
const ENOUGH_BEFORE = 100
const ENOUGH_NOW = 30
const ENOUGH_EVENTS = 200
const GATE = 0.95
const SHOWN = 10

/** The share of the expected fields that is there; fails when that, or a single field's, is surely below the gate. */
export function fields(look: Look): Measured {
  const query = "/v1/plan/differences"
  const window = recent(look, look.hours, ({ events }) => events, ENOUGH_EVENTS)
  const now = together(window.hours)
  let [there, wanted] = [0, 0]
  const missing: { event: string; field: string; share: number; of: number; usual: number | null; sure: boolean }[] = []
  for (const [name, { n, fields }] of Object.entries(now.names)) {
    const before = look.baseline.whole.names[name]
    for (const field of expectedOf(look, name)) {
      const k = fields[field] ?? 0
      there += k
      wanted += n
      if (k === n) continue
      const usual = before ? rounded((before.fields[field] ?? 0) / before.n) : null
      const sure = n >= ENOUGH_NOW && wilson(k, n).high < GATE
      missing.push({ event: name, field, share: rounded(k / n), of: n, usual, sure })
    }
  }
  if (wanted === 0) return unknown("no event has been seen often enough to know what to expect of it", query)
  const value = there / wanted
  missing.sort((a, b) => Number(b.sure) - Number(a.sure) || a.share - b.share)
  const worst = missing[0]
  const failing = worst?.sure === true || (wanted >= ENOUGH_EVENTS && wilson(there, wanted).high < GATE)
  return {
    value: rounded(value),
    failing,
    evidence: {
      from: window.from,
      events: now.events,
      expected: wanted,
      present: there,
      missing: missing.slice(0, SHOWN),
    },
    query,
    ...(failing && worst
      ? {
          cause: `${worst.field} of ${worst.event} is there in ${Math.round(worst.share * 100)} % of ${worst.of} events`,
        }
      : {}),
  }
}

/** What the plan requires of an event, and what nearly all of its copies had in the two weeks before. */
export function expectedOf({ baseline, plan }: Pick<Look, "baseline" | "plan">, name: string): Set<string> {
  const expected = new Set<string>()
  const before = Object.hasOwn(baseline.whole.names, name) ? baseline.whole.names[name]! : undefined
  if (before && before.n >= ENOUGH_BEFORE) {
    for (const [field, k] of Object.entries(before.fields)) if (k / before.n >= EXPECTED_SHARE) expected.add(field)
  }
  const part = name === "identify" || name === "group" ? "traits" : "properties"
  for (const planned of plan?.events ?? []) {
    if (planned.name !== name) continue
    for (const [field, { required }] of Object.entries(planned.properties)) {
      if (required) expected.add(`${part}.${field}`)
    }
  }
  return expected
}
