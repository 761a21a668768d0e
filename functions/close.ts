import { readConfig } from "#platform/config.ts"
import { runtimeOf } from "#platform/runtime.ts"
import { closeWorker } from "#platform/workers.ts"

export const handler = closeWorker(runtimeOf(readConfig(process.env)))
