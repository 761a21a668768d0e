import { readFileSync, writeFileSync } from "node:fs"
import { lexicon } from "vader-sentiment/src/vader_lexicon.js"
import { catalogue } from "#events/catalogue.ts"
import { schemaOf } from "#events/property.ts"
import { type Metric, metrics } from "#metrics/catalogue.ts"
import { eventDimensions, lineDimensions } from "#metrics/dimension.ts"
import { listVendors, type VendorConfig, vendorOf } from "#sources/registry.ts"
import type { Vendor } from "#sources/source.ts"

/** `npm run docs` writes the pages that follow from the catalogues; the test of the same name fails when they do not. */
type Property = { description?: string; enum?: string[]; type?: string; anyOf?: { type?: string }[] }

function eventsPage() {
  const lines = [
    "# Event types",
    "",
    "Written by `npm run docs` from `packages/events/catalogue.ts`. Any other name is stored and counted as it is.",
    "",
  ]
  for (const [name, { description, properties }] of Object.entries(catalogue)) {
    const schema: { properties: Record<string, Property>; required?: string[] } = schemaOf(properties)
    lines.push(`## ${name}`, "", description, "", "| property | type | |", "|---|---|---|")
    for (const [property, of] of Object.entries(schema.properties)) {
      const type = of.enum?.join(" \\| ") ?? of.type ?? of.anyOf?.map((one) => one.type).join(" or ") ?? ""
      const needed = schema.required?.includes(property) ? "Needed. " : ""
      lines.push(`| \`${property}\` | ${type} | ${needed}${of.description ?? ""} |`)
    }
    lines.push("")
  }
  return lines.join("\n")
}

function metricsPage() {
  const lines = [
    "# Metrics",
    "",
    "Written by `npm run docs` from `packages/metrics/catalogue.ts`.",
    "",
    "| metric | unit | definition |",
    "|---|---|---|",
    ...Object.entries<Metric>(metrics).map(
      ([name, { unit, definition }]) => `| \`${name}\` | ${unit} | ${definition} |`,
    ),
    "",
    "## Dimensions",
    "",
    `\`${[...Object.keys(eventDimensions), ...Object.keys(lineDimensions)].join("`, `")}\`. What a sum has without a value in a dimension stands under \`(none)\`; sets of customers and percentiles name only values that are there.`,
    "`product` and `category` are the line's: revenue and units of a line go to its own; an order counts once for each product in it.",
    "",
  ]
  return lines.join("\n")
}

/** The table above a vendor's readers: what of the vendor's becomes what of ours. */
function tablesIn(file: string): string[] {
  const lines = readFileSync(file, "utf8").split("\n")
  const rows = lines.flatMap((line) => /^ \* (\|.*\|)$/.exec(line)?.[1] ?? [])
  return rows.length === 0 ? [] : [...rows, ""]
}

function vendorsPage() {
  const lines = [
    "# Vendors",
    "",
    "Written by `npm run docs` from `packages/sources`: what of a vendor becomes which of our events, field by field, and a",
    "signed sample of each as it is read. What is in no table is stored under the vendor's own name for it, with ids and state.",
    "",
  ]
  for (const { id, name, docs, facts, secretFrom, polls, config } of listVendors()) {
    const vendor = vendorOf(id, config as VendorConfig | undefined)
    const { requestsPerSecond } = facts
    const sample = vendor.sample("whsec_c2FtcGxl", NOW, `https://hooks.example.com/hooks/${id}`)
    const { messages } = vendor.read({ ...sample, url: `https://hooks.example.com/hooks/${id}`, receivedAt: NOW })
    lines.push(
      `## ${name}`,
      "",
      `${docs}`,
      "",
      `- Secret: ${secretFrom === "us" ? "ours, shown once" : "the vendor's, pasted"}. It waits ${facts.timeoutMs / 1000} s; tries again ${facts.retries}.`,
      `- Back-poll: ${polls ? `yes${requestsPerSecond ? `, ${Number(requestsPerSecond.toFixed(2))} requests a second` : ""}` : "none"}. Own count: ${vendor.count ? "yes" : "none"}. Import: ${imports(vendor)}.`,
      ...(vendor.idsOfAccount ? ["- Its ids are an account's own: `account` tells them from another's."] : []),
      "",
      ...tablesIn(`packages/sources/${id}.ts`),
      "```json",
      ...messages.map((message) => JSON.stringify(message)),
      "```",
      "",
    )
  }
  return lines.join("\n")
}
const NOW = Date.parse("2026-01-31T12:00:00.000Z")
const imports = ({ exported, table }: Vendor) =>
  exported ? `its API's objects${table ? " and its dashboard's CSV" : ""}` : "by a mapping"

/** The package's object of 7,500 words takes 10 ms to make, also where nobody asks for a word: as text it takes none. */
function lexiconFile() {
  const byRating = Map.groupBy(Object.entries(lexicon), ([, rating]) => rating)
  const lines = [...byRating]
    .toSorted(([a], [b]) => a - b)
    .map(([rating, words]) => [rating, ...words.map(([word]) => word)].join("\t"))
  return [
    "/** VADER's lexicon as the npm package vader-sentiment has it: a rating and its words. Written by `npm run docs`. */",
    `export const vader = String.raw\`${lines.join("\n")}\``,
    "",
  ].join("\n")
}

export const pages = {
  "docs/events.md": eventsPage,
  "docs/metrics.md": metricsPage,
  "docs/vendors.md": vendorsPage,
  "packages/science/vader.ts": lexiconFile,
}

if (import.meta.main) for (const [file, page] of Object.entries(pages)) writeFileSync(file, page())

export const isCurrent = (file: keyof typeof pages) => readFileSync(file, "utf8") === pages[file]()
