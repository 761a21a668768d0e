import type { Command } from "commander"
import type { Answer } from "#pipeline/answer.ts"
import { type Job, states } from "#pipeline/jobs/job.ts"
import { kindNames } from "#pipeline/jobs/kind.ts"
import { ask, targetOf } from "./api.ts"
import { createJob, doneJob, jobResult, pathOf, percentOf } from "./job.ts"
import { jsonOption, onApi, type Remote, whole } from "./options.ts"
import { show, table } from "./print.ts"
import { answerText } from "./query.ts"
import type { Terminal } from "./terminal.ts"

type Wish = Remote & { input?: string; timeZone?: string; currency?: string; idempotencyKey?: string }
type Page = Remote & { kind?: string; state?: string; limit: number; after?: string }

export function addJobs(program: Command, terminal: Terminal) {
  const group = program
    .command("jobs")
    .description("what takes longer than a request: large questions, replays, recounts")
  const target = (options: Remote) => targetOf(options, terminal, "admin")

  onApi(group.command("list", { isDefault: true }))
    .description("jobs of the last 30 days, the newest first")
    .option("--kind <kind>", kindNames.join(", "))
    .option("--state <state>", states.join(", "))
    .option("--limit <count>", "how many", whole(1, 200), 20)
    .option("--after <next>", "the page after the one that ended so")
    .action(async ({ kind, state, limit, after, ...options }: Page) => {
      const parameters = { kind, state, limit, after }
      const found = await ask<{ jobs: Job[]; next?: string }>(target(options), "/v1/jobs", { parameters })
      const rows = found.jobs.map((job) => [job.id, job.kind, job.state, `${percentOf(job)} %`, job.createdAt, job.by])
      show(terminal, options.json, found, () => {
        const more = found.next === undefined ? "" : `more: --after ${found.next}\n`
        return table(["job", "kind", "state", ">done", "made", "by"], rows) + more
      })
    })
  onApi(group.command("create <kind>"))
    .description(`ask for a job: ${kindNames.join(", ")}; octant query --job asks for a question and waits`)
    .option("--input <json>", `what to do, such as {"metric":"orders"} for a query`)
    .option("--time-zone <zone>", "for a replay: see all history by the days of this zone")
    .option("--currency <code>", "for a replay: add up amounts in this currency")
    .option("--idempotency-key <key>", "the same key again is the same job")
    .action(async (kind: string, { input, timeZone, currency, idempotencyKey, ...options }: Wish) => {
      const given = input === undefined ? {} : (jsonOption("--input", input, '{"metric":"orders"}') as object)
      const whole = { ...given, ...(timeZone ? { timeZone } : {}), ...(currency ? { currency } : {}) }
      const job = await createJob(target(options), { kind, input: whole, idempotencyKey })
      show(terminal, options.json, job, () => `${job.id} is ${job.state}: octant jobs wait ${job.id}\n`)
    })
  onApi(group.command("show <id>"))
    .description("one job: how far it is, and how it ended")
    .action(async (id: string, options: Remote) => {
      const job = await ask<Job>(target(options), pathOf(id))
      show(terminal, options.json, job, () => textOf(job))
    })
  onApi(group.command("wait <id>"))
    .description("wait for the end of a job; exit 1 if it is not done then")
    .action(async (id: string, options: Remote) => {
      const job = await doneJob(terminal, target(options), id)
      show(terminal, options.json, job, () => textOf(job))
    })
  onApi(group.command("result <id>"))
    .description("what a job has found")
    .action(async (id: string, options: Remote) => {
      const [{ kind }, result] = [await ask<Job>(target(options), pathOf(id)), await jobResult(target(options), id)]
      show(terminal, options.json, result, () =>
        kind === "query" ? answerText(result as Answer) : `${JSON.stringify(result, null, 2)}\n`,
      )
    })
  onApi(group.command("cancel <id>"))
    .description("end a job before its end")
    .action(async (id: string, options: Remote) => {
      const job = await ask<Job>(target(options), `${pathOf(id)}/cancel`, { method: "POST" })
      show(terminal, options.json, job, () => `${job.id} is ${job.state}\n`)
    })
}

function textOf(job: Job): string {
  const { kind, state, progress, createdAt, startedAt, endedAt, by, attempts, error } = job
  const rows = [
    ["kind", kind],
    ["state", `${state}, ${percentOf(job)} % of ${progress.total} ${progress.unit}`],
    ["made", `${createdAt} by ${by}`],
    ["begun", startedAt ?? "–"],
    ["ended", endedAt ?? "–"],
    ["attempts", String(attempts)],
    ...(error ? [["why", `${error.code}: ${error.message}`]] : []),
  ]
  return table([job.id, ""], rows)
}
