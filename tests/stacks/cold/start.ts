import { spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { transform } from "esbuild"
import * as z from "zod/mini"

const Start = z.object({
  initMs: z.number(),
  firstMs: z.number(),
  cpuMs: z.number(),
  /** What of Node it has loaded that takes long. */
  has: z.array(z.enum(["fetch", "zlib"])),
  answer: z.unknown(),
})
export type Start = z.output<typeof Start> & { logged: string }

/** What starts a bundle in a process of its own and has it answer one event; kept in a folder. */
export async function starterIn(folder: string) {
  const source = readFileSync(join(import.meta.dirname, "first.ts"), "utf8")
  // Without types, so that stripping them is no part of what is measured.
  const { code } = await transform(source, { loader: "ts", format: "esm" })
  const program = join(folder, "first.mjs")
  writeFileSync(program, code)

  return async (file: string, event: unknown, env: Record<string, string>): Promise<Start> => {
    const child = spawn(process.execPath, [program, file, "handler"], { env, stdio: ["pipe", "pipe", "inherit"] })
    child.stdin.end(JSON.stringify(event))
    let said = ""
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")))
    await new Promise((done) => child.on("close", done))
    const lines = said.trim().split("\n")
    return { ...Start.parse(JSON.parse(lines.at(-1) ?? "")), logged: lines.slice(0, -1).join("\n") }
  }
}
