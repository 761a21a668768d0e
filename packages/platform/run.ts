import { failure } from "#core/log.ts"
import { type Unit, unitOf } from "#core/unit.ts"
import type { Runtime } from "./runtime.ts"
import type { ScheduleName } from "./topology.ts"

type Needs = Pick<Runtime, "clock" | "nonce" | "log"> & Partial<Pick<Runtime, "tracing">>
/** What a part of a run was about, as its log line tells it. */
type Told = { tenant?: string; source?: string; outcome?: string; count?: number; code?: string | undefined }
/** A part of a run: it fails alone, and is told by a line of its own unless there was nothing to do. */
type Each = (about: Told, work: () => Promise<Told | undefined>) => Promise<void>

/** A run of a schedule, told by a line when it ends; gives what it looked at by number. One that fails is called again. */
export const scheduled =
  (runtime: Needs, route: ScheduleName, run: (each: Each) => Promise<number>) => async (): Promise<void> => {
    const each: Each = (about, work) =>
      told(runtime, route, route, async (tell) => {
        try {
          const said = await work()
          if (said) tell(route, { ...about, ...said })
        } catch (error) {
          tell(`${route}.failed`, { ...about, outcome: "failed", ...failure(error) })
        }
      })
    await told(runtime, route, `run ${route}`, async (tell) => {
      try {
        tell("run", { outcome: "done", count: await run(each) })
      } catch (error) {
        tell("run.failed", { outcome: "failed", ...failure(error) })
        throw error
      }
    })
  }

type Tell = (name: string, fields: Told & { stack?: string | undefined }) => void

function told(runtime: Needs, route: string, name: string, work: (tell: Tell) => Promise<void>) {
  const started = runtime.clock()
  const tellFor =
    (unit: Unit): Tell =>
    (line, fields) => {
      const { correlationId, read: readUnits, write: writeUnits, about } = unit
      unit.failed = line.endsWith(".failed")
      if (fields.tenant !== undefined) about["octant.tenant"] = fields.tenant
      if (fields.outcome !== undefined) about["octant.outcome"] = fields.outcome
      runtime.log(line, { correlationId, route, ...fields, ms: runtime.clock() - started, readUnits, writeUnits })
    }
  return unitOf(runtime, { name, kind: "internal" }, (unit) => work(tellFor(unit)))
}
