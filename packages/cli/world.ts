import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Tenant } from "#access/tenant.ts"
import { type DevTenant, settle, writeDev } from "#local/home.ts"
import { type StackOptions, startStack } from "#local/stack.ts"
import { run } from "./program.ts"
import type { Terminal } from "./terminal.ts"

type Ran = { code: number; out: string; err: string }

/** The whole product in this process, and the command line in front of it. */
export async function startWorld(options: Pick<StackOptions, "hiddenFor"> = {}) {
  const data = mkdtempSync(join(tmpdir(), "octant-cli-"))
  const stack = await startStack(options)
  const tenants: DevTenant[] = []
  const environment = Object.fromEntries(
    Object.entries(stack.config).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  )
  const waits: number[] = []

  /** Runs a command on this world's folder; nobody sleeps. */
  const octant = (args: readonly string[], terminal: Partial<Terminal> = {}): Promise<Ran> =>
    runWith([...args, "--data", data], { sleep: async (ms) => void waits.push(ms), ...terminal })

  return {
    data,
    stack,
    waits,
    octant,
    /** A command that must succeed: what it gave as JSON. */
    ask: async (...args: string[]): Promise<unknown> => {
      const { code, out, err } = await octant([...args, "--json"])
      if (code !== 0) throw new Error(`octant ${args.join(" ")} ended with ${code}: ${err}`)
      return JSON.parse(out)
    },
    /** A new tenant whose keys are kept as those of the local stack are. */
    tenant: async (id: string, settings: { timeZone?: string; currency?: string } = {}) => {
      const made = await settle(stack.runtime, Tenant.parse({ id, name: id, ...settings }))
      tenants.push(made)
      writeDev(data, { collectUrl: stack.url, apiUrl: stack.url, tenants, environment })
      return made
    },
    file: (name: string, content: string | Uint8Array) => {
      const path = join(data, name)
      writeFileSync(path, content)
      return path
    },
    stop: async () => {
      await stack.stop()
      rmSync(data, { recursive: true, force: true })
    },
  }
}
export type World = Awaited<ReturnType<typeof startWorld>>

/** Runs a command; what it printed, and how it ended. */
export async function runWith(args: readonly string[], terminal: Partial<Terminal> = {}): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []]
  const code = await run(args, {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    env: {},
    clock: () => Date.now(),
    random: () => 1,
    sleep: async () => {},
    bar: () => ({ to: () => {}, end: () => {} }),
    ...terminal,
  })
  return { code, out: out.join(""), err: err.join("") }
}
