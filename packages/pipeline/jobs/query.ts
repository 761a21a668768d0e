import { Fault } from "#core/fault.ts"
import { singlesOut } from "#metrics/filter.ts"
import { Query } from "#metrics/query.ts"
import { journalHead } from "#store/journal.ts"
import { answer } from "../answer.ts"
import { newTails } from "../reading.ts"
import { kindOf } from "./kind.ts"

/** What one worker can hold in its memory (some 130 bytes an event) and fold in its time (three minutes of ten, without reading). */
export const MOST_EVENTS = 20_000_000

/** A question that is too large to wait for; its result is the very answer of `/v1/query`. */
export const query = kindOf({
  priority: "high",
  scope: "read",
  unit: "events",
  isPersonal: ({ where }) => where !== undefined && singlesOut(where),
  Input: async () => Query,
  run: async (needs, tenant, question, run) => {
    const { events: total } = await journalHead(needs, tenant)
    await run.progress(0, total)
    const onRead = async (events: number) => {
      if (events > MOST_EVENTS) {
        const message = `this question reads more than ${MOST_EVENTS} events, and no job can; ask for fewer days`
        throw new Fault("job_too_large", message, { field: "input.where" })
      }
      await run.progress(events, Math.max(events, total))
      if (run.isOver())
        throw new Fault("job_too_large", "there was not enough time for this question; ask for fewer days")
    }
    const reading = { ...needs, tails: newTails(), mostRead: Number.POSITIVE_INFINITY, onRead }
    return { outcome: "done", result: await answer(reading, tenant, question) }
  },
})
