import { modelOf, type Rules } from "../model.ts"
import type { Plan } from "../plan.ts"
import { alarms } from "./alarms.ts"
import { bundles } from "./bundles.ts"
import { doors } from "./doors.ts"
import { functions } from "./functions.ts"
import { queues } from "./queues.ts"
import { roles } from "./roles.ts"
import { schedules } from "./schedules.ts"
import { storage } from "./storage.ts"
import { subscribers } from "./subscribers.ts"

/** All that must be true of what is deployed: the serverless lens of AWS's guidance, and what this product adds to it. */
export const rules: Rules = {
  ...functions,
  ...roles,
  ...queues,
  ...schedules,
  ...subscribers,
  ...storage,
  ...alarms,
  ...doors,
  ...bundles,
}

/** Which rules a plan breaks, with what each has to say; empty if none. */
export function broken(plan: Plan): Record<string, string[]> {
  const model = modelOf(plan)
  const said = Object.entries(rules).map(([rule, check]): [string, string[]] => [rule, check(model)])
  return Object.fromEntries(said.filter(([, complaints]) => complaints.length > 0))
}
