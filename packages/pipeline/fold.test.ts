import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { addDays, zoneOf } from "#core/zone.ts"
import { bucketsOf, type Grain, grains } from "#metrics/calendar.ts"
import type { MetricName } from "#metrics/catalogue.ts"
import type { Dimension, Dims } from "#metrics/dimension.ts"
import type { Filter } from "#metrics/filter.ts"
import { matches, matchesDims } from "#metrics/filter.ts"
import { Query, questionOf } from "#metrics/query.ts"
import { type Result, run, type Source } from "#metrics/run.ts"
import type { Entry } from "#store/journal.ts"
import { fold } from "./fold.ts"
import { fragmentsOf, renaming } from "./fragments.ts"
import { emptyMemory, type Memory } from "./memory.ts"
import { readMemory } from "./reading.ts"
import { type Happening, logs, type Twin, toEvent, twinOf } from "./twin.ts"

const zones = ["UTC", "Europe/Athens", "Asia/Kolkata"]
const START = { zone: zoneOf("UTC"), currency: "EUR" }

/** Entries of a journal, cut where the numbers say. */
function entriesOf(arrived: readonly Happening[], cuts: readonly number[]): Entry[] {
  const ends = [...new Set(cuts.map((cut) => cut % (arrived.length + 1))), arrived.length].sort((a, b) => a - b)
  return ends.map((end, i) => ({
    position: i + 1,
    at: "2026-11-10T12:00:00.000Z",
    batches: [
      {
        id: `batch-${i}`,
        source: "app",
        receivedAt: "2026-11-10T12:00:00.000Z",
        events: arrived.slice(ends[i - 1] ?? 0, end).map(toEvent),
      },
    ],
  }))
}

/** All folded at once. */
function foldedAtOnce(entries: readonly Entry[], about: Partial<Parameters<typeof emptyMemory>[0]> = {}): Source {
  const memory = emptyMemory({ ...START, ...about })
  for (const entry of entries) fold(memory, entry)
  return readMemory(memory)
}

/** Folded by one worker after the other, each of which knows only what the one before has written down. */
function foldedInSteps(entries: readonly Entry[], cuts: readonly number[], about: { zone: Memory["zone"] }): Source {
  const ends = [...new Set([...cuts.map((cut) => cut % (entries.length + 1)), entries.length])].sort((a, b) => a - b)
  const done: Memory[] = []
  for (const [i, end] of ends.entries()) {
    const before = done.at(-1)
    const memory = emptyMemory({ ...START, ...about, customerCount: before?.customerCount ?? 0 })
    if (before) {
      const written = <T>(value: T) => JSON.parse(JSON.stringify(value)) as T
      memory.customers = new Map(written([...before.customers]))
      memory.pointers = new Map(written([...before.pointers]))
      for (const seen of [before.seen, before.fresh])
        for (const [day, hashes] of seen) memory.seen.set(day, new Set([...(memory.seen.get(day) ?? []), ...hashes]))
    }
    for (const entry of entries.slice(ends[i - 1] ?? 0, end)) fold(memory, entry)
    done.push(memory)
  }
  const fragments = done.flatMap((memory) => fragmentsOf(memory))
  const merged = new Map(done.flatMap((memory) => [...memory.merged]))
  return {
    zone: about.zone.name,
    currency: "EUR",
    rename: renaming({ merged }),
    fragments: async (kind, from, to) => fragments.filter((one) => one.kind === kind && one.sk >= from && one.sk <= to),
  }
}

const asked: { metric: MetricName; by?: Dimension; grains: readonly Grain[] }[] = [
  { metric: "events", grains },
  { metric: "active_customers", grains: ["day", "week", "month", "total"] },
  { metric: "active_customers", by: "country", grains: ["day", "week", "month", "total"] },
  { metric: "new_customers", grains },
  { metric: "sessions", grains },
  { metric: "bounced_sessions", grains },
  { metric: "gross_revenue", grains },
  { metric: "gross_revenue", by: "product", grains: ["day", "total"] },
  { metric: "gross_revenue", by: "category", grains: ["week", "month"] },
  { metric: "gross_revenue", by: "country", grains: ["day", "total"] },
  { metric: "units", grains: ["day", "month"] },
  { metric: "units", by: "product", grains: ["day", "total"] },
  { metric: "refunds", grains: ["day", "week"] },
  { metric: "refunds", by: "category", grains: ["total"] },
  { metric: "net_revenue", grains },
  { metric: "average_order_value", grains: ["day", "week", "total"] },
  { metric: "active_subscriptions", grains: ["day", "week", "month", "total"] },
  { metric: "mrr", grains: ["day", "week", "month", "total"] },
  { metric: "satisfaction", grains: ["day", "total"] },
  { metric: "resolution_hours", grains: ["day", "week", "total"] },
  { metric: "response_time_p50", grains: ["day", "week", "total"] },
  { metric: "feature_adoption", grains: ["day", "total"] },
  { metric: "feature_adoption", by: "feature", grains: ["day", "week", "total"] },
]

