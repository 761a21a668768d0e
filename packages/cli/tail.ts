import type { Command } from "commander"
import { SECOND } from "#core/clock.ts"
import type { Event } from "#events/event.ts"
import type { Runtime } from "#platform/runtime.ts"
import { noted } from "#store/audit.ts"
import { type Entry, entriesAfter, entriesAt, journalHead } from "#store/journal.ts"
import type { TenantId } from "#store/keys.ts"
import { lineOfEvent } from "./events.ts"
import { type Common, onStorage, whole } from "./options.ts"
import { show } from "./print.ts"
import { openTenant } from "./storage.ts"
import type { Terminal } from "./terminal.ts"

type Options = Common & { lines: number; follow?: true }
/** An event, and the position of its entry. */
type Written = Event & { source: string; position: number }

const POLL_MS = SECOND
const ENTRIES_AT_ONCE = 10

export function addTail(program: Command, terminal: Terminal) {
  onStorage(program.command("tail"))
    .description("the last events of the journal, in the order in which they were written")
    .option("-n, --lines <count>", "how many", whole(0, 100_000), 20)
    .option("-f, --follow", "go on with what is written from now on; with --json, a document for each event")
    .action(async (options: Options) => {
      const { runtime, tenant } = await openTenant(options, terminal)
      const { events, position } = await lastOf(runtime, tenant, options.lines)
      const details = { events: events.length, follow: options.follow === true }
      await noted(runtime, tenant, { action: "journal.tail", subject: `up to ${position}`, details })
      if (!options.follow)
        return show(terminal, options.json, { position, events }, () => events.map(lineOfEvent).join(""))
      const line = options.json ? (event: Written) => `${JSON.stringify(event)}\n` : lineOfEvent
      for (const event of events) terminal.out(line(event))
      await follow(runtime, tenant, position, terminal, (event) => terminal.out(line(event)))
    })
}

/** Reads backwards until there are enough. */
async function lastOf(runtime: Runtime, tenant: TenantId, most: number) {
  const { position } = await journalHead(runtime, tenant)
  let events: Written[] = []
  for (let to = position; to > 0 && events.length < most; to -= ENTRIES_AT_ONCE) {
    const positions = Array.from({ length: Math.min(to, ENTRIES_AT_ONCE) }, (_, i) => to - i)
    const entries = (await entriesAt(runtime, tenant, positions)).sort((a, b) => a.position - b.position)
    events = [...entries.flatMap(eventsIn), ...events]
  }
  return { position, events: most === 0 ? [] : events.slice(-most) }
}

async function follow(
  runtime: Runtime,
  tenant: TenantId,
  from: number,
  terminal: Terminal,
  tell: (event: Written) => void,
) {
  let position = from
  while (!terminal.stop?.aborted) {
    for await (const entries of entriesAfter(runtime, tenant, position)) {
      for (const entry of entries) {
        for (const event of eventsIn(entry)) tell(event)
        position = entry.position
      }
    }
    await terminal.sleep(POLL_MS)
  }
}

const eventsIn = ({ position, batches }: Entry): Written[] =>
  batches.flatMap(({ source, events }) => events.map((event) => ({ position, source, ...event })))
