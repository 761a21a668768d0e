import { type Clock, instant, MINUTE, SECOND } from "#core/clock.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Table, Value } from "#store/table.ts"
import { type End, ending, isOver, type Kept, readJob, type State } from "./job.ts"
import type { Checkpoint } from "./kind.ts"

/** Nobody else takes a job up for so long after its worker has last told of it. */
const LEASE_MS = 5 * MINUTE
/** How often at most a worker tells how far it is. */
const TELL_MS = 2 * SECOND
/** Somebody else may change the job while it is being taken. */
const LOOKS = 10

type Needs = { table: Table; clock: Clock; nonce: () => string }

/** Ends a run from within: the job was cancelled, or another worker has it. */
export class Lost extends Error {
  readonly outcome: "cancelled" | "overtaken"
  constructor(outcome: "cancelled" | "overtaken") {
    super(outcome)
    this.outcome = outcome
  }
}

/** A job in the hands of one worker. Whatever it writes throws `Lost` when the job is its own no more. */
export type Lease = {
  job(): Kept
  tell(done: number, total: number, checkpoint?: Checkpoint): Promise<void>
  /** Gives it back to the queue; `attempts` as of now on. */
  release(attempts: number): Promise<void>
  end(how: End): Promise<void>
}

export type Taken =
  | { outcome: "taken"; lease: Lease }
  | { outcome: "missing" }
  | { outcome: "over"; job: Kept }
  /** Another worker has it, and for so long nobody else may. */
  | { outcome: "held"; job: Kept; leftMs: number }

/** Takes a job up, unless it is over or somebody else's. */
export async function takeJob(needs: Needs, tenant: TenantId, id: string): Promise<Taken> {
  const { table, clock, nonce } = needs
  const run = nonce()
  for (let look = 0; look < LOOKS; look++) {
    const job = await readJob(needs, tenant, id)
    if (!job) return { outcome: "missing" }
    if (job.run === run && job.state === "running") return { outcome: "taken", lease: leaseOf(needs, tenant, job) }
    if (isOver(job)) return { outcome: "over", job }
    const now = clock()
    if (job.state === "running" && job.runUntilMs > now) return { outcome: "held", job, leftMs: job.runUntilMs - now }
    const startedMs = job.startedAt === null ? now : Date.parse(job.startedAt)
    const mine = {
      state: "running",
      attempts: job.attempts + 1,
      run,
      runUntilMs: now + LEASE_MS,
      version: job.version + 1,
    } as const
    const condition = { attribute: "version", is: "=", value: job.version } as const
    // Whether an unclear one was done is seen at the next look.
    if (await table.set(keys.job(tenant, id), { ...mine, startedMs }, condition)) {
      const taken = { ...job, ...mine, startedAt: instant(startedMs) }
      return { outcome: "taken", lease: leaseOf(needs, tenant, taken) }
    }
  }
  throw new Error("the job changes too fast to be taken up")
}

function leaseOf(needs: Needs, tenant: TenantId, taken: Kept): Lease {
  const { table, clock } = needs
  let job = taken
  let toldMs = Number.NEGATIVE_INFINITY

  /** Throws `Lost` unless what was written last is what this run has written: after an unclear answer it may be. */
  const confirm = async (state: State, version: number) => {
    const there = await readJob(needs, tenant, job.id)
    if (there?.run !== job.run || there.state !== state || there.version !== version) {
      throw new Lost(there?.state === "cancelled" ? "cancelled" : "overtaken")
    }
    job = there
  }
  const write = async (state: State, values: Record<string, Value | null>) => {
    const version = job.version + 1
    const condition = { attribute: "version", is: "=", value: job.version } as const
    if (!(await table.set(keys.job(tenant, job.id), { ...values, state, version }, condition)))
      return confirm(state, version)
    job = { ...job, version }
  }

  return {
    job: () => job,
    tell: async (done, total, checkpoint) => {
      const now = clock()
      job = { ...job, progress: { ...job.progress, done, total } }
      if (now - toldMs < TELL_MS) return
      toldMs = now
      const renewed = { done, total, runUntilMs: now + LEASE_MS }
      await write(
        "running",
        checkpoint === undefined ? renewed : { ...renewed, checkpoint: JSON.stringify(checkpoint) },
      )
    },
    release: async (attempts) => {
      const { done, total } = job.progress
      await write("queued", { attempts, queuedMs: clock(), runUntilMs: null, done, total })
    },
    end: async (how) => {
      const version = job.version + 1
      const now = clock()
      const failed = await table.transact(ending(tenant, job, how, now), needs.nonce())
      if (failed.length > 0) return confirm(how.state, version)
      const { state, error = null, found } = how
      job = { ...job, state, version, error, found, endedAt: instant(now), resultBytes: found?.bytes ?? null }
    },
  }
}
