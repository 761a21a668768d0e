import "#core/words.ts"
import * as z from "zod/mini"
import { addDays, daysBetween } from "#core/zone.ts"
import { parseInstant } from "#events/message.ts"
import { grains } from "./calendar.ts"
import { type MetricName, metricNames } from "./catalogue.ts"
import { dimensionNames } from "./dimension.ts"
import { Filter, isShallow } from "./filter.ts"

const DEFAULT_DAYS = 30
/** Ten years by the hour or day, a hundred in larger steps. */
const MOST_DAYS = 3700
const MOST_DAYS_IN_LARGE_STEPS = 36_600
const MOST_HOURLY_DAYS = 92
const MOST_KEYS = 10_000

const [FIRST, LAST] = ["1000-01-01", "9998-12-31"]
const date = z.iso
  .date("must be a date such as 2026-01-31")
  .check(z.refine((day) => day >= FIRST && day <= LAST, { error: `must be from ${FIRST} to ${LAST}` }))
const described = <T extends z.ZodMiniType>(schema: T, description: string) => schema.check(z.describe(description))

/** The one question that everything asks: charts, reports, insights, exports. */
export const Query = z
  .strictObject({
    metric: described(
      z.enum(metricNames as [MetricName, ...MetricName[]], "is not a metric; GET /v1/metrics lists them"),
      "Name of a metric.",
    ),
    from: described(z.optional(date), "First day, in the tenant's time zone; 30 days up to `to` if absent."),
    to: described(z.optional(date), "Last day, inclusive; today if absent."),
    grain: described(z._default(z.enum(grains), "day"), "Size of the steps."),
    by: described(z.optional(z.enum(dimensionNames as [string, ...string[]])), "Dimension to split by."),
    where: described(
      z.optional(
        z.pipe(
          z.unknown().check(z.refine((where) => isShallow(where), { error: "nests too deep", abort: true })),
          Filter,
        ),
      ),
      "Only events that match are counted.",
    ),
    compare: described(z.optional(z.enum(["previous", "year"])), "Also for the period before, or a year before."),
    limit: described(
      z._default(z.int().check(z.gte(1), z.lte(MOST_KEYS)), 100),
      "How many keys of `by`, the largest first.",
    ),
    asOf: described(
      z.optional(
        z.union([
          z.int().check(z.gte(0)),
          z.string().check(
            z.refine((text) => parseInstant(text) !== undefined, {
              error: "must be an instant such as 2026-01-31T12:00:00Z",
            }),
          ),
        ]),
      ),
      "Time travel: a journal position, or an instant.",
    ),
  })
  .check(
    z.refine(({ from, to }) => from === undefined || to === undefined || from <= to, {
      path: ["to"],
      error: "must not be before from",
    }),
    z.refine(
      ({ from, to, grain }) => from === undefined || to === undefined || daysBetween(from, to) < mostDays(grain),
      {
        path: ["to"],
        error: `may be ${MOST_DAYS} days after from by the hour or day, else ${MOST_DAYS_IN_LARGE_STEPS}`,
      },
    ),
  )
export type QueryInput = z.input<typeof Query>

/** A query with every default filled in, as it is echoed. */
export type Question = Omit<z.output<typeof Query>, "from" | "to"> & { from: string; to: string }

/** Fills in the dates; `today` is the tenant's. */
export function questionOf(query: z.output<typeof Query>, today: string): Question {
  const to = query.to ?? today
  const from = query.from ?? addDays(to, 1 - DEFAULT_DAYS)
  return { ...query, from: from <= to ? from : to, to }
}

/** Whether a chart by the hour of that range would be too long. */
export const tooManyHours = ({ grain, from, to }: Question) =>
  grain === "hour" && daysBetween(from, to) >= MOST_HOURLY_DAYS
/** Whether the range is longer than one question may ask, now that its ends are known. */
export const tooManyDays = ({ from, to, grain }: Question) => daysBetween(from, to) >= mostDays(grain)
export const mostDays = (grain: string) => (grain === "hour" || grain === "day" ? MOST_DAYS : MOST_DAYS_IN_LARGE_STEPS)
export const mostHourlyDays = MOST_HOURLY_DAYS
