import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { settle } from "../fixture.ts"
import { createJob, type Job, readJob } from "./job.ts"
import type { Priority } from "./kind.ts"
import { type KindName, kinds } from "./kinds.ts"
import { readResult } from "./result.ts"
import { type WorkNeeds, workJob } from "./work.ts"

/** For tests: a tenant with a queue of jobs that is worked when a test says so. */
export async function settleJobs(table: Table, more: Partial<WorkNeeds> = {}) {
  const world = await settle(table)
  const { tenant, needs } = world
  const sent: { tenant: TenantId; id: string; priority: Priority; delaySeconds: number }[] = []
  const told: [state: string, kind: string][] = []
  const sendJob: WorkNeeds["sendJob"] = async (job, delaySeconds = 0) => void sent.push({ ...job, delaySeconds })
  const ended: WorkNeeds["ended"] = async (_, { state, kind }) => void told.push([state, kind])
  const working = { ...needs, sendJob, ended, ...more }
  return {
    ...world,
    working,
    /** What was put before the workers, and what others were told of. */
    sent,
    told,
    make: async (kind: KindName, input: object = {}, about: { idempotencyKey?: string; most?: number } = {}) => {
      const { most = 3, ...named } = about
      return createJob({ ...needs, actor: "key:k" }, tenant, { kind, input, ...named }, await kinds[kind](), most)
    },
    work: async ({ id }: Pick<Job, "id">, over: Partial<WorkNeeds> = {}) =>
      workJob({ ...working, ...over }, tenant, id),
    look: ({ id }: Pick<Job, "id">) => readJob(needs, tenant, id),
    result: async ({ id }: Pick<Job, "id">) => {
      const job = await readJob(needs, tenant, id)
      return JSON.parse(await readResult(needs, { tenant, id }, job!.found!)) as unknown
    },
  }
}
