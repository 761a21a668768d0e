import { Command } from "commander"
import { type FunctionName, factsOf, functions } from "#platform/topology.ts"
import { secretName } from "../../stacks/names.ts"
import { type Model, modelOf } from "./model.ts"
import { broken } from "./rules/rules.ts"
import { startingComplaints } from "./starts.ts"
import { SynthFailed, synth } from "./synth.ts"

/** `npm run synth`: what a deployment would make, on paper. */
const options = new Command("npm run synth --")
  .description("Evaluates the stacks without a cloud, checks them by every rule, and prints what would be deployed.")
  .option("--stage <name>", "production, staging, or a name of your own", "personal")
  .option("--json", "the whole plan for machines, instead of tables")
  .option("--strict", "secrets that SST_SECRET_<Name> does not give are missing, instead of being assumed")
  .parse()
  .opts<{ stage: string; json?: true; strict?: true }>()

const settings = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => /^(OCTANT|OTEL|SST_SECRET)_/.test(name)),
)
const names = Object.keys(functions) as FunctionName[]
const secrets = [...new Set(names.flatMap((name) => factsOf(name).secrets ?? []))]
/** Whether they are set is known to AWS alone; here something stands for each. */
const assumed = Object.fromEntries(
  secrets.map((variable) => [`SST_SECRET_${secretName(variable)}`, `assumed: ${variable}, which is set elsewhere`]),
)
const print = (line = "") => process.stdout.write(`${line}\n`)

async function main() {
  const plan = await synth({
    stage: options.stage,
    environment: options.strict ? settings : { ...assumed, ...settings },
  })
  const complaints = broken(plan)
  const starting = await startingComplaints(plan)
  if (starting.length > 0)
    complaints["each function starts in the environment that it has, and looks at all of it"] = starting
  if (options.json) print(JSON.stringify({ ...plan, broken: complaints }, null, 2))
  else show(modelOf(plan))
  for (const [rule, said] of Object.entries(complaints))
    process.stderr.write(`✗ ${rule}\n${said.map((line) => `    ${line}\n`).join("")}`)
  process.exitCode = Object.keys(complaints).length > 0 ? 1 : 0
}

function show(model: Model) {
  const { app, resources } = model.plan
  print(`${app.name} on ${app.stage}: ${resources.length} resources, ${app.removal}${app.protect ? ", protected" : ""}`)

  print("\nFunctions")
  table(
    ["name", "memory", "timeout", "reserved", "bundle", "and later", "log"],
    model.functions.map((one) => [
      one.name,
      `${one.memorySize} MB`,
      `${one.timeout} s`,
      one.reservedConcurrentExecutions ?? "",
      ...[one.bundle?.bytes, one.bundle?.laterBytes].map((bytes = 0) => `${(bytes / 1024).toFixed(1)} KB`),
      `${one.log?.name} for ${one.log?.retentionInDays} days`,
    ]),
  )
  print("\nPermissions")
  table(
    ["function", "may", "on"],
    model.functions.flatMap(({ name, grants }) =>
      grants.map(({ Action, Resource }, i) => [
        i === 0 ? name : "",
        shortened(Action),
        Resource.map(lastOf).join(", "),
      ]),
    ),
  )
  print("\nSecrets")
  table(
    ["sst secret set", "read as", "by"],
    secrets.map((variable) => {
      const readers = model.functions.filter(({ bundle }) => bundle?.links.includes(secretName(variable)))
      return [secretName(variable), variable, readers.map(({ name }) => name).join(", ") || "nobody on this stage"]
    }),
  )
  print("\nQueues")
  table(
    ["name", "worked by", "at once", "batch", "hidden for", "dead letters"],
    model.queues.map(({ arn, worker, mapping, visibilityTimeoutSeconds, redrive }) => [
      lastOf(arn),
      worker?.name ?? "",
      mapping?.scalingConfig?.maximumConcurrency ?? "",
      `${mapping?.batchSize}, in ${mapping?.maximumBatchingWindowInSeconds} s`,
      `${visibilityTimeoutSeconds} s`,
      `${lastOf(redrive?.deadLetterTargetArn ?? "")} after ${redrive?.maxReceiveCount}`,
    ]),
  )
  print("\nSchedules")
  table(
    ["calls", "when", "dead letters"],
    model.schedules.map(({ job, scheduleExpression, target }) => [
      job?.name ?? "",
      scheduleExpression,
      lastOf(target.deadLetterConfig?.arn ?? ""),
    ]),
  )
  print("\nAlarms")
  table(
    ["name", "when"],
    model.alarms.map(({ resource, metrics, metricQueries = [], comparisonOperator, threshold }) => {
      const [{ stat = "", metricName }] = metrics as [(typeof metrics)[0]]
      const what = metricQueries.find(({ returnData }) => returnData)?.expression ?? `${stat} of ${metricName}`
      return [resource, `${what} ${comparisonOperator.startsWith("Less") ? "<" : "≥"} ${threshold}`]
    }),
  )
  print("\nResources")
  // SST's own resources are all of one type; which they are stands in their names.
  const types = Object.entries(
    Object.groupBy(resources, ({ type, name }) => /\.(sst\.aws\.\w+)$/.exec(name)?.[1] ?? type),
  )
  table(
    ["how many", "of"],
    types.map(([type, of]) => [of!.length, type]),
  )
}

const lastOf = (arn: string) => (arn === "*" ? "everything" : arn.split(":").slice(5).join(":"))
const shortened = (actions: readonly string[]) =>
  `${actions[0]?.split(":")[0]}: ${actions.map((action) => action.split(":")[1]).join(", ")}`

function table(head: string[], rows: (string | number)[][]) {
  const lines = [head, ...rows].map((row) => row.map(String))
  const widths = head.map((_, column) => Math.max(...lines.map((row) => row[column]!.length)))
  for (const row of lines) {
    const line = row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ")
    print(`  ${line.trimEnd()}`)
  }
}

try {
  await main()
} catch (error) {
  if (!(error instanceof SynthFailed)) throw error
  process.stderr.write(`✗ the stacks cannot be evaluated\n${error.message}\n`)
  process.exitCode = 1
}
