import { SECOND } from "#core/clock.ts"
import { isOver, type Job } from "#pipeline/jobs/job.ts"
import { ask, type Target } from "./api.ts"
import type { Terminal } from "./terminal.ts"

/** Jobs, as commands speak of them with the API. */
type Wish = { kind: string; input: object; idempotencyKey?: string | undefined }

/** Short at first: most jobs are. */
const FIRST_PAUSE_MS = SECOND / 4
const LONGEST_PAUSE_MS = 2 * SECOND
const PERCENT = 100

export const pathOf = (id: string) => `/v1/jobs/${encodeURIComponent(id)}`

export const createJob = (target: Target, { kind, input, idempotencyKey }: Wish): Promise<Job> =>
  ask<Job>(target, "/v1/jobs", {
    method: "POST",
    body: { kind, input },
    ...(idempotencyKey === undefined ? {} : { headers: { "idempotency-key": idempotencyKey } }),
  })

export const jobResult = <T>(target: Target, id: string): Promise<T> => ask<T>(target, `${pathOf(id)}/result`)

/** The job when it is over; a bar tells how far it is. Throws for one that is not done. */
export async function doneJob(terminal: Terminal, target: Target, id: string): Promise<Job> {
  let job = await ask<Job>(target, pathOf(id))
  const bar = terminal.bar(job.kind, PERCENT)
  try {
    for (let pause = FIRST_PAUSE_MS; !isOver(job); pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      bar.to(percentOf(job))
      await terminal.sleep(pause)
      job = await ask<Job>(target, pathOf(id))
    }
    bar.to(percentOf(job))
  } finally {
    bar.end()
  }
  if (job.state === "failed") throw new Error(`${id} has failed: ${job.error?.message}`)
  if (job.state !== "done") throw new Error(`${id} is ${job.state}`)
  return job
}

export const percentOf = ({ state, progress: { done, total } }: Job) =>
  state === "done" ? PERCENT : total === 0 ? 0 : Math.floor((PERCENT * done) / total)
