import "#platform/web.ts"
import { handle } from "hono/aws-lambda"
import { collectApp } from "#api/collect.ts"
import { readConfig } from "#platform/config.ts"
import { door } from "#platform/lambda.ts"
import { runtimeOf } from "#platform/runtime.ts"

const runtime = runtimeOf(readConfig(process.env))
export const handler = door(runtime, handle(collectApp(runtime)))
