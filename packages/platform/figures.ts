import type { Clock } from "#core/clock.ts"
import type { Figures } from "#core/figures.ts"
import { consumed, traced } from "#core/unit.ts"
import type { Meter } from "#store/table.ts"
import type { AwsCall } from "./aws.ts"

const systems = {
  dynamodb: "DynamoDB",
  sqs: "SQS",
  kms: "KMS",
  monitoring: "CloudWatch",
  events: "EventBridge",
} as const

/** Tells how long each call took, its retries included, and how it ended: a condition that did not hold is no failure. */
export const timed =
  (call: AwsCall, clock: Clock, figures: Figures): AwsCall =>
  async (service, action, body) => {
    const started = clock()
    const tell = (outcome: "ok" | "refused" | "failed") =>
      figures.took("octant_store_seconds", { service, action, outcome }, clock() - started)
    try {
      const answer = await traced(`${systems[service]} ${action}`, "client", () => call(service, action, body))
      tell("ok")
      return answer
    } catch (error) {
      tell(isRefusal(error) ? "refused" : "failed")
      throw error
    }
  }

function isRefusal(error: unknown) {
  const { code, body } = error as { code?: string; body?: { CancellationReasons?: { Code: string }[] } }
  const reasons = body?.CancellationReasons ?? []
  return code === "ConditionalCheckFailedException" || reasons.some(({ Code }) => Code === "ConditionalCheckFailed")
}

/** Adds up what was consumed, for the unit of work and by the part of the table; `further` hears the same. */
export const metered =
  (figures: Figures, further?: Meter): Meter =>
  (action, pk, units) => {
    consumed(units)
    const part = pk.split("#")[2] ?? "settings"
    if (units.read > 0) figures.count("octant_capacity_units_total", { action, kind: "read", part }, units.read)
    if (units.write > 0) figures.count("octant_capacity_units_total", { action, kind: "write", part }, units.write)
    further?.(action, pk, units)
  }
