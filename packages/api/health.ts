import type { Hono } from "hono"
import { listTenants } from "#access/tenants.ts"
import { type Clock, SECOND } from "#core/clock.ts"
import { exposition } from "#core/exposition.ts"
import { Fault } from "#core/fault.ts"
import type { Figures } from "#core/figures.ts"
import { sameSecret } from "#core/hash.ts"
import { inFlight } from "#core/parallel.ts"
import { lagOf, tellLag } from "#pipeline/lag.ts"
import { journalHead } from "#store/journal.ts"
import { keys, OPERATOR } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { readHead } from "#store/views.ts"
import { keyInHeader } from "./collect.ts"
import type { Correlated } from "./problem.ts"

type Aws = (service: "sqs", action: string, body: object) => Promise<Record<string, unknown>>
export type HealthNeeds = {
  table: Table
  clock: Clock
  call: Aws
  figures: Figures
  queues: Readonly<Record<string, { url?: string | undefined; dead: string | undefined }>>
  redis: { load(): Promise<{ ping(): Promise<void> }> } | undefined
  operatorToken: string | undefined
}

type Check = { status: "ok" | "failed"; ms: number }
const PATIENCE_MS = 2 * SECOND

/** `/health/live` for everybody; `/health/ready` and `/metrics` for whoever runs this. */
export function healthRoutes(app: Hono<Correlated>, needs: HealthNeeds) {
  const lags = remembered(needs.clock, () => foldLags(needs))
  const startedAt = needs.clock()

  app.get("/health/live", (c) => c.json({ status: "ok" }))

  app.get("/health/ready", async (c) => {
    operator(c.req.raw, needs.operatorToken)
    const { table, queues, redis } = await readiness(needs)
    const isDead = [table, ...Object.values(queues)].some(({ status }) => status === "failed")
    const status = isDead ? "failed" : redis?.status === "failed" ? "degraded" : "ok"
    return c.json({ status, table, queues, redis: redis ?? "not configured" }, isDead ? 503 : 200)
  })

  app.get("/metrics", async (c) => {
    operator(c.req.raw, needs.operatorToken)
    const { figures } = needs
    figures.gauge("octant_up_seconds", {}, (needs.clock() - startedAt) / SECOND)
    // What cannot be looked at is missing from the page: the rest of it is most needed just then.
    await Promise.allSettled([queueDepths(needs), lags().then((found) => tellLag(figures, found))])
    return c.body(exposition(figures), 200, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" })
  })
}

/** Throws `Fault("unauthorized")` for everybody else. */
export function operator(request: Request, token: string | undefined) {
  const given = keyInHeader(request)
  if (token === undefined || given === undefined || !sameSecret(given, token))
    throw new Fault("unauthorized", "the operator's token is needed")
}

async function readiness({ table, clock, call, queues, redis }: HealthNeeds) {
  const tried = async (work: () => Promise<unknown>): Promise<Check> => {
    const started = clock()
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new Error("too late")), PATIENCE_MS)
    try {
      await Promise.race([work(), late.promise])
      return { status: "ok", ms: clock() - started }
    } catch {
      return { status: "failed", ms: clock() - started }
    } finally {
      clearTimeout(timer)
    }
  }
  const live = Object.entries(queues).flatMap(([name, { url }]) => (url === undefined ? [] : [{ name, url }]))
  const [there, away, ...each] = await Promise.all([
    tried(() => table.get(keys.settings(OPERATOR))),
    redis && tried(async () => (await redis.load()).ping()),
    ...live.map(({ url }) => tried(() => depth(call, url))),
  ])
  return {
    table: there,
    redis: away,
    queues: Object.fromEntries(live.map(({ name }, i) => [name, each[i]!])),
  }
}

const states = {
  ApproximateNumberOfMessages: "visible",
  ApproximateNumberOfMessagesNotVisible: "in_flight",
  ApproximateNumberOfMessagesDelayed: "delayed",
} as const

async function depth(call: Aws, QueueUrl: string): Promise<Record<string, string>> {
  const answer = await call("sqs", "GetQueueAttributes", { QueueUrl, AttributeNames: Object.keys(states) })
  return (answer.Attributes ?? {}) as Record<string, string>
}

const queueDepths = ({ call, queues, figures }: HealthNeeds) =>
  Promise.all(
    Object.entries(queues).map(async ([queue, { url, dead }]) => {
      const look = async (at: string | undefined) => (at === undefined ? undefined : depth(call, at))
      const [there, given] = await Promise.all([look(url), look(dead)])
      for (const [name, state] of there ? Object.entries(states) : [])
        figures.gauge("octant_queue_messages", { queue, state }, Number(there?.[name] ?? 0))
      if (given) figures.gauge("octant_dead_letters", { queue }, Number(given.ApproximateNumberOfMessages ?? 0))
    }),
  )

const TENANTS_AT_ONCE = 16

const foldLags = async (needs: HealthNeeds) =>
  inFlight(await listTenants(needs), TENANTS_AT_ONCE, async (tenant) =>
    lagOf(...(await Promise.all([readHead(needs, tenant), journalHead(needs, tenant)]))),
  )

const LAG_TRUST_MS = 30 * SECOND

/** Two reads for each tenant: however often somebody scrapes, it is done twice a minute. */
function remembered<T>(clock: Clock, look: () => Promise<T>): () => Promise<T> {
  let known: { until: number; value: Promise<T> } | undefined
  return () => {
    if (known && known.until > clock()) return known.value
    const value = look()
    known = { until: clock() + LAG_TRUST_MS, value }
    value.catch(() => {
      known = undefined
    })
    return value
  }
}
