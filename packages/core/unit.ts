import { AsyncLocalStorage } from "node:async_hooks"
import type { Clock } from "./clock.ts"
import type { Random } from "./random.ts"

/** What a span may say of itself: names and figures, never a payload. */
export type Attributes = Record<string, string | number>
export type SpanKind = "internal" | "server" | "client" | "producer" | "consumer"
export type SpanId = { traceId: string; spanId: string }
/** One timed piece of work, as OpenTelemetry has it. */
export type Span = SpanId & {
  parentId?: string
  name: string
  kind: SpanKind
  startedAt: number
  endedAt: number
  attributes: Attributes
  failed: boolean
  /** What else it was done for: the other messages of a batch. */
  links: SpanId[]
}
/** Where finished spans go, and which share of the traces that begin here is kept. Without it nothing is traced. */
export type Tracing = { tell: (span: Span) => void; random: Random; ratio: number }

/** A request, what is worked together out of a queue, or a run of a schedule; `read` and `write` are DynamoDB's units. */
export type Unit = {
  readonly correlationId: string
  readonly traceId?: string
  read: number
  write: number
  /** The name and the attributes of its span, and whether it failed: often known at its end alone. */
  name: string
  about: Attributes
  failed: boolean
}
/** How whatever asked for a unit of work is known, as it comes with a request or a message. */
export type Origin = { correlationId?: string | undefined; traceparent?: string | undefined }

type Context = SpanId & { sampled: boolean }
type Here = { unit: Unit; clock: Clock; spans: { left: number }; tracing?: Tracing; context?: Context }
/** Ambient for the log and for traces alone: nothing that Octant does depends on it. */
const here = new AsyncLocalStorage<Here>()

/** A fold calls the table thousands of times; a trace tells of so many calls. */
const MOST_SPANS = 200
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-|$)/
const CORRELATION = /^[\w-]{1,64}$/

/** Whether it may be taken over from whoever called. */
export const isCorrelationId = (text: string | undefined): text is string =>
  text !== undefined && CORRELATION.test(text)

type Needs = { clock: Clock; nonce: () => string; tracing?: Tracing | undefined }
type Wish = { name: string; kind: SpanKind; origin?: Origin; joined?: readonly Origin[] }

/** Does a unit of work: gives it its id and its span, and adds up what it consumes. */
export function unitOf<T>(needs: Needs, wish: Wish, work: (unit: Unit) => Promise<T>): Promise<T> {
  const { clock, nonce, tracing } = needs
  const { name, kind, origin = {}, joined = [] } = wish
  const outer = here.getStore()
  const parent = parsed(origin.traceparent) ?? outer?.context
  const context = tracing && below(tracing, parent)
  const unit: Unit = {
    correlationId: isCorrelationId(origin.correlationId)
      ? origin.correlationId
      : (outer?.unit.correlationId ?? nonce()),
    ...(context?.sampled ? { traceId: context.traceId } : {}),
    read: 0,
    write: 0,
    name,
    about: {},
    failed: false,
  }
  const inner: Here = { unit, clock, spans: { left: MOST_SPANS } }
  if (tracing && context) Object.assign(inner, { tracing, context })
  const done = here.run(inner, () => told(inner, parent, { name, kind, attributes: unit.about, joined }, work, unit))
  return outer ? done.finally(() => count(outer.unit, unit)) : done
}

/** A span around a part of the unit of work; nothing but the work itself where nobody traces. */
export function traced<T>(
  name: string,
  kind: SpanKind,
  work: () => Promise<T>,
  attributes: Attributes = {},
): Promise<T> {
  const outer = here.getStore()
  if (!outer?.tracing || !outer.context?.sampled || outer.spans.left <= 0) return work()
  outer.spans.left--
  const inner = { ...outer, context: below(outer.tracing, outer.context) }
  return here.run(inner, () => told(inner, outer.context, { name, kind, attributes, joined: [] }, work, undefined))
}

type Said = { name: string; kind: SpanKind; attributes: Attributes; joined: readonly Origin[] }

async function told<T>(
  { tracing, context, clock }: Here,
  parent: SpanId | undefined,
  { name, kind, attributes, joined }: Said,
  work: (unit: Unit) => Promise<T>,
  unit: Unit | undefined,
): Promise<T> {
  if (!tracing || !context?.sampled) return work(unit!)
  const startedAt = clock()
  let failed = true
  try {
    const result = await work(unit!)
    failed = unit?.failed === true
    return result
  } finally {
    const links = joined.flatMap(({ traceparent }) => parsed(traceparent) ?? [])
    const { traceId, spanId } = context
    const span = { traceId, spanId, name: unit?.name ?? name, kind, startedAt, endedAt: clock(), attributes, failed }
    tracing.tell({ ...span, ...(parent ? { parentId: parent.spanId } : {}), links })
  }
}

/** Consumed by the unit at hand, if there is one. */
export function consumed(units: { read: number; write: number }) {
  const unit = here.getStore()?.unit
  if (unit) count(unit, units)
}

function count(unit: Unit, { read, write }: { read: number; write: number }) {
  unit.read += read
  unit.write += write
}

/** What goes with a message or a request, so that whoever works on it belongs to this unit of work. */
export function origin(): Origin & { traceId?: string } {
  const at = here.getStore()
  if (!at) return {}
  const { unit, context } = at
  const flag = context?.sampled ? "01" : "00"
  return {
    correlationId: unit.correlationId,
    ...(unit.traceId === undefined ? {} : { traceId: unit.traceId }),
    ...(context ? { traceparent: `00-${context.traceId}-${context.spanId}-${flag}` } : {}),
  }
}

/** For what serves many units at once, and belongs to none. */
export const outside = <T>(work: () => T): T => here.exit(work)

function parsed(traceparent: string | undefined): Context | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? "") ?? []
  return traceId && spanId ? { traceId, spanId, sampled: (Number.parseInt(flags!, 16) & 1) === 1 } : undefined
}

/** A span of its own; whether it is kept was decided where the trace began. */
function below({ random, ratio }: Tracing, parent: Context | undefined): Context {
  const hex = (bytes: number) => Buffer.from(random(bytes)).toString("hex")
  const traceId = parent?.traceId ?? hex(16)
  const sampled = parent?.sampled ?? Number.parseInt(traceId.slice(-8), 16) < ratio * 2 ** 32
  return { traceId, spanId: hex(8), sampled }
}
