import { schedules as facts, type ScheduleName } from "#platform/topology.ts"
import { functionOf } from "./function.ts"
import { pascal } from "./names.ts"
import { calls } from "./queues.ts"

const MINUTE_MS = 60_000
const RETRIES = 2

export const schedules = {
  close: schedule("close"),
  check: schedule("check"),
  poll: schedule("poll"),
} satisfies Record<ScheduleName, unknown>

/** Calls a function every so often. What cannot be delivered, and what has failed for good, goes to the dead letters. */
function schedule(name: ScheduleName) {
  const { function: job, everyMs } = facts[name]
  const dead = calls[name]
  const made = functionOf(job, { permissions: [{ actions: ["sqs:SendMessage"], resources: [dead.arn] }] })
  new aws.lambda.FunctionEventInvokeConfig(`${pascal(name)}OnFailure`, {
    functionName: made.name,
    qualifier: made.live.name,
    maximumRetryAttempts: RETRIES,
    // The next call does the work of this one.
    maximumEventAgeInSeconds: everyMs / 1000,
    destinationConfig: { onFailure: { destination: dead.arn } },
  })
  new sst.aws.CronV2(`${pascal(name)}Schedule`, {
    schedule: `rate(${everyMs / MINUTE_MS} minutes)`,
    function: made.live.arn,
    retries: RETRIES,
    dlq: dead.arn,
  })
  return { ...made, dead }
}
