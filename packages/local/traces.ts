import type { Span, SpanId } from "#core/unit.ts"

const TRACES_KEPT = 100

/** Keeps the last traces, for whoever sits in front of this machine. */
export function newTraces() {
  const kept = new Map<string, Span[]>()
  return {
    tell: (span: Span) => {
      const spans = kept.get(span.traceId) ?? []
      spans.push(span)
      kept.set(span.traceId, spans)
      if (kept.size > TRACES_KEPT) kept.delete(kept.keys().next().value!)
    },
    of: (traceId: string): readonly Span[] => kept.get(traceId) ?? [],
  }
}

/** A trace as a tree, in the order in which things began: what, for whom, with what outcome, after how long and how long. */
export function treeOf(spans: readonly Span[]): string {
  const ids = new Set(spans.map(({ spanId }) => spanId))
  const began = Math.min(...spans.map(({ startedAt }) => startedAt))
  const below = (id: string | undefined) =>
    spans
      .filter(({ parentId }) => (parentId !== undefined && ids.has(parentId) ? parentId : undefined) === id)
      .sort((a, b) => a.startedAt - b.startedAt)
  const lines = (span: Span, lead: string, branch: string, isLast: boolean): string[] => {
    const inner = `${lead}${branch === "" ? "" : isLast ? "   " : "│  "}`
    const children = below(span.spanId)
    return [
      `${lead}${branch}${said(span, began)}`,
      ...children.flatMap((child, i) =>
        lines(child, inner, i === children.length - 1 ? "└─ " : "├─ ", i === children.length - 1),
      ),
    ]
  }
  return below(undefined)
    .flatMap((root) => lines(root, "", "", true))
    .join("\n")
}

const shown = ["octant.tenant", "octant.outcome", "octant.events", "http.response.status_code"]

function said({ name, startedAt, endedAt, attributes, failed }: Span, began: number) {
  const about = shown.flatMap((attribute) => attributes[attribute] ?? [])
  const time = `${endedAt - startedAt} ms, after ${startedAt - began} ms`
  return [name, ...about, time, ...(failed ? ["FAILED"] : [])].join(" · ")
}

/** The header by which a request becomes the beginning of a trace that is kept. */
export const traceparentOf = ({ traceId, spanId }: SpanId) => `00-${traceId}-${spanId}-01`
