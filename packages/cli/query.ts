import { type Command, Option } from "commander"
import { HOUR, instant } from "#core/clock.ts"
import { zoneOf } from "#core/zone.ts"
import { bucketsOf } from "#metrics/calendar.ts"
import type { Answer } from "#pipeline/answer.ts"
import { ask, type Target, targetOf } from "./api.ts"
import { createJob, doneJob, jobResult } from "./job.ts"
import { jsonOption, onApi, type Remote, whole } from "./options.ts"
import { bar, csv, grouped, plain, show, sparkline, table } from "./print.ts"
import type { Terminal } from "./terminal.ts"

type Options = Remote & {
  from?: string
  to?: string
  grain?: string
  by?: string
  where?: string
  compare?: string
  limit?: number
  asOf?: string
  csv?: true
  job?: true
}

const BAR_WIDTH = 40
const MOST_KEYS = 10_000
/** As many as fit into a line. */
const MOST_STEPS = 100

export function addQuery(program: Command, terminal: Terminal) {
  onApi(program.command("query <metric>"))
    .description("ask for one metric; octant metrics lists them")
    .option("--from <date>", "first day, in the tenant's time zone (default: 30 days up to --to)")
    .option("--to <date>", "last day, inclusive (default: today)")
    .option("--grain <size>", "hour, day, week, month or total (default: day)")
    .option("--by <dimension>", "split by country, product, source, …")
    .option("--where <json>", `a filter such as {"field":"country","op":"eq","value":"DE"}`)
    .option("--compare <with>", "previous (period) or year")
    .option("--limit <count>", "how many keys of --by, the largest first", whole(1, MOST_KEYS))
    .option("--as-of <moment>", "time travel: a position of the journal, or an instant")
    .option("--job", "ask it as a job and wait: for what is too large for one request")
    .addOption(new Option("--csv", "the series as CSV (RFC 4180)").conflicts("json"))
    .action(async (metric: string, options: Options) => {
      const { from, to, grain, by, where, compare, limit, asOf } = options
      const body = {
        ...{ metric, from, to, grain, by, compare, limit },
        where:
          where === undefined ? undefined : jsonOption("--where", where, '{"field":"country","op":"eq","value":"DE"}'),
        asOf: asOf !== undefined && /^\d{1,15}$/.test(asOf) ? Number(asOf) : asOf,
      }
      const target = targetOf(options, terminal, "read")
      const answer = options.job
        ? await answerByJob(terminal, target, body)
        : await ask<Answer>(target, "/v1/query", { method: "POST", body })
      if (options.csv) terminal.out(csvOf(answer))
      else show(terminal, options.json, answer, () => answerText(answer))
    })
}

async function answerByJob(terminal: Terminal, target: Target, input: object) {
  const { id } = await createJob(target, { kind: "query", input })
  terminal.err(`${id}: octant jobs wait ${id} goes on waiting should this end\n`)
  await doneJob(terminal, target, id)
  return jobResult<Answer>(target, id)
}

/** The series as the API gives it; with a comparison, both periods one after the other. */
function csvOf({ query, series, compare }: Answer): string {
  const keyed = query.by !== undefined
  const rows = (points: Answer["series"], period: string[]) =>
    points.map(({ at, key, value }) => [...period, at, ...(keyed ? [key ?? ""] : []), value])
  const head = [...(compare ? ["period"] : []), "at", ...(keyed ? [query.by!] : []), query.metric]
  const body = compare ? [...rows(series, ["current"]), ...rows(compare.series, ["previous"])] : rows(series, [])
  return csv([head, ...body])
}

/** An answer as people read it. */
export function answerText(answer: Answer): string {
  const { query, unit, currency, total, compare, position, freshness } = answer
  const title = `${query.metric} from ${query.from} to ${query.to}, ${currency ?? unit}\n\n`
  const body = query.by === undefined ? steps(answer) : keysOf(answer)
  const before = compare ? `\n${comparison(compare, total)}` : ""
  const heard =
    freshness.seconds === null ? "the journal is empty" : `the last event came ${grouped(freshness.seconds)} s ago`
  return `${title}${body}${before}\nexact at position ${position} of the journal; ${heard}\n`
}

function comparison({ from, to, total, change }: NonNullable<Answer["compare"]>, now: Answer["total"]) {
  const percent = change === null ? "" : `, a change of ${(change * 100).toFixed(1)} %`
  return `${from} to ${to}: ${grouped(total)}; now ${grouped(now)}${percent}\n`
}

/** A row for each step, and the whole. */
function steps({ query, series, total }: Answer): string {
  if (query.grain === "total") return `total  ${grouped(total)}\n`
  const largest = Math.max(0, ...series.map(({ value }) => Number(value)))
  const rows = series.map(({ at, value }) => [at, grouped(value), bar(Number(value), largest, BAR_WIDTH)])
  return table(["at", ">value", ""], [...rows, ["total", grouped(total), ""]])
}

/** A row for each key: its figure over the whole period, its share of the largest, and its course. */
function keysOf({ query, series, total, keys = [] }: Answer): string {
  const moments = momentsOf(query, series)
  const largest = Math.max(0, ...keys.map((row) => Number(row.total)))
  const values = new Map(
    series.map(({ at, key, value }) => [`${at}|${key}`, value === null ? undefined : Number(value)]),
  )
  const rows = keys.map((row) => [
    row.key,
    grouped(row.total),
    bar(Number(row.total), largest, BAR_WIDTH / 2),
    sparkline(moments.map((at) => values.get(`${at}|${row.key}`))),
  ])
  return table([plain(query.by ?? ""), ">value", "", ""], [...rows, ["total", grouped(total), "", ""]])
}

/** Every step of the period, those without a value too; none if there are too many for a line. */
function momentsOf({ grain, from, to }: Answer["query"], series: Answer["series"]): string[] {
  const starts = grain === "hour" ? hoursBetween(series) : bucketsOf(grain, from, to, zoneOf("UTC")).map(({ at }) => at)
  return starts.length === 1 || starts.length > MOST_STEPS ? [] : starts
}

/** From the first hour with a value to the last: which hours a day has, its zone knows. */
function hoursBetween(series: Answer["series"]): string[] {
  const hours = series.map(({ at }) => Date.parse(at))
  const [first, last] = [Math.min(...hours), Math.max(...hours)]
  return Array.from({ length: hours.length === 0 ? 0 : (last - first) / HOUR + 1 }, (_, i) => instant(first + i * HOUR))
}
