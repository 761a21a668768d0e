import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Tenant } from "#access/tenant.ts"
import { silent } from "#core/log.ts"
import { startDynamo } from "#local/dynamodb.ts"
import { settle } from "#local/home.ts"
import { createTable } from "#local/table.ts"
import { readConfig } from "#platform/config.ts"
import { runtimeOf } from "#platform/runtime.ts"
import { startChild } from "./child.ts"
import { checkStored, sendAll } from "./load.ts"

const TICKS_A_SECOND = 100

/**
 * The product as it runs in the cloud, on this machine: the doors, the workers, the queues and the database each in a
 * process of its own, so that a fold holds nobody up but itself. The database is a file in `dir`; `stop` removes it.
 */
export async function startCluster(dir: string) {
  const dynamo = await startDynamo({ file: join(dir, "table.db") })
  const queues = await startChild("queues")
  const config = await readConfig({
    OCTANT_TABLE: "octant-bench",
    OCTANT_APPEND_QUEUE_URL: queues.ready.append,
    OCTANT_FOLD_QUEUE_URL: queues.ready.fold,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.url,
    AWS_ENDPOINT_URL_SQS: queues.ready.url,
  })
  const runtime = runtimeOf(config, { log: silent })
  await createTable(runtime.call, config.OCTANT_TABLE)
  const tenant = await settle(runtime, Tenant.parse({ id: "bench", name: "Bench" }))
  const door = await startChild("door", { config })
  const workers = await startChild("workers", { config })
  const url = door.ready.url!
  let stored = 0
  return {
    door,
    pids: { door: door.pid, workers: workers.pid, queues: queues.pid, dynamo: dynamo.pid },
    config,
    runtime,
    tenant,
    /** Sends bodies through our front door; throws when one is refused. */
    send: async (bodies: readonly Buffer[], connections: number) => {
      const sent = await sendAll(`${url}/v1/batch`, tenant.writeKey, bodies, connections)
      if (sent.refused > 0) throw new Error(`we refused ${sent.refused} of ${sent.requests} requests`)
      return sent
    },
    work: () => workers.ask("start"),
    rest: () => workers.ask("halt"),
    appended: () => workers.ask("appended"),
    /** Everything appended and folded, what no fold has been asked for too. */
    folded: () => workers.ask("folded", { tenant: tenant.id }),
    /** So many more events must be stored and counted than before. */
    check: async (more: number) => {
      stored += more
      await checkStored(url, tenant.readKey, stored)
    },
    /** Processor time that all of it has used so far, in milliseconds. */
    cpuMs: () => [door, workers, queues].reduce((sum, { pid }) => sum + cpuMsOf(pid), cpuMsOf(dynamo.pid)),
    stop: async () => {
      for (const child of [door, workers, queues]) await child.stop()
      await dynamo.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
export type Cluster = Awaited<ReturnType<typeof startCluster>>

/** Processor time of a process, in milliseconds (to ten). */
export function cpuMsOf(pid: number): number {
  const after = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  return ((Number(after[11]) + Number(after[12])) * 1000) / TICKS_A_SECOND
}
