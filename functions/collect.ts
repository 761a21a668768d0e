import { collectApp } from "#api/collect.ts"
import { baseOf } from "#platform/base.ts"
import { readConfig } from "#platform/config.ts"
import { door } from "#platform/door.ts"

const runtime = baseOf(readConfig(process.env))
export const handler = door(runtime, collectApp(runtime))
