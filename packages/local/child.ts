import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"

const PATIENCE_MS = 3_000

/** A process of ours that ends with us, however we end. */
export type Child = {
  pid: number
  /** The end of what it has written so far. */
  said(): string
  hasEnded(): boolean
  /** SIGTERM, and SIGKILL to whoever has not ended three seconds later. */
  stop(): Promise<void>
}

/** Takes charge of a process that was just spawned. Throws when the program cannot be run. */
export async function keep(started: ChildProcess): Promise<Child> {
  const ended = once(started, "exit").catch(() => {})
  let text = ""
  for (const output of [started.stdout, started.stderr]) {
    output?.setEncoding("utf8").on("data", (chunk: string) => {
      text = (text + chunk).slice(-4_000)
    })
  }
  await once(started, "spawn")
  const { pid } = started
  if (pid === undefined) throw new Error("the process has no id")
  const watch = watchdog(pid)
  void ended.then(() => watch.kill())
  const hasEnded = () => started.exitCode !== null || started.signalCode !== null
  return {
    pid,
    said: () => text,
    hasEnded,
    async stop() {
      if (hasEnded()) return
      started.kill("SIGTERM")
      const last = setTimeout(() => started.kill("SIGKILL"), PATIENCE_MS)
      await ended
      clearTimeout(last)
    },
  }
}

/** Reads from a pipe that only we can write to: when we are gone, be it by SIGKILL, it reads the end and kills the process. */
function watchdog(pid: number) {
  const watch = spawn("sh", ["-c", 'read -r _; kill -9 "$0"', String(pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  })
  watch.on("error", () => {})
  return watch
}
