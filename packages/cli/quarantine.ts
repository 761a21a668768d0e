import type { Command } from "commander"
import { slices } from "#core/parallel.ts"
import type { Change, Quarantined, Released } from "#pipeline/quarantine.ts"
import { ask, type Target, targetOf } from "./api.ts"
import { Usage } from "./failure.ts"
import { jsonOption, onApi, type Remote, whole } from "./options.ts"
import { countOf, plain, show, table } from "./print.ts"
import type { Terminal } from "./terminal.ts"

type Page = { items: Quarantined[]; next?: string }
type Search = { [name in (typeof searching)[number]]?: string }
type Which = Search & { limit: number }
type Release = Remote & Search & { all?: true; set?: string; rename?: string; remove?: string[]; dryRun?: true }

const PAGE = 1000
const searching = ["event", "code", "source", "text", "field", "value", "from", "to"] as const

const withSearch = (command: Command) =>
  command
    .option("--event <name>", "only events of this name")
    .option("--code <code>", "only for this reason")
    .option("--source <id>", "only from this source")
    .option("--text <words>", "only with these words anywhere in it")
    .option("--field <path>", "only with this field, such as properties.total")
    .option("--value <value>", "and this value in it")
    .option("--from <instant>", "only received from then on")
    .option("--to <instant>", "and before then")

const searchOf = (options: Search): Search =>
  Object.fromEntries(searching.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])))

export function addQuarantine(program: Command, terminal: Terminal) {
  const group = program
    .command("quarantine")
    .description("events that broke their type's schema: kept whole, not counted")
  withSearch(onApi(group.command("list")))
    .description("what lies in quarantine, and why; the oldest first")
    .option("--limit <count>", "how many", whole(1, 1_000_000), 100)
    .action(async (options: Remote & Which) => {
      const lying = await lyingIn(targetOf(options, terminal, "read"), options)
      const rows = lying.items.map(({ id, source, receivedAt, event, reason }) => [
        id,
        receivedAt,
        source,
        event.event ?? event.type,
        `${reason.field} ${reason.message}`,
      ])
      show(terminal, options.json, lying, () => {
        const more = lying.next === undefined ? "" : "… there is more: --limit\n"
        return rows.length === 0
          ? "nothing lies in quarantine\n"
          : table(["id", "received", "source", "event", "why"], rows) + more
      })
    })
  withSearch(onApi(group.command("release [ids...]")))
    .description("count what now passes its schema; the rest stays. Some by id, some by what they have, or all")
    .option("--all", "everything that lies there")
    .option("--rename <json>", 'properties to call otherwise first, such as {"price":"revenue"}')
    .option("--remove <names...>", "properties to take out first")
    .option("--set <json>", 'properties to replace first, such as {"currency":"EUR"}')
    .option("--dry-run", "only say what would change and be released")
    .action(async (ids: string[], options: Release) => {
      const released = await release(targetOf(options, terminal, "admin"), ids, options)
      show(terminal, options.json, released, () => textOf(released, options.dryRun))
      if (released.kept.length > 0)
        throw new Error(
          `${countOf(released.kept.length, "event")} still broke the schema: --set replaces properties first`,
        )
    })
}

async function lyingIn(target: Target, { limit: most, ...options }: Which): Promise<Page> {
  const items: Quarantined[] = []
  for (let after: string | undefined; ; ) {
    const limit = Math.min(PAGE, most - items.length)
    const page = await ask<Page>(target, "/v1/quarantine", {
      parameters: { ...searchOf(options), limit, after },
    })
    items.push(...page.items)
    if (page.next === undefined || items.length >= most) return { ...page, items }
    after = page.next
  }
}

async function release(target: Target, ids: readonly string[], options: Release): Promise<Released> {
  const { all, set, rename, remove, dryRun } = options
  const match = searchOf(options)
  const isMatched = Object.keys(match).length > 0
  if ([ids.length > 0, all === true, isMatched].filter(Boolean).length !== 1) {
    throw new Usage("name the ids to release, or what they have (such as --code), or say --all")
  }
  const wish = {
    ...(rename === undefined ? {} : { rename: jsonOption("--rename", rename, '{"price":"revenue"}') }),
    ...(remove === undefined ? {} : { remove }),
    ...(set === undefined ? {} : { set: jsonOption("--set", set, '{"currency":"EUR"}') }),
    ...(dryRun ? { dryRun } : {}),
  }
  const send = (which: object) =>
    ask<Released>(target, "/v1/quarantine/release", { method: "POST", body: { ...which, ...wish } })
  if (all) return send({ all })
  if (isMatched) return send({ match })
  const outcome: Released = { released: [], kept: [] }
  for (const some of slices([...new Set(ids)], PAGE)) {
    const { released, kept, changes } = await send({ ids: some })
    outcome.released.push(...released)
    outcome.kept.push(...kept)
    if (changes) outcome.changes = [...(outcome.changes ?? []), ...changes]
  }
  return outcome
}

function textOf({ released, kept, changes = [] }: Released, dryRun: true | undefined) {
  const stays = kept.map(({ id, reason }) => `  ${plain(id)} stays: ${plain(`${reason.field} ${reason.message}`)}\n`)
  return `${countOf(released.length, "event")} ${dryRun ? "would be " : ""}released, ${kept.length} kept\n${stays.join("")}${changes.map(lineOf).join("")}`
}

/** As `diff` shows it: what was, and what would be. */
const lineOf = ({ id, property, before, after }: Change) =>
  [
    ...(before === undefined ? [] : [`- ${id} ${property}: ${JSON.stringify(before)}`]),
    ...(after === undefined ? [] : [`+ ${id} ${property}: ${JSON.stringify(after)}`]),
  ]
    .map((line) => `  ${plain(line)}\n`)
    .join("")
