import { traced } from "#core/unit.ts"
import type { SendJob } from "#pipeline/jobs/job.ts"
import type { AwsCall } from "./aws.ts"
import type { Config } from "./config.ts"
import { originAttributes, SQS } from "./queue.ts"

const urls = { high: "OCTANT_JOBS_HIGH_QUEUE_URL", low: "OCTANT_JOBS_LOW_QUEUE_URL" } as const

/** Puts a job before its workers. Many jobs of one tenant do not hold up another's: SQS is fair between groups. */
export const jobSender =
  (call: AwsCall, config: Config): SendJob =>
  ({ tenant, id, priority }, delaySeconds = 0) => {
    const url = config[urls[priority]]
    if (url === undefined) return Promise.reject(new Error(`${urls[priority]} is needed for jobs`))
    return traced(
      "send job",
      "producer",
      async () => {
        await call("sqs", "SendMessage", {
          QueueUrl: url,
          MessageBody: JSON.stringify({ version: 1, tenant, job: id }),
          MessageGroupId: tenant,
          ...(delaySeconds > 0 ? { DelaySeconds: delaySeconds } : {}),
          ...originAttributes(),
        })
      },
      { ...SQS, "octant.tenant": tenant },
    )
  }
