import type { Command } from "commander"
import { slices } from "#core/parallel.ts"
import type { Quarantined, Released } from "#pipeline/quarantine.ts"
import { ask, type Target, targetOf } from "./api.ts"
import { Usage } from "./failure.ts"
import { jsonOption, onApi, type Remote, whole } from "./options.ts"
import { countOf, plain, show, table } from "./print.ts"
import type { Terminal } from "./terminal.ts"

type Page = { items: Quarantined[]; next?: string }
type Which = { event?: string; code?: string; limit: number }
type Release = Remote & { all?: true; set?: string; dryRun?: true }

const PAGE = 1000

export function addQuarantine(program: Command, terminal: Terminal) {
  const group = program
    .command("quarantine")
    .description("events that broke their type's schema: kept whole, not counted")
  onApi(group.command("list"))
    .description("what lies in quarantine, and why; the oldest first")
    .option("--event <name>", "only events of this name")
    .option("--code <code>", "only for this reason")
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
  onApi(group.command("release [ids...]"))
    .description("count what now passes its schema; the rest stays")
    .option("--all", "everything that lies there")
    .option("--set <json>", 'properties to replace first, such as {"currency":"EUR"}')
    .option("--dry-run", "only say what would be released")
    .action(async (ids: string[], options: Release) => {
      const released = await release(targetOf(options, terminal, "admin"), ids, options)
      show(terminal, options.json, released, () => textOf(released, options.dryRun))
      if (released.kept.length > 0)
        throw new Error(
          `${countOf(released.kept.length, "event")} still broke the schema: --set replaces properties first`,
        )
    })
}

async function lyingIn(target: Target, { event, code, limit: most }: Which): Promise<Page> {
  const items: Quarantined[] = []
  for (let after: string | undefined; ; ) {
    const limit = Math.min(PAGE, most - items.length)
    const page = await ask<Page>(target, "/v1/quarantine", { parameters: { event, code, limit, after } })
    items.push(...page.items)
    if (page.next === undefined || items.length >= most) return { ...page, items }
    after = page.next
  }
}

async function release(target: Target, ids: readonly string[], { all, set, dryRun }: Release): Promise<Released> {
  if (ids.length > 0 === (all === true)) throw new Usage("name the ids to release, or say --all")
  const wish = {
    ...(set === undefined ? {} : { set: jsonOption("--set", set, '{"currency":"EUR"}') }),
    ...(dryRun ? { dryRun } : {}),
  }
  const send = (which: object) =>
    ask<Released>(target, "/v1/quarantine/release", { method: "POST", body: { ...which, ...wish } })
  if (all) return send({ all })
  const outcome: Released = { released: [], kept: [] }
  for (const some of slices([...new Set(ids)], PAGE)) {
    const { released, kept } = await send({ ids: some })
    outcome.released.push(...released)
    outcome.kept.push(...kept)
  }
  return outcome
}

function textOf({ released, kept }: Released, dryRun: true | undefined) {
  const stays = kept.map(({ id, reason }) => `  ${plain(id)} stays: ${plain(`${reason.field} ${reason.message}`)}\n`)
  return `${countOf(released.length, "event")} ${dryRun ? "would be " : ""}released, ${kept.length} kept\n${stays.join("")}`
}
