import { readFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import * as z from "zod/mini"
import { exposition } from "#core/exposition.ts"
import { newFigures } from "#core/figures.ts"
import { type FigureName, known } from "#core/known.ts"
import { closeWorker } from "#platform/close-worker.ts"
import { dimensions } from "#platform/emf.ts"
import { type Family, readPrometheus } from "./prometheus.ts"
import { startWorld, type World } from "./world.ts"

let world: World
let page = ""
let families: Map<string, Family>
beforeAll(async () => {
  world = await startWorld()
  const { figures } = world.stack.runtime
  await world.send({ batch: [{ type: "track", userId: "ada", event: "Page Viewed" }] })
  await world.stack.idle()
  await world.ask()
  await world.ask()
  await world.request("/v1/query?metric=none", { key: world.acme.readKey })
  const job = { kind: "query", input: { metric: "events" } }
  await world.request("/v1/jobs", { method: "POST", key: world.acme.readKey, body: job })
  await world.stack.idle()
  await closeWorker(world.stack.runtime)()
  // What only happens when something is broken.
  figures.count("octant_errors_total", { route: 'a "quoted" \\ route\n' })
  figures.count("octant_refusals_total", { reason: "ip", plan: "free" })
  figures.gauge("octant_redis_away", {}, 0)
  figures.took("octant_outside_seconds", { outcome: "ok" }, 70_000)
  figures.gauge("octant_outside_open", {}, 1)
  figures.took("octant_delivery_seconds", { outcome: "ok" }, 300)
  page = (await world.request("/metrics", { key: world.stack.config.OCTANT_OPERATOR_TOKEN! })).text
  families = readPrometheus(page)
}, 60_000)
afterAll(() => world.stop())

test("the page is what Prometheus and promtool take, and tells of every figure there is", () => {
  expect([...families.keys()].sort()).toEqual(Object.keys(known).sort())
  for (const [name, [type, help]] of Object.entries(known)) expect(families.get(name)).toMatchObject({ type, help })
  const quoted = families.get("octant_errors_total")!.samples.map(({ labels }) => labels.route)
  expect(quoted).toContain('a \\"quoted\\" \\\\ route\\n')
})

test.each([
  ["a family that stands twice", (text: string) => text + text],
  ["a sample outside its family", (text: string) => `${text}octant_up_seconds_total 1\n`],
  ["a line that is not ended", (text: string) => text.slice(0, -1)],
  ["a series that stands twice", (text: string) => text + text.trimEnd().split("\n").at(-1)],
  ["buckets that do not rise", (text: string) => text.replace(/(le="0.005"\}) \d+/, "$1 999999")],
  ["a last bucket that is not the count", (text: string) => text.replace(/(_seconds_count\S*) \d+/, "$1 999999")],
  ["a quotation mark in a label", (text: string) => text.replace('route="/v1', 'route=""/v1')],
  ["a value that is no number", (text: string) => text.replace(/^(octant_up_seconds) .*$/m, "$1 soon")],
  ["a counter that is not called so", (text: string) => text.replaceAll("octant_requests_total", "octant_requests")],
])("the check finds %s", (_, spoil) => {
  expect(() => readPrometheus(spoil(page))).toThrow()
})

test("whatever a label says, the page stays one that can be read", () => {
  const figures = newFigures()
  for (const route of ['"', "\\", "\n", '\\"', "}", "{", ",", " ", "=", "é😀", 'a",b="c', ""])
    figures.took("octant_request_seconds", { route, status: 200 }, 1)
  expect(readPrometheus(exposition(figures)).get("octant_request_seconds")!.samples).toHaveLength(12 * 15)
})

describe("the dashboard", () => {
  const Target = z.looseObject({
    expr: z.optional(z.string()),
    namespace: z.optional(z.string()),
    metricName: z.optional(z.string()),
    dimensions: z.optional(z.record(z.string(), z.string())),
  })
  const Dashboard = z.looseObject({
    panels: z.array(
      z.looseObject({
        id: z.int(),
        title: z.string(),
        type: z.string(),
        gridPos: z.strictObject({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
        targets: z.optional(z.array(Target)),
      }),
    ),
  })
  const { panels } = Dashboard.parse(JSON.parse(readFileSync("docs/grafana.json", "utf8")))
  const targets = panels.flatMap((panel) => panel.targets ?? [])
  const exprs = targets.flatMap(({ expr }) => expr ?? [])

  /** Each figure of an expression: its name, what is done to it, and the labels that are asked of it. */
  const asked = (expr: string) => {
    const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, labels]) => labels!.split(/,\s*/))
    return [...expr.matchAll(/(rate\()?(octant_\w+)(?:\{([^}]*)\})?(\[)?/g)].map(
      ([, rate, name, matchers = "", range]) => ({
        name: name!,
        isRated: rate !== undefined && range !== undefined,
        labels: [...grouped, ...[...matchers.matchAll(/(\w+)(?:=|!=|=~|!~)"/g)].map(([, label]) => label!)],
      }),
    )
  }

  test("asks for figures that there are, by labels that they have, and for every one of them", () => {
    const seen = new Set<string>()
    expect(exprs.length).toBeGreaterThan(15)
    for (const expr of exprs) {
      for (const { name, isRated, labels } of asked(expr)) {
        const base = name.replace(/_(bucket|sum|count)$/, "") in known ? name.replace(/_(bucket|sum|count)$/, "") : name
        const family = families.get(base)
        expect(family, expr).toBeDefined()
        const samples = family!.samples.filter((sample) => sample.name === name)
        expect(samples.length, expr).toBeGreaterThan(0)
        for (const label of labels)
          expect(
            samples.every((one) => label in one.labels),
            `${label} in ${expr}`,
          ).toBe(true)
        // A count that only grows tells nothing by itself.
        expect(isRated, expr).toBe(family!.type !== "gauge")
        seen.add(base)
      }
    }
    expect([...seen].sort()).toEqual(Object.keys(known).sort())
  })

  test("asks CloudWatch for what functions tell there, by the labels that they tell it with", () => {
    const ours = targets.filter(({ namespace }) => namespace === "octant")
    const told = Object.fromEntries(
      ours.map(({ metricName, dimensions }) => [metricName, Object.keys(dimensions!).sort()]),
    )
    const named = (label: string) => (label === "service" ? "called" : label)
    const wanted = Object.entries(dimensions).map(([name, labels]) => [name, ["service", ...labels.map(named)].sort()])
    expect(told).toEqual(Object.fromEntries(wanted))
    for (const name of Object.keys(told)) expect(known[name as FigureName]).toBeDefined()
  })

  test("shows each panel once and in a place of its own", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
    expect(panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true)
  })
})
