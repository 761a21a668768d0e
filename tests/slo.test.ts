import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, expect, test } from "vitest"
import * as z from "zod/mini"
import { collectApp } from "#api/collect.ts"
import { Fault, faults } from "#core/fault.ts"
import { appendWorker } from "#platform/append-worker.ts"
import { baseOf } from "#platform/base.ts"
import { NAMESPACE } from "#platform/emf.ts"
import { awaited, worker } from "#platform/lambda.ts"
import { deployed, logOf, metricOf, metricsIn, onLambda } from "./lambda.ts"
import { runbook, section } from "./runbook.ts"
import { startWorld } from "./world.ts"

const Query = z.object({
  Id: z.string().check(z.regex(/^[a-z]\w*$/)),
  ReturnData: z.optional(z.literal(false)),
  Expression: z.optional(z.string()),
  MetricStat: z.optional(
    z.strictObject({
      Period: z.literal(86_400),
      Stat: z.string(),
      Metric: z.strictObject({
        Namespace: z.string(),
        MetricName: z.string(),
        Dimensions: z.array(z.strictObject({ Name: z.string(), Value: z.string() })),
      }),
    }),
  ),
})

/** What is there instead of AWS's command: it names functions as SST does, and keeps what it is asked. */
const aws = `#!/bin/bash
case "$1 $2" in
  "lambda list-functions") sed -E "s/.*'(octant-[A-Za-z-]+-)'.*/\\1abcdefgh/" <<< "$4" ;;
  "cloudwatch get-metric-data") printf '%s\\n' "$@" > "$ASKED" ;;
esac
`
const commands = /```bash\n(metric\(\)[^`]+)```/.exec(section("## What we promise"))![1]!
const fn = /^fn\(\) .+$/m.exec(runbook)![0]

let dir = ""
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "octant-slo-"))
  await writeFile(join(dir, "aws"), aws, { mode: 0o755 })
})
afterAll(() => rm(dir, { recursive: true }))

/** What the runbook's command asks of CloudWatch, run as somebody would who is on call. */
async function asked(door: string) {
  const ASKED = join(dir, `asked-${door}`)
  const env = { ...process.env, PATH: `${dir}:${process.env.PATH}`, STAGE: "production", ASKED }
  await promisify(execFile)("bash", ["-euc", `${fn}\n${commands}\nslo ${door}`], { env })
  const text = await readFile(ASKED, "utf8")
  const given = (option: string) => text.split(`${option}\n`)[1]!
  const [from, to] = ["--start-time", "--end-time"].map((option) => Date.parse(given(option).split("\n")[0]!))
  const queries = z.array(Query).parse(JSON.parse(given("--metric-data-queries")))
  return { days: (to! - from!) / 864e5, queries, metrics: queries.flatMap(({ MetricStat }) => MetricStat ?? []) }
}

test.each(["Collect", "Hooks", "Api"])(
  "slo %s asks for thirty days of that door, and what it reckons with is there",
  async (door) => {
    const { days, queries, metrics } = await asked(door)
    expect(days).toBeCloseTo(30, 2)
    const ids = queries.map(({ Id }) => Id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { Expression = "" } of queries) {
      const names = Expression.replace(/'[^']*'/g, "").match(/\b[a-z]\w*/g) ?? []
      expect(names.filter((name) => !ids.includes(name))).toEqual([])
    }
    const shares = queries.filter(({ ReturnData }) => ReturnData !== false)
    expect(shares.map(({ Id, Expression }) => `${Id}: ${Expression}`)).toEqual([
      "away: 100 * RUNNING_SUM(FILL(faults, 0)) / RUNNING_SUM(FILL(requests, 0))",
      "errors: 100 * RUNNING_SUM(FILL(SUM([five500, five503]), 0)) / RUNNING_SUM(FILL(all, 0))",
      "slower: 100 * RUNNING_SUM(FILL(slow, 0)) / RUNNING_SUM(FILL(timed, 0))",
      "later: 100 * RUNNING_SUM(FILL(late, 0)) / RUNNING_SUM(FILL(received, 0))",
    ])
    for (const { Id } of shares)
      expect(section("## What we promise")).toMatch(new RegExp(`^\\| .+ \\| \`${Id}\`: `, "m"))
    const ofDoor = metrics.filter(({ Metric }) => Metric.MetricName !== "octant_queue_wait_seconds")
    expect(ofDoor.every(({ Metric }) => Metric.Dimensions[0]?.Value === deployed(door))).toBe(true)
    expect(queries.find(({ Id }) => Id === "all")?.Expression).toBe(
      `SUM(SEARCH('{octant,service,status} MetricName="octant_requests_total" service="${deployed(door)}"', 'Sum', 86400))`,
    )
  },
)

test("what slo asks of our own figures is what collect and append tell on Lambda, 5xx of every kind among it", async () => {
  const world = await startWorld({ workers: false })
  const [door, append] = [baseOf(await onLambda(world, "Collect")), baseOf(await onLambda(world, "Append"))]
  const kinds = Object.entries(faults).filter(([, status]) => status >= 500)
  const ask = (enqueue: () => Promise<void>) =>
    awaited(door, async () =>
      collectApp({ ...door, enqueue }).request("/v1/track", {
        method: "POST",
        headers: { authorization: `Bearer ${world.acme.writeKey}`, "content-type": "application/json" },
        body: JSON.stringify({ userId: "ada", event: "Page Viewed" }),
      }),
    )()
  const message = { messageId: "m1", body: "{}", attributes: { SentTimestamp: "0" } }
  const log = await logOf(async () => {
    for (const [code] of kinds) await ask(() => Promise.reject(new Fault(code as keyof typeof faults, "broken")))
    await worker(append, appendWorker(append))({ Records: [message] })
  })
  await world.stop()
  const told = metricsIn(log)
  const { metrics } = await asked("Collect")
  const ours = metrics.filter(({ Metric }) => Metric.Namespace === NAMESPACE)
  const named = ours.map(({ Metric: { MetricName, Dimensions } }) =>
    metricOf(
      MetricName,
      Dimensions.map(({ Name, Value }) => [Name, Value] as const),
    ),
  )
  expect(named.filter((metric) => !told.includes(metric))).toEqual([])
  expect(named.filter((metric) => metric.includes("status="))).toEqual(
    told.filter((metric) => metric.startsWith("octant_requests_total")),
  )
})
