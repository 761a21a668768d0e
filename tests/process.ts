import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, rmSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"
import { type DevFile, devFile, readDev } from "#local/home.ts"

/** The real thing in a process of its own, which can be killed as a machine that loses its power. */
export type Running = {
  dev: DevFile
  child: ChildProcess
  output: () => string
  kill(): Promise<void>
  interrupt(): Promise<number | null>
}

const STARTS_WITHIN_MS = 60_000
const GLANCE_MS = 20

/** `npm start -- …` in a folder; resolves when it has written that it is ready. */
export async function startProcess(dir: string, ...options: string[]): Promise<Running> {
  rmSync(devFile(dir), { force: true })
  const child = spawn(process.execPath, ["functions/local.ts", "--data", dir, ...options], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  let text = ""
  child.stdout?.on("data", (chunk: Buffer) => (text += chunk.toString()))
  child.stderr?.on("data", (chunk: Buffer) => (text += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve))
  const until = Date.now() + STARTS_WITHIN_MS
  while (!existsSync(devFile(dir))) {
    if (child.exitCode !== null || Date.now() > until) throw new Error(`it did not start: ${text}`)
    await pause(GLANCE_MS)
  }
  return {
    dev: readDev(dir),
    child,
    output: () => text,
    kill: async () => {
      child.kill("SIGKILL")
      await ended
    },
    interrupt: () => {
      child.kill("SIGINT")
      return ended
    },
  }
}

/** One figure over all time, as the API answers; of the first tenant, if none is said. */
export async function total({ dev }: Running, metric: string, tenant = dev.tenants[0]!): Promise<unknown> {
  const response = await fetch(`${dev.apiUrl}/v1/query?metric=${metric}&grain=total&from=2020-01-01&to=2029-12-31`, {
    headers: { authorization: `Bearer ${tenant.readKey}` },
  })
  return ((await response.json()) as { total: unknown }).total
}

/** Looks until a figure is what it should be (what was accepted is counted within seconds), or gives what it is. */
export async function settled(running: Running, metric: string, expected: unknown, withinMs = 20_000) {
  const until = Date.now() + withinMs
  for (;;) {
    const found = await total(running, metric)
    if (found === expected || Date.now() > until) return found
    await pause(GLANCE_MS * 5)
  }
}
