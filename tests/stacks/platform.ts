import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as z from "zod/mini"

const Package = z.object({ version: z.string() })

/**
 * Where the sources of SST's components are and what they need: `sst install` puts them under `.sst/platform`, from npm
 * and without an account. Some 40 s and 323 MB the first time, nothing when they are there.
 */
export function ensurePlatform(root: string): string {
  const platform = join(root, ".sst/platform")
  const { version } = Package.parse(JSON.parse(readFileSync(join(root, "node_modules/sst/package.json"), "utf8")))
  if (installed(platform) === version) return platform
  process.stderr.write(`sst install: ${version}, some 40 s and 323 MB in .sst\n`)
  const { status, stdout, stderr } = spawnSync(join(root, "node_modules/.bin/sst"), ["install", "--stage", "synth"], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, SST_SKIP_DEPENDENCY_CHECK: "1", SST_NO_BUN: "true", SST_TELEMETRY_DISABLED: "1" },
  })
  if (status !== 0 || installed(platform) !== version) throw new Error(`sst install failed: ${stdout}${stderr}`)
  return platform
}

/** The provider comes last: with it, the rest is there too. */
function installed(platform: string) {
  const version = join(platform, "version")
  const provider = join(platform, "node_modules/@pulumi/aws/package.json")
  return existsSync(version) && existsSync(provider) ? readFileSync(version, "utf8").trim() : undefined
}
