import { readConfig } from "#platform/config.ts"
import { runtimeOf } from "#platform/runtime.ts"
import { appendWorker } from "#platform/workers.ts"

export const handler = appendWorker(runtimeOf(readConfig(process.env)))
