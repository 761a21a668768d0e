import { at, type Fact, type Line, textOf } from "./fact.ts"

/** What a figure can be split by. One value an event; a missing one is shown as `(none)`. */
export const eventDimensions = {
  source: (fact: Fact) => fact.source,
  country: ({ properties, event, traits }: Fact) =>
    textOf(properties.country) ?? textOf(at(event.context, "location", "country")) ?? textOf(traits.country),
  page: ({ properties, event }: Fact) =>
    textOf(at(event.context, "page", "path")) ??
    textOf(properties.path) ??
    (event.type === "screen" ? textOf(event.event) : undefined),
  channel: ({ properties, event, traits }: Fact) =>
    textOf(properties.channel) ?? textOf(at(event.context, "campaign", "source")) ?? textOf(traits.channel),
  plan: ({ properties, traits }: Fact) => textOf(properties.plan) ?? textOf(traits.plan),
  role: ({ properties, traits }: Fact) => textOf(properties.to_role) ?? textOf(properties.role) ?? textOf(traits.role),
  feature: ({ properties }: Fact) => textOf(properties.feature),
  model: ({ properties }: Fact) => textOf(properties.model),
  device: ({ event }: Fact) =>
    textOf(at(event.context, "device", "type"))?.toLowerCase() ?? agentDevice(at(event.context, "userAgent")),
  currency: ({ properties }: Fact) => textOf(properties.currency)?.toUpperCase(),
} as const

/** One value a line: a line's revenue and units go to its own product. */
export const lineDimensions = {
  product: (line: Line) => line.product,
  category: (line: Line) => line.category,
} as const

export type EventDimension = keyof typeof eventDimensions
/** Dimensions by which distributions are kept. */
export const sketchDimensions: readonly EventDimension[] = ["model", "source", "plan", "country"]

export type LineDimension = keyof typeof lineDimensions
export type Dimension = EventDimension | LineDimension

export const eventDimensionNames = Object.keys(eventDimensions) as EventDimension[]
export const lineDimensionNames = Object.keys(lineDimensions) as LineDimension[]
export const dimensionNames: readonly Dimension[] = [...eventDimensionNames, ...lineDimensionNames]

export const isLineDimension = (dimension: Dimension): dimension is LineDimension => dimension in lineDimensions

/** The values that one event has. */
export type Dims = Partial<Record<EventDimension, string>>

export function dimsOf(fact: Fact): Dims {
  const dims: Dims = {}
  for (const dimension of eventDimensionNames) {
    const value = eventDimensions[dimension](fact)
    if (value !== undefined) dims[dimension] = value
  }
  return dims
}

/** The key of what has no value. */
export const NONE = "(none)"

const AGENTS_REMEMBERED = 10_000
const devices = new Map<string, string>()

/** The same few agents come again and again. */
function agentDevice(agent: unknown) {
  if (typeof agent !== "string") return undefined
  const known = devices.get(agent)
  if (known !== undefined) return known
  if (devices.size >= AGENTS_REMEMBERED) devices.clear()
  const device = deviceOf(agent)
  devices.set(agent, device)
  return device
}

function deviceOf(agent: string) {
  if (/iPad|Tablet/i.test(agent)) return "tablet"
  return /Mobi|Android|iPhone/i.test(agent) ? "mobile" : "desktop"
}
