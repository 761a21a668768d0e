import type { Command } from "commander"
import type { DeadLetter, Moved, Way } from "#pipeline/deadletters.ts"
import type { QueueState } from "#pipeline/queues.ts"
import { ask, type Target } from "./api.ts"
import { Usage } from "./failure.ts"
import { type Common, onData, whole } from "./options.ts"
import { countOf, cut, plain, show, table } from "./print.ts"
import { runningOn } from "./storage.ts"
import type { Terminal } from "./terminal.ts"

type Admin = Common & { url?: string }
const PAYLOAD_WIDTH = 500

/** What a redrive does with so many of them, or would do. */
const deeds: Record<Way, (count: number, queue: string, isDry: boolean) => string> = {
  sent: (count, queue, isDry) => `${countOf(count, "message")} ${isDry ? "would be sent" : "sent"} back to ${queue}`,
  published: (count, queue, isDry) =>
    `${countOf(count, "event")} ${isDry ? "would be put" : "put"} on the bus again for ${queue}`,
  dropped: (count, queue, isDry) =>
    `${countOf(count, "letter")} ${isDry ? "would be dropped" : "dropped"}, and nothing sent: the schedule ${queue} runs again by itself`,
}

/** For commands that only whoever runs this may give. */
const onAdmin = (command: Command) =>
  onData(command).option(
    "--url <url>",
    "an API elsewhere (or OCTANT_URL); its operator's token in OCTANT_OPERATOR_TOKEN",
  )

export function addQueues(program: Command, terminal: Terminal) {
  const group = program.command("queues").description("what waits, and what was given up (for the operator)")
  onAdmin(group.command("list", { isDefault: true }))
    .description(
      "each queue: how much waits and how long, and how many dead letters there are and how old; schedules and notify too",
    )
    .action(async (options: Admin) => {
      const found = await ask<{ queues: QueueState[] }>(targetOf(options, terminal), "/v1/admin/queues")
      const rows = found.queues.map((one) => [
        one.name,
        ...[one.depth, one.inFlight, one.delayed, one.oldestSeconds].map(known),
        ...[one.deadLetters, one.deadInFlight, one.deadOldestSeconds].map(known),
        one.redrive,
      ])
      show(terminal, options.json, found, () =>
        table(
          [
            "queue",
            ">waiting",
            ">in flight",
            ">delayed",
            ">oldest (s)",
            ">dead letters",
            ">looked at",
            ">oldest letter (s)",
            "redrive",
          ],
          rows,
        ),
      )
    })
  onAdmin(group.command("dead <queue>"))
    .description("dead letters: why they failed, and what they carry; the audit log tells that you looked")
    .option("--limit <count>", "how many", whole(1, 100), 20)
    .action(async (queue: string, options: Admin & { limit: number }) => {
      const found = await ask<{ letters: DeadLetter[] }>(targetOf(options, terminal), `${pathOf(queue)}/dead`, {
        parameters: { limit: options.limit },
      })
      show(terminal, options.json, found, () =>
        found.letters.length === 0 ? `${queue} has no dead letters\n` : found.letters.map(textOf).join("\n"),
      )
    })
  onAdmin(group.command("redrive <queue> [ids...]"))
    .description("send dead letters back to the queue; sent twice, they count once. Those of a schedule are dropped")
    .option("--all", "all of them")
    .option("--max <count>", "at most so many", whole(1, 100_000))
    .option("--dry-run", "only say what would be done")
    .action(async (queue: string, ids: string[], options: Admin & { all?: true; max?: number; dryRun?: true }) => {
      if (ids.length > 0 === (options.all === true || options.max !== undefined))
        throw new Usage("name the ids, or say --all or --max")
      const { max, dryRun = false } = options
      const body = { dryRun, ...(ids.length > 0 ? { ids } : {}), ...(max === undefined ? {} : { max }) }
      const moved = await ask<Moved>(targetOf(options, terminal), `${pathOf(queue)}/redrive`, { method: "POST", body })
      show(terminal, options.json, moved, () => {
        const stay = moved.left > 0 ? `; ${moved.left} ${moved.left === 1 ? "stays" : "stay"}` : ""
        return `${deeds[moved.redrive](moved.moved.length, queue, moved.dryRun)}${stay}\n`
      })
    })
}

const known = (count: number | null) => (count === null ? "–" : String(count))
const pathOf = (queue: string) => `/v1/admin/queues/${encodeURIComponent(queue)}`

function targetOf({ data, url: given }: Admin, { env }: Terminal): Target {
  const url = given ?? env.OCTANT_URL
  const dev = url === undefined ? runningOn(data) : undefined
  const key = dev?.environment.OCTANT_OPERATOR_TOKEN ?? env.OCTANT_OPERATOR_TOKEN
  const home = url ?? dev?.apiUrl
  if (home === undefined)
    throw new Error(`no Octant runs on ${data}: start it with npm start, or name another with --url`)
  if (key === undefined) throw new Usage(`give the operator's token of ${home} in OCTANT_OPERATOR_TOKEN`)
  return { url: home.replace(/\/+$/, ""), key }
}

function textOf({ id, tenant, batches, reason, received, firstSentAt, redriven, bytes, payload }: DeadLetter) {
  const rows = [
    ["tenant", tenant ?? "nobody's"],
    ["batches", batches.join(", ")],
    ["why", `${reason.kind}: ${reason.code} ${reason.message}`],
    ["first sent", firstSentAt],
    ["received", `${received} times${redriven > 0 ? ", sent back once by itself" : ""}`],
    ["carries", `${bytes} bytes: ${cut(plain(payload.text), PAYLOAD_WIDTH)}`],
  ]
  return `${plain(id)}\n${table(["", ""], rows).slice(1)}`
}
