import { handle } from "hono/aws-lambda"
import { apiApp } from "#api/api.ts"
import { newTails } from "#pipeline/reading.ts"
import { readConfig } from "#platform/config.ts"
import { runtimeOf } from "#platform/runtime.ts"

export const handler = handle(apiApp({ ...runtimeOf(readConfig(process.env)), tails: newTails() }))
