import { BOUNDS_SECONDS, type Figures, type Histogram } from "./figures.ts"
import { known } from "./known.ts"

/** All figures in Prometheus' text format. prom-client would do the same in 66 KB; collect, which counts too, may have 120. */
export function exposition(figures: Figures): string {
  const { values, histograms } = figures.series()
  return Object.entries(known)
    .flatMap(([name, [kind, help]]) => {
      const lines =
        kind === "histogram"
          ? [...histograms].filter(([at]) => nameOf(at) === name).flatMap(([at, one]) => histogramLines(at, one))
          : [...values].filter(([at]) => nameOf(at) === name).map(([at, value]) => `${at} ${value}`)
      return lines.length === 0 ? [] : [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`, ...lines]
    })
    .concat("")
    .join("\n")
}

const nameOf = (at: string) => at.split("{", 1)[0]

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
