import type { Command } from "commander"
import { type State, states, type Telling } from "#delivery/telling.ts"
import type { Shown, Webhook } from "#delivery/webhook.ts"
import { ask, type Request, targetOf } from "./api.ts"
import { Usage } from "./failure.ts"
import { onApi, type Remote, whole } from "./options.ts"
import { plain, show, table } from "./print.ts"
import type { Terminal } from "./terminal.ts"

type Making = Remote & { to: string; events?: string[]; description?: string }
type Changing = Remote & { to?: string; events?: string[]; description?: string; enable?: true; disable?: true }
type Listing = Remote & { limit: number; state?: State }
type Page = { deliveries: Telling[]; next?: string }

const PAGE = 200
const pathOf = (id: string) => `/v1/webhooks/${encodeURIComponent(id)}`

export function addWebhooks(program: Command, terminal: Terminal) {
  const group = program.command("webhooks").description("where a tenant is told of what happens, and what it was told")
  const about = { group, terminal }
  addLists(about)
  addMaking(about)
  addTurns(about)
  addDeliveries(about)
}

type About = { group: Command; terminal: Terminal }

function addLists({ group, terminal }: About) {
  onApi(group.command("list"))
    .description("all webhooks of a tenant")
    .action(async (options: Remote) => {
      const answer = await read<{ webhooks: Webhook[] }>(options, terminal, "/v1/webhooks")
      const rows = answer.webhooks.map((one) => [one.id, stateOf(one), one.events.join(", "), one.url])
      show(terminal, options.json, answer, () =>
        rows.length === 0 ? "there are no webhooks yet\n" : table(["id", "state", "events", "url"], rows),
      )
    })
  onApi(group.command("show <id>"))
    .description("one webhook")
    .action(async (id: string, options: Remote) => {
      const webhook = await read<Webhook>(options, terminal, pathOf(id))
      show(terminal, options.json, webhook, () => textOf(webhook))
    })
}

function addMaking({ group, terminal }: About) {
  onApi(group.command("create"))
    .description("have an endpoint told of what happens; its secret is shown this once")
    .requiredOption("--to <url>", "the endpoint: an https URL that the internet reaches")
    .option("--events <types...>", "of what, such as alert.opened (default: everything)")
    .option("--description <text>", "what it is for")
    .action(async (options: Making) => {
      const { to, events, description } = options
      const body = { url: to, events, description }
      const made = await admin<Shown>(options, terminal, "/v1/webhooks", { method: "POST", body })
      show(terminal, options.json, made, () => `${made.id}\n${made.secret}\n`)
      terminal.err(`webhook ${made.id}: keep the secret now, it is not shown again\n`)
    })
  onApi(group.command("update <id>"))
    .description("another URL, other events, on or off")
    .option("--to <url>", "the endpoint")
    .option("--events <types...>", "of what; * is everything")
    .option("--description <text>", "what it is for")
    .option("--enable", "tell it again, as after it was gone")
    .option("--disable", "tell it nothing for now: what happens meanwhile is not told later")
    .action(async (id: string, options: Changing) => {
      const { to, events, description, enable, disable } = options
      if (enable && disable) throw new Usage("say --enable or --disable, not both")
      const enabled = enable ? true : disable ? false : undefined
      const body = { url: to, events, description, enabled }
      const webhook = await admin<Webhook>(options, terminal, pathOf(id), { method: "PATCH", body })
      show(terminal, options.json, webhook, () => textOf(webhook))
    })
  onApi(group.command("rotate <id>"))
    .description("a new secret; the one before it signs beside it for another day")
    .option("--end-old", "the old one ends at once, as when somebody has seen it")
    .action(async (id: string, options: Remote & { endOld?: true }) => {
      const body = { keepOld: options.endOld !== true }
      const webhook = await admin<Shown>(options, terminal, `${pathOf(id)}/rotate`, { method: "POST", body })
      show(terminal, options.json, webhook, () => `${webhook.secret}\n`)
      const old = webhook.oldSecretUntil === undefined ? "has ended" : `signs until ${webhook.oldSecretUntil}`
      terminal.err(`the secret of ${id} is another; the one before it ${old}\n`)
    })
}

