export type Sample = { name: string; labels: Record<string, string>; value: number }
export type Family = { type: "counter" | "gauge" | "histogram"; help: string; samples: Sample[] }

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|\+Inf|-Inf|NaN)$/

/** Prometheus' text format 0.0.4 and what `promtool check metrics` asks beyond it; throws at the first offence, with its line. */
export function readPrometheus(page: string): Map<string, Family> {
  const families = new Map<string, Family>()
  const series = new Set<string>()
  const must = (holds: boolean, what: string, line: string) => {
    if (!holds) throw new Error(`${what}: ${line}`)
  }
  must(page.endsWith("\n"), "the last line is not ended", page.slice(-80))
  let help: { name: string; text: string } | undefined
  let current: string | undefined
  for (const line of page.slice(0, -1).split("\n")) {
    const [, kind, name = "", text = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (kind === "HELP") {
      must(NAME.test(name) && !families.has(name), "a family stands twice", line)
      help = { name, text }
    } else if (kind === "TYPE") {
      must(help?.name === name, "a family has no HELP before its TYPE", line)
      must(["counter", "gauge", "histogram"].includes(text), "an unknown type", line)
      must((text === "counter") === name.endsWith("_total"), "counters, and they alone, end in _total", line)
      must(!/_(count|sum|bucket|info)$/.test(name), "a name ends as a part of a histogram does", line)
      must(!/_(milliseconds|ms|kilobytes|minutes|hours|percent)(_|$)/.test(name), "a unit is not a base unit", line)
      families.set(name, { type: text as Family["type"], help: help!.text, samples: [] })
      current = name
    } else {
      const [, at = "", inner, value = ""] = SAMPLE.exec(line) ?? []
      must(at !== "", "not a sample", line)
      const family = families.get(current ?? "")
      const base = family?.type === "histogram" ? at.replace(/_(bucket|sum|count)$/, "") : at
      must(family !== undefined && base === current, "a sample stands outside its family", line)
      must(family!.type !== "histogram" || base !== at, "a histogram has a plain sample", line)
      must(NUMBER.test(value), "not a number", line)
      const labels = labelsIn(inner ?? "", () => must(false, "not labels", line))
      must(!series.has(`${at}{${inner ?? ""}}`), "a series stands twice", line)
      series.add(`${at}{${inner ?? ""}}`)
      must("le" in labels === at.endsWith("_bucket"), "`le` belongs to buckets, and they to it", line)
      const number = value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value)
      must(family!.type === "gauge" || number >= 0, "a count is negative", line)
      family!.samples.push({ name: at, labels, value: number })
    }
  }
  for (const [name, family] of families) {
    must(family.samples.length > 0, "a family is empty", name)
    if (family.type === "histogram") for (const one of histogramsIn(family)) checkHistogram(name, one, must)
  }
  return families
}

function labelsIn(inner: string, fail: () => void) {
  const labels: Record<string, string> = {}
  for (let rest = inner; rest !== ""; ) {
    const [all, name, value] = LABEL.exec(rest) ?? []
    if (all === undefined || name! in labels) {
      fail()
      break
    }
    labels[name!] = value!
    rest = rest.slice(all.length)
  }
  return labels
}

/** The samples of one set of labels, without `le`. */
const histogramsIn = ({ samples }: Family) =>
  Map.groupBy(samples, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels)).values()

function checkHistogram(
  name: string,
  samples: readonly Sample[],
  must: (holds: boolean, what: string, line: string) => void,
) {
  const part = (suffix: string) => samples.filter((sample) => sample.name === `${name}_${suffix}`)
  const [count, sum] = [part("count"), part("sum")]
  must(count.length === 1 && sum.length === 1, "a histogram has one count and one sum", name)
  const buckets = part("bucket").map(({ labels, value }) => ({
    le: Number(labels.le!.replace("+Inf", "Infinity")),
    value,
  }))
  for (const [i, { le, value }] of buckets.entries()) {
    const before = buckets[i - 1]
    must(!before || (le > before.le && value >= before.value), "buckets do not rise", `${name} le=${le}`)
  }
  must(buckets.at(-1)?.le === Number.POSITIVE_INFINITY, "the last bucket is not +Inf", name)
  must(buckets.at(-1)?.value === count[0]!.value, "the last bucket is not the count", name)
}
