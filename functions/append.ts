import { appendWorker } from "#platform/append-worker.ts"
import { baseOf } from "#platform/base.ts"
import { readConfig } from "#platform/config.ts"
import { worker } from "#platform/lambda.ts"

const runtime = baseOf(await readConfig(process.env))
export const handler = worker(runtime, appendWorker(runtime))
