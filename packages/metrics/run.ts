import { currencyPlaces } from "#core/currency.ts"
import { type Decimal, fromText, ofCount, over, toNumber, toText } from "#core/decimal.ts"
import { zoneOf } from "#core/zone.ts"
import { emptySketch, fromJson, mergeInto, quantile, type Sketch } from "#science/sketch.ts"
import { type BlockKind, blockKind, type Fragment } from "./block.ts"
import { type Bucket, bucketsOf, monthOf, previousPeriod, yearBefore } from "./calendar.ts"
import {
  type Amount,
  type Distinct,
  type Formula,
  type Metric,
  type MetricName,
  metricOf,
  type Quantile,
} from "./catalogue.ts"
import {
  type Dimension,
  dimensionNames,
  type EventDimension,
  eventDimensionNames,
  isLineDimension,
  NONE,
  sketchDimensions,
} from "./dimension.ts"
import type { Comparison, Filter } from "./filter.ts"
import type { Question } from "./query.ts"

/** What `run` needs of a reading: fragments of blocks, and which ordinal stands for which. */
export type Source = {
  zone: string
  currency: string
  fragments(kind: BlockKind, from: string, to: string): Promise<Fragment[]>
  rename(ordinal: number): number
}

/** A count is a number, money a decimal text; what cannot be said (nothing to divide by) is `null`. */
export type Figure = number | string | null
export type Point = { at: string; value: Figure; key?: string }
export type Result = {
  unit: string
  currency?: string
  series: Point[]
  total: Figure
  /** With `by`: each key's figure over the whole period, the largest first. */
  keys?: { key: string; total: Figure }[]
  /** Steps that had been over when more of their events came: what they said then, and what they say now. */
  restated?: { at: string; from: Figure; to: Figure }[]
}
export type Compared = Result & { from: string; to: string; change: number | null }

/** Answers a question from blocks alone: the present's views and tail, or a recount's memory. */
export async function run(source: Source, question: Question): Promise<Result & { compare?: Compared }> {
  const result = await measure(source, question)
  if (!question.compare) return result
  const period = (question.compare === "year" ? yearBefore : previousPeriod)(question.from, question.to)
  const before = await measure(source, { ...question, ...period })
  return { ...result, compare: { ...period, ...before, change: changeOf(before.total, result.total) } }
}

const changeOf = (before: Figure, after: Figure) =>
  before === null || after === null || Number(before) === 0
    ? null
    : rounded((Number(after) - Number(before)) / Math.abs(Number(before)))

async function measure(source: Source, question: Question): Promise<Result> {
  const metric = metricOf(question.metric)
  const frame = frameOf(source, question)
  const whole = (await gridOf(frame, question.metric, undefined)).get("") ?? frame.empty()
  const show = (amount: Amount | undefined) => figure(metric, amount, source.currency)
  const about = { unit: metric.unit, ...(metric.unit === "money" ? { currency: source.currency } : {}) }
  const total = show(orZero(metric, whole.total))
  if (question.by === undefined) {
    const series = frame.buckets.map(({ at }, i) => ({ at, value: show(orZero(metric, whole.steps[i])) }))
    const restated = await restatedSteps(frame, question.metric, whole, show)
    return { ...about, series, total, ...(restated.length > 0 ? { restated } : {}) }
  }
  const grid = await gridOf(frame, question.metric, question.by as Dimension)
  const rows = [...grid]
    .filter(([, row]) => row.total !== undefined || row.steps.some((step) => step !== undefined))
    .sort(([a, x], [b, y]) => order(y.total ?? 0, x.total ?? 0) || (a < b ? -1 : 1))
    .slice(0, question.limit)
  const series = frame.buckets.flatMap(({ at }, i) =>
    rows.flatMap(([key, row]) => (row.steps[i] === undefined ? [] : [{ at, value: show(row.steps[i]), key }])),
  )
  return { ...about, series, total, keys: rows.map(([key, row]) => ({ key, total: show(orZero(metric, row.total)) })) }
}

