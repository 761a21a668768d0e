import { readConfig } from "#platform/config.ts"
import { deliverWorker } from "#platform/deliver.ts"
import { worker } from "#platform/lambda.ts"
import { poster } from "#platform/post.ts"
import { runtimeOf } from "#platform/runtime.ts"

const runtime = runtimeOf(await readConfig(process.env, ["OCTANT_DELIVERIES_QUEUE_URL", "OCTANT_KMS_KEY_ID"]))
export const handler = worker(runtime, deliverWorker({ ...runtime, post: poster(runtime) }))
