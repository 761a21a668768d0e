export type Job = { name: string; everyMs: number; run: () => Promise<void> }

/** `setInterval` and its end, or a test's own. */
export type Timers = {
  every: (ms: number, tick: () => void) => () => void
}

export const systemTimers: Timers = {
  every(ms, tick) {
    const timer = setInterval(tick, ms)
    return () => clearInterval(timer)
  },
}

/** Runs each job every so often, and never twice at once: a tick that finds its job running is skipped. */
export function schedule(jobs: readonly Job[], timers: Timers, onError: (name: string, error: unknown) => void) {
  const running = new Map<string, Promise<void>>()

  const start = (job: Job) => {
    const run = (async () => await job.run())().finally(() => running.delete(job.name))
    running.set(job.name, run)
    return run
  }

  const ends = jobs.map((job) =>
    timers.every(job.everyMs, () => {
      if (running.has(job.name)) return
      start(job).catch((error: unknown) => onError(job.name, error))
    }),
  )

  return {
    /** Runs the job after whatever run of it is on; rejects when it fails. */
    async runNow(name: string) {
      const job = jobs.find((each) => each.name === name)
      if (job === undefined) throw new Error(`no job ${name}; there are ${jobs.map((each) => each.name).join(", ")}`)
      while (running.has(name)) await running.get(name)?.catch(() => {})
      await start(job)
    },
    /** No more ticks; resolves when the runs that are on have ended. */
    async stop() {
      for (const end of ends) end()
      await Promise.allSettled(running.values())
    },
  }
}