/** Where late events changed a step that had already said something. Sums only: what came late is kept for them. */
async function restatedSteps(frame: Frame, name: MetricName, whole: Row, show: (amount: Amount | undefined) => Figure) {
  const metric = metricOf(name)
  if (frame.hourly || frame.question.where || !(metric.kind === "tally" || (metric.kind === "entity" && !metric.gauge)))
    return []
  const late = (await sumsOf(frame, name, "late", undefined)).get("")
  return frame.buckets.flatMap(({ at }, i) => {
    const [now, added] = [whole.steps[i], late?.steps[i]]
    if (now === undefined || added === undefined || added === now) return []
    return [{ at, from: show(plus(now, negative(added))), to: show(now) }]
  })
}

/** Amounts of one key: step by step, and over the whole period (which is not always their sum). */
type Row = { steps: (Amount | undefined)[]; total: Amount | undefined }
type Grid = Map<string, Row>

type Frame = {
  source: Source
  question: Question
  buckets: Bucket[]
  hourly: boolean
  /** Which step a slot of a block belongs to, or -1. */
  stepOf(sk: string, slot: number): number
  empty(): Row
}

function frameOf(source: Source, question: Question): Frame {
  const { from, to, grain } = question
  const buckets = bucketsOf(grain, from, to, zoneOf(source.zone))
  const hourly = grain === "hour"
  const steps = new Map<string, number>()
  for (const [i, bucket] of buckets.entries()) {
    if (hourly) steps.set(`${bucket.from}|${bucket.hour}`, i)
    else for (const [sk, day] of daysOf(bucket)) steps.set(`${sk}|${day}`, i)
  }
  return {
    source,
    question,
    buckets,
    hourly,
    stepOf: (sk, slot) => steps.get(`${sk}|${slot}`) ?? -1,
    empty: () => ({ steps: new Array(buckets.length).fill(undefined), total: undefined }),
  }
}

function* daysOf({ from, to }: Bucket): Generator<[month: string, day: number]> {
  for (let ms = Date.parse(from); ms <= Date.parse(to); ms += 86_400_000) {
    const day = new Date(ms).toISOString()
    yield [day.slice(0, 7), Number(day.slice(8, 10))]
  }
}

async function gridOf(frame: Frame, name: MetricName, by: Dimension | undefined): Promise<Grid> {
  const metric = metricOf(name)
  switch (metric.kind) {
    case "tally":
      return withRest(
        frame,
        name,
        by,
        await sums(frame, name, by),
        by !== undefined && isLineDimension(by) && !metric.line,
      )
    case "entity":
      return withRest(
        frame,
        name,
        by,
        await (metric.gauge ? levels : sums)(frame, name, by),
        by !== undefined && isLineDimension(by),
      )
    case "distinct":
      return members(frame, name, metric, by)
    case "quantile":
      return quantiles(frame, metric, by)
    case "formula":
      return computed(frame, metric, by)
  }
}

function fragments(frame: Frame, kind: BlockKind) {
  const { from, to } = frame.question
  return frame.hourly
    ? frame.source.fragments(kind, from, to)
    : frame.source.fragments(kind, monthOf(from), monthOf(to))
}

/** Keys whose rows a filter of one dimension keeps; `undefined` keeps all. */
type Kept = { dimension: EventDimension; keys: Set<string> }

/** A filter that a breakdown answers: one event dimension equal to a value, or to one of several. */
export function keptBy(where: Filter | undefined): Kept | undefined {
  if (!where || !("op" in where) || !(eventDimensionNames as string[]).includes(where.field)) return undefined
  const { field, op, value } = where as Comparison
  const values = op === "eq" ? [value] : op === "in" ? (value as unknown[]) : undefined
  if (!values?.every((one) => typeof one === "string" && !Number.isFinite(Number(one)))) return undefined
  return { dimension: field as EventDimension, keys: new Set(values as string[]) }
}

