import { baseOf } from "#platform/base.ts"
import { readConfig } from "#platform/config.ts"
import { foldWorker } from "#platform/fold-worker.ts"
import { hider } from "#platform/hide.ts"
import { worker } from "#platform/lambda.ts"

const runtime = baseOf(await readConfig(process.env))
export const handler = worker(runtime, foldWorker({ ...runtime, hide: hider(runtime, "fold") }))
