import { setTimeout as pause } from "node:timers/promises"
import { Hono } from "hono"
import { z } from "zod"
import { apiApp } from "#api/api.ts"
import { collectApp, collectPaths } from "#api/collect.ts"
import { hooksApp } from "#api/hooks.ts"
import { silent } from "#core/log.ts"
import { serveHttp } from "#local/http.ts"
import { poll } from "#local/poller.ts"
import { startQueues } from "#local/queues.ts"
import { queueOf } from "#local/sqs.ts"
import { localVault } from "#local/vault.ts"
import { foldTenant } from "#pipeline/folding.ts"
import { newTails } from "#pipeline/reading.ts"
import { appendWorker } from "#platform/append-worker.ts"
import { awsClient } from "#platform/aws.ts"
import { cacheOf } from "#platform/cache.ts"
import { type Config, readConfig } from "#platform/config.ts"
import { foldWorker } from "#platform/fold-worker.ts"
import { runtimeOf } from "#platform/runtime.ts"
import { queues as queueFacts } from "#platform/topology.ts"
import { TenantId } from "#store/tenant-id.ts"
import type { Answers, Question, Reply } from "./child.ts"

const GLANCE_MS = 10
/** As in the local stack. */
const WINDOW_MS = 50
const CONCURRENCY = 2

/** What runs in a process of its own: see `child.ts`. */
const roles: { [role: string]: (about: never) => Promise<Answers> } = { raw, door, hooks, queues, workers }

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

/** Our two HTTP apps alone, on the parts that a configuration names; without a cache, unless it `keepsAnswers`. */
async function door({ config, keepsAnswers = false }: { config: Config; keepsAnswers?: boolean }): Promise<Answers> {
  const runtime = runtimeOf(await readConfig(config), { log: silent })
  const tails = newTails()
  const collect = collectApp(runtime)
  const api = apiApp({ ...runtime, tails, ...(keepsAnswers ? { cache: cacheOf(runtime) } : {}) })
  const isCollect = (request: Request) => collectPaths.has(new URL(request.url).pathname)
  const fetch = (request: Request) => (isCollect(request) ? collect : api).fetch(request)
  const server = await serveHttp([{ prefix: "/", fetch }])
  return { ready: () => ({ url: server.url }), stop: server.stop, forget: () => tails.clear() }
}

/** The door for webhooks alone, with the secrets that are kept under the key in a folder. */
async function hooks({ config, dir }: { config: Config; dir: string }): Promise<Answers> {
  let url = ""
  const options = { log: silent, vault: localVault(dir), hooksUrl: () => url }
  const app = hooksApp(runtimeOf(await readConfig(config), options))
  const server = await serveHttp([{ prefix: "/", fetch: (request) => app.fetch(request) }])
  url = server.url
  return { ready: () => ({ url }), stop: server.stop }
}

/** SQS, in memory. */
async function queues(): Promise<Answers> {
  const described = Object.entries(queueFacts).map(([name, facts]) => ({
    name,
    fifo: facts.fifo,
    visibilitySeconds: facts.visibilitySeconds,
    deadLetter: { name: facts.deadLetter, afterReceives: facts.afterReceives },
  }))
  const running = await startQueues({ queues: described })
  const { url, queueUrl } = running
  return { ready: () => ({ url, append: queueUrl("append"), fold: queueUrl("fold") }), stop: running.stop }
}

/** The append and the fold worker, between the queues and the database; they begin when told. */
async function workers({ config: given }: { config: Config }): Promise<Answers> {
  const config = await readConfig(given)
  const runtime = runtimeOf(config, { log: silent })
  const handlers = {
    append: { handler: appendWorker(runtime), queueUrl: config.OCTANT_APPEND_QUEUE_URL },
    fold: { handler: foldWorker(runtime), queueUrl: config.OCTANT_FOLD_QUEUE_URL },
  }
  const start = () =>
    (["append", "fold"] as const).map((name) =>
      poll({
        call: awsClient({ ...runtime.aws, timeoutMs: 30_000 }),
        ...handlers[name],
        queueArn: queueFacts[name].fifo ? `arn:aws:sqs:us-east-1:0:${name}.fifo` : `arn:aws:sqs:us-east-1:0:${name}`,
        batchSize: queueFacts[name].batchSize,
        windowMs: Math.min(queueFacts[name].windowMs, WINDOW_MS),
        concurrency: CONCURRENCY,
        retryAfterSeconds: 1,
        onError: (error) => console.error(error),
      }),
    )
  let running: ReturnType<typeof start> = []
  const halt = async () => {
    await Promise.all(running.map((poller) => poller.stop()))
    running = []
  }
  const append = queueOf(runtime.call, config.OCTANT_APPEND_QUEUE_URL)
  return {
    ready: () => ({}),
    start: () => {
      running = start()
    },
    /** Nothing waits to be appended; folds may still be under way. */
    appended: async () => {
      while (!(await append.isEmpty())) await pause(GLANCE_MS)
    },
    folded: async ({ tenant }: { tenant: string }) => {
      for (const poller of running) await poller.idle()
      await foldTenant(runtime, TenantId.parse(tenant))
    },
    halt,
    stop: halt,
  }
}

const [role = "", about = "{}"] = process.argv.slice(2)
const answers = roles[role]!(JSON.parse(about) as never)

process.on("message", async ({ id, question, about: more }: Question) => {
  const reply = (answer: Omit<Reply, "id">) => process.send?.({ id, ...answer } satisfies Reply)
  try {
    const answer = (await answers)[question]
    if (!answer) throw new Error(`nobody answers ${question}`)
    reply({ answer: (await answer(more as never)) ?? null })
  } catch (error) {
    reply({ error: (error as Error).stack ?? String(error) })
  }
})
process.on("disconnect", () => process.exit(0))
