import { Argument, type Command, Option } from "commander"
import type { QualityAnswer } from "#api/quality.ts"
import { ask, targetOf } from "./api.ts"
import { onApi, type Remote } from "./options.ts"
import { cut, grouped, plain, show, sparkline, table } from "./print.ts"
import type { Terminal } from "./terminal.ts"

type Options = Remote & { source?: string; from?: string; to?: string; grain?: "hour" | "day"; strict?: true }
type Section = keyof typeof sections

const LINE_WIDTH = 160

export function addQuality(program: Command, terminal: Terminal) {
  onApi(program.command("quality"))
    .description("how complete, right and fresh the data is: scores, trends, failing checks, alerts, ledger")
    .addArgument(new Argument("[section]", "only this of it").choices(Object.keys(sections)))
    .option("--source <id>", "only of this source")
    .option("--from <date>", "first day of trends and ledger, in UTC (default: seven days up to today)")
    .option("--to <date>", "last day")
    .addOption(new Option("--grain <grain>", "of the trends").choices(["hour", "day"]))
    .option("--strict", "end with 1 if a gate fails")
    .addHelpText("after", HELP)
    .action(async (section: Section | undefined, options: Options) => {
      const { source, from, to, grain } = options
      const answer = await ask<QualityAnswer>(targetOf(options, terminal, "read"), "/v1/quality", {
        parameters: { source, from, to, grain },
      })
      show(terminal, options.json, section === undefined ? answer : answer[fields[section]], () =>
        section === undefined ? summary(answer) : sections[section](answer),
      )
      if (!answer.complete) terminal.err("the journal is still being looked at: what is said may change\n")
      if (options.strict && answer.failing.length > 0) throw new Error(`${answer.failing.length} checks fail`)
    })
}

/** What of the answer each section is of. */
const fields = {
  scores: "sources",
  trends: "trends",
  failing: "failing",
  alerts: "alerts",
  ledger: "ledger",
} as const satisfies Record<string, keyof QualityAnswer>

const sections = {
  scores: ({ sources }: QualityAnswer) =>
    table(
      ["source", "part", "of", ">value", ">score", ">weight", "", "gate"],
      sources.flatMap(({ source, score, parts }) => [
        [source, "all parts", "", "", figure(score), "", "", ""],
        ...parts.map((part) => [
          "",
          part.name,
          part.dimension,
          figure(part.value),
          part.score === null ? "–" : (100 * part.score).toFixed(0),
          String(part.weight),
          part.failing ? "FAILS" : part.value === null ? "unknown" : "holds",
          part.gate,
        ]),
      ]),
    ),
  trends: ({ trends }: QualityAnswer) => {
    const sources = Map.groupBy(trends, ({ source }) => source)
    const rows = [...sources].map(([source, all]) => {
      const scores = all.map(({ score, overall }) => overall ?? score ?? undefined)
      const last = scores.findLast((score) => score !== undefined)
      return [source, all[0]!.at.slice(0, 13), all.at(-1)!.at.slice(0, 13), figure(last ?? null), sparkline(scores)]
    })
    return rows.length === 0
      ? "nothing was checked in these days\n"
      : table(["source", "from", "to", ">last", "score"], rows)
  },
  failing: ({ failing }: QualityAnswer) =>
    failing.length === 0
      ? "every gate holds\n"
      : table(
          ["source", "part", ">value", "gate", "cause", "shown by"],
          failing.map(({ source, part, value, gate, cause = "", query }) => [
            ...[source, part, figure(value), gate],
            ...[cut(cause, LINE_WIDTH), query],
          ]),
        ),
  alerts: ({ alerts }: QualityAnswer) =>
    alerts.length === 0
      ? "there were no alerts\n"
      : alerts
          .map(({ status, severity, source, part, since, closedAt, cause, advice, remedies }) =>
            [
              `${status.toUpperCase()} ${severity}: ${part} of ${source}, since ${since}${closedAt === undefined ? "" : ` until ${closedAt}`}`,
              `  why: ${cause}`,
              `  what to do: ${advice}`,
              ...remedies.map(({ at, what, outcome }) => `  done ${at}: ${what} (${outcome})`),
            ]
              .map((line) => `${plain(line)}\n`)
              .join(""),
          )
          .join(""),
  ledger: ({ ledger }: QualityAnswer) => {
    const { received, counted, duplicate, rejected, quarantined, balanced } = ledger
    const figures = [received, counted, duplicate, rejected, quarantined].map(grouped)
    return table(
      [">received", ">counted", ">duplicate", ">rejected", ">quarantined", ""],
      [[...figures, balanced ? "balanced" : "NOT BALANCED"]],
    )
  },
} as const

function summary(answer: QualityAnswer) {
  const { score, sources } = answer
  const gates = (parts: QualityAnswer["sources"][number]["parts"]) => {
    const known = parts.filter(({ value }) => value !== null)
    return `${known.filter(({ failing }) => !failing).length} of ${known.length}`
  }
  const rows = sources.map((one) => [one.source, figure(one.score), gates(one.parts)])
  const open = { ...answer, alerts: answer.alerts.filter(({ status }) => status === "open") }
  return [
    `score ${figure(score)} of 100\n\n`,
    table(["source", ">score", ">gates that hold"], rows),
    `\n${sections.failing(answer)}`,
    open.alerts.length === 0 ? "" : `\n${sections.alerts(open)}`,
    `\n${sections.trends(answer)}`,
    `\n${sections.ledger(answer)}`,
  ].join("")
}

const figure = (value: number | null) => (value === null ? "–" : grouped(value))

const HELP = `
A source's score is the weighted mean of its parts (octant quality scores shows each, with its gate); the source * is
what is said of all together. trends are the checks of every hour, or of every day with --grain day. Each failing
check names the query that shows it. octant ledger has the ledger by source and hour.`
