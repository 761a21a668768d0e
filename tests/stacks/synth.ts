import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { type Plan, readPlan } from "./plan.ts"
import { ensurePlatform } from "./platform.ts"

export const root = resolve(import.meta.dirname, "../..")

/** The stacks could not be evaluated: a handler is missing, a secret is not set, a component refused its arguments. */
export class SynthFailed extends Error {}

export type SynthOptions = {
  stage: string
  /** `OCTANT_…` settings and `SST_SECRET_…` values; nothing else of this process's environment is passed on. */
  environment?: Record<string, string | undefined>
  /** Another copy of the repository. */
  from?: string
}

const folders: string[] = []
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** As the `sst` command has it. */
const STAGE = /^[a-z0-9-]+$/i

/** What a deployment to a stage would make, without a cloud: some three seconds. Its bundles last as long as this process. */
export async function synth({ stage, environment = {}, from = root }: SynthOptions): Promise<Plan> {
  if (!STAGE.test(stage)) throw new SynthFailed(`a stage is called by letters, digits and hyphens, and not "${stage}"`)
  const platform = ensurePlatform(root)
  const work = mkdtempSync(join(tmpdir(), "octant-synth-"))
  folders.push(work)
  const plan = join(work, "plan.json")
  const { PATH, HOME } = process.env
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "evaluate.ts"), JSON.stringify({ root: from, platform, stage, work, plan })],
    { env: { PATH, HOME, ...environment }, stdio: ["ignore", "pipe", "pipe"] },
  )
  let said = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()))
  const code = await new Promise<number | null>((done) => child.on("close", done))
  if (code !== 0) throw new SynthFailed(said.trim() || `the evaluation ended with ${code}`)
  return readPlan(JSON.parse(readFileSync(plan, "utf8")))
}
