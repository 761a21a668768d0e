import "#platform/web.ts"
import { handle } from "hono/aws-lambda"
import { collectApp } from "#api/collect.ts"
import { baseOf } from "#platform/base.ts"
import { readConfig } from "#platform/config.ts"
import { door } from "#platform/lambda.ts"

const runtime = baseOf(readConfig(process.env))
export const handler = door(runtime, handle(collectApp(runtime)))
