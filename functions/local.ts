import { randomUUID } from "node:crypto"
import { SingleBar } from "cli-progress"
import { Command, InvalidArgumentError } from "commander"
import { Tenant } from "#access/tenant.ts"
import { instant } from "#core/clock.ts"
import { jsonLog, silent } from "#core/log.ts"
import { type DevTenant, empty, occupy, readState, settle, writeDev, writeState } from "#local/home.ts"
import { demoBodies, send } from "#local/seed.ts"
import { type Stack, startStack } from "#local/stack.ts"
import { newTraces, traceparentOf, treeOf } from "#local/traces.ts"
import { FOLD_EVERY } from "#pipeline/append.ts"
import { demoTenants } from "#simulator/demo.ts"

/** `npm start`: the whole product on embedded parts, seeded on the first run. */
const command = new Command("npm start --")
  .description(
    "Runs the whole of Octant on this machine: the doors, the workers and the schedules, over embedded parts.",
  )
  .option("--port <number>", "port of the HTTP API", toPort, 8787)
  .option("--fresh", "forget all data first")
  .option("--no-demo", "one empty tenant, acme, in UTC, instead of the demo tenants")
  .option("--data <folder>", "where the data is kept", ".octant")
  .option("--hooks-url <url>", "under which address vendors reach this machine, such as a tunnel's")
  .option("--log", "print a JSON line for each unit of work")
  .option("--trace", "send one event, and print its way through all parts as a tree")
  .parse()
const options = command.opts<{
  port: number
  fresh?: true
  demo: boolean
  data: string
  hooksUrl?: string
  log?: true
  trace?: true
}>()
const traces = newTraces()
/** A fold is asked for by 20,000 events; for the one event of a trace it is asked for at once. */
let foldEvery = FOLD_EVERY

async function main() {
  const leave = occupy(options.data)
  try {
    if (options.fresh) empty(options.data)
    const log = options.log
      ? jsonLog(
          (line) => process.stderr.write(line),
          () => instant(Date.now()),
        )
      : silent
    const { data: dir, port, hooksUrl } = options
    const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER_ARG } = process.env
    const stack = await startStack({
      dir,
      port,
      log,
      ...(hooksUrl === undefined ? {} : { hooksUrl }),
      // With --trace only what is asked for is traced: a request that says so in its traceparent.
      traces: { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER_ARG: options.trace ? "0" : OTEL_TRACES_SAMPLER_ARG },
      ...(options.trace ? { tell: traces.tell, foldEvery: () => foldEvery } : {}),
    })
    stopOnSignal(stack, leave)
    const tenants = await tenantsOf(stack)
    if (options.demo) await headlines(stack, tenants)
    if (options.trace) await traceOne(stack, tenants[0]!)
    writeDev(options.data, { collectUrl: stack.url, apiUrl: stack.url, tenants, environment: stringsOf(stack.config) })
    ready(stack, tenants)
  } catch (error) {
    leave()
    throw error
  }
}

function stopOnSignal(stack: Stack, leave: () => void) {
  let stopping = false
  const stop = () => {
    if (stopping) return
    stopping = true
    process.stdout.write("\nstopping\n")
    void stack.stop().finally(() => {
      leave()
      process.exit(0)
    })
  }
  process.on("SIGINT", stop)
  process.on("SIGTERM", stop)
}

/** The tenants of this folder; on the first run they are made, and the demo is sent through the front door. */
async function tenantsOf(stack: Stack): Promise<DevTenant[]> {
  const state = readState(options.data)
  const wanted = options.demo
    ? demoTenants.map(({ id, name, timeZone, currency }) => ({ id, name, timeZone, currency }))
    : [{ id: "acme", name: "Acme", timeZone: "UTC", currency: "USD" }]
  for (const tenant of wanted.filter(({ id }) => !state.tenants.some((there) => there.id === id))) {
    state.tenants.push(await settle(stack.runtime, Tenant.parse(tenant)))
    writeState(options.data, state)
  }
  if (options.demo && !state.seeded) {
    state.seededAt ??= Date.now()
    writeState(options.data, state)
    await seed(stack, state.tenants, state.seededAt)
    writeState(options.data, { ...state, seeded: true })
  }
  return state.tenants
}

async function seed(stack: Stack, tenants: readonly DevTenant[], now: number) {
  const loads = demoTenants.map((tenant) => ({
    key: tenants.find(({ id }) => id === tenant.id)!.writeKey,
    bodies: demoBodies(tenant, now),
  }))
  const total = loads.reduce((sum, { bodies }) => sum + bodies.length, 0)
  const bar = new SingleBar({
    format: "seeding the demo {bar} {percentage} % | {value}/{total} requests",
    noTTYOutput: true,
    notTTYSchedule: 2000,
  })
  bar.start(total, 0)
  for (const { key, bodies } of loads) await send(stack.url, key, bodies, () => bar.increment())
  bar.stop()
  await stack.idle()
}

/** One event through the front door, on its way as every other, until it is folded. */
async function traceOne(stack: Stack, { id, writeKey }: DevTenant) {
  const traceId = randomUUID().replaceAll("-", "")
  foldEvery = 1
  await fetch(`${stack.url}/v1/track`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${writeKey}`,
      "content-type": "application/json",
      traceparent: traceparentOf({ traceId, spanId: traceId.slice(0, 16) }),
    },
    body: JSON.stringify({ userId: "traced", event: "Page Viewed" }),
  })
  await stack.idle()
  foldEvery = FOLD_EVERY
  process.stdout.write(`\nOne event of ${id}, from the door to the views (trace ${traceId}):\n`)
  process.stdout.write(`${treeOf(traces.of(traceId))}\n`)
}

const shown = ["events", "active_customers", "orders", "net_revenue", "sign_ups", "sessions", "mrr"]

async function headlines(stack: Stack, tenants: readonly DevTenant[]) {
  process.stdout.write("\nThe last 30 days, as the API answers:\n")
  for (const { id, name, readKey } of tenants) {
    const figures = await Promise.all(
      shown.map(async (metric) => {
        const response = await fetch(`${stack.url}/v1/query?metric=${metric}&grain=total`, {
          headers: { authorization: `Bearer ${readKey}` },
        })
        const { total, currency } = (await response.json()) as { total: number | string; currency?: string }
        return `${metric.replaceAll("_", " ")} ${currency === undefined ? total.toLocaleString("en") : `${total} ${currency}`}`
      }),
    )
    process.stdout.write(`  ${name} (${id}): ${figures.join(" · ")}\n`)
  }
}

function ready(stack: Stack, tenants: readonly DevTenant[]) {
  const lines = tenants.flatMap(({ id, writeKey, readKey, adminKey }) => [
    `  ${id}`,
    `    write ${writeKey}`,
    `    read  ${readKey}`,
    `    admin ${adminKey}`,
  ])
  const { readKey } = tenants[0]!
  process.stdout.write(
    [
      "",
      `Octant is ready on ${stack.url}`,
      "Keys:",
      ...lines,
      "Try:",
      `  curl -H 'Authorization: Bearer ${readKey}' '${stack.url}/v1/query?metric=net_revenue&grain=week&by=country&limit=3'`,
      "Ctrl-C stops it; the data stays.",
      "",
    ].join("\n"),
  )
}

const stringsOf = (config: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(config).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  )

function toPort(text: string) {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new InvalidArgumentError("a port is a number from 0 to 65535")
  return port
}

try {
  await main()
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exit(1)
}
