import { reconcile, replay } from "#pipeline/jobs/low.ts"
import { readConfig } from "#platform/config.ts"
import { jobsOf } from "#platform/job-worker.ts"

const config = await readConfig(process.env, ["OCTANT_JOBS_LOW_QUEUE_URL", "OCTANT_BUS"])
export const handler = jobsOf(config, "jobs-low", { reconcile, replay })
