import { existsSync } from "node:fs"
import { basename, dirname, extname, join } from "node:path"
import { type BuildFailure, build, type Metafile } from "esbuild"

export type Bundle = {
  /** The file that Lambda loads. */
  file: string
  /** Bytes that are loaded when a function starts, and those that may be loaded later. */
  bytes: number
  laterBytes: number
  /** What the first are made of: bytes of each source, by its path from the root. */
  sources: Record<string, number>
}
export class NotBundled extends Error {}

type Options = { minify?: boolean | undefined; splitting?: boolean | undefined; banner?: string | undefined }

/** What SST puts at the head of all that it bundles. */
export const sstBanner = [
  `import { createRequire as topLevelCreateRequire } from 'module';`,
  `const require = topLevelCreateRequire(import.meta.url);`,
  `import { fileURLToPath as topLevelFileUrlToPath, URL as topLevelURL } from "url"`,
  `const __filename = topLevelFileUrlToPath(import.meta.url)`,
  `const __dirname = topLevelFileUrlToPath(new topLevelURL(".", import.meta.url))`,
].join("\n")

/**
 * Bundles `folder/file.export` into a folder, by the options of SST's CLI (pkg/runtime/node/build.go). Throws
 * `NotBundled` when the file or the export is missing, or esbuild refuses.
 */
export async function bundle(root: string, handler: string, out: string, options: Options = {}): Promise<Bundle> {
  const name = handler.slice(0, -extname(handler).length)
  const wanted = extname(handler).slice(1)
  const entry = [".ts", ".tsx", ".mts", ".js", ".mjs"].map((extension) => join(root, name + extension)).find(existsSync)
  if (entry === undefined) throw new NotBundled(`${handler}: there is no such file`)
  const outdir = join(out, dirname(name))
  const { outputs } = await bundled(root, entry, outdir, options)
  const [first] = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint === `${name}${extname(entry)}`)!
  if (!outputs[first]!.exports.includes(wanted)) throw new NotBundled(`${handler}: ${name} has no export ${wanted}`)
  const started = loadedBy(outputs, first)
  const sum = (of: readonly string[]) => of.reduce((bytes, output) => bytes + outputs[output]!.bytes, 0)
  const sources = started.flatMap((output) => Object.entries(outputs[output]!.inputs))
  return {
    file: join(outdir, `${basename(name)}.mjs`),
    bytes: sum(started),
    laterBytes: sum(Object.keys(outputs)) - sum(started),
    sources: Object.fromEntries(sources.map(([path, { bytesInOutput }]) => [path, bytesInOutput])),
  }
}

type Outputs = Metafile["outputs"]

/** A file and all that it loads at once. */
function loadedBy(outputs: Outputs, file: string, loaded: string[] = []): string[] {
  if (loaded.includes(file) || !outputs[file]) return loaded
  loaded.push(file)
  for (const { path, kind } of outputs[file].imports) if (kind === "import-statement") loadedBy(outputs, path, loaded)
  return loaded
}

async function bundled(root: string, entry: string, outdir: string, options: Options): Promise<Metafile> {
  const { minify = true, splitting = false, banner: own = "" } = options
  try {
    const { metafile } = await build({
      absWorkingDir: root,
      entryPoints: [entry],
      outdir,
      outExtension: { ".js": ".mjs" },
      bundle: true,
      metafile: true,
      platform: "node",
      format: "esm",
      target: "esnext",
      mainFields: ["module", "main"],
      keepNames: true,
      external: ["sharp", "pg-native"],
      minify,
      splitting,
      banner: { js: `${sstBanner}\n${own}` },
      logLevel: "silent",
    })
    return metafile
  } catch (error) {
    const { errors } = error as BuildFailure
    throw new NotBundled(errors.map(({ text, location }) => `${text} ${location?.file}:${location?.line}`).join("\n"))
  }
}
