import { readFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, expect, test } from "vitest"
import * as z from "zod/mini"
import { modelOf } from "./model.ts"
import type { Plan } from "./plan.ts"
import { stages } from "./stages.ts"
import { root, synth } from "./synth.ts"

const Target = z.object({
  namespace: z.optional(z.string()),
  metricName: z.optional(z.string()),
  statistic: z.optional(z.string()),
  period: z.optional(z.string()),
  dimensions: z.optional(z.record(z.string(), z.string())),
})
const Choice = z.object({
  name: z.string(),
  type: z.literal("query"),
  query: z.object({ queryType: z.literal("dimensionValues"), namespace: z.string(), dimensionKey: z.string() }),
  regex: z.string(),
  multi: z.literal(true),
  includeAll: z.literal(true),
  // Given, it would stand for all names instead of those that are left.
  allValue: z.optional(z.never()),
})
const Variable = z.union([Choice, z.object({ type: z.enum(["datasource", "textbox"]) })])
const Dashboard = z.object({
  templating: z.object({ list: z.array(Variable) }),
  panels: z.array(z.object({ targets: z.optional(z.array(Target)) })),
})
const { panels, templating } = Dashboard.parse(JSON.parse(readFileSync(join(root, "docs/grafana.json"), "utf8")))
const targets = panels.flatMap(({ targets = [] }) => targets).filter(({ namespace }) => namespace !== undefined)
const choices = templating.list.filter((one) => one.type === "query")
/** What the functions tell by themselves: all of it is shown, which `tests/metrics.test.ts` holds. */
const OURS = "octant"

const plans = new Map<string, Plan>()
beforeAll(async () => {
  for (const options of stages) plans.set(options.stage, await synth(options))
})

test("the dashboard shows what every alarm watches, and of AWS nothing else", () => {
  const { alarms } = modelOf(plans.get("production")!)
  const watched = alarms.flatMap(({ metrics }) =>
    metrics.map(({ namespace, metricName }) => `${namespace} ${metricName}`),
  )
  const shown = targets
    .map(({ namespace, metricName }) => `${namespace!.replace("$stage", "production")} ${metricName}`)
    .filter((name) => !name.startsWith(`${OURS} `) || watched.includes(name))
  expect(alarms.length).toBeGreaterThan(40)
  expect([...new Set(shown)].sort()).toEqual([...new Set(watched)].sort())
})

/** As SST ends the names of what it makes. */
const ENDING = "-abcdwxyz"
const named = (stage: string, type: string) =>
  plans
    .get(stage)!
    .resources.filter((one) => one.type === type)
    .map(({ inputs }) => `${(inputs as { name: string }).name}${ENDING}`)
const types: Record<string, string> = {
  FunctionName: "aws:lambda/function:Function",
  QueueName: "aws:sqs/queue:Queue",
}
/** What CloudWatch knows of an account with all these stages, and others' functions and queues. */
const inTheAccount = (type: string) => [
  ...stages.flatMap(({ stage }) => named(stage, type)),
  ...["billing", "octant", "octant-export", "my-octant-production-Api", "octant-production-eu-ApiFunction-abcdwxyz"],
]

/** The names that a choice offers on a stage: Grafana fills `$stage` in, and takes each name that fits. */
const offered = ({ regex, query }: z.infer<typeof Choice>, stage: string) =>
  inTheAccount(types[query.dimensionKey]!).filter((name) =>
    new RegExp(regex.slice(1, -1).replace("$stage", stage)).test(name),
  )

test.each(stages)(
  "on $stage there are its own functions and queues to choose from, and no others of the account",
  ({ stage }) => {
    expect(choices.map(({ name, query: { namespace, dimensionKey } }) => [name, namespace, dimensionKey])).toEqual([
      ["function", "AWS/Lambda", "FunctionName"],
      ["queue", "AWS/SQS", "QueueName"],
    ])
    for (const choice of choices) {
      const own = named(stage, types[choice.query.dimensionKey]!)
      expect(own.length).toBeGreaterThan(11)
      expect(offered(choice, stage)).toEqual(own)
    }
  },
)

/** By which dimension something of a stage is known, and what it is chosen from. */
const known: Record<string, [dimension: string, chosen: string]> = {
  "AWS/Lambda": ["FunctionName", "$function"],
  "AWS/SQS": ["QueueName", "$queue"],
  [OURS]: ["service", "$function"],
}

test("every panel of CloudWatch shows the chosen stage alone", () => {
  const mixed = targets.filter(({ namespace = "", dimensions = {} }) => {
    const [dimension = "", chosen] = known[namespace] ?? []
    return !namespace.includes("$stage") && dimensions[dimension] !== chosen
  })
  expect(mixed.map(({ namespace, metricName }) => `${namespace} ${metricName}`)).toEqual([])
  expect(targets.filter(({ namespace = "" }) => namespace in known).length).toBeGreaterThan(20)
})

test("what Grafana makes of it, with all functions or queues chosen, is no longer than CloudWatch takes a search", () => {
  const lengths = targets.flatMap(({ namespace = "", metricName, statistic, period, dimensions = {} }) => {
    const [dimension, chosen] = known[namespace] ?? []
    const choice = choices.find(({ name }) => `$${name}` === chosen)
    if (!choice) return []
    const names = offered(choice, "production").map((name) => `"${name}"`)
    const schema = [namespace, ...Object.keys(dimensions).map((name) => `"${name}"`)].join(",")
    const terms = `MetricName="${metricName}" "${dimension}"=(${names.join(" OR ")})`
    return `REMOVE_EMPTY(SEARCH('{${schema}} ${terms}', '${statistic}', ${period}))`.length
  })
  expect(lengths.length).toBeGreaterThan(20)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(1024)
})