function addTurns({ group, terminal }: About) {
  onApi(group.command("test <id>"))
    .description("send webhook.test, in the way of everything else; `deliveries` shows what came of it")
    .action(async (id: string, options: Remote) => {
      const delivery = await admin<Telling>(options, terminal, `${pathOf(id)}/test`, { method: "POST" })
      show(terminal, options.json, delivery, () => `${delivery.id} is on its way\n`)
    })
  onApi(group.command("delete <id>"))
    .description("end a webhook at once; what waits for it is not sent")
    .action(async (id: string, options: Remote) => {
      const webhook = await admin<Webhook>(options, terminal, pathOf(id), { method: "DELETE" })
      show(terminal, options.json, webhook, () => `the webhook ${webhook.id} (${plain(webhook.url)}) is gone\n`)
    })
}

function addDeliveries({ group, terminal }: About) {
  onApi(group.command("deliveries <id>"))
    .description("what a webhook was told, the newest first; kept for 30 days")
    .option("--limit <count>", "how many", whole(1, 100_000), 50)
    .option("--state <state>", states.join(", "))
    .action(async (id: string, options: Listing) => {
      const page = await deliveriesOf(id, options, terminal)
      const rows = page.deliveries.map((one) => [
        one.id,
        one.type,
        one.state,
        String(one.attempts),
        lastOf(one),
        one.nextAt ?? "",
      ])
      const more = page.next === undefined ? "" : "… there are more: --limit\n"
      show(terminal, options.json, page, () =>
        rows.length === 0
          ? "nothing was told yet\n"
          : table(["id", "event", "state", ">attempts", "last", "again at"], rows) + more,
      )
    })
  onApi(group.command("retry <id> <delivery>"))
    .description("tell it once more, whatever became of it; receivers know it by the same webhook-id")
    .action(async (id: string, delivery: string, options: Remote) => {
      const path = `${pathOf(id)}/deliveries/${encodeURIComponent(delivery)}/retry`
      const telling = await admin<Telling>(options, terminal, path, { method: "POST" })
      show(terminal, options.json, telling, () => `${telling.id} is on its way\n`)
    })
}

const read = <T>(options: Remote, terminal: Terminal, path: string, request?: Request) =>
  ask<T>(targetOf(options, terminal, "read"), path, request)
const admin = <T>(options: Remote, terminal: Terminal, path: string, request?: Request) =>
  ask<T>(targetOf(options, terminal, "admin"), path, request)

async function deliveriesOf(id: string, options: Listing, terminal: Terminal): Promise<Page> {
  const all: Page = { deliveries: [] }
  do {
    const limit = Math.min(PAGE, options.limit - all.deliveries.length)
    const parameters = { limit, after: all.next, state: options.state }
    const page = await read<Page>(options, terminal, `${pathOf(id)}/deliveries`, { parameters })
    all.deliveries.push(...page.deliveries)
    if (page.next === undefined) return { deliveries: all.deliveries }
    all.next = page.next
  } while (all.deliveries.length < options.limit)
  return all
}

const stateOf = ({ enabled, disabled }: Webhook) => (enabled ? "on" : disabled === "gone" ? "off: it is gone" : "off")

function textOf(webhook: Webhook) {
  const { id, url, events, description, createdAt, oldSecretUntil } = webhook
  const rows = [
    ["url", url],
    ["events", events.join(", ")],
    ["state", stateOf(webhook)],
    ...(description === undefined ? [] : [["for", description]]),
    ["since", createdAt],
    ...(oldSecretUntil === undefined ? [] : [["old secret", `signs until ${oldSecretUntil}`]]),
  ]
  return `${plain(id)}\n${table(["", ""], rows).slice(1)}`
}

/** The last that was heard: a status, or why none. */
function lastOf({ tries, error }: Telling) {
  const last = tries.at(-1)
  return error ?? (last ? `${last.status ?? last.error}, ${last.ms} ms` : "")
}
