import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import * as z from "zod/mini"
import { answerOf, type Made, REGION, type State, stateOf } from "./cloud.ts"
import { readApp, readProgram } from "./program.ts"
import { serveCli } from "./rpc.ts"

/**
 * Evaluates `sst.config.ts` as `sst deploy` does, with SST's own components, but with made-up answers instead of AWS.
 * A process of its own, for it ends when nothing is left to wait for: then every output that can be known is known.
 */
const { root, platform, stage, work, plan } = z
  .object({ root: z.string(), platform: z.string(), stage: z.string(), work: z.string(), plan: z.string() })
  .parse(JSON.parse(process.argv[2] ?? "{}"))

/** As much of `@pulumi/pulumi` as is used; it stands under `.sst`, where nothing here can import it by its name. */
type Pulumi = {
  runtime: {
    setMocks(
      mocks: {
        newResource(args: Made): { id: string; state: State }
        call(args: { token: string; inputs: Made["inputs"] }): Made["inputs"]
      },
      app: string,
      stage: string,
      preview: boolean,
    ): Promise<void>
    getMonitor(): { registerResource(request: Registration, done: unknown): Promise<void> }
    runInPulumiStack(program: () => Promise<unknown>): Promise<unknown>
  }
}

type Registration = { getType(): string; getName(): string; getRetainondelete(): boolean | undefined }

const cli = await serveCli(root, join(work, "functions"))
Object.assign(process.env, {
  SST_SERVER: cli.url,
  AWS_REGION: REGION,
  AWS_ACCESS_KEY_ID: "none",
  AWS_SECRET_ACCESS_KEY: "none",
})

const app = { removal: "retain", protect: false, ...(await readApp(root, stage)), stage }
const { runtime } = (await import(pathToFileURL(join(platform, "node_modules/@pulumi/pulumi/index.js")).href)) as Pulumi
const resources: (Made & { state: State })[] = []
await runtime.setMocks(
  {
    newResource({ type, name, inputs }) {
      const state = stateOf({ type, name, inputs })
      resources.push({ type, name, inputs, state })
      return { id: String(state.url ?? `${name}-id`), state }
    },
    call: ({ token, inputs }) => answerOf(token, inputs),
  },
  app.name,
  stage,
  false,
)

// Mocks are told what is made, and not whether it stays when its stage is removed.
const retained = new Set<string>()
const monitor = runtime.getMonitor()
const register = monitor.registerResource.bind(monitor)
monitor.registerResource = (request, done) => {
  if (request.getRetainondelete()) retained.add(`${request.getType()} ${request.getName()}`)
  return register(request, done)
}

let failure: unknown
process.on("unhandledRejection", (error) => {
  failure ??= error
})
process.once("beforeExit", () => {
  if (failure !== undefined) {
    process.stderr.write(`${failure instanceof Error ? failure.message : String(failure)}\n`)
    process.exit(1)
  }
  const told = resources.map((one) => ({ ...one, retained: retained.has(`${one.type} ${one.name}`) }))
  writeFileSync(plan, JSON.stringify({ app, resources: plain(told), functions: cli.built }))
})

const program = await readProgram({ root, platform, work, app })
runtime
  .runInPulumiStack(() => program.run(program.config.run))
  .catch((error: unknown) => {
    failure ??= error
  })

/** Pulumi marks what is secret by wrapping it. */
const SECRET = "4dabf18193072939515e22adb298388d"

function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map(plain)
  if (SECRET in value) return "value" in value ? plain(value.value) : "(not plain)"
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]))
}
