import { readConfig } from "#platform/config.ts"
import { worker } from "#platform/lambda.ts"
import { runtimeOf } from "#platform/runtime.ts"
import { closeWorker } from "#platform/workers.ts"

const runtime = runtimeOf(readConfig(process.env))
export const handler = worker(runtime, closeWorker(runtime))