const NOTHING = new Set<unknown>([0, "0.00", null, undefined])
const HOUR = 3_600_000

/** Every difference between an answer and the twin's, step by step, key by key, and in total. */
function differences(
  result: Result,
  twin: Twin,
  metric: MetricName,
  by: Dimension | undefined,
  period: Range,
): string[] {
  const { from, to, grain, zone } = period
  const wrong: string[] = []
  const same = (said: unknown, counted: unknown) =>
    said === counted ||
    (NOTHING.has(said) && NOTHING.has(counted) && (by !== undefined || said === counted)) ||
    (metric === "response_time_p50" && Math.abs(Number(said) - Number(counted)) <= 0.0101 * Number(counted)) ||
    ((metric === "resolution_hours" || metric === "feature_adoption") &&
      said !== null &&
      counted !== null &&
      Math.abs(Number(said) - Number(counted)) < 2e-6)
  const check = (at: string, key: string | undefined, said: unknown, counted: unknown) => {
    if (!same(said, counted))
      wrong.push(`${metric}${by ? ` by ${by}` : ""} ${grain} ${at} ${key ?? ""}: said ${said}, counted ${counted}`)
  }
  const keys =
    by === undefined
      ? [undefined]
      : new Set(["GR", "DE", "search", "sku-0", "shoes", ...(result.keys ?? []).map(({ key }) => key)])
  for (const key of keys) {
    const count = (within: Parameters<Twin["figure"]>[1]) =>
      twin.figure(metric, within, key === undefined ? undefined : { dimension: by!, key })
    for (const bucket of bucketsOf(grain, from, to, zoneNamed.get(zone)!)) {
      const said = result.series.find((point) => point.at === bucket.at && point.key === key)?.value
      const start = Date.parse(bucket.at)
      check(bucket.at, key, said, count(grain === "hour" ? { start, end: start + HOUR } : bucket))
    }
    const total = key === undefined ? result.total : result.keys?.find((row) => row.key === key)?.total
    check("total", key, total, count({ from, to }))
  }
  return wrong
}

type Range = { from: string; to: string; grain: Grain; zone: string }
const zoneNamed = new Map(zones.map((name) => [name, zoneOf(name)]))

async function compared(source: Source, twin: Twin, from: string, to: string, some = asked) {
  const wrong: string[] = []
  for (const { metric, by, grains: steps } of some) {
    for (const grain of steps) {
      const query = Query.parse({ metric, from, to, grain, ...(by ? { by } : {}) })
      const result = await run(source, questionOf(query, to))
      wrong.push(...differences(result, twin, metric, by, { from, to, grain, zone: source.zone }))
    }
  }
  return wrong
}

const cuts = fc.array(fc.nat(1000), { maxLength: 6 })
/** A log with some of it sent again, later and elsewhere. */
const withRetries = fc
  .tuple(logs(40), fc.array(fc.tuple(fc.nat(1000), fc.nat(1000)), { maxLength: 8 }))
  .map(([log, retries]) => {
    const arrived = [...log]
    for (const [which, after] of retries) {
      const first = which % log.length
      const at = arrived.indexOf(log[first]!) + 1
      arrived.splice(at + (after % (arrived.length - at + 1)), 0, log[first]!)
    }
    return arrived
  })
/** A range around the log; its first and last days cut weeks and months. */
function rangeOf(log: readonly Happening[], days: readonly [number, number]) {
  const base = new Date(Math.min(...log.map(({ ms }) => ms))).toISOString().slice(0, 10)
  return { from: addDays(base, days[0]), to: addDays(base, 3 + days[1]) }
}
const days = fc.tuple(fc.integer({ min: -2, max: 3 }), fc.integer({ min: 0, max: 8 }))

