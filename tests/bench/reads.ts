import { rmSync } from "node:fs"
import { join } from "node:path"
import { DAY, instant } from "#core/clock.ts"
import { seededNumbers } from "#core/random.ts"
import { addDays } from "#core/zone.ts"
import type { CacheFigures } from "#pipeline/cache.ts"
import { foldTenant } from "#pipeline/folding.ts"
import type { TenantId } from "#store/keys.ts"
import { type Child, startChild } from "./child.ts"
import { corpus } from "./corpus.ts"
import { checkStored, get } from "./load.ts"
import { flow, newTenant, type Place, startPlace } from "./place.ts"
import { type Bench, inMs, quantile, type Row, times } from "./report.ts"

const USUAL: People = { customers: 5000 }
/** Every second event is of the next customer, so that each has at least one. */
const CROWD: People = { customers: 100_000, inTurn: 2 }
const FROM = "2026-06-01T00:00:00.000Z"
/** The dashboard shows the last ninety. */
const DAYS = 120
const SHOWN_DAYS = 90
const TAIL = 2000
const LAST = instant(Date.parse(FROM) + (DAYS - 1) * DAY).slice(0, 10)
const FIRST = addDays(LAST, 1 - SHOWN_DAYS)

const shown = { from: FIRST, to: LAST }
const dashboard: Record<string, Record<string, string>> = {
  "events by day": { metric: "events", grain: "day", ...shown },
  "active customers by day and in all": { metric: "active_customers", grain: "day", ...shown },
  "revenue by day": { metric: "gross_revenue", grain: "day", ...shown },
  "revenue by country": { metric: "gross_revenue", grain: "total", by: "country", ...shown },
  "revenue of the top ten products": { metric: "gross_revenue", grain: "total", by: "product", limit: "10", ...shown },
  "orders, compared": { metric: "orders", grain: "total", compare: "previous", ...shown },
  "sessions by week": { metric: "sessions", grain: "week", ...shown },
  "average order value by month": { metric: "average_order_value", grain: "month", ...shown },
}
const names = Object.keys(dashboard)
/** How many people look at the dashboard between two events, and how many events there are. */
const [VIEWERS, STEPS] = [4, 5]
const AIM = { warmMs: 25, coldMs: 100, growth: 1.2, customerMs: 300, hitRate: 0.6 }

type People = { customers: number; inTurn?: number }
type Loaded = { tenant: { id: TenantId; readKey: string }; size: number; people: People }

/**
 * A 90-day dashboard over HTTP, with a tail that is not folded yet: warm, and cold (nothing kept from the question
 * before). A tenth of the events must make next to no difference. Then single customers among a hundred thousand, and how
 * often the cache has an answer.
 */
