import { setTimeout as pause } from "node:timers/promises"
import { Hono } from "hono"
import { z } from "zod"
import { apiApp } from "#api/api.ts"
import { collectApp, collectPaths } from "#api/collect.ts"
import { silent } from "#core/log.ts"
import { serveHttp } from "#local/http.ts"
import { settle } from "#local/home.ts"
import { type Stack, type StackOptions, startStack } from "#local/stack.ts"
import { queueOf } from "#local/sqs.ts"
import { newTails } from "#pipeline/reading.ts"
import { foldTenant } from "#pipeline/folding.ts"
import { type Config, readConfig } from "#platform/config.ts"
import { runtimeOf } from "#platform/runtime.ts"
import { Tenant } from "#access/tenant.ts"
import { TenantId } from "#store/keys.ts"
import type { Answers, Question, Reply } from "./child.ts"

const GLANCE_MS = 10

/** What runs in a process of its own: see `child.ts`. */
const roles: Record<string, (about: never) => Promise<Answers>> = { raw, door, stack }

/** What a naive collector does: parse, validate the batch, answer. Nothing is kept. */
async function raw(): Promise<Answers> {
  const object = z.record(z.string(), z.unknown()).optional()
  const id = z.string().min(1).max(256)
  const Batch = z.object({
    batch: z
      .array(
        z.object({
          type: z.enum(["track", "identify", "page", "screen", "group", "alias"]),
          messageId: id,
          timestamp: z.string(),
          userId: id.optional(),
          anonymousId: id.optional(),
          event: z.string().max(200).optional(),
          name: z.string().max(200).optional(),
          properties: object,
          traits: object,
          context: object,
        }),
      )
      .min(1)
      .max(1000),
  })
  const app = new Hono()
  app.post("/v1/batch", async (c) => {
    const parsed = Batch.safeParse(await c.req.json())
    if (!parsed.success) return c.json({ success: false }, 400)
    return c.json({ success: true, accepted: parsed.data.batch.length })
  })
  const server = await serveHttp([{ prefix: "/", fetch: (request) => app.fetch(request) }])
  return { ready: () => ({ url: server.url }), stop: server.stop }
}

/** Our two HTTP apps alone, on the parts that a configuration names: what Lambda runs. */
async function door({ config }: { config: Config }): Promise<Answers> {
  const runtime = runtimeOf(readConfig(config), { log: silent })
  const tails = newTails()
  const collect = collectApp(runtime)
  const api = apiApp({ ...runtime, tails })
  const isCollect = (request: Request) => collectPaths.has(new URL(request.url).pathname)
  const server = await serveHttp([{ prefix: "/", fetch: (request) => (isCollect(request) ? collect : api).fetch(request) }])
  return { ready: () => ({ url: server.url }), stop: server.stop, forget: () => tails.clear() }
}

/** The whole product: the queues, the workers and the database of a folder, and its own doors. */
async function stack(first: StackOptions): Promise<Answers> {
  let open: Stack | undefined
  const start = async (options: StackOptions) => {
    open = await startStack({ ...first, ...options })
    return { url: open.url, config: open.config }
  }
  const ready = await start({})
  return {
    ready: () => ({ url: ready.url, config: JSON.stringify(ready.config) }),
    tenant: (tenant: object) => settle(open!.runtime, Tenant.parse(tenant)),
    appended: () => untilAppended(open!),
    /** Everything appended and folded, the rest that no fold has been asked for too. */
    folded: async ({ tenant }: { tenant: string }) => {
      await open!.idle()
      await foldTenant(open!.runtime, TenantId.parse(tenant))
    },
    close: () => open!.stop(),
    open: start,
    stop: () => open!.stop(),
  }
}

/** Until nothing waits to be appended; folds may still be under way. */
async function untilAppended({ runtime, config }: Stack) {
  const queue = queueOf(runtime.call, config.OCTANT_APPEND_QUEUE_URL)
  while (!(await queue.isEmpty())) await pause(GLANCE_MS)
}

const [role = "", about = "{}"] = process.argv.slice(2)
const answers = roles[role]!(JSON.parse(about) as never)

process.on("message", async ({ id, question, about: more }: Question) => {
  const reply = (answer: Omit<Reply, "id">) => process.send?.({ id, ...answer } satisfies Reply)
  try {
    if (question === "cpu") {
      const { user, system } = process.cpuUsage()
      return reply({ answer: (user + system) / 1000 })
    }
    const answer = (await answers)[question]
    if (!answer) throw new Error(`nobody answers ${question}`)
    reply({ answer: (await answer(more as never)) ?? null })
  } catch (error) {
    reply({ error: (error as Error).stack ?? String(error) })
  }
})
process.on("disconnect", () => process.exit(0))
