import { readConfig } from "#platform/config.ts"
import { pollWorker } from "#platform/poll.ts"
import { runtimeOf } from "#platform/runtime.ts"

export const handler = pollWorker(runtimeOf(readConfig(process.env)))
