import { journalHead } from "#store/journal.ts"
import { readHead } from "#store/views.ts"
import { replayWhile } from "../replay.ts"
import { kindOf } from "./kind.ts"

/** Builds the views anew, with other settings if need be. It commits as it goes, so that any run goes on where the last was. */
export const replayed = kindOf({
  priority: "low",
  scope: "admin",
  unit: "positions",
  isPersonal: () => false,
  Input: async () => (await import("./inputs.ts")).Settings,
  run: async (needs, tenant, { timeZone, currency }, run) => {
    const [current, journal] = await Promise.all([readHead(needs, tenant), journalHead(needs, tenant)])
    if (!current) throw new Error("this tenant has no views")
    const wish = { ...(timeZone ? { zone: timeZone } : {}), ...(currency ? { currency } : {}) }
    const { from = current.generation } = run.checkpoint ?? {}
    const isSwitched =
      current.generation > Number(from) &&
      (timeZone === undefined || current.zone === timeZone) &&
      (currency === undefined || current.currency === currency)
    // An earlier run has come to the end, and could not say so.
    if (isSwitched) return { outcome: "done", result: { generation: current.generation, position: current.position } }
    await run.progress(0, journal.position, { from })
    const built = await replayWhile({ ...needs, actor: run.by }, tenant, {
      ...wish,
      onProgress: (position, of) => run.progress(position, Math.max(position, of), { from }),
      goOn: () => !run.isOver(),
    })
    return built ? { outcome: "done", result: built } : { outcome: "interrupted" }
  },
})
