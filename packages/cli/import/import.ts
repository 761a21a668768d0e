import { createHash } from "node:crypto"
import { createReadStream, statSync } from "node:fs"
import { type Command, Option } from "commander"
import { SECOND } from "#core/clock.ts"
import { sha256 } from "#core/hash.ts"
import { type Target, targetOf } from "../api.ts"
import { Usage } from "../failure.ts"
import { onApi, type Remote, whole } from "../options.ts"
import { countOf, grouped, plain, show } from "../print.ts"
import type { Terminal } from "../terminal.ts"
import { type Call, callsOf } from "./calls.ts"
import { columnsOf, type Rule, readMapping } from "./mapping.ts"
import { openProgress } from "./progress.ts"
import { requestsOf } from "./requests.ts"
import { type Format, type Row, rowsOf } from "./rows.ts"
import { newTally, type Outcome, type Reason } from "./tally.ts"
import { inLanes, post } from "./upload.ts"

type Options = Remote & {
  mapping?: string
  format?: Format["kind"]
  delimiter?: string
  encoding: string
  inFlight: number
  restart?: true
  dryRun?: true
}
type Source = { file: string; format: Format; rules: Rule[] | undefined }
/** What lies in a file, found by reading it to its end before anything is sent. */
type Contents = {
  lines: number
  skipped: number
  refusedLines: number
  events: number
  requests: number
  reasons: Reason[]
  first: Call["message"][]
}
type Summary = Omit<Contents, "first"> & Outcome & { file: string; resumedAfter: number; seconds: number }

const EVENTS_SHOWN = 3

export function addImport(program: Command, terminal: Terminal) {
  onApi(program.command("import <file>"))
    .description(
      "send a CSV or NDJSON file, plain or gzip, through the front door; sending it again counts nothing twice",
    )
    .option("--mapping <file>", "which lines become which events (JSON, see below)")
    .addOption(new Option("--format <kind>", "by the file's name if absent").choices(["csv", "ndjson"]))
    .option("--delimiter <text>", "of CSV: , or ; or tab")
    .option("--encoding <name>", "such as windows-1252 or utf-16le", "utf-8")
    .option("--in-flight <count>", "requests at a time", whole(1, 32), 4)
    .option("--restart", "do not go on where an interrupted import of this file was")
    .option("--dry-run", "read the file, show the first events, and send nothing")
    .addHelpText("after", MAPPING_HELP)
    .action(async (file: string, options: Options) => {
      const source = {
        file,
        format: formatOf(file, options),
        rules: options.mapping === undefined ? undefined : readMapping(options.mapping),
      }
      if (source.format.kind === "csv" && !source.rules)
        throw new Usage("a CSV file needs --mapping: which lines become which events")
      if (options.dryRun) {
        const contents = await inspect(source, terminal)
        return show(terminal, options.json, { file, ...contents }, () => textOfContents(contents))
      }
      const summary = await send(source, targetOf(options, terminal, "write"), options, terminal)
      show(terminal, options.json, summary, () => textOf(summary))
      const { refusedLines, refusedEvents } = summary
      if (refusedLines + refusedEvents > 0) {
        throw new Error(
          `${countOf(refusedLines, "line")} and ${countOf(refusedEvents, "event")} were refused; mend them and import again, what was counted stays counted once`,
        )
      }
    })
}

function formatOf(file: string, { format, delimiter, encoding }: Options): Format {
  const [, ending = ""] = /\.(\w+)(?:\.gz)?$/i.exec(file) ?? []
  const kind = format ?? (/^(ndjson|jsonl|json)$/i.test(ending) ? "ndjson" : "csv")
  const usual = /^(tsv|tab)$/i.test(ending) ? "\t" : ","
  try {
    new TextDecoder(encoding)
  } catch {
    throw new Usage(`--encoding ${encoding} is not known; utf-8, windows-1252 and utf-16le are`)
  }
  return {
    kind,
    encoding,
    delimiter: delimiter === undefined ? usual : /^(tab|\\t)$/.test(delimiter) ? "\t" : delimiter,
  }
}

/** Reads the file to its end, so that nothing is sent of one that cannot be understood. */
async function inspect({ file, format, rules }: Source, terminal: Terminal): Promise<Contents> {
  const tally = newTally()
  const missing = new Set(rules?.flatMap(columnsOf))
  let known: string[] = []
  const first: Call["message"][] = []
  const bar = terminal.bar("reading", statSync(file).size)
  const noticed = async function* (rows: AsyncIterable<Row>) {
    for await (const row of rows) {
      if ("cells" in row && (missing.size > 0 || known.length === 0)) {
        if (known.length === 0) known = Object.keys(row.cells)
        for (const name of Object.keys(row.cells)) missing.delete(name)
      }
      yield row
    }
  }
  const noted = async function* (calls: AsyncIterable<Call>) {
    for await (const call of calls) {
      if (first.length < EVENTS_SHOWN) first.push(call.message)
      yield call
    }
  }
  let [events, requests] = [0, 0]
  try {
    for await (const { lines } of requestsOf(
      noted(callsOf(noticed(rowsOf(file, format, bar.to)), rules, tally)),
      tally,
    )) {
      events += lines.length
      requests++
    }
  } finally {
    bar.end()
  }
  if (tally.lines === 0) throw new Error(`${file} has no lines of data`)
  const [absent] = missing
  if (absent !== undefined && known.length > 0) {
    throw new Usage(
      `the mapping names the column ${JSON.stringify(absent)}, which no line has; there are ${known.join(", ")}`,
    )
  }
  const { lines, skipped, refusedLines, reasons } = tally
  return { lines, skipped, refusedLines, events, requests, reasons, first }
}

