import type { FigureName } from "./known.ts"

/** Figures for machines: what they mean is in `known.ts` and how they are told in `exposition.ts`, which no door needs to load. */
export type Labels = Readonly<Record<string, string | number>>
export type Figures = {
  count(name: FigureName, labels?: Labels, by?: number): void
  gauge(name: FigureName, labels: Labels, value: number): void
  /** Milliseconds, into a histogram of seconds. */
  took(name: FigureName, labels: Labels, ms: number): void
  /** All there are, each by its name and its labels in Prometheus' notation. */
  series(): { values: ReadonlyMap<string, number>; histograms: ReadonlyMap<string, Histogram> }
}
export type Histogram = { buckets: number[]; sum: number; count: number }
/** Hears each figure as it comes; of a histogram its seconds. */
export type Hear = (name: FigureName, labels: Labels, value: number) => void

export const BOUNDS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60]
/** Labels come from closed sets; should one not, the process must not grow without end. */
const MOST_SERIES = 5000

export function newFigures(hear?: Hear): Figures {
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
      hear?.(name, labels, by)
    },
    gauge: (name, labels, value) => {
      const at = series(name, labels)
      if (!isFull(at)) values.set(at, value)
      hear?.(name, labels, value)
    },
    took: (name, labels, ms) => {
      const at = series(name, labels)
      const seconds = ms / 1000
      hear?.(name, labels, seconds)
      if (isFull(at)) return
      const histogram = histograms.get(at) ?? { buckets: BOUNDS_SECONDS.map(() => 0), sum: 0, count: 0 }
      const bucket = BOUNDS_SECONDS.findIndex((bound) => seconds <= bound)
      if (bucket >= 0) histogram.buckets[bucket]! += 1
      histogram.sum += seconds
      histogram.count += 1
      histograms.set(at, histogram)
    },
    series: () => ({ values, histograms }),
  }
}

const escaped = (text: string) => text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
