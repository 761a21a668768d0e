import { readConfig } from "#platform/config.ts"
import { notifyWorker } from "#platform/deliver.ts"
import { worker } from "#platform/lambda.ts"
import { runtimeOf } from "#platform/runtime.ts"

const runtime = runtimeOf(await readConfig(process.env, ["OCTANT_DELIVERIES_QUEUE_URL"]))
export const handler = worker(runtime, notifyWorker(runtime))
