import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import * as z from "zod/mini"
import { modelOf } from "./model.ts"
import { stages } from "./stages.ts"
import { root, synth } from "./synth.ts"

const Target = z.object({ namespace: z.optional(z.string()), metricName: z.optional(z.string()) })
const Dashboard = z.object({ panels: z.array(z.object({ targets: z.optional(z.array(Target)) })) })
/** What the functions tell by themselves: all of it is shown, which `tests/metrics.test.ts` holds. */
const OURS = "octant"
/** To be taken out of here when they have their panels: this test then asks for them. */
const NOT_SHOWN_YET = ["AWS/Lambda UrlRequestLatency", "AWS/Lambda UrlRequestCount"]

test("the dashboard shows what every alarm watches, and of AWS nothing else", async () => {
  const production = stages.find(({ stage }) => stage === "production")!
  const { alarms } = modelOf(await synth(production))
  const watched = alarms
    .flatMap(({ metrics }) => metrics.map(({ namespace, metricName }) => `${namespace} ${metricName}`))
    .filter((name) => !NOT_SHOWN_YET.includes(name))
  const { panels } = Dashboard.parse(JSON.parse(readFileSync(join(root, "docs/grafana.json"), "utf8")))
  const shown = panels
    .flatMap(({ targets = [] }) => targets)
    .filter(({ namespace }) => namespace !== undefined)
    .map(({ namespace, metricName }) => `${namespace!.replace("$stage", production.stage)} ${metricName}`)
    .filter((name) => !name.startsWith(`${OURS} `) || watched.includes(name))
  expect(alarms.length).toBeGreaterThan(40)
  expect([...new Set(shown)].sort()).toEqual([...new Set(watched)].sort())
})
