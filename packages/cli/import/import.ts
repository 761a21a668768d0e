import { type Command, Option } from "commander"
import { isDescribed, VendorId, vendorOf } from "#sources/registry.ts"
import { targetOf } from "../api.ts"
import { Usage } from "../failure.ts"
import { onApi, type Remote, whole } from "../options.ts"
import { countOf, grouped, plain, show } from "../print.ts"
import type { Terminal } from "../terminal.ts"
import { type Contents, inspect } from "./inspect.ts"
import { readMapping } from "./mapping.ts"
import type { Format } from "./rows.ts"
import { type Summary, send } from "./send.ts"
import type { Source } from "./source.ts"
import type { Reason } from "./tally.ts"

type Options = Remote & {
  mapping?: string
  vendor?: VendorId
  format?: Format["kind"]
  delimiter?: string
  encoding: string
  inFlight: number
  restart?: true
  dryRun?: true
}

export function addImport(program: Command, terminal: Terminal) {
  onApi(program.command("import <file>"))
    .description("send a CSV or NDJSON file, plain or gzip; sending it again counts nothing twice")
    .option("--mapping <file>", "which lines become which events (JSON, see below)")
    .addOption(
      new Option("--vendor <vendor>", "it is this vendor's own export").choices(exporting).conflicts("mapping"),
    )
    .addOption(new Option("--format <kind>", "by the file's name if absent").choices(["csv", "ndjson", "json"]))
    .option("--delimiter <text>", "of CSV: , or ; or tab")
    .option("--encoding <name>", "such as windows-1252 or utf-16le", "utf-8")
    .option("--in-flight <count>", "requests at a time", whole(1, 32), 4)
    .option("--restart", "do not go on where an interrupted import of this file was")
    .option("--dry-run", "read the file, show the first events, and send nothing")
    .addHelpText("after", MAPPING_HELP)
    .action(async (file: string, options: Options) => {
      const source = sourceOf(file, options)
      if (options.dryRun) {
        const contents = await inspect(source, terminal)
        show(terminal, options.json, { file, ...contents }, () => textOfContents(contents))
        return complain(contents)
      }
      const summary = await send(source, targetOf(options, terminal, "write"), options, terminal)
      show(terminal, options.json, summary, () => textOf(summary))
      complain(summary)
    })
}

function complain({ refusedLines, refusedEvents = 0 }: { refusedLines: number; refusedEvents?: number }) {
  if (refusedLines + refusedEvents === 0) return
  const what = `${countOf(refusedLines, "line")} of the file and ${countOf(refusedEvents, "event")} by the API`
  throw new Error(`refused: ${what}; mend them and import again: what was counted counts once`)
}

function sourceOf(file: string, { mapping, vendor, format, delimiter, encoding }: Options): Source {
  const [, ending = ""] = /\.(\w+)(?:\.gz)?$/i.exec(file) ?? []
  const usualKind = /^(ndjson|jsonl|json)$/i.test(ending) ? "ndjson" : "csv"
  const kind = format ?? (vendor !== undefined && /^json$/i.test(ending) ? "json" : usualKind)
  if (kind === "csv" && vendor !== undefined && !vendorOf(vendor).table) {
    throw new Usage(`CSV of ${vendorOf(vendor).name} needs --mapping in place of --vendor`)
  }
  if (kind === "csv" && mapping === undefined && vendor === undefined)
    throw new Usage("CSV needs --mapping (which lines become which events), or --vendor")
  try {
    new TextDecoder(encoding)
  } catch {
    throw new Usage(`--encoding ${encoding} is not known; utf-8, windows-1252 and utf-16le are`)
  }
  const usual = /^(tsv|tab)$/i.test(ending) ? "tab" : ","
  const between = /^(tab|\\t)$/.test(delimiter ?? usual) ? "\t" : (delimiter ?? usual)
  const rules = mapping === undefined ? undefined : readMapping(mapping)
  const read = { kind, encoding, delimiter: between }
  return vendor === undefined
    ? { file, format: read, rules }
    : { file, format: { ...read, exact: true }, rules, vendor }
}

function textOf(summary: Summary) {
  const { events, requests, accepted, quarantined, refusedEvents, seconds } = summary
  const lying = quarantined > 0 ? " (octant quarantine list says why)" : ""
  return [
    linesOf(summary),
    `${countOf(events, "event")} sent in ${countOf(requests, "request")}, ${seconds.toFixed(1)} s\n`,
    `${grouped(accepted)} accepted, of these ${grouped(quarantined)} in quarantine${lying}; ${grouped(refusedEvents)} refused\n`,
    ...summary.reasons.map(reasonText),
    ...summary.notes.map(noteText),
  ].join("")
}

function textOfContents(contents: Contents) {
  const { events, requests, first, reasons } = contents
  const shown = first.map((message) => `${JSON.stringify(message, null, 2).split("\n").map(plain).join("\n")}\n`)
  const would = `${countOf(events, "event")} would be sent in ${countOf(requests, "request")}\n`
  return [...shown, linesOf(contents), would, ...reasons.map(reasonText), ...contents.notes.map(noteText)].join("")
}

const linesOf = ({ lines, skipped, refusedLines }: Pick<Contents, "lines" | "skipped" | "refusedLines">) =>
  `${countOf(lines, "line")} read: ${grouped(skipped)} skipped (no rule took them), ${grouped(refusedLines)} refused\n`
const reasonText = ({ line, reason }: Reason) => `  line ${line}: ${plain(reason)}\n`
const noteText = ({ note, count }: Contents["notes"][number]) => `  left out ${grouped(count)} times: ${plain(note)}\n`

/** Vendors whose own exports can be read. */
const exporting = VendorId.options.filter((id) => !isDescribed(id) && vendorOf(id).exported !== undefined)

const MAPPING_HELP = `
With --vendor it is the vendor's own export, read as its webhooks are and under their ids, so that what came by webhook
counts once: of stripe its events (NDJSON, or JSON as "stripe events list" prints it), of shopify its orders (NDJSON or
JSON as the Admin API gives them). The CSV of Shopify's orders' page and of Stripe's payments' page are read too; they
tell no single refunds, and Stripe's has no ids of events, so take it for the time before webhooks only.
A key with --source counts it under the webhooks' source (octant keys create --source src_…).

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

NDJSON lines that are tracking calls already (with a type and a timestamp) need no mapping; their sentAt is left out.
Ids come from the event's name and the line's content (of a group: of all its lines), and for equal lines from which of
them it is: a file sent again counts nothing twice, and one that has grown counts only its new lines (but a group that
has grown is another event). Another mapping does not change what was counted already; only an event that it moves to
another day (UTC) is counted again, for duplicates are looked for on their day.
Exit code 1 if anything was refused. Progress is kept under <data>/imports.`