async function send(source: Source, target: Target, options: Options, terminal: Terminal): Promise<Summary> {
  const started = terminal.clock()
  const { first: _, ...contents } = await inspect(source, terminal)
  const progress = openProgress(options.data, await identityOf(source, target), options.restart === true)
  const resumedAfter = progress.current().requests
  if (resumedAfter > 0)
    terminal.err(
      `going on after ${resumedAfter} of ${countOf(contents.requests, "request")} (--restart begins again)\n`,
    )
  const { file, format, rules } = source
  const unheard = newTally()
  const bar = terminal.bar("sending", contents.events)
  let sent = 0
  try {
    await inLanes(
      requestsOf(callsOf(rowsOf(file, format), rules, unheard), unheard),
      options.inFlight,
      async (packed) => {
        if (packed.index >= resumedAfter) progress.acknowledge(packed.index, await post(target, packed, terminal))
        sent += packed.lines.length
        bar.to(sent)
      },
    )
  } catch (error) {
    terminal.err(
      `stopped after ${progress.current().requests} of ${countOf(contents.requests, "request")}; the same command goes on from there\n`,
    )
    throw error
  } finally {
    bar.end()
  }
  progress.forget()
  const { outcome } = progress.current()
  const reasons = [...contents.reasons, ...outcome.reasons]
  return { file, resumedAfter, ...contents, ...outcome, reasons, seconds: (terminal.clock() - started) / SECOND }
}

/** Of the file's content, of what is made of it, and of whose it becomes: a key belongs to one tenant of one stack. */
async function identityOf({ file, format, rules }: Source, { key }: Target) {
  const content = createHash("sha256")
  for await (const chunk of createReadStream(file)) content.update(chunk as Uint8Array)
  return sha256(JSON.stringify([1, content.digest("hex"), format, rules ?? null, sha256(key)])).slice(0, 32)
}

function textOf(summary: Summary) {
  const { events, requests, accepted, quarantined, refusedEvents, seconds } = summary
  const lying = quarantined > 0 ? " (octant quarantine list says why)" : ""
  return [
    linesOf(summary),
    `${countOf(events, "event")} sent in ${countOf(requests, "request")}, ${seconds.toFixed(1)} s\n`,
    `${grouped(accepted)} accepted, of these ${grouped(quarantined)} in quarantine${lying}; ${grouped(refusedEvents)} refused\n`,
    ...summary.reasons.map(reasonText),
  ].join("")
}

function textOfContents(contents: Contents) {
  const shown = contents.first.map((message) => `${plainJson(message)}\n`).join("")
  return `${shown}${linesOf(contents)}${countOf(contents.events, "event")} would be sent in ${countOf(contents.requests, "request")}\n${contents.reasons.map(reasonText).join("")}`
}

const linesOf = ({ lines, skipped, refusedLines }: Pick<Contents, "lines" | "skipped" | "refusedLines">) =>
  `${countOf(lines, "line")} read: ${grouped(skipped)} skipped (no rule took them), ${grouped(refusedLines)} refused\n`
const reasonText = ({ line, reason }: Reason) => `  line ${line}: ${plain(reason)}\n`
const plainJson = (value: unknown) => JSON.stringify(value, null, 2).split("\n").map(plain).join("\n")

const MAPPING_HELP = `
A mapping is a list of rules; the first whose "where" a line meets takes it, and lines that none takes are skipped:

  [{ "event": "Order Completed",
     "where": [{ "column": "Quantity", "op": "gt", "value": 0 }],
     "groupBy": "InvoiceNo",
     "timestamp": "InvoiceDate", "timeZone": "Europe/London",
     "userId": "CustomerID", "anonymousId": "InvoiceNo",
     "properties": { "order_id": "InvoiceNo", "channel": { "const": "shop" } },
     "lines": { "product_id": "StockCode", "price": "UnitPrice", "quantity": { "column": "Quantity", "negate": true } } }]

  where        op: eq ne in gt gte lt lte starts_with not_starts_with exists; all must hold
  groupBy      lines with the same value become one event, with the first line's time and properties
  lines        what each of them gives to properties.products
  timestamp    ISO 8601. Without a zone of its own it is local time of timeZone (default UTC): a time that comes twice
               when clocks go back is the earlier one, one that is skipped when they go forward is moved on by the gap
  anonymousId  taken where userId is empty; a line that names nobody is refused
  values       a column's name, { "const": … }, { "column": …, "negate": true }, or { "column": …, "as": "number" }
               ("boolean"): what a CSV gives is text otherwise, which is fine for amounts

NDJSON lines that are tracking calls already (with a type) need no mapping; their sentAt is left out.
Ids come from the event's name and the line's content (of a group: of all its lines), and for equal lines from which of
them it is: a file sent again counts nothing twice, and one that has grown counts only its new lines (but a group that
has grown is another event). Another mapping does not change what was counted already: it stays as it was.
Exit code 1 if anything was refused. Progress is kept under <data>/imports.`