export const reads: Bench = async ({ quick, rounds, newFolder, say }) => {
  const dir = newFolder()
  const place = await startPlace({ file: join(dir, "table.db") })
  const door = await startChild("door", { config: place.config })
  try {
    const [few, many] = quick ? [20_000, 100_000] : [100_000, 1_000_000]
    const small = await load(place, "small", few, USUAL, say)
    const large = await load(place, "large", many, USUAL, say)
    const crowd = await load(
      place,
      "crowd",
      quick ? 20_000 : 200_000,
      quick ? { ...CROWD, customers: 10_000 } : CROWD,
      say,
    )
    for (const one of [small, large, crowd])
      await checkStored(door.ready.url!, one.tenant.readKey, one.size, FROM.slice(0, 10))

    const warm = await interleaved(door, [small, large], rounds * 7, false)
    const cold = await interleaved(door, [small, large], rounds * 3, true)
    for (const name of names)
      say(
        `reads: ${name}: warm ${spread(warm.get(small)!, name)} and ${spread(warm.get(large)!, name)}, cold ${spread(cold.get(small)!, name)} and ${spread(cold.get(large)!, name)}`,
      )
    return [
      ...judged("warm", warm, [small, large], AIM.warmMs),
      ...judged("cold", cold, [small, large], AIM.coldMs),
      await oneByOne(door, crowd, rounds * 100),
      await cacheHits(place, small),
    ]
  } finally {
    await door.stop()
    await place.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Straight through accept and append, then folded; then some more that is only appended. */
async function load(
  place: Place,
  id: string,
  events: number,
  people: People,
  say: (text: string) => void,
): Promise<Loaded> {
  const begun = performance.now()
  const tenant = await newTenant(place, id)
  const messages = corpus({ seed: 11, events: events + TAIL, ...people, from: FROM, days: DAYS })
  const options = { eventsARequest: 1000, messagesAtOnce: 10, folds: false }
  const folded = await flow(place, tenant.id, firstOf(messages, events), options)
  await foldTenant(place.runtime, tenant.id)
  const size = folded + (await flow(place, tenant.id, messages, options))
  const seconds = ((performance.now() - begun) / 1000).toFixed(0)
  say(`reads: ${grouped(size)} events of ${grouped(people.customers)} customers loaded in ${seconds} s`)
  return { tenant, size, people }
}

const grouped = (count: number) => count.toLocaleString("en")

/** So many of those to come; the rest stays to be taken. */
function* firstOf<T>(all: Iterator<T>, count: number): Generator<T> {
  for (let i = 0; i < count; i++) {
    const { value, done } = all.next()
    if (done) return
    yield value
  }
}

/** Milliseconds of each question, in turn for each data set. */
type Times = Map<string, number[]>

async function interleaved(
  door: Child,
  sets: readonly Loaded[],
  repeats: number,
  cold: boolean,
): Promise<Map<Loaded, Times>> {
  const found = new Map(sets.map((set) => [set, new Map(names.map((name) => [name, [] as number[]]))]))
  for (let repeat = -1; repeat < repeats; repeat++) {
    for (const name of names) {
      for (const set of sets) {
        if (cold) await door.ask("forget")
        const begun = performance.now()
        await get(door.ready.url!, set.tenant.readKey, "/v1/query", dashboard[name])
        if (repeat >= 0)
          found
            .get(set)!
            .get(name)!
            .push(performance.now() - begun)
      }
    }
  }
  return found
}

const spread = (found: Times, name: string) =>
  `${inMs(quantile(found.get(name)!, 0.5))}/${inMs(quantile(found.get(name)!, 0.95))}`
const allOf = (found: Times) => [...found.values()].flat()

function judged(
  state: "warm" | "cold",
  found: Map<Loaded, Times>,
  [small, large]: readonly [Loaded, Loaded],
  aimMs: number,
): Row[] {
  const p = (set: Loaded, q: number) => quantile(allOf(found.get(set)!), q)
  /** The whole dashboard: the sum of its questions' medians. */
  const whole = (set: Loaded) => [...found.get(set)!.values()].reduce((sum, ms) => sum + quantile(ms, 0.5), 0)
  const growth = whole(large) / whole(small)
  const row = (set: Loaded): Row => ({
    bench: "reads",
    what: `dashboard of 90 days, ${grouped(set.size)} events, ${state}`,
    ours: `p50 ${inMs(p(set, 0.5))}, p95 ${inMs(p(set, 0.95))}`,
    figure: `p95 ${inMs(p(set, 0.95))}`,
    aim: `<= ${aimMs} ms`,
    ok: p(set, 0.95) <= aimMs,
  })
  return [
    row(small),
    row(large),
    {
      bench: "reads",
      what: `dashboard growth with the events, ${state}`,
      ours: inMs(whole(large)),
      against: `small ${inMs(whole(small))}`,
      figure: times(growth),
      ...(state === "warm" ? { aim: `<= ${AIM.growth}x`, ok: growth <= AIM.growth } : {}),
    },
  ]
}

/** `GET /v1/customers/{id}` of customers drawn at random, not asked for before. */
async function oneByOne(door: Child, { tenant, size, people }: Loaded, count: number): Promise<Row> {
  const ids = new Set<string>()
  for (const message of corpus({ seed: 11, events: size, ...people, from: FROM, days: DAYS }))
    if (message.userId) ids.add(String(message.userId))
  const all = [...ids]
  const next = seededNumbers(5)
  const took: number[] = []
  for (let i = 0; i < count; i++) {
    const id = all[Math.floor(next() * all.length)]!
    const begun = performance.now()
    const { customer } = await get<{ customer: { id: string } }>(door.ready.url!, tenant.readKey, `/v1/customers/${id}`)
    took.push(performance.now() - begun)
    if (customer.id !== id) throw new Error(`asked for the customer ${id}, got ${customer.id}`)
  }
  const p95 = quantile(took, 0.95)
  return {
    bench: "reads",
    what: `one customer of ${grouped(people.customers)}`,
    ours: `p50 ${inMs(quantile(took, 0.5))}, p95 ${inMs(p95)}`,
    figure: `p95 ${inMs(p95)}`,
    aim: `<= ${AIM.customerMs} ms`,
    ok: p95 <= AIM.customerMs,
  }
}

/** What share of the dashboard's questions the cache answers, while events come in: an answer holds until the next of them. */
async function cacheHits(place: Place, { tenant }: Loaded): Promise<Row> {
  const door = await startChild("door", { config: place.config, keepsAnswers: true })
  try {
    const messages = corpus({ seed: 12, events: STEPS, customers: 1, from: FROM, days: DAYS })
    for (let step = 0; step < STEPS; step++) {
      await flow(place, tenant.id, firstOf(messages, 1), { eventsARequest: 1, messagesAtOnce: 1, folds: false })
      for (let viewer = 0; viewer < VIEWERS; viewer++)
        for (const name of names) await get(door.ready.url!, tenant.readKey, "/v1/query", dashboard[name])
    }
    const { hitRate, hits, misses } = await get<CacheFigures>(door.ready.url!, tenant.readKey, "/v1/cache")
    return {
      bench: "reads",
      what: `answers out of the cache, ${VIEWERS} viewers of the dashboard between two events`,
      ours: `${hits} of ${hits + misses}`,
      figure: `${Math.round((hitRate ?? 0) * 100)} %`,
      aim: `> ${AIM.hitRate * 100} %`,
      ok: (hitRate ?? 0) > AIM.hitRate,
      exact: true,
    }
  } finally {
    await door.stop()
  }
}