async function sums(frame: Frame, name: string, by: Dimension | undefined): Promise<Grid> {
  const kept = by === undefined ? keptBy(frame.question.where) : undefined
  const dimension = by ?? kept?.dimension
  return sumsOf(
    frame,
    name,
    dimension === undefined ? (frame.hourly ? "hours" : "days") : blockKind("by", dimension),
    kept,
  )
}

async function sumsOf(frame: Frame, name: string, kind: BlockKind, kept: Kept | undefined): Promise<Grid> {
  const grid: Grid = new Map()
  for (const { sk, block } of await fragments(frame, kind)) {
    for (const [key, cell] of block.get(name) ?? []) {
      if (kept && !kept.keys.has(key)) continue
      const row = rowAt(frame, grid, kept ? "" : key)
      for (let i = 0; i < cell.length; i += 2) {
        const step = frame.stepOf(sk, cell[i] as number)
        if (step < 0) continue
        const amount = read(cell[i + 1] as number | string)
        row.steps[step] = plus(row.steps[step], amount)
        row.total = plus(row.total, amount)
      }
    }
  }
  return grid
}

const FIRST_DAY = "0000-01-01"

/** The level at the end of each step: everything given up to then. */
async function levels(frame: Frame, name: string, by: Dimension | undefined): Promise<Grid> {
  const changes: [key: string, stamp: string, amount: Amount][] = []
  const kind = by !== undefined ? blockKind("by", by) : frame.hourly ? "hours" : "days"
  const last = frame.hourly ? frame.question.to : monthOf(frame.question.to)
  const stamp = (sk: string, slot: number) => `${sk}-${String(slot).padStart(2, "0")}`
  for (const { sk, block } of await frame.source.fragments(kind, FIRST_DAY.slice(0, last.length), last)) {
    for (const [key, cell] of block.get(name) ?? []) {
      for (let i = 0; i < cell.length; i += 2) {
        changes.push([key, stamp(sk, cell[i] as number), read(cell[i + 1] as number | string)])
      }
    }
  }
  changes.sort(([, a], [, b]) => (a < b ? -1 : a > b ? 1 : 0))
  const grid: Grid = new Map()
  for (const [key, rows] of Map.groupBy(changes, ([name]) => name)) {
    const row = rowAt(frame, grid, key)
    let level: Amount | undefined
    let next = 0
    for (const [i, { to, hour }] of frame.buckets.entries()) {
      const end = hour === undefined ? to : stamp(to, hour)
      for (; next < rows.length && rows[next]![1] <= end; next++) level = plus(level, rows[next]![2])
      row.steps[i] = level
    }
    row.total = level
  }
  return grid
}

/** What no key has: the whole less all keys. Not said where one event has several keys. */
async function withRest(
  frame: Frame,
  name: MetricName,
  by: Dimension | undefined,
  grid: Grid,
  overlapping: boolean,
): Promise<Grid> {
  if (by === undefined || overlapping) return grid
  const whole = (await gridOf(frame, name, undefined)).get("") ?? frame.empty()
  const rest = frame.empty()
  const less = (all: Amount | undefined, parts: (Amount | undefined)[]) => {
    const left = parts.reduce<Amount | undefined>(
      (sum, part) => (part === undefined ? sum : plus(sum, negative(part))),
      all,
    )
    return left === undefined || left === 0 || left === 0n ? undefined : left
  }
  const rows = [...grid.values()]
  rest.steps = whole.steps.map((amount, i) =>
    less(
      amount,
      rows.map(({ steps }) => steps[i]),
    ),
  )
  rest.total = less(
    whole.total,
    rows.map(({ total }) => total),
  )
  if (rest.total === undefined && rest.steps.every((step) => step === undefined)) return grid
  const named = grid.get(NONE)
  const both = (a: Amount | undefined, b: Amount | undefined) => (b === undefined ? a : plus(a, b))
  if (named)
    grid.set(NONE, {
      steps: rest.steps.map((step, i) => both(named.steps[i], step)),
      total: both(named.total, rest.total),
    })
  else grid.set(NONE, rest)
  return grid
}

