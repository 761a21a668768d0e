import type { TenantId } from "#store/keys.ts"
import { untold } from "#store/outbox.ts"
import type { Table } from "#store/table.ts"
import { settle } from "../fixture.ts"
import { createJob, type Job, readJob } from "./job.ts"
import type { KindName, Priority } from "./kind.ts"
import { kindNamed } from "./kinds.ts"
import { readResult } from "./result.ts"
import { type WorkNeeds, workJob } from "./work.ts"

/** For tests: a tenant with a queue of jobs that is worked when a test says so. */
export async function settleJobs(table: Table, more: Partial<WorkNeeds> = {}) {
  const world = await settle(table)
  const { tenant, needs } = world
  const sent: { tenant: TenantId; id: string; priority: Priority; delaySeconds: number }[] = []
  const sendJob: WorkNeeds["sendJob"] = async (job, delaySeconds = 0) => void sent.push({ ...job, delaySeconds })
  const working = { ...needs, sendJob, kindNamed, ...more }
  return {
    ...world,
    working,
    /** What was put before the workers, and what others are to be told of. */
    sent,
    told: async () => (await untold(needs, tenant)).map(({ type, data }) => [type, data.kind]),
    make: async (kind: KindName, input: object = {}, about: { idempotencyKey?: string; most?: number } = {}) => {
      const { most = 3, ...named } = about
      return createJob({ ...needs, actor: "key:k" }, tenant, { kind, input, ...named }, await kindNamed(kind), most)
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
