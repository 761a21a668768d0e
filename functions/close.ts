import { closeWorker } from "#platform/close-worker.ts"
import { readConfig } from "#platform/config.ts"
import { worker } from "#platform/lambda.ts"
import { runtimeOf } from "#platform/runtime.ts"

const runtime = runtimeOf(await readConfig(process.env, ["OCTANT_JOBS_HIGH_QUEUE_URL", "OCTANT_JOBS_LOW_QUEUE_URL"]))
export const handler = worker(runtime, closeWorker(runtime))
