import { handle } from "hono/aws-lambda"
import { collectApp } from "#api/collect.ts"
import { readConfig } from "#platform/config.ts"
import { runtimeOf } from "#platform/runtime.ts"

export const handler = handle(collectApp(runtimeOf(readConfig(process.env))))
