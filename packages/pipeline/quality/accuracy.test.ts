import { expect, test } from "vitest"
import { zoneOf } from "#core/zone.ts"
import type { Tallied } from "../memory.ts"
import { accuracy } from "./accuracy.ts"
import { baselineOf } from "./look.ts"

const NOW = Date.parse("2027-01-15T12:30:00.000Z")

const queryOf = (source: string, rejected: number, quarantined: number) => {
  const row = { received: 300, counted: 300 - rejected - quarantined, duplicate: 0, rejected, quarantined } as Tallied
  const hours = new Map()
  const about = { hours, baseline: baselineOf(hours, NOW), ledger: new Map([["2027-01-15T12", row]]) }
  return accuracy({ now: NOW, zone: zoneOf("UTC"), source, ...about }).query
}

test.each([
  ["events that lie in quarantine", "src_acme_0123456789abcdef", 1, 50, "/v1/quarantine?limit=100"],
  [
    "webhooks that could not be read",
    "src_acme_0123456789abcdef",
    50,
    1,
    "/v1/sources/src_acme_0123456789abcdef/deliveries?limit=100",
  ],
  [
    "calls that were refused, of which only a count is kept",
    "default",
    50,
    1,
    "/v1/ledger?from=2027-01-15&to=2027-01-15",
  ],
])("the evidence for %s is where they are", (_, source, rejected, quarantined, query) => {
  expect(queryOf(source, rejected, quarantined)).toBe(query)
})
