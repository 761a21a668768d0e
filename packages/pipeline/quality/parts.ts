import { accuracy } from "./accuracy.ts"
import { fields } from "./completeness.ts"
import { counted } from "./counted.ts"
import { clock, lag, silence } from "./freshness.ts"
import type { Look, Measured } from "./look.ts"
import { rounded } from "./look.ts"
import { drift } from "./shift.ts"
import { uniqueness } from "./uniqueness.ts"
import { volume } from "./volume.ts"

export const dimensions = ["completeness", "accuracy", "freshness", "uniqueness", "consistency", "pipeline"] as const
export type Severity = "high" | "medium" | "low"

/** What a score is made of. All weights are here; a part that cannot be said has no part in the score. */
type Rule = {
  dimension: (typeof dimensions)[number]
  title: string
  weight: number
  /** In words, as the answer shows it. */
  gate: string
  /** The value that earns everything, and the one that earns nothing; linear between. */
  best: number
  worst: number
  severity: Severity
  advice: string
}

const rules = {
  fields: {
    dimension: "completeness",
    title: "Expected fields that are present",
    weight: 20,
    gate: "> 0.95, over all and for each expected field",
    best: 1,
    worst: 0.8,
    severity: "high",
    advice:
      "Look at what the sender released last; the events are counted, but what splits or sums by the field is not.",
  },
  volume: {
    dimension: "completeness",
    title: "Events received ÷ expected at these hours of the week",
    weight: 20,
    gate: "> 0.95 and < 1.5, as far as it stands out from chance (6 standard errors)",
    best: 1,
    worst: 0,
    severity: "high",
    advice: "Compare with the vendor's own count; check that each sender still runs, and that none sends twice.",
  },
  counted: {
    dimension: "completeness",
    title: "What has come ÷ the vendor's own count, yesterday and today",
    weight: 20,
    gate: "> 0.95",
    best: 1,
    worst: 0.8,
    severity: "high",
    advice:
      "See at the vendor whether the endpoint is on and which events it sends; the back-poll has been asked to read the list again.",
  },
  accuracy: {
    dimension: "accuracy",
    title: "Records refused or quarantined ÷ received",
    weight: 20,
    gate: "< 0.01",
    best: 0,
    worst: 0.05,
    severity: "high",
    advice:
      "Mend the sender by the first cause; quarantined events can be edited and released by POST /v1/quarantine/release.",
  },
  lag: {
    dimension: "freshness",
    title: "Seconds from event to receipt, 95th percentile",
    weight: 10,
    gate: "< 300",
    best: 60,
    worst: 3600,
    severity: "medium",
    advice:
      "Check the sender's clock and time zone (events are counted on the day they say); send sentAt and wrong clocks are put right.",
  },
  clock: {
    dimension: "freshness",
    title: "Events more than five minutes ahead of our clock",
    weight: 5,
    gate: "< 0.01",
    best: 0,
    worst: 0.1,
    severity: "medium",
    advice:
      "Check the sender's clock and time zone (events are counted on the day they say); send sentAt and wrong clocks are put right.",
  },
  silence: {
    dimension: "freshness",
    title: "Longest silence that is on or has just ended, in minutes",
    weight: 10,
    gate: "below what is usual for the hour, at least 5 minutes",
    best: 0,
    worst: 60,
    severity: "high",
    advice:
      "Check that the sender runs and that its key is valid (GET /v1/keys); what was missed can be polled back or imported.",
  },
  uniqueness: {
    dimension: "uniqueness",
    title: "Copies ÷ received, last 24 hours",
    weight: 5,
    gate: "below 0.05 or three times the usual; informational",
    best: 0.05,
    worst: 1,
    severity: "low",
    advice: "Nothing is counted twice; see why the client did not take the acknowledgement.",
  },
  drift: {
    dimension: "consistency",
    title: "Largest shift of a field's distribution (PSI)",
    weight: 10,
    gate: "< 0.25 or what chance makes; numbers also KS distance < 0.2",
    best: 0.1,
    worst: 1,
    severity: "medium",
    advice:
      "If the change is meant, it becomes usual within two weeks; a new currency or unit must be converted by the sender.",
  },
  identities: {
    dimension: "consistency",
    title: "Identities between numbers that do not hold",
    weight: 20,
    gate: "0",
    best: 0,
    worst: 1,
    severity: "high",
    advice:
      "Run `octant reconcile`, which folds the journal again and names each value that differs, then `octant replay`.",
  },
  tail: {
    dimension: "pipeline",
    title: "Entries of the journal that are not folded into views",
    weight: 5,
    gate: "< 5000",
    best: 1000,
    worst: 50_000,
    severity: "medium",
    advice: "Answers stay exact and get slower; a fold has been asked for.",
  },
} as const satisfies Record<string, Rule>
export type PartName = keyof typeof rules

/** One part of a score, with everything that shows it. */
export type Part = Measured & {
  name: PartName
  dimension: (typeof dimensions)[number]
  title: string
  weight: number
  gate: string
  /** 0 to 1; `null` where nothing can be said. */
  score: number | null
  severity: Severity
  advice: string
}

export function partOf(name: PartName, measured: Measured): Part {
  const { best, worst, ...rule }: Rule = rules[name]
  const score = measured.value === null ? null : scoreOf(name, measured, best, worst)
  return { name, ...rule, score, ...measured }
}

function scoreOf(name: PartName, { value, failing }: Measured, best: number, worst: number) {
  // What is within the limits of chance is as good as it can be told to be.
  if ((name === "volume" || name === "silence" || name === "drift") && !failing) return 1
  const given = name === "volume" && value! > 1 ? 1 / value! : value!
  return rounded(Math.min(1, Math.max(0, (given - worst) / (best - worst))))
}

/** What a source's quality consists of. */
const ofSource = {
  fields,
  volume,
  counted,
  accuracy,
  lag,
  clock,
  silence,
  uniqueness,
  drift,
} as const satisfies Partial<Record<PartName, (look: Look) => Measured>>

export const partsOf = (look: Look): Part[] =>
  Object.entries(ofSource).map(([name, measure]) => partOf(name as PartName, measure(look)))

/** The weighted mean of the parts that can be said, 0 to 100; `null` if none can. */
export function scoreOfParts(parts: readonly Pick<Part, "score" | "weight">[]): number | null {
  let [sum, weights] = [0, 0]
  for (const { score, weight } of parts) {
    if (score === null) continue
    sum += score * weight
    weights += weight
  }
  return weights === 0 ? null : rounded((100 * sum) / weights, 1)
}