/** Different members of each step and of the whole period, from the days (or hours) on which each was there. */
async function members(frame: Frame, name: string, _metric: Distinct, by: Dimension | undefined): Promise<Grid> {
  const kept = by === undefined ? keptBy(frame.question.where) : undefined
  const kind = blockKind("set", by ?? kept?.dimension ?? "")
  const found = await fragments(frame, kind)
  // Key → month (or day) → member → days (hours) on which it was there, whatever it was called and wherever that stands.
  const masks = new Map<string, Map<string, Map<number, number>>>()
  for (const { sk, block } of found) {
    for (const [key, cell] of block.get(name) ?? []) {
      if (kept && !kept.keys.has(key)) continue
      const shown = kept ? "" : key
      const periods = masks.get(shown) ?? new Map<string, Map<number, number>>()
      masks.set(shown, periods)
      const there = periods.get(sk) ?? new Map<number, number>()
      periods.set(sk, there)
      for (let i = 0; i < cell.length; i += 2) {
        const member = frame.source.rename(cell[i] as number)
        there.set(member, (there.get(member) ?? 0) | (cell[i + 1] as number))
      }
    }
  }
  return new Map([...masks].map(([key, periods]) => [key, countedIn(frame, periods)]))
}

/** How many members there are in each step, and in all. */
function countedIn(frame: Frame, periods: Map<string, Map<number, number>>) {
  const { grain } = frame.question
  // A day is a step of its own, so that nobody can be met twice in it; a week may lie in two months.
  const alone = grain === "day" || grain === "hour"
  const counts = frame.buckets.map(() => 0)
  const sets = frame.buckets.map(() => new Set<number>())
  const everyone = new Set<number>()
  for (const [sk, there] of periods) {
    const stepOfBit = Array.from({ length: 31 }, (_, bit) => frame.stepOf(sk, frame.hourly ? bit : bit + 1))
    for (const [member, mask] of there) {
      let last = -1
      for (let bits = mask; bits !== 0; bits &= bits - 1) {
        const step = stepOfBit[31 - Math.clz32(bits & -bits)]!
        if (step < 0) continue
        if (alone) counts[step]!++
        else if (step !== last) sets[step]!.add(member)
        last = step
      }
      if (last >= 0) everyone.add(member)
    }
  }
  const orNothing = (count: number) => (count === 0 ? undefined : count)
  return {
    steps: alone ? counts.map(orNothing) : sets.map(({ size }) => orNothing(size)),
    total: orNothing(everyone.size),
  }
}

async function quantiles(frame: Frame, { of, q }: Quantile, by: Dimension | undefined): Promise<Grid> {
  const sketches = new Map<string, { steps: Sketch[]; total: Sketch }>()
  for (const { sk, block } of await fragments(frame, blockKind("sketch", by ?? ""))) {
    for (const [key, cell] of block.get(of) ?? []) {
      const row = sketches.get(key) ?? { steps: frame.buckets.map(emptySketch), total: emptySketch() }
      sketches.set(key, row)
      for (let i = 0; i < cell.length; i += 2) {
        const step = frame.stepOf(sk, cell[i] as number)
        if (step < 0) continue
        const sketch = fromJson(cell[i + 1] as number[])
        mergeInto(row.steps[step]!, sketch)
        mergeInto(row.total, sketch)
      }
    }
  }
  return new Map(
    [...sketches].map(([key, { steps, total }]) => [
      key,
      { steps: steps.map((sketch) => quantile(sketch, q)), total: quantile(total, q) },
    ]),
  )
}

const WHOLE = "/total"

