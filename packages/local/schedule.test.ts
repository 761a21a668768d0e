import { setImmediate } from "node:timers/promises"
import { expect, test } from "vitest"
import { schedule, type Timers } from "#local/schedule.ts"

/** Timers that tick when told. */
function fakeTimers() {
  const ticks = new Map<number, () => void>()
  const timers: Timers = {
    every(ms, tick) {
      ticks.set(ms, tick)
      return () => ticks.delete(ms)
    },
  }
  return { timers, ticks, tick: (ms: number) => ticks.get(ms)?.() }
}

/** A job whose runs end when told. */
function slowJob(name: string, everyMs: number) {
  const runs: PromiseWithResolvers<void>[] = []
  const run = () => {
    const next = Promise.withResolvers<void>()
    runs.push(next)
    return next.promise
  }
  return { job: { name, everyMs, run }, runs }
}

const never = () => expect.unreachable("no job fails here")

test("each job runs at its own ticks", () => {
  const { timers, tick } = fakeTimers()
  const [fold, close] = [slowJob("fold", 1_000), slowJob("close", 60_000)]
  schedule([fold.job, close.job], timers, never)
  tick(1_000)
  expect([fold.runs.length, close.runs.length]).toEqual([1, 0])
  tick(60_000)
  expect([fold.runs.length, close.runs.length]).toEqual([1, 1])
})

test("a tick that finds its job running is skipped", async () => {
  const { timers, tick } = fakeTimers()
  const { job, runs } = slowJob("fold", 1_000)
  const { stop } = schedule([job], timers, never)
  tick(1_000)
  tick(1_000)
  expect(runs.length).toBe(1)
  runs[0]?.resolve()
  await stop()
  const again = schedule([job], timers, never)
  tick(1_000)
  expect(runs.length).toBe(2)
  runs[1]?.resolve()
  await again.stop()
})

test("a job that fails is reported and runs again at its next tick", async () => {
  const { timers, tick } = fakeTimers()
  const reported = Promise.withResolvers<[string, unknown]>()
  let runs = 0
  const run = () => {
    runs += 1
    throw new Error("no table")
  }
  schedule([{ name: "fold", everyMs: 1_000, run }], timers, (name, error) => reported.resolve([name, error]))
  tick(1_000)
  expect(await reported.promise).toEqual(["fold", new Error("no table")])
  tick(1_000)
  expect(runs).toBe(2)
})

test("run now waits for the run that is on, then runs once more", async () => {
  const { timers, tick } = fakeTimers()
  const { job, runs } = slowJob("fold", 1_000)
  const jobs = schedule([job], timers, never)
  tick(1_000)
  const now = jobs.runNow("fold")
  expect(runs.length).toBe(1)
  runs[0]?.resolve()
  await expect.poll(() => runs.length).toBe(2)
  runs[1]?.resolve()
  await now
})

test("two who ask at once have a run each, one after the other", async () => {
  let running = 0
  let most = 0
  let runs = 0
  const run = async () => {
    running += 1
    most = Math.max(most, running)
    await setImmediate()
    running -= 1
    runs += 1
  }
  const jobs = schedule([{ name: "fold", everyMs: 1_000, run }], fakeTimers().timers, never)
  await Promise.all([jobs.runNow("fold"), jobs.runNow("fold"), jobs.runNow("fold")])
  expect({ runs, most }).toEqual({ runs: 3, most: 1 })
})

test("run now fails with its job, and names the jobs there are when asked for another", async () => {
  const run = async () => {
    throw new Error("no table")
  }
  const jobs = schedule([{ name: "fold", everyMs: 1_000, run }], fakeTimers().timers, never)
  await expect(jobs.runNow("fold")).rejects.toThrow("no table")
  await expect(jobs.runNow("flod")).rejects.toThrow("no job flod; there are fold")
})

test("stopping ends the ticks and waits for the run that is on", async () => {
  const { timers, ticks, tick } = fakeTimers()
  const { job, runs } = slowJob("fold", 1_000)
  const jobs = schedule([job], timers, never)
  tick(1_000)
  const order: string[] = []
  const end = jobs.stop().then(() => order.push("stopped"))
  expect(ticks.size).toBe(0)
  await setImmediate()
  order.push("run ends")
  runs[0]?.resolve()
  await end
  expect(order).toEqual(["run ends", "stopped"])
})
