import type { Event, Json } from "#events/event.ts"
import {
  type Plan,
  type PlanEvent,
  type PlanProperty,
  type PlanType,
  plannedEvent,
  plannedName,
  planReasons,
  typeOf,
  versionOf,
} from "#events/plan.ts"

/** A property that so large a share of an event's copies had is drafted as required. */
const REQUIRED_SHARE = 0.99
/** Fewer copies than these say nothing about what is required or allowed. */
const ENOUGH = 30
const ENOUGH_FOR_ENUM = 200
const MOST_ALLOWED = 8
const MOST_EVENTS = 500
const MOST_PROPERTIES = 200

type SeenProperty = { n: number; types: Map<PlanType, number>; values: Set<Json> | undefined }
type SeenEvent = { name: string; version: string | undefined; n: number; properties: Map<string, SeenProperty> }

/** What was seen of each event and version: the ground of a draft. */
function seenIn(events: Iterable<Event>): SeenEvent[] {
  const seen = new Map<string, SeenEvent>()
  for (const event of events) {
    const [name, version] = [plannedName(event), versionOf(event)]
    const key = `${name}\u001f${version ?? ""}`
    let one = seen.get(key)
    if (!one) {
      if (seen.size >= MOST_EVENTS) continue
      one = { name, version, n: 0, properties: new Map() }
      seen.set(key, one)
    }
    one.n++
    const part = event.type === "identify" || event.type === "group" ? event.traits : event.properties
    for (const [property, value] of Object.entries(part ?? {})) if (value !== null) note(one, property, value)
  }
  return [...seen.values()].sort((a, b) =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : (a.version ?? "") < (b.version ?? "") ? -1 : 1,
  )
}

function note({ properties }: SeenEvent, name: string, value: Exclude<Json, null>) {
  let seen = properties.get(name)
  if (!seen) {
    if (properties.size >= MOST_PROPERTIES) return
    seen = { n: 0, types: new Map(), values: new Set() }
    properties.set(name, seen)
  }
  seen.n++
  const type = typeOf(value)
  seen.types.set(type, (seen.types.get(type) ?? 0) + 1)
  if (type !== "string") seen.values = undefined
  else if (seen.values && seen.values.add(value).size > MOST_ALLOWED) seen.values = undefined
}

/** A plan that everything seen would have met, watching only: what is in force already stays as it is. */
export function draftOf(events: Iterable<Event>, before?: Plan): Plan {
  const kept = new Map((before?.events ?? []).map((one) => [`${one.name}\u001f${one.version ?? ""}`, one]))
  for (const { name, version, n, properties } of seenIn(events)) {
    const key = `${name}\u001f${version ?? ""}`
    const there = kept.get(key)
    const drafted = Object.fromEntries(
      [...properties].sort(([a], [b]) => (a < b ? -1 : 1)).map(([property, seen]) => [property, ruleOf(seen, n)]),
    )
    const event: PlanEvent = there
      ? { ...there, properties: { ...drafted, ...there.properties } }
      : { name, ...(version === undefined ? {} : { version }), mode: "observe", properties: drafted }
    kept.set(key, event)
  }
  return { events: [...kept.values()], unknown: before?.unknown ?? "observe" }
}

function ruleOf({ n, types, values }: SeenProperty, of: number): PlanProperty {
  const [type] = types.size === 1 ? types.keys() : []
  return {
    ...(type === undefined ? {} : { type }),
    ...(of >= ENOUGH && n / of >= REQUIRED_SHARE ? { required: true } : {}),
    ...(n >= ENOUGH_FOR_ENUM && values && values.size > 0 ? { enum: [...values].sort() } : {}),
  }
}

/** Where what was seen and the plan differ. */
export type Difference = {
  code:
    | "plan_missing_field"
    | "plan_wrong_type"
    | "plan_not_allowed"
    | "plan_unknown_event"
    | "new_property"
    | "not_seen"
  event: string
  version?: string
  field?: string
  /** Copies that differ, of so many seen. */
  count: number
  of: number
  /** A message id. */
  example?: string
}

export function differencesOf(plan: Plan, events: Iterable<Event>): Difference[] {
  const found = new Map<string, Difference>()
  const totals = new Map<string, number>()
  const met = new Set<PlanEvent>()
  for (const event of events) {
    const [name, version] = [plannedName(event), versionOf(event)]
    const of = `${name}\u001f${version ?? ""}`
    totals.set(of, (totals.get(of) ?? 0) + 1)
    const add = (code: Difference["code"], field?: string) => {
      const key = `${of}\u001f${code}\u001f${field ?? ""}`
      const there = found.get(key)
      if (there) there.count++
      else {
        found.set(key, {
          code,
          event: name,
          ...(version === undefined ? {} : { version }),
          ...(field === undefined ? {} : { field }),
          count: 1,
          of: 0,
          example: event.id,
        })
      }
    }
    const planned = plannedEvent(plan, event)
    if (!planned) {
      if (event.type === "track") add("plan_unknown_event")
      continue
    }
    met.add(planned)
    for (const { code, field } of planReasons(planned, event)) add(code as Difference["code"], field)
    const part = event.type === "identify" || event.type === "group" ? "traits" : "properties"
    for (const name of Object.keys(event[part] ?? {}))
      if (!Object.hasOwn(planned.properties, name)) add("new_property", `${part}.${name}`)
  }
  for (const one of found.values()) one.of = totals.get(`${one.event}\u001f${one.version ?? ""}`)!
  const unseen = plan.events
    .filter((planned) => !met.has(planned))
    .map(
      ({ name, version }): Difference => ({
        code: "not_seen",
        event: name,
        ...(version === undefined ? {} : { version }),
        count: 0,
        of: 0,
      }),
    )
  return [...[...found.values()].sort((a, b) => b.count - a.count), ...unseen]
}
