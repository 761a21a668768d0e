import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import type { Bench } from "./report.ts"

const KB = 1024
const MOST_KB = 900
/** The doors that must start at once. */
const budgetsKb: Record<string, number> = { "collect.ts": 120 }
/** Not a Lambda function. */
const LOCAL = "local.ts"

/** Bytes that a function loads when it starts, as it is deployed: minified, ESM, for Node 24, what is imported later apart. */
export async function bundleBytes(file: string): Promise<number> {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL(`../../functions/${file}`, import.meta.url))],
    bundle: true,
    splitting: true,
    metafile: true,
    outdir: "out",
    write: false,
    minify: true,
    format: "esm",
    platform: "node",
    target: "node24",
    logLevel: "silent",
  })
  const { outputs } = metafile
  const loaded = new Set<string>()
  const load = (path: string) => {
    if (loaded.has(path)) return
    loaded.add(path)
    for (const { path: next, kind } of outputs[path]!.imports)
      if (kind === "import-statement" && outputs[next]) load(next)
  }
  load(`out/${file.replace(/\.ts$/, ".js")}`)
  return [...loaded].reduce((sum, path) => sum + outputs[path]!.bytes, 0)
}

export const functionFiles = () =>
  readdirSync(new URL("../../functions/", import.meta.url))
    .filter((file) => file.endsWith(".ts") && file !== LOCAL)
    .sort()

export const budgetOf = (file: string) => (budgetsKb[file] ?? MOST_KB) * KB

export const bundles: Bench = async () =>
  Promise.all(
    functionFiles().map(async (file) => {
      const bytes = await bundleBytes(file)
      const size = `${(bytes / KB).toFixed(1)} KB`
      return {
        bench: "bundles",
        what: `functions/${file}`,
        ours: size,
        figure: size,
        aim: `<= ${budgetOf(file) / KB} KB`,
        ok: bytes <= budgetOf(file),
        exact: true as const,
      }
    }),
  )
