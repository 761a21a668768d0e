import type { Event, Json, JsonObject, Reason } from "./event.ts"

/** What becomes of an event that breaks the plan: nothing (it is only listed), kept aside, or refused. */
export const planModes = ["observe", "quarantine", "reject"] as const
export type PlanMode = (typeof planModes)[number]

export const planTypes = ["string", "number", "boolean", "object", "array"] as const
export type PlanType = (typeof planTypes)[number]

export type PlanProperty = { type?: PlanType; required?: boolean; enum?: Json[] }
/** What a tenant expects of one event, in one version or in all. */
export type PlanEvent = {
  name: string
  /** The version that senders put into `context.protocols.event_version`; without it, what fits no other version. */
  version?: string
  mode: PlanMode
  properties: Record<string, PlanProperty>
}
export type Plan = { events: PlanEvent[] /** For events that are not in the plan. */; unknown: PlanMode }

/** What an event breaks, in the same words as a schema's; `mode` is the plan's for that event. */
export type PlanBreach = { mode: PlanMode; reason: Reason }

const indexes = new WeakMap<Plan, Map<string, PlanEvent>>()
const keyOf = (name: string, version: string | undefined) => `${name}\u001f${version ?? ""}`

/** A track event's own name, else the call's. */
export const plannedName = ({ type, event }: Pick<Event, "type" | "event">) => (type === "track" ? (event ?? "") : type)

/** The plan's line for an event. */
export function plannedEvent(plan: Plan, event: Event): PlanEvent | undefined {
  let index = indexes.get(plan)
  if (!index) {
    index = new Map(plan.events.map((one) => [keyOf(one.name, one.version), one]))
    indexes.set(plan, index)
  }
  const name = plannedName(event)
  return index.get(keyOf(name, versionOf(event))) ?? index.get(keyOf(name, undefined))
}

export function versionOf({ context }: Event): string | undefined {
  const protocols = context?.protocols
  if (typeof protocols !== "object" || protocols === null || Array.isArray(protocols)) return undefined
  const version = protocols.event_version
  return typeof version === "string" || typeof version === "number" ? String(version) : undefined
}

/** The first thing that an event breaks of a plan. Small and without a schema library: it runs at the door. */
export function planBreach(plan: Plan, event: Event): PlanBreach | undefined {
  const planned = plannedEvent(plan, event)
  if (planned) {
    const [reason] = planReasons(planned, event)
    return reason && { mode: planned.mode, reason }
  }
  // Calls that say who somebody is, or where, need no line of their own.
  if (event.type !== "track") return undefined
  const message = `${event.event} is not in the tracking plan; add it, or send what the plan names`
  return { mode: plan.unknown, reason: { code: "plan_unknown_event", field: "event", message } }
}

/** Everything that an event breaks of its line in the plan. */
export function planReasons({ properties }: PlanEvent, event: Event): Reason[] {
  const part = event.type === "identify" || event.type === "group" ? "traits" : "properties"
  const given: JsonObject = event[part] ?? {}
  const reasons: Reason[] = []
  for (const [name, rule] of Object.entries(properties)) {
    const field = `${part}.${name}`
    const value = Object.hasOwn(given, name) ? given[name] : undefined
    if (value === undefined || value === null) {
      if (rule.required)
        reasons.push({ code: "plan_missing_field", field, message: "is required by the tracking plan" })
    } else if (rule.type !== undefined && typeOf(value) !== rule.type) {
      const message = `must be of type ${rule.type} by the tracking plan, not ${typeOf(value)}`
      reasons.push({ code: "plan_wrong_type", field, message })
    } else if (rule.enum !== undefined && !rule.enum.some((allowed) => allowed === value)) {
      const allowed = rule.enum.map(String).join(", ").slice(0, 200)
      reasons.push({ code: "plan_not_allowed", field, message: `must be one of ${allowed} by the tracking plan` })
    }
  }
  return reasons
}

export const typeOf = (value: Exclude<Json, null>): PlanType =>
  Array.isArray(value) ? "array" : (typeof value as PlanType)
