import { collectApp } from "#api/collect.ts"
import type { Enqueue } from "#pipeline/accept.ts"
import { appendWorker } from "#platform/append-worker.ts"
import { baseOf } from "#platform/base.ts"
import { putEvents } from "#platform/bus.ts"
import { checkWorker } from "#platform/check-worker.ts"
import { closeWorker } from "#platform/close-worker.ts"
import { awaited, worker } from "#platform/lambda.ts"
import { pollWorker } from "#platform/poll.ts"
import { runtimeOf } from "#platform/runtime.ts"
import { linesOf, logOf, metricsIn, onLambda } from "../lambda.ts"
import { startWorld } from "../world.ts"
import { corpus } from "./corpus.ts"
import { MESSAGES_AT_ONCE } from "./units.ts"

/** Bytes that collect and append write to their logs for each event, when both are warm and nothing is wrong. */
export async function loggedBytes(eventsARequest: number): Promise<number> {
  const world = await startWorld({ workers: false })
  try {
    const [door, append] = [baseOf(await onLambda(world, "Collect")), baseOf(await onLambda(world, "Append"))]
    const bodies: string[] = []
    const enqueue: Enqueue = async (messages) => {
      await door.enqueue(messages)
      bodies.push(...messages)
    }
    const app = collectApp({ ...door, enqueue })
    const ask = awaited(door, async () => {
      const events = eventsARequest * (MESSAGES_AT_ONCE + 1)
      const batch = [...corpus({ seed: 1, events, customers: 100, from: new Date().toISOString(), days: 1 })]
      const { status } = await app.request("/v1/batch", {
        method: "POST",
        headers: { authorization: `Bearer ${world.acme.writeKey}`, "content-type": "application/json" },
        body: JSON.stringify({ batch: batch.slice(0, eventsARequest) }),
      })
      if (status !== 200) throw new Error(`the door has answered ${status}`)
    })
    await logOf(ask)
    const asked = await logOf(ask)
    const work = worker(append, appendWorker(append))
    const attributes = { SentTimestamp: String(Date.now()) }
    const run = () =>
      work({
        Records: Array.from({ length: MESSAGES_AT_ONCE }, (_, i) => ({
          messageId: `m${i}`,
          body: bodies.at(-1)!,
          attributes,
        })),
      })
    await logOf(run)
    const appended = await logOf(run)
    return (asked.length + appended.length / MESSAGES_AT_ONCE) / eventsARequest
  } finally {
    await world.stop()
  }
}

export type Idle = {
  /** Sets of a figure's name and its dimensions, of which CloudWatch makes a metric each. */
  figures: string[]
  /** Read and write units of one check of a tenant that sends nothing. */
  check: { reads: number; writes: number }
}

/** What the schedules tell and use while nobody sends anything. */
export async function idleRuns(): Promise<Idle> {
  // Always at noon: at midnight a day would end in between.
  const later = Date.parse("2026-11-18T12:00:00.000Z") - Date.now()
  const clock = () => Date.now() + later
  const world = await startWorld({ clock })
  try {
    await world.send({ batch: [{ type: "track", userId: "ada", event: "Page Viewed" }] })
    await world.stack.idle()
    const [close, check, poll] = [
      runtimeOf(await onLambda(world, "Close"), { clock }),
      baseOf(await onLambda(world, "Check"), { clock }),
      runtimeOf(await onLambda(world, "Poll"), { clock }),
    ]
    const runs = {
      close: worker(close, closeWorker(close)),
      check: worker(check, checkWorker({ ...check, publish: putEvents(check.call, "octant-idle") })),
      poll: worker(poll, pollWorker(poll)),
    }
    // The first check finds what came before; from then on there is nothing new.
    await logOf(runs.check)
    const log = await logOf(async () => {
      for (const run of Object.values(runs)) await run()
    })
    const checked = linesOf(log).find(({ name, tenant }) => name === "check" && tenant === world.acme.id)
    return {
      figures: metricsIn(log),
      check: { reads: Number(checked?.readUnits), writes: Number(checked?.writeUnits) },
    }
  } finally {
    await world.stop()
  }
}
