import { afterEach, beforeEach, expect, test, vi } from "vitest"
import * as z from "zod/mini"
import { type FigureName, known } from "#core/known.ts"
import { readConfig } from "./config.ts"
import { dimensions, NAMESPACE } from "./emf.ts"
import { awaited, worker } from "./lambda.ts"
import { runtimeOf } from "./runtime.ts"

/** CloudWatch's embedded metric format, as its specification has it. */
const Metric = z.strictObject({
  Name: z.string().check(z.minLength(1), z.maxLength(1024)),
  Unit: z.enum(["Seconds", "Count"]),
})
const Emf = z.looseObject({
  _aws: z.strictObject({
    Timestamp: z.int(),
    CloudWatchMetrics: z.array(
      z.strictObject({
        Namespace: z.string().check(z.minLength(1), z.maxLength(1024)),
        Dimensions: z.array(z.array(z.string()).check(z.maxLength(30))),
        Metrics: z.array(Metric).check(z.minLength(1), z.maxLength(100)),
      }),
    ),
  }),
})

let printed = ""
beforeEach(() => {
  printed = ""
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text)
    return true
  })
})
afterEach(() => vi.restoreAllMocks())

const configured = {
  OCTANT_TABLE: "octant",
  OCTANT_APPEND_QUEUE_URL: "http://127.0.0.1/append",
  OCTANT_FOLD_QUEUE_URL: "http://127.0.0.1/fold",
  AWS_REGION: "eu-central-1",
  AWS_ACCESS_KEY_ID: "AKID",
  AWS_SECRET_ACCESS_KEY: "secret",
}
const onLambda = async () =>
  runtimeOf(await readConfig({ ...configured, AWS_LAMBDA_FUNCTION_NAME: "octant-test-collect" }))

/** Every figure on a line, with its labels and its values; each must be where the line says that it is. */
function told() {
  const lines = printed.split("\n").filter((line) => line.includes("_aws"))
  return lines.flatMap((line) => {
    const { _aws, ...members } = Emf.parse(JSON.parse(line))
    return _aws.CloudWatchMetrics.flatMap(({ Namespace, Dimensions, Metrics }) => {
      expect(Namespace).toBe(NAMESPACE)
      const [names = []] = Dimensions
      for (const name of names) expect(members[name]).toEqual(expect.any(String))
      return Metrics.map(({ Name, Unit }) => ({
        name: Name,
        unit: Unit,
        labels: Object.fromEntries(names.map((name) => [name, members[name]])),
        values: [members[Name]].flat(),
      }))
    })
  })
}

test("on Lambda the figures of a call are in its log when it ends, by the names that Prometheus has", async () => {
  const runtime = await onLambda()
  const handler = awaited(runtime, async (route: string) => {
    runtime.figures.count("octant_requests_total", { route, status: 200 })
    runtime.figures.took("octant_request_seconds", { route, status: 200 }, 40)
    runtime.figures.took("octant_store_seconds", { service: "dynamodb", action: "GetItem", outcome: "ok" }, 4)
    runtime.figures.took("octant_store_seconds", { service: "dynamodb", action: "PutItem", outcome: "ok" }, 8)
    return "answered"
  })
  expect(await handler("/v1/batch")).toBe("answered")
  const service = "octant-test-collect"
  const figures = [
    { name: "octant_requests_total", unit: "Count", labels: { service, status: "200" }, values: [1] },
    { name: "octant_request_seconds", unit: "Seconds", labels: { service, route: "/v1/batch" }, values: [0.04] },
    {
      name: "octant_store_seconds",
      unit: "Seconds",
      labels: { service, called: "dynamodb", outcome: "ok" },
      values: [0.004, 0.008],
    },
  ]
  expect(told()).toEqual(figures)
  printed = ""
  await handler("/v1/page")
  expect(told().map(({ values }) => values)).toEqual([[1], [0.04], [0.004, 0.008]])
})

test("what has no labels stands under its function alone, where alarms look for it", async () => {
  const runtime = await onLambda()
  await awaited(runtime, async () => runtime.figures.gauge("octant_redis_away", {}, 1))()
  const [line = ""] = printed.split("\n").filter((one) => one.includes("_aws"))
  expect(Emf.parse(JSON.parse(line))).toMatchObject({
    _aws: { CloudWatchMetrics: [{ Namespace: "octant", Dimensions: [["service"]] }] },
    service: "octant-test-collect",
    octant_redis_away: 1,
  })
})

test("what a failing call has told is told too, and the failure is the caller's", async () => {
  const runtime = await onLambda()
  const handler = worker(runtime, async () => {
    runtime.figures.count("octant_errors_total", { route: "/v1/query" })
    throw new Error("broken")
  })
  await expect(handler()).rejects.toThrow("broken")
  expect(told()).toMatchObject([{ name: "octant_errors_total", values: [1] }])
})

test("a figure that has more values than a line may hold is told whole, each line with its labels", async () => {
  const runtime = await onLambda()
  await worker(runtime, async () => {
    for (let i = 0; i < 250; i++) runtime.figures.took("octant_queue_wait_seconds", { queue: "append" }, i)
  })()
  for (const { labels } of told()) expect(labels).toEqual({ service: "octant-test-collect", queue: "append" })
  expect(told().flatMap(({ values }) => values)).toHaveLength(250)
})

test("elsewhere nothing is written, and nothing is kept", async () => {
  const runtime = runtimeOf(await readConfig(configured))
  await awaited(runtime, async () => runtime.figures.count("octant_requests_total", { route: "/", status: 200 }))()
  expect(printed).toBe("")
})

test("whatever is told there is a figure, by labels of which there are few", () => {
  for (const [name, labels] of Object.entries(dimensions)) {
    expect(known[name as FigureName]).toBeDefined()
    expect(labels.length).toBeLessThanOrEqual(2)
    expect(labels).not.toContain("tenant")
  }
})
