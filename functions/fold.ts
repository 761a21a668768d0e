import { readConfig } from "#platform/config.ts"
import { runtimeOf } from "#platform/runtime.ts"
import { foldWorker } from "#platform/workers.ts"

export const handler = foldWorker(runtimeOf(readConfig(process.env)))
