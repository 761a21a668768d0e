import { baseOf } from "#platform/base.ts"
import { readConfig } from "#platform/config.ts"
import { worker } from "#platform/lambda.ts"
import { foldWorker } from "#platform/workers.ts"

const runtime = baseOf(readConfig(process.env))
export const handler = worker(runtime, foldWorker(runtime))
