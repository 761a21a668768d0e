import { HOUR } from "#core/clock.ts"
import { deciles, largestDistance, stabilityIndex, stabilityLimit, type Weighted } from "#science/drift.ts"
import { quantile, type Sketch } from "#science/sketch.ts"
import { type Baseline, hourName, type Look, type Measured, rounded, unknown } from "./look.ts"
import { type Hour, together } from "./observe.ts"

const GATE = 0.25
const LEAST_NOW = 50
const LEAST_BEFORE = 200
const SURE = 4
/** Events of one customer are alike: so many count as one where chance is reckoned with. */
const ALIKE = 10
const LEAST_DAYS = 7
/** Days differ by more than chance anyway: by so much more than any of the two weeks' days must today. */
const BEYOND_USUAL = 1.5
const DISTANCE = 0.2
const CHANCE = 1e-6
const SHOWN = 5

type Compared = { field: string; psi: number; limit: number; n: number; failing: boolean; about: object }

/** Whether fields have another distribution in the last 24 hours (a whole round of the clock) than in the two weeks before. */
export function drift(look: Look): Measured {
  const query = "/v1/query?metric=orders&by=currency"
  const names = Array.from({ length: 24 }, (_, i) => hourName(look.now - i * HOUR))
  const now = together(names.flatMap((name) => look.hours.get(name) ?? []))
  const { baseline } = look
  if (baseline.days.filter(({ events }) => events > 0).length < LEAST_DAYS)
    return unknown(`${LEAST_DAYS} days of history are needed`, query)
  const compared = [
    ...Object.entries(now.values).flatMap(([field, counts]) => categories(field, baseline, counts)),
    ...Object.entries(now.amounts).flatMap(([field, sketch]) => numbers(field, baseline, sketch)),
  ].sort((a, b) => Number(b.failing) - Number(a.failing) || b.psi - a.psi)
  const worst = compared[0]
  if (!worst) return unknown("too few values to compare", query)
  return {
    value: worst.psi,
    failing: worst.failing,
    evidence: { fields: compared.slice(0, SHOWN) },
    query,
    ...(worst.failing
      ? {
          cause: `${worst.field} is distributed otherwise than in the two weeks before: ${JSON.stringify(worst.about)}`,
        }
      : {}),
  }
}

const totalOf = (counts: Record<string, number>) => Object.values(counts).reduce((sum, n) => sum + n, 0)

function categories(field: string, { whole, days }: Baseline, now: Record<string, number>): Compared[] {
  const before = whole.values[field] ?? {}
  const [n, m] = [totalOf(now), totalOf(before)]
  if (n < LEAST_NOW || m < LEAST_BEFORE) return []
  const bins = new Set([...Object.keys(before), ...Object.keys(now)]).size
  const psi = rounded(stabilityIndex(before, now))
  const usual = remembered(days, field, () =>
    days.map(({ values }) => {
      const counts = values[field] ?? {}
      return totalOf(counts) < LEAST_NOW ? 0 : stabilityIndex(before, counts)
    }),
  )
  const limit = rounded(
    Math.max(GATE, stabilityLimit(n / ALIKE, m / ALIKE, bins, SURE), BEYOND_USUAL * Math.max(...usual)),
  )
  return [{ field, psi, limit, n, failing: psi > limit, about: { before: shares(before, m), now: shares(now, n) } }]
}

/** Worked out once for each two weeks: how much their days differed from the whole. */
const known = new WeakMap<readonly Hour[], Map<string, number[]>>()
function remembered(days: readonly Hour[], field: string, make: () => number[]): number[] {
  const fields = known.get(days) ?? new Map<string, number[]>()
  known.set(days, fields)
  const there = fields.get(field)
  if (there) return there
  const made = make()
  fields.set(field, made)
  return made
}

const shares = (counts: Record<string, number>, n: number) =>
  Object.fromEntries(
    Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .slice(0, SHOWN)
      .map(([value, count]) => [value, rounded(count / n, 3)]),
  )

const sizeOf = (sample: Weighted) => sample.reduce((sum, [, count]) => sum + count, 0)

function numbers(field: string, { whole, days }: Baseline, now: Sketch): Compared[] {
  const before = whole.amounts[field]
  if (!before) return []
  const [a, b] = [pairs(before), pairs(now)]
  const [m, n] = [sizeOf(a), sizeOf(b)]
  if (n < LEAST_NOW || m < LEAST_BEFORE) return []
  const [p, q] = deciles(a, b)
  const psi = rounded(stabilityIndex(p, q))
  const daily = (name: string, measure: (sample: Weighted) => number) =>
    Math.max(
      ...remembered(days, `${field} ${name}`, () =>
        days.map(({ amounts }) => {
          const sample = amounts[field] ? pairs(amounts[field]) : []
          return sizeOf(sample) < LEAST_NOW ? 0 : measure(sample)
        }),
      ),
    )
  const usual = daily("psi", (sample) => stabilityIndex(...deciles(a, sample)))
  const limit = rounded(Math.max(GATE, stabilityLimit(n, m, Object.keys(p).length, SURE), BEYOND_USUAL * usual))
  const { d, p: chance } = largestDistance(a, b)
  const usualDistance = daily("ks", (sample) => largestDistance(a, sample).d)
  const failing = psi > limit || (d > Math.max(DISTANCE, BEYOND_USUAL * usualDistance) && chance < CHANCE)
  const about = {
    medianBefore: rounded(quantile(before, 0.5) ?? 0, 2),
    medianNow: rounded(quantile(now, 0.5) ?? 0, 2),
    ks: rounded(d),
    chance,
  }
  return [{ field, psi, limit, n, failing, about }]
}

/** A sketch's buckets as a sample: equal values where they differ by less than 2 %. */
const pairs = ({ zero, buckets }: Sketch): Weighted => [
  ...(zero > 0 ? [[Number.NEGATIVE_INFINITY, zero] as const] : []),
  ...[...buckets].sort(([a], [b]) => a - b),
]
