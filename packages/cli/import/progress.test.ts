import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, test } from "vitest"
import { openProgress } from "./progress.ts"
import type { Outcome } from "./tally.ts"

const outcome = (accepted: number): Outcome => ({ accepted, quarantined: 0, refusedEvents: 0, reasons: [] })

test("of answers in any order, only a beginning without gaps is remembered", () => {
  const folder = mkdtempSync(join(tmpdir(), "octant-progress-"))
  const progress = openProgress(folder, "one", false)
  progress.acknowledge(1, outcome(10))
  expect(openProgress(folder, "one", false).current()).toEqual({ requests: 0, outcome: outcome(0) })
  progress.acknowledge(3, outcome(1000))
  progress.acknowledge(0, outcome(1))
  expect(openProgress(folder, "one", false).current()).toEqual({ requests: 2, outcome: outcome(11) })
  progress.acknowledge(2, outcome(100))
  expect(openProgress(folder, "one", false).current()).toEqual({ requests: 4, outcome: outcome(1111) })

  expect(openProgress(folder, "one", true).current().requests).toBe(0)
  expect(openProgress(folder, "other", false).current().requests).toBe(0)
  progress.forget()
  expect(openProgress(folder, "one", false).current().requests).toBe(0)
})
