import { MOMENT } from "#core/clock.ts"
import { once } from "#core/once.ts"
import type { Random } from "#core/random.ts"
import type { Span, Tracing } from "#core/unit.ts"
import type { Config } from "./config.ts"
import type { Otlp } from "./otlp.ts"

/** Spans that wait while OpenTelemetry's SDK is loaded. What is more is dropped: nothing waits for a trace. */
const MOST_WAITING = 2048

export type Traces = { tracing: Tracing | undefined; flush(withinMs: number): Promise<void> }

/** Traces go to a collector where one is configured, or to whoever `tell`s; else nothing is traced. */
export function tracesOf(config: Config, random: Random, tell?: Tracing["tell"]): Traces {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: share = "1" } = config
  const ratio = Number(share)
  if (endpoint === undefined) {
    return { tracing: tell && { tell, random, ratio }, flush: () => Promise.resolve() }
  }
  const service = config.AWS_LAMBDA_FUNCTION_NAME ?? "octant"
  let waiting: Span[] = []
  let soon: NodeJS.Timeout | undefined
  let loaded: Otlp | undefined
  const loadOnce = once(async () => {
    const { otlp } = await import("./otlp.ts")
    loaded = otlp({ endpoint, service })
    for (const span of waiting) loaded.take(span)
    waiting = []
    return loaded
  })
  const take = (span: Span) => {
    tell?.(span)
    if (loaded) return loaded.take(span)
    if (waiting.length < MOST_WAITING) waiting.push(span)
    // Without its SDK there is no trace, and no harm.
    soon ??= setTimeout(() => void loadOnce().catch(() => {}), MOMENT)
  }
  return {
    tracing: { tell: take, random, ratio },
    flush: async (withinMs) => {
      const flushed = soon && loadOnce().then((there) => there.flush())
      const late = Promise.withResolvers<void>()
      const timer = setTimeout(late.resolve, withinMs)
      await Promise.race([flushed, late.promise]).catch(() => {})
      clearTimeout(timer)
    },
  }
}
