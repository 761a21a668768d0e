import type { Command } from "commander"
import type { profileOf, TimelinePage } from "#pipeline/profile.ts"
import { ask, type Target, targetOf } from "./api.ts"
import { lineOfEvent } from "./events.ts"
import { onApi, type Remote, whole } from "./options.ts"
import { show, table } from "./print.ts"
import type { Terminal } from "./terminal.ts"

type Found = { customer: ReturnType<typeof profileOf>; position: number }

const PAGE = 200

export function addCustomer(program: Command, terminal: Terminal) {
  onApi(program.command("customer <id>"))
    .description("one customer, by any of its identifiers")
    .option("--timeline", "also the customer's events, the newest first")
    .option("--limit <count>", "how many events", whole(1, 100_000), 50)
    .action(async (id: string, options: Remote & { timeline?: true; limit: number }) => {
      const target = targetOf(options, terminal, "read")
      const path = `/v1/customers/${encodeURIComponent(id)}`
      const found = await ask<Found>(target, path)
      if (!options.timeline) return show(terminal, options.json, found, () => textOf(found.customer))
      const timeline = await timelineOf(target, path, options.limit)
      show(terminal, options.json, { ...found, timeline }, () => {
        const more = timeline.next === undefined ? "" : "… there are more: --limit\n"
        return `${textOf(found.customer)}\n${timeline.events.map(lineOfEvent).join("")}${more}`
      })
    })
}

async function timelineOf(target: Target, path: string, most: number): Promise<TimelinePage> {
  const events: TimelinePage["events"] = []
  for (let after: string | undefined; ; ) {
    const limit = Math.min(PAGE, most - events.length)
    const page = await ask<TimelinePage>(target, `${path}/timeline`, { parameters: { limit, after } })
    events.push(...page.events)
    if (page.next === undefined || events.length >= most) return { ...page, events }
    after = page.next
  }
}

/** Everything that is known, a line each; what is empty is left out. */
function textOf(customer: Found["customer"]) {
  const rows = Object.entries(customer).flatMap(([name, value]) => {
    const text = typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "")
    return text === "" || text === "[]" || text === "{}" ? [] : [[name, text]]
  })
  return table(["", ""], rows).slice(1)
}
