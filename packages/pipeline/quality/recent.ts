import { DAY } from "#core/clock.ts"
import type { Event } from "#events/event.ts"
import { entriesAfter, journalHead } from "#store/journal.ts"
import type { TenantId } from "#store/keys.ts"
import type { ReadNeeds } from "../reading.ts"

const STEP = 200
const SAMPLE_DAYS = 14
const ENOUGH_EVENTS = 5000

/** Events of the last entries, at most so many: what a draft and a comparison with the plan look at. */
export async function recentEvents(needs: ReadNeeds, tenant: TenantId, most = 50_000): Promise<Event[]> {
  const { position } = await journalHead(needs, tenant)
  const events: Event[] = []
  for (let to = position; to > 0 && events.length < most; to -= STEP) {
    const from = Math.max(0, to - STEP)
    const step: Event[] = []
    for await (const entries of entriesAfter(needs, tenant, from, { to })) {
      for (const { batches } of entries) for (const batch of batches) for (const event of batch.events) step.push(event)
    }
    for (const event of step.slice(-(most - events.length))) events.push(event)
    const oldest = step[0]
    if (oldest && needs.clock() - Date.parse(oldest.at) > SAMPLE_DAYS * DAY && events.length >= ENOUGH_EVENTS) break
  }
  return events
}
