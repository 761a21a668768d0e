/** Figures for machines, in Prometheus' text format. prom-client would do the same in 66 KB; collect may have 120 in all. */
export type Labels = Readonly<Record<string, string | number>>
export type Figures = {
  count(name: string, labels?: Labels, by?: number): void
  gauge(name: string, labels: Labels, value: number): void
  /** Milliseconds, into a histogram of seconds. */
  took(name: string, labels: Labels, ms: number): void
  text(): string
}

type Kind = "counter" | "gauge" | "histogram"
/** Every figure there is, and what it says. */
const known = {
  octant_requests_total: ["counter", "Requests, by route and status."],
  octant_request_seconds: ["histogram", "Time from a request to its answer, by route and status."],
  octant_errors_total: ["counter", "Answers that are our fault (5xx), by route."],
  octant_store_seconds: ["histogram", "Time of a call of the table or of a queue, by action and outcome."],
  octant_capacity_units_total: ["counter", "Capacity that the table has used, by action, kind and part."],
  octant_cache_lookups_total: ["counter", "Look-ups of answers: hit, miss, or skipped because the cache is away."],
  octant_refusals_total: ["counter", "Requests refused by a limit or a quota, by which and by plan."],
  octant_redis_away: ["gauge", "1 while limits are counted in this process because Redis does not answer."],
  octant_queue_messages: ["gauge", "Messages in a queue: visible, in flight, delayed."],
  octant_dead_letters: ["gauge", "Messages that were given up, by the queue they came from."],
  octant_queue_wait_seconds: ["histogram", "How long messages had waited when they were received, by queue."],
  octant_fold_lag_entries: ["gauge", "Entries of journals that are not folded yet: all, and the most of one tenant."],
  octant_up_seconds: ["gauge", "How long this process has lived."],
} as const satisfies Record<string, readonly [Kind, string]>

const BOUNDS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60]
/** Labels come from closed sets; should one not, the process must not grow without end. */
const MOST_SERIES = 5000

type Histogram = { buckets: number[]; sum: number; count: number }

export function newFigures(): Figures {
  const values = new Map<string, number>()
  const histograms = new Map<string, Histogram>()
  const series = (name: string, labels: Labels) => {
    const inner = Object.entries(labels)
      .map(([label, value]) => `${label}="${escaped(String(value))}"`)
      .join(",")
    return inner === "" ? name : `${name}{${inner}}`
  }
  const isFull = (at: string) => values.size + histograms.size >= MOST_SERIES && !values.has(at) && !histograms.has(at)

  return {
    count: (name, labels = {}, by = 1) => {
      const at = series(name, labels)
      if (!isFull(at)) values.set(at, (values.get(at) ?? 0) + by)
    },
    gauge: (name, labels, value) => {
      const at = series(name, labels)
      if (!isFull(at)) values.set(at, value)
    },
    took: (name, labels, ms) => {
      const at = series(name, labels)
      if (isFull(at)) return
      const histogram = histograms.get(at) ?? { buckets: BOUNDS_SECONDS.map(() => 0), sum: 0, count: 0 }
      const seconds = ms / 1000
      const bucket = BOUNDS_SECONDS.findIndex((bound) => seconds <= bound)
      if (bucket >= 0) histogram.buckets[bucket]! += 1
      histogram.sum += seconds
      histogram.count += 1
      histograms.set(at, histogram)
    },
    text: () =>
      Object.entries(known)
        .flatMap(([name, [kind, help]]) => {
          const lines =
            kind === "histogram"
              ? [...histograms].filter(([at]) => nameOf(at) === name).flatMap(([at, one]) => histogramLines(at, one))
              : [...values].filter(([at]) => nameOf(at) === name).map(([at, value]) => `${at} ${value}`)
          return lines.length === 0 ? [] : [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`, ...lines]
        })
        .concat("")
        .join("\n"),
  }
}

const nameOf = (at: string) => at.split("{", 1)[0]
const escaped = (text: string) => text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")

function histogramLines(at: string, { buckets, sum, count }: Histogram): string[] {
  const name = nameOf(at)
  const inner = at.slice(name!.length + 1, -1)
  const labelled = (suffix: string, more = "") => {
    const all = [inner, more].filter((part) => part !== "").join(",")
    return `${name}${suffix}${all === "" ? "" : `{${all}}`}`
  }
  let total = 0
  const lines = buckets.map((n, i) => {
    total += n
    return `${labelled("_bucket", `le="${BOUNDS_SECONDS[i]}"`)} ${total}`
  })
  return [
    ...lines,
    `${labelled("_bucket", 'le="+Inf"')} ${count}`,
    `${labelled("_sum")} ${sum}`,
    `${labelled("_count")} ${count}`,
  ]
}
