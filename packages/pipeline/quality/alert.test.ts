import { expect, test } from "vitest"
import { fakeClock, MINUTE } from "#core/clock.ts"
import { judge, type Standing } from "./alert.ts"
import { type Part, partOf, scoreOfParts } from "./parts.ts"

const part = (value: number | null, failing: boolean): Part =>
  partOf("accuracy", { value, failing, evidence: {}, query: "/v1/quarantine", cause: "schema" })

/** What a row of checks, five minutes apart, does: `+` opens, `-` closes, `.` nothing. */
function row(checks: string) {
  const clock = fakeClock("2026-01-31T12:00:00.000Z")
  let standing: Standing = {}
  return [...checks]
    .map((check) => {
      const parts = [check === "?" ? part(null, false) : part(check === "b" ? 0.5 : 0, check === "b")]
      const judged = judge(standing, "web", parts, clock())
      standing = judged.standing
      clock.advance(5 * MINUTE)
      return judged.opened.length > 0 ? "+" : judged.closed.length > 0 ? "-" : "."
    })
    .join("")
}

test("two bad checks in a row open an alert, and two good ones close it", () => {
  expect(row("gbgbbbgbgg")).toBe("....+....-")
  expect(row("bbggbb")).toBe(".+.-.+")
})

test("a check that can say nothing changes nothing", () => {
  expect(row("b?b?g?g")).toBe("..+...-")
})

test("an alert is known since its first bad check and has one id however often it is opened", () => {
  const clock = fakeClock("2026-01-31T12:00:00.000Z")
  const first = judge({}, "web", [part(0.5, true)], clock())
  clock.advance(5 * MINUTE)
  const [once, again] = [1, 2].map(() => judge(first.standing, "web", [part(0.5, true)], clock()).opened[0]!)
  expect(once).toMatchObject({
    since: "2026-01-31T12:00:00.000Z",
    openedAt: "2026-01-31T12:05:00.000Z",
    cause: "schema",
  })
  expect(again!.id).toBe(once!.id)
})

test("a score is the weighted mean of the parts that can be said", () => {
  const parts = [
    { score: 1, weight: 20 },
    { score: 0.5, weight: 20 },
    { score: null, weight: 60 },
  ]
  expect(scoreOfParts(parts)).toBe(75)
  expect(scoreOfParts([{ score: null, weight: 1 }])).toBeNull()
  // Halfway from none to one in twenty.
  expect(part(0.025, true).score).toBe(0.5)
})