describe.each(zones)("in %s", (name) => {
  const zone = zoneOf(name)

  test("every figure is what one counts by hand, folded as one entry", async () => {
    await fc.assert(
      fc.asyncProperty(withRetries, days, async (arrived, some) => {
        const { from, to } = rangeOf(arrived, some)
        const source = foldedAtOnce(entriesOf(arrived, []), { zone })
        expect(await compared(source, twinOf(arrived, name), from, to)).toEqual([])
      }),
      { numRuns: 25 },
    )
  })

  test("every figure is what one counts by hand, cut into any entries and any folds", async () => {
    await fc.assert(
      fc.asyncProperty(withRetries, cuts, cuts, days, async (arrived, entries, folds, some) => {
        const { from, to } = rangeOf(arrived, some)
        const source = foldedInSteps(entriesOf(arrived, entries), folds, { zone })
        expect(await compared(source, twinOf(arrived, name), from, to, asked)).toEqual([])
      }),
      { numRuns: 25 },
    )
  })
})

/** All answers of a source, as text. */
async function answersOf(source: Source, from: string, to: string, without: readonly MetricName[] = []) {
  const answers: Record<string, unknown> = {}
  for (const { metric, by, grains: steps } of asked.filter((one) => !without.includes(one.metric))) {
    for (const grain of steps) {
      const query = Query.parse({ metric, from, to, grain, ...(by ? { by } : {}) })
      answers[`${metric} ${by} ${grain}`] = await run(source, questionOf(query, to))
    }
  }
  return answers
}

describe("whose an event is", () => {
  const shuffled = logs(30).chain((log) =>
    fc.tuple(fc.constant(log), fc.shuffledSubarray(log, { minLength: log.length })),
  )

  test("does not depend on the order in which identities and events arrive", async () => {
    await fc.assert(
      fc.asyncProperty(shuffled, cuts, async ([log, other], entries) => {
        const { from, to } = rangeOf(log, [-2, 6])
        const [one, two] = [foldedAtOnce(entriesOf(log, [])), foldedAtOnce(entriesOf(other, entries))]
        expect(await answersOf(two, from, to)).toEqual(await answersOf(one, from, to))
      }),
      { numRuns: 20 },
    )
  })

  test("does not change when the same names are joined again", async () => {
    await fc.assert(
      fc.asyncProperty(logs(30), async (log) => {
        const again = log
          .filter(
            ({ user, anonymous, what }) => what.kind === "alias" || (user !== undefined && anonymous !== undefined),
          )
          .map(
            (one): Happening => ({
              ...one,
              id: `again-${one.id}`,
              what: one.what.kind === "alias" ? one.what : { kind: "identify" },
            }),
          )
        const { from, to } = rangeOf(log, [-2, 6])
        const [once, twice] = [
          foldedAtOnce(entriesOf(log, [])),
          foldedAtOnce(entriesOf([...log, ...again], [log.length])),
        ]
        const without: MetricName[] = ["events", "active_customers"]
        expect(await answersOf(twice, from, to, without)).toEqual(await answersOf(once, from, to, without))
        const active = { metric: "active_customers", from, to } as const
        expect((await run(twice, questionOf(Query.parse(active), to))).series).toEqual(
          (await run(once, questionOf(Query.parse(active), to))).series,
        )
      }),
      { numRuns: 20 },
    )
  })

  const at = Date.parse("2026-05-05T12:00:00Z")
  let made = 0
  const page = (more: Partial<Happening>): Happening => ({
    id: `p${++made}`,
    ms: at + made,
    what: { kind: "page" },
    ...more,
  })
  const customers = async (...log: Happening[]) => {
    const query = Query.parse({ metric: "active_customers", from: "2026-05-01", to: "2026-05-31", grain: "total" })
    return (await run(foldedAtOnce(entriesOf(log, [1])), questionOf(query, "2026-05-31"))).total
  }

  test("a browser that two users share stays with the first; both stay themselves", async () => {
    const [one, other] = [page({ user: "u1", anonymous: "a" }), page({ user: "u2", anonymous: "a" })]
    expect(await customers(one, other)).toBe(2)
    expect(await customers(one, other, page({ anonymous: "a" }))).toBe(2)
    expect(await customers(page({ anonymous: "a" }), one, other)).toBe(2)
  })

  test("an alias joins two users whatever they are, also before either was seen, and in chains", async () => {
    const alias = (user: string, previous: string) => page({ user, what: { kind: "alias", previous } })
    const [a, b, c] = [page({ user: "a" }), page({ user: "b" }), page({ user: "c" })] as const
    expect(await customers(a, b, c)).toBe(3)
    expect(await customers(a, b, alias("a", "b"))).toBe(1)
    expect(await customers(alias("a", "b"), b, a)).toBe(1)
    expect(await customers(alias("a", "b"), alias("b", "c"), c, a)).toBe(1)
    expect(await customers(a, b, c, alias("c", "b"), alias("b", "a"))).toBe(1)
    expect(await customers(a, alias("a", "a"))).toBe(1)
    expect(await customers(a, b, alias("a", "b"), alias("b", "a"), alias("a", "b"))).toBe(1)
  })
})

