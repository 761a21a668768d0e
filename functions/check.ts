import { baseOf } from "#platform/base.ts"
import { putEvents } from "#platform/bus.ts"
import { checkWorker } from "#platform/check-worker.ts"
import { readConfig } from "#platform/config.ts"
import { worker } from "#platform/lambda.ts"

const config = await readConfig(process.env, ["OCTANT_BUS"])
const base = baseOf(config)
export const handler = worker(base, checkWorker({ ...base, publish: putEvents(base.call, config.OCTANT_BUS) }))
