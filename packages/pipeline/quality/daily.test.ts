import { expect, test } from "vitest"
import { zoneOf } from "#core/zone.ts"
import { daily } from "./daily.ts"
import type { Check } from "./documents.ts"
import { partOf } from "./parts.ts"

const checked = (at: string, score: number | null, accuracy: number | null, source = "web"): Check => ({
  source,
  at,
  score,
  parts: [partOf("accuracy", { value: accuracy, failing: (accuracy ?? 0) > 0.01, evidence: {}, query: "" })],
})

test("a day is the mean of its hours on the tenant's calendar, with its worst hour and how often a gate failed", () => {
  const checks = [
    checked("2026-01-30T21:59:00.000Z", 40, 0.5),
    checked("2026-01-30T22:05:00.000Z", 100, 0),
    checked("2026-01-31T10:00:00.000Z", 70, 0.03),
    checked("2026-01-31T11:00:00.000Z", null, null),
    checked("2026-01-31T12:00:00.000Z", 80, 0, "shop"),
  ]
  expect(daily(checks, zoneOf("Europe/Athens"))).toEqual([
    {
      at: "2026-01-30",
      source: "web",
      score: 40,
      lowest: 40,
      hours: 1,
      parts: { accuracy: 0.5 },
      failing: { accuracy: 1 },
    },
    { at: "2026-01-31", source: "shop", score: 80, lowest: 80, hours: 1, parts: { accuracy: 0 }, failing: {} },
    {
      ...{ at: "2026-01-31", source: "web", score: 85, lowest: 70, hours: 3 },
      ...{ parts: { accuracy: 0.015 }, failing: { accuracy: 1 } },
    },
  ])
})

test("nothing is said of a day without a score", () => {
  expect(daily([checked("2026-01-31T11:00:00.000Z", null, null)], zoneOf("UTC"))).toMatchObject([
    { score: null, lowest: null, parts: { accuracy: null }, failing: {} },
  ])
})