describe("only what a filter lets through exists", () => {
  const filters: [Filter, (one: Happening) => boolean][] = [
    [{ field: "country", op: "eq", value: "GR" }, ({ country }) => country === "GR"],
    [{ field: "type", op: "ne", value: "track" }, ({ what }) => ["page", "identify", "alias"].includes(what.kind)],
    [{ not: { field: "user_id", op: "in", value: ["u0", "u1"] } }, ({ user }) => user !== "u0" && user !== "u1"],
    [{ field: "event", op: "contains", value: "subscription" }, ({ what }) => what.kind === "subscription"],
  ]

  const histories = ["sessions", "bounced_sessions", "new_customers", "active_subscriptions", "mrr", "resolution_hours"]
  test.each(histories)("%s of a country are what stands under it, split by countries", async (metric) => {
    await fc.assert(
      fc.asyncProperty(withRetries, cuts, fc.constantFrom("GR", "DE"), async (arrived, entries, country) => {
        const { from, to } = rangeOf(arrived, [-1, 6])
        const where: Filter = { field: "country", op: "eq", value: country }
        const some = emptyMemory(START)
        const wanted = {
          event: (fact: Parameters<typeof matches>[1]) => matches(where, fact),
          dims: (dims: Dims) => matchesDims(where, dims),
        }
        for (const entry of entriesOf(arrived, entries)) fold(some, entry, wanted)
        const all = foldedAtOnce(entriesOf(arrived, entries))
        const ask = async (source: Source, more: object) =>
          run(source, questionOf(Query.parse({ metric, from, to, grain: "day", ...more }), to))
        const split = await ask(all, { by: "country" })
        const under = split.keys?.find(({ key }) => key === country)
        // Steps of a key without a figure are left out.
        const said = (steps: Result["series"]) => steps.filter(({ value }) => Number(value ?? 0) !== 0)
        const own = split.series.filter(({ key }) => key === country).map(({ at, value }) => ({ at, value }))
        const { total, series } = await ask(readMemory(some), {})
        if (under) expect([total, said(series)]).toEqual([under.total, said(own)])
        else expect(Number(total ?? 0)).toBe(0)
      }),
      { numRuns: 25 },
    )
  })

  test.each(filters)("%j: every figure is what one counts by hand over the matching events", async (filter, exists) => {
    await fc.assert(
      fc.asyncProperty(withRetries, cuts, async (arrived, entries) => {
        const { from, to } = rangeOf(arrived, [-1, 6])
        const memory = emptyMemory(START)
        for (const entry of entriesOf(arrived, entries)) fold(memory, entry, { event: (fact) => matches(filter, fact) })
        expect(await compared(readMemory(memory), twinOf(arrived, "UTC", exists), from, to)).toEqual([])
      }),
      { numRuns: 12 },
    )
  })
})

describe("by the hour under each key, which views do not keep", () => {
  test.each(zones)("every figure is what one counts by hand in %s", async (name) => {
    const hourly: typeof asked = [
      { metric: "active_customers", grains: ["hour"] },
      { metric: "active_customers", by: "country", grains: ["hour"] },
      { metric: "gross_revenue", by: "product", grains: ["hour"] },
      { metric: "mrr", grains: ["hour"] },
      { metric: "response_time_p50", grains: ["hour"] },
    ]
    await fc.assert(
      fc.asyncProperty(logs(25), async (log) => {
        const { from } = rangeOf(log, [1, 0])
        const source = foldedAtOnce(entriesOf(log, []), { zone: zoneOf(name), detail: { hourly: true } })
        expect(await compared(source, twinOf(log, name), from, addDays(from, 2), hourly)).toEqual([])
      }),
      { numRuns: 12 },
    )
  })
})
