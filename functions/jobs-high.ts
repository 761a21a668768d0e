import { readConfig } from "#platform/config.ts"
import { jobWorker } from "#platform/job-worker.ts"
import { worker } from "#platform/lambda.ts"
import { runtimeOf } from "#platform/runtime.ts"

const runtime = runtimeOf(await readConfig(process.env, ["OCTANT_JOBS_HIGH_QUEUE_URL", "OCTANT_BUS"]))
export const handler = worker(runtime, jobWorker(runtime, "jobs-high"))
