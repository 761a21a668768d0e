import { hooksApp } from "#api/hooks.ts"
import { atADoor } from "#platform/base.ts"
import { readConfig } from "#platform/config.ts"
import { door } from "#platform/door.ts"
import { runtimeOf } from "#platform/runtime.ts"

const runtime = runtimeOf(await readConfig(process.env, ["OCTANT_KMS_KEY_ID", "OCTANT_HOOKS_URL"]), atADoor)
export const handler = door(runtime, hooksApp(runtime))
