import { handle } from "hono/aws-lambda"
import { hooksApp } from "#api/hooks.ts"
import { readConfig } from "#platform/config.ts"
import { runtimeOf } from "#platform/runtime.ts"

export const handler = handle(hooksApp(runtimeOf(readConfig(process.env))))
