import { setTimeout as sleep } from "node:timers/promises"
import { SingleBar } from "cli-progress"
import { type Clock, systemClock } from "#core/clock.ts"

/** What a command may touch of the world; a test gives its own. */
export type Terminal = {
  /** stdout: the answer, and nothing else. */
  out(text: string): void
  /** stderr: whatever is said on the way. */
  err(text: string): void
  env: Readonly<Record<string, string | undefined>>
  clock: Clock
  /** Numbers in [0, 1), for the jitter of retries. */
  random(): number
  sleep(ms: number): Promise<void>
  bar(title: string, total: number): Bar
  /** Ends what would otherwise go on until Ctrl-C. */
  stop?: AbortSignal
}
export type Bar = { to(value: number): void; end(): void }

/** A line now and then where stderr is no terminal, such as a file. */
const PLAIN_EVERY_MS = 5000

export function systemTerminal(): Terminal {
  // Whoever reads us, such as `head`, may have had enough.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1))
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    env: process.env,
    clock: systemClock,
    random: Math.random,
    sleep: (ms) => sleep(ms),
    bar: (title, total) => {
      const bar = new SingleBar({
        format: `${title} {bar} {percentage} % | {value}/{total} | {duration_formatted}`,
        stream: process.stderr,
        noTTYOutput: true,
        notTTYSchedule: PLAIN_EVERY_MS,
      })
      bar.start(total, 0)
      return { to: (value) => bar.update(Math.min(value, total)), end: () => bar.stop() }
    },
  }
}
