import { type HrTime, SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { resourceFromAttributes } from "@opentelemetry/resources"
import { BatchSpanProcessor, type ReadableSpan } from "@opentelemetry/sdk-trace"
import type { SpanKind as Kind, Span, SpanId } from "#core/unit.ts"

export type Otlp = { take(span: Span): void; flush(): Promise<void> }

// Not the clock's own: what two bundles share is a third one that must be loaded.
const SECOND = 1000
const TIMEOUT_MS = 5 * SECOND
const DELAY_MS = SECOND
const kinds: Record<Kind, SpanKind> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
}

/**
 * Spans go to a collector in batches, by OTLP over HTTP. OpenTelemetry's own SDK does it: it drops what a slow collector
 * leaves no room for. Loaded when the first span has ended.
 */
export function otlp({ endpoint, service }: { endpoint: string; service: string }): Otlp {
  const url = `${endpoint.replace(/\/+$/, "")}/v1/traces`
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: TIMEOUT_MS })
  const processor = new BatchSpanProcessor({
    exporter,
    scheduledDelayMillis: DELAY_MS,
    exportTimeoutMillis: TIMEOUT_MS,
  })
  const resource = resourceFromAttributes({ "service.name": service })
  return {
    take: (span) => processor.onEnd({ ...readable(span), resource }),
    flush: () => processor.forceFlush(),
  }
}

function readable(span: Span): Omit<ReadableSpan, "resource"> {
  const { name, kind, startedAt, endedAt, attributes, failed, parentId, traceId } = span
  return {
    name,
    kind: kinds[kind],
    spanContext: () => contextOf(span),
    ...(parentId === undefined ? {} : { parentSpanContext: contextOf({ traceId, spanId: parentId }) }),
    startTime: timeOf(startedAt),
    endTime: timeOf(endedAt),
    duration: timeOf(endedAt - startedAt),
    status: { code: failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
    attributes,
    links: span.links.map((link) => ({ context: contextOf(link) })),
    events: [],
    ended: true,
    instrumentationScope: { name: "octant" },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  }
}

const contextOf = ({ traceId, spanId }: SpanId) => ({ traceId, spanId, traceFlags: TraceFlags.SAMPLED })

/** Seconds and nanoseconds. */
const timeOf = (ms: number): HrTime => [Math.trunc(ms / SECOND), (ms % SECOND) * 1_000_000]
