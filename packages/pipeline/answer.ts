import type * as z from "zod/mini"
import { Fault } from "#core/fault.ts"
import { addDays, zoneOf } from "#core/zone.ts"
import { parseInstant } from "#events/message.ts"
import type { Dimension } from "#metrics/dimension.ts"
import { asksDims, type Filter, fieldsOf, matches, matchesDims } from "#metrics/filter.ts"
import {
  mostDays,
  mostHourlyDays,
  type Query,
  type Question,
  questionOf,
  tooManyDays,
  tooManyHours,
} from "#metrics/query.ts"
import { answeredByViews, type Compared, dimensionsOf, parts, type Result, run } from "#metrics/run.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Wanted } from "./fold.ts"
import { ask, type Reading, type ReadNeeds, readMemory, recount } from "./reading.ts"

/** A result with what was asked, and the position of the journal at which it is exact. */
export type Answer = Result & {
  query: Question
  compare?: Compared
  position: number
  /** When the last event that could be counted was appended, and how long ago. */
  freshness: { at: string | null; seconds: number | null }
}

/** How many events of the journal one question may read while somebody waits. */
const MOST_READ = 2_000_000

export type AnswerNeeds = ReadNeeds & {
  mostRead?: number
  /** Hears how many events of the journal were read; may throw to end it. */
  onRead?: (events: number) => unknown
}

/** Answers one question of one tenant. Throws `Fault` for what cannot be asked. */
export function answer(needs: AnswerNeeds, tenant: TenantId, query: z.output<typeof Query>): Promise<Answer> {
  return ask(needs, tenant, async (now) => {
    const today = zoneOf(now.zone).place(needs.clock()).day
    const question = questionOf(query, today)
    const offered = dimensionsOf(question.metric)
    if (question.by !== undefined && !offered.includes(question.by as Dimension)) {
      const message = `${question.metric} can be split by ${offered.join(", ")}`
      throw new Fault("invalid_request", message, { field: "by" })
    }
    if (tooManyDays(question)) {
      throw new Fault("invalid_request", `up to ${mostDays(question.grain)} days can be asked at once`, {
        field: "from",
      })
    }
    if (tooManyHours(question)) {
      throw new Fault("invalid_request", `by the hour, up to ${mostHourlyDays} days can be asked at once`, {
        field: "to",
      })
    }
    const reading = await readingFor(needs, tenant, now, question)
    const { position, at } = reading
    const seconds = at === undefined ? null : Math.max(0, Math.round((needs.clock() - Date.parse(at)) / 1000))
    return { query: question, ...(await run(reading, question)), position, freshness: { at: at ?? null, seconds } }
  })
}

/** The present where views can answer; else the journal, folded with the question in mind. */
async function readingFor(needs: AnswerNeeds, tenant: TenantId, now: Reading, question: Question): Promise<Reading> {
  const { mostRead = MOST_READ, onRead } = needs
  const to = question.asOf === undefined ? now.position : await positionAsOf(needs, tenant, question.asOf, now.position)
  const byViews = answeredByViews(question)
  if (to === now.position && byViews) return now
  const { where } = question
  const memory = await recount(needs, tenant, {
    zone: now.zone,
    currency: now.currency,
    to,
    ...(where && !byViews ? { filter: wantedBy(where) } : {}),
    ...(byViews
      ? {}
      : {
          detail: {
            hourly: question.grain === "hour",
            ...(question.by ? { dimension: question.by as Dimension } : {}),
          },
        }),
    ...(dependsOnDatesAlone(question) ? { between: readDates(question) } : {}),
    onProgress: async (events) => {
      await onRead?.(events)
      if (events > mostRead) throw tooLarge(question, mostRead)
    },
  })
  return { ...readMemory(memory), position: to }
}

function tooLarge(question: Question, most: number) {
  const job = JSON.stringify({ kind: "query", input: question })
  const message = `this question would read more than ${most} events; ask it as a job: POST /v1/jobs ${job}`
  return new Fault("query_too_large", message, { field: "where" })
}

/** A subscription is what all of its events make of it, whichever of them say its plan: it passes by where it stands. */
const wantedBy = (where: Filter): Wanted => ({
  event: (fact) => matches(where, fact),
  ...(asksDims(where) ? { dims: (dims) => matchesDims(where, dims) } : {}),
})

/** Fields that an event answers for itself; the others may be the customer's, known from earlier events. */
const ownFields =
  /^(source|page|feature|model|device|currency|product|category|event|type|user_id|anonymous_id|(properties|context)\..*)$/

/** Sums over events need only those of the asked days; customers' histories and identities need all before them. */
function dependsOnDatesAlone({ metric, where, by, compare }: Question): boolean {
  const fields = [...(where ? fieldsOf(where) : []), ...(by ? [by] : [])]
  return (
    compare === undefined &&
    fields.every((field) => ownFields.test(field)) &&
    parts(metric).every(({ kind }) => kind === "tally" || kind === "quantile")
  )
}

/** The asked days in UTC: a local day reaches into the days around it, and so may copies of its events. */
const readDates = ({ from, to }: Question) => ({ from: addDays(from, -2), to: addDays(to, 2) })

/** The last position at an instant, or the position itself; not beyond the present. */
async function positionAsOf(
  { table }: ReadNeeds,
  tenant: TenantId,
  asOf: number | string,
  present: number,
): Promise<number> {
  if (typeof asOf === "number") {
    if (asOf > present) throw new Fault("invalid_request", `the journal's position is ${present}`, { field: "asOf" })
    return asOf
  }
  const instant = parseInstant(asOf)!
  let [low, high] = [0, present]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const entry = await table.get(keys.entry(tenant, middle))
    if (entry && Date.parse(String(entry.at)) <= instant) low = middle
    else high = middle - 1
  }
  return low
}
