import type { Zone } from "#core/zone.ts"
import type { Check, Remedy } from "./documents.ts"
import { rounded } from "./look.ts"

/** A score at one time, with the values of its parts: of an hour, or of a whole day. */
export type Trend = {
  at: string
  source: string
  score: number | null
  /** The tenant's, under the source `*`. */
  overall?: number | null
  parts: Record<string, number | null>
  /** What was done without being asked. */
  remedies?: Remedy[]
}
/** Of a day also how bad it got, over how many hours, and in how many of them a part's gate failed. */
export type DailyTrend = Trend & { lowest: number | null; hours: number; failing: Record<string, number> }

export const hourly = (checks: readonly Check[]): Trend[] =>
  checks.map(({ at, source, score, overall, parts, remedies }) => ({
    at,
    source,
    score,
    ...(overall === undefined ? {} : { overall }),
    ...(remedies === undefined ? {} : { remedies }),
    parts: Object.fromEntries(parts.map(({ name, value }) => [name, value])),
  }))

/** The hours of each day in the tenant's zone as one: a day's score and the values of its parts are the means of its hours. */
export function daily(checks: readonly Check[], zone: Zone): DailyTrend[] {
  const days = new Map<string, Check[]>()
  for (const check of checks) {
    const key = `${zone.place(Date.parse(check.at)).day}#${check.source}`
    days.set(key, [...(days.get(key) ?? []), check])
  }
  return [...days]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, hours]) => {
      const scores = hours.flatMap(({ score }) => score ?? [])
      const parts = Map.groupBy(
        hours.flatMap((check) => check.parts),
        ({ name }) => name,
      )
      const failing = [...parts].flatMap(([name, all]) => {
        const failed = all.filter((part) => part.failing).length
        return failed === 0 ? [] : [[name, failed]]
      })
      return {
        at: key.slice(0, 10),
        source: key.slice(11),
        score: mean(scores, 1),
        ...(hours.every(({ overall }) => overall === undefined)
          ? {}
          : {
              overall: mean(
                hours.flatMap(({ overall }) => overall ?? []),
                1,
              ),
            }),
        lowest: scores.length === 0 ? null : Math.min(...scores),
        hours: hours.length,
        parts: Object.fromEntries(
          [...parts].map(([name, all]) => [
            name,
            mean(
              all.flatMap(({ value }) => value ?? []),
              5,
            ),
          ]),
        ),
        failing: Object.fromEntries(failing),
      }
    })
}

const mean = (values: readonly number[], places: number) =>
  values.length === 0 ? null : rounded(values.reduce((sum, value) => sum + value, 0) / values.length, places)
