import { apiApp } from "#api/api.ts"
import { newTails } from "#pipeline/reading.ts"
import { atADoor } from "#platform/base.ts"
import { cacheOf } from "#platform/cache.ts"
import { readConfig } from "#platform/config.ts"
import { door } from "#platform/door.ts"
import { runtimeOf } from "#platform/runtime.ts"

const needed = [
  "OCTANT_KMS_KEY_ID",
  "OCTANT_HOOKS_URL",
  "OCTANT_JOBS_HIGH_QUEUE_URL",
  "OCTANT_JOBS_LOW_QUEUE_URL",
] as const
const runtime = runtimeOf(await readConfig(process.env, needed), atADoor)
export const handler = door(runtime, apiApp({ ...runtime, tails: newTails(), cache: cacheOf(runtime) }))
