import { failure } from "#core/log.ts"
import { unitOf } from "#core/unit.ts"
import { publishUntold } from "#delivery/publish.ts"
import { noteFailures } from "#pipeline/failures.ts"
import { JOB_ID } from "#pipeline/jobs/job.ts"
import type { Kind, KindName, KindNamed } from "#pipeline/jobs/kind.ts"
import { type Worked, type WorkNeeds, workJob } from "#pipeline/jobs/work.ts"
import type { TenantId } from "#store/keys.ts"
import { baseOf } from "./base.ts"
import { putEvents } from "./bus.ts"
import type { Config } from "./config.ts"
import { jobSender } from "./jobs.ts"
import { worker } from "./lambda.ts"
import {
  answerOf,
  type Failed,
  originOf,
  oursIn,
  type QueueEvent,
  type QueueRecord,
  requestIn,
  tellWaits,
  type Waits,
} from "./messages.ts"
import type { Runtime } from "./runtime.ts"
import type { QueueName } from "./topology.ts"

type JobQueue = Extract<QueueName, `jobs-${string}`>
type Needs = Pick<Runtime, "table" | "clock" | "nonce" | "log" | "sendJob" | "publish"> &
  Waits &
  Pick<WorkNeeds, "isStopping" | "isFull" | "kindNamed">

function jobIn(said: unknown): { tenant: TenantId; job: string } {
  const { tenant, job } = oursIn(said)
  if (typeof job !== "string" || !JOB_ID.test(job)) throw new Error("a message names its job")
  return { tenant, job }
}

/** V8 collects its garbage well before: what is used then is in use. */
const FULL_SHARE = 0.92

function isFull() {
  const { used_heap_size: used, heap_size_limit: limit } = process.getBuiltinModule("node:v8").getHeapStatistics()
  return used > FULL_SHARE * limit
}

/** Tells the bus that a job is over. What it cannot tell now is told by the next check. */
const tellingBus = (runtime: Needs) => async (tenant: TenantId) => {
  try {
    await publishUntold(runtime, tenant)
  } catch (error) {
    runtime.log("bus.failed", { tenant, ...failure(error) })
  }
}

/** A function of jobs: what it knows to do is loaded with it. Another kind that comes its way fails as any other fault. */
export function jobsOf(
  config: Config & { OCTANT_BUS: string },
  queue: JobQueue,
  kinds: Partial<Record<KindName, Kind>>,
) {
  const base = baseOf(config)
  const kindNamed: KindNamed = async (name) => {
    const kind = kinds[name]
    if (!kind) throw new Error(`${queue} does not do ${name}`)
    return kind
  }
  const needs = { sendJob: jobSender(base.call, config), publish: putEvents(base.call, config.OCTANT_BUS), kindNamed }
  return worker(base, jobWorker({ ...base, ...needs }, queue))
}

/** Works jobs, each by itself. A message is done when its job's document says what is to become of it. */
export const jobWorker = (runtime: Needs, queue: JobQueue) => async (event: QueueEvent) => {
  tellWaits(runtime, queue, event)
  const done: boolean[] = []
  const failed: Failed[] = []
  for (const message of event.Records) {
    done.push(await workOne(runtime, queue, message, (error) => void failed.push({ message, error })))
  }
  await noteFailures(runtime, queue, failed)
  return answerOf(event, done)
}

function workOne(runtime: Needs, queue: JobQueue, message: QueueRecord, onFailure: (error: unknown) => void) {
  const wish = { name: "process job", kind: "consumer", origin: originOf(message) } as const
  return unitOf(runtime, wish, async (unit) => {
    const started = runtime.clock()
    let about: { tenant?: TenantId; job?: string } = {}
    const tell = ({ outcome, kind = "unknown", attempt, code, error }: Omit<Worked, "outcome" | "kind"> & Told) => {
      const ms = runtime.clock() - started
      // What a job cannot do is its own fault; what we cannot do wakes somebody up.
      unit.failed = error !== undefined || code === "internal"
      Object.assign(unit.about, { "octant.outcome": outcome, "octant.job": kind })
      if (about.tenant) unit.about["octant.tenant"] = about.tenant
      runtime.figures?.count("octant_jobs_total", { kind, outcome })
      runtime.figures?.took("octant_job_seconds", { kind, outcome }, ms)
      const { correlationId, read: readUnits, write: writeUnits } = unit
      runtime.log(unit.failed ? "job.failed" : "job", {
        ...{ correlationId, ...about, route: queue, kind, outcome, attempt, code, ms, readUnits, writeUnits },
        ...(error === undefined ? {} : failure(error)),
      })
    }
    try {
      const { tenant, job } = requestIn(jobIn, message)
      about = { tenant, job }
      tell(await workJob({ isFull, ...runtime, ended: tellingBus(runtime) }, tenant, job))
      return true
    } catch (error) {
      onFailure(error)
      tell({ outcome: "failed", error })
      return false
    }
  })
}

type Told = { outcome: string; kind?: string }
