import { baseOf } from "#platform/base.ts"
import { checkWorker } from "#platform/check-worker.ts"
import { readConfig } from "#platform/config.ts"
import { worker } from "#platform/lambda.ts"
import { tellingOf } from "#platform/telling.ts"

const config = await readConfig(process.env, ["OCTANT_BUS"])
const base = baseOf(config)
export const handler = worker(base, checkWorker({ ...base, ...tellingOf(config, { ...base, loopback: false }) }))
