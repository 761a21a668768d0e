import { readFileSync, writeFileSync } from "node:fs"
import * as z from "zod/mini"
import { catalogue } from "#events/catalogue.ts"
import { type Metric, metrics } from "#metrics/catalogue.ts"
import { eventDimensions, lineDimensions } from "#metrics/dimension.ts"

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
    const schema = z.toJSONSchema(properties, { io: "input" }) as {
      properties: Record<string, Property>
      required?: string[]
    }
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
    `\`${[...Object.keys(eventDimensions), ...Object.keys(lineDimensions)].join("`, `")}\`. A figure without a value in a dimension stands under \`(none)\`.`,
    "`product` and `category` are the line's: revenue and units of a line go to its own; an order counts once for each product in it.",
    "",
  ]
  return lines.join("\n")
}

export const pages = { "docs/events.md": eventsPage, "docs/metrics.md": metricsPage }

if (import.meta.main) for (const [file, page] of Object.entries(pages)) writeFileSync(file, page())

export const isCurrent = (file: keyof typeof pages) => readFileSync(file, "utf8") === pages[file]()
