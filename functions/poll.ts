import { readConfig } from "#platform/config.ts"
import { worker } from "#platform/lambda.ts"
import { pollWorker } from "#platform/poll.ts"
import { runtimeOf } from "#platform/runtime.ts"

const runtime = runtimeOf(await readConfig(process.env, ["OCTANT_KMS_KEY_ID"]))
export const handler = worker(runtime, pollWorker(runtime))
