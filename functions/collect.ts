import { collectApp } from "#api/collect.ts"
import { atADoor, baseOf } from "#platform/base.ts"
import { readConfig } from "#platform/config.ts"
import { door } from "#platform/door.ts"

const runtime = baseOf(await readConfig(process.env), atADoor)
export const handler = door(runtime, collectApp(runtime))
