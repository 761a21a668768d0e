import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { bundle } from "../stacks/bundle.ts"
import type { Bench } from "./report.ts"

const ROOT = fileURLToPath(new URL("../..", import.meta.url))
const KB = 1024
const MOST_KB = 900
/** The doors that must start at once. */
const budgetsKb: Record<string, number> = { "collect.ts": 120 }
/** Not a Lambda function. */
const LOCAL = "local.ts"

/** Bytes that a function loads when it starts, bundled as it is deployed; what is imported later is apart. */
export async function bundleBytes(file: string): Promise<number> {
  const out = mkdtempSync(join(tmpdir(), "octant-bundles-"))
  try {
    const { bytes } = await bundle(ROOT, `functions/${file.replace(/\.ts$/, ".handler")}`, out, {
      minify: true,
      splitting: true,
    })
    return bytes
  } finally {
    rmSync(out, { recursive: true })
  }
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
