import { MINUTE, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import type { TenantId } from "#store/keys.ts"
import { isOver, type Kept, type SendJob, ttlFrom } from "./job.ts"
import type { KindName, KindNamed, Run, RunNeeds } from "./kind.ts"
import { type Lease, Lost, takeJob } from "./lease.ts"
import { writeResult } from "./result.ts"

export type WorkNeeds = RunNeeds & {
  sendJob: SendJob
  kindNamed: KindNamed
  /** Hears that a tenant's job is over: what tells of it lies in the outbox. */
  ended?: ((tenant: TenantId) => Promise<void>) | undefined
  /** Whether this worker is about to stop. */
  isStopping?: () => boolean
  /** Whether this worker's memory is about to be used up: a worker that dies of it dies again. */
  isFull?: () => boolean
}

/**
 * What became of a message: the job ended; or it is handed on, put off after a failure, another worker's, over already,
 * or not there. `error` is a failure of ours.
 */
export type Worked = {
  outcome: "done" | "failed" | "cancelled" | "overtaken" | "handed on" | "put off" | "held" | "over" | "missing"
  kind?: KindName
  attempt?: number
  code?: string
  error?: unknown
}

/** What takes longer is handed on, or given up if that cannot be: well within the function's time-out. */
const BUDGET_MS = 10 * MINUTE
/** A job that was begun so often and never came to its end is given up. */
export const MOST_ATTEMPTS = 5
const FIRST_DELAY_SECONDS = 30
/** SQS delays no longer. */
const LONGEST_DELAY_SECONDS = 900

class Stopping extends Error {}

/** Works a job as far as one run can. Whatever happens meanwhile, one worker at a time has it. */
export async function workJob(needs: WorkNeeds, tenant: TenantId, id: string): Promise<Worked> {
  const taken = await takeJob(needs, tenant, id)
  if (taken.outcome === "missing") return { outcome: "missing" }
  if (taken.outcome === "over") return { outcome: "over", kind: taken.job.kind }
  if (taken.outcome === "held") {
    // Should its worker have died, this message finds it free.
    const seconds = Math.ceil(taken.leftMs / SECOND)
    await needs.sendJob(placed(tenant, taken.job), Math.min(seconds, LONGEST_DELAY_SECONDS))
    return { outcome: "held", kind: taken.job.kind }
  }
  const { lease } = taken
  const { kind, attempts: attempt } = lease.job()
  const worked = await runJob(needs, tenant, lease)
  if (isOver(lease.job())) await needs.ended?.(tenant)
  return { ...worked, kind, attempt }
}

async function runJob(needs: WorkNeeds, tenant: TenantId, lease: Lease): Promise<Worked> {
  const { id, kind, input, attempts, run: name } = lease.job()
  try {
    if (attempts > MOST_ATTEMPTS) throw new Fault("internal", GIVEN_UP)
    const { run } = await needs.kindNamed(kind)
    const ran = await run(needs, tenant, input, runOf(needs, lease))
    if (ran.outcome === "interrupted") return await handOn(needs, tenant, lease)
    const result = { text: JSON.stringify(ran.result), ttl: ttlFrom(needs.clock()) }
    await lease.end({ state: "done", found: await writeResult(needs, { tenant, id }, name, result) })
    return { outcome: "done" }
  } catch (error) {
    if (error instanceof Lost) return { outcome: error.outcome }
    if (error instanceof Stopping) return await handOn(needs, tenant, lease)
    return await failing(needs, tenant, lease, error)
  }
}

const FULL = "this is more than one worker can hold in its memory; ask for fewer days"
const GIVEN_UP = `it was begun ${MOST_ATTEMPTS} times and never came to its end`

function runOf(needs: WorkNeeds, lease: Lease): Run {
  const started = needs.clock()
  const isStopping = () => needs.isStopping?.() === true
  return {
    by: lease.job().by,
    checkpoint: lease.job().checkpoint,
    progress: async (done, total, checkpoint) => {
      if (needs.isFull?.()) throw new Fault("job_too_large", FULL)
      await lease.tell(done, total, checkpoint)
      // What resumes asks `isOver` between two commits, and loses nothing.
      if (isStopping() && checkpoint === undefined) throw new Stopping()
    },
    isOver: () => isStopping() || needs.clock() - started >= BUDGET_MS,
  }
}

async function handOn(needs: WorkNeeds, tenant: TenantId, lease: Lease): Promise<Worked> {
  try {
    await lease.release(0)
  } catch (error) {
    if (error instanceof Lost) return { outcome: error.outcome }
    throw error
  }
  await needs.sendJob(placed(tenant, lease.job()))
  return { outcome: "handed on" }
}

/** What the job itself cannot do ends it; what may pass is tried again, a while later. */
async function failing(needs: WorkNeeds, tenant: TenantId, lease: Lease, error: unknown): Promise<Worked> {
  const { attempts } = lease.job()
  const isOurs = !(error instanceof Fault) || error.code === "unavailable"
  const about = isOurs ? { error } : { code: error.code }
  try {
    if (isOurs && attempts < MOST_ATTEMPTS) {
      await lease.release(attempts)
      await needs.sendJob(placed(tenant, lease.job()), FIRST_DELAY_SECONDS * 2 ** (attempts - 1))
      return { outcome: "put off", ...about }
    }
    const told = isOurs ? { code: "internal", message: "something went wrong on our side" } : error
    await lease.end({ state: "failed", error: { code: told.code, message: told.message } })
    return { outcome: "failed", ...about }
  } catch (other) {
    if (other instanceof Lost) return { outcome: other.outcome }
    throw other
  }
}

const placed = (tenant: TenantId, { id, priority }: Kept) => ({ tenant, id, priority })
