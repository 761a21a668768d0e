import { readConfig } from "#platform/config.ts"
import { runtimeOf } from "#platform/runtime.ts"
import { checkWorker } from "#platform/workers.ts"

export const handler = checkWorker(runtimeOf(readConfig(process.env)))
