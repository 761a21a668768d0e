import { rmSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { build, type Plugin } from "esbuild"
import { sstBanner } from "./bundle.ts"

type App = { name: string; removal?: string; protect?: boolean; providers?: Record<string, unknown> }
/** SST's own frame, and `sst.config.ts` in it. */
type Program = { run: (program: () => Promise<unknown>) => Promise<unknown>; config: { run: () => Promise<unknown> } }
type Place = { root: string; platform: string; work: string; app: App & { stage: string } }

const others = ["undici", "esbuild", "archiver", "glob", "vite"]
const external = ["@pulumi/*", "@pulumiverse/*", "@sst-provider/*", "@aws-sdk/*", ...others]

/** What `app()` says, without anything of `run()`. */
export async function readApp(root: string, stage: string): Promise<App> {
  const { outputFiles } = await build({
    entryPoints: [join(root, "sst.config.ts")],
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    banner: { js: "const $config = (config) => config;" },
    external: ["./stacks/*"],
  })
  const module = (await import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0]!.contents).toString("base64")}`
  )) as {
    default: { app(input: { stage: string }): App }
  }
  return module.default.app({ stage })
}

/** The whole configuration, bundled as the CLI does: SST's globals stand at the head of every file but SST's own. */
export async function readProgram({ root, platform, work, app }: Place): Promise<Program> {
  const paths = { home: join(work, "home"), root, work, platform }
  const globals = `import * as aws from "@pulumi/aws"; import * as sst from "${platform}/src/components";\n`
  const injected: Plugin = {
    name: "globals",
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.(js|ts|jsx|tsx)$/ }, async ({ path }) => ({
        contents: (path.includes("/.sst/") ? "" : globals) + (await readFile(path, "utf8")),
        loader: "default",
      })),
  }
  // Beside SST's own dependencies, so that those are found which are not bundled.
  const outfile = join(platform, `synth-${process.pid}.mjs`)
  process.on("exit", () => rmSync(outfile, { force: true }))
  await build({
    stdin: {
      contents: `export { run } from "${platform}/src/auto/run.ts"; export { default as config } from "${root}/sst.config.ts"`,
      resolveDir: root,
      loader: "ts",
    },
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    mainFields: ["module", "main"],
    nodePaths: [join(platform, "node_modules")],
    banner: { js: sstBanner },
    inject: [join(platform, "src/shim/run.js")],
    define: {
      $app: JSON.stringify(app),
      $cli: JSON.stringify({ command: "deploy", dev: false, paths, state: { version: {} } }),
      $dev: "false",
    },
    external,
    plugins: [injected],
    logLevel: "error",
  })
  return (await import(pathToFileURL(outfile).href)) as Program
}