async function computed(frame: Frame, metric: Formula, by: Dimension | undefined): Promise<Grid> {
  const parts = await Promise.all(
    metric.from.map(async (part) => {
      const whole = part.endsWith(WHOLE)
      const name = part.replace(WHOLE, "") as MetricName
      const grid = await gridOf(frame, name, whole ? undefined : by)
      return { whole, grid, metric: metricOf(name) }
    }),
  )
  const keys = by === undefined ? [""] : new Set(parts.flatMap(({ whole, grid }) => (whole ? [] : [...grid.keys()])))
  const grid: Grid = new Map()
  for (const key of keys) {
    const rows = parts.map(({ whole, grid: part }) => part.get(whole ? "" : key) ?? frame.empty())
    const of = (amounts: (Amount | undefined)[]) =>
      metric.compute(...amounts.map((amount, i) => orZero(parts[i]!.metric, amount)))
    grid.set(key, {
      steps: frame.buckets.map((_, i) => of(rows.map(({ steps }) => steps[i]))),
      total: of(rows.map(({ total }) => total)),
    })
  }
  return grid
}

const rowAt = (frame: Frame, grid: Grid, key: string) => {
  const row = grid.get(key) ?? frame.empty()
  grid.set(key, row)
  return row
}

const read = (value: number | string): Amount => (typeof value === "string" ? fromText(value) : value)
const plus = (a: Amount | undefined, b: Amount): Amount =>
  a === undefined ? b : (((a as number) + (b as number)) as Amount)
const negative = (amount: Amount): Amount => -amount as Amount
const order = (a: Amount, b: Amount) => {
  const [x, y] = [typeof a === "bigint" ? toNumber(a) : a, typeof b === "bigint" ? toNumber(b) : b]
  return x - y
}

/** Nothing counted is 0; nothing to compute from stays unsaid. */
const orZero = (metric: Metric, amount: Amount | undefined): Amount | undefined =>
  amount ?? (metric.kind === "formula" || metric.kind === "quantile" ? undefined : metric.unit === "money" ? 0n : 0)

const RATIO_PLACES = 6
const rounded = (value: number) => Math.round(value * 10 ** RATIO_PLACES) / 10 ** RATIO_PLACES

/** How an amount is said: money as decimal text with the currency's places (sums whole, quotients rounded), else a number. */
function figure(metric: Metric, amount: Amount | undefined, currency: string): Figure {
  if (amount === undefined) return null
  if (metric.unit === "money") {
    const places = currencyPlaces(currency)
    const exact: Decimal = typeof amount === "bigint" ? amount : ofCount(amount)
    return toText(metric.kind === "formula" && metric.quotient ? over(exact, ofCount(1), places)! : exact, places)
  }
  const value = typeof amount === "bigint" ? toNumber(amount) : amount
  return metric.unit === "count" ? value : rounded(value)
}

/** Whether the blocks of the views can answer, or the journal must be folded with the question in mind. */
export function answeredByViews(question: Question): boolean {
  return parts(question.metric).every((metric) => {
    const by = question.by as Dimension | undefined
    if (question.where) {
      const kept = by === undefined && question.grain !== "hour" ? keptBy(question.where) : undefined
      if (!kept) return false
      return metric.kind === "tally" || (metric.kind === "distinct" && metric.dimensions.includes(kept.dimension))
    }
    if (question.grain === "hour" && (by !== undefined || metric.kind === "distinct" || metric.kind === "quantile"))
      return false
    if (question.grain === "hour" && metric.kind === "entity" && metric.gauge) return false
    if (by === undefined) return true
    if (metric.kind === "distinct") return metric.dimensions.includes(by as EventDimension)
    if (metric.kind === "quantile") return (sketchDimensions as readonly string[]).includes(by)
    return true
  })
}

/** What a metric can be split by: sessions and the like have no lines. */
export const dimensionsOf = (name: MetricName): readonly Dimension[] =>
  parts(name).some(({ kind }) => kind === "entity") ? eventDimensionNames : dimensionNames

/** The metrics that a metric is made of. */
export function parts(name: MetricName): Metric[] {
  const metric = metricOf(name)
  return metric.kind === "formula"
    ? metric.from.flatMap((part) => parts(part.replace(WHOLE, "") as MetricName))
    : [metric]
}
