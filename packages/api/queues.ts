import type { Hono } from "hono"
import "#core/words.ts"
import * as z from "zod/mini"
import { type DeadNeeds, listDead, redrive } from "#pipeline/deadletters.ts"
import { type QueuesNeeds, queueStates } from "#pipeline/queues.ts"
import { limit } from "./app.ts"
import { readJson } from "./body.ts"
import { type HealthNeeds, operator } from "./health.ts"
import { type Correlated, parsed } from "./problem.ts"

export type AdminNeeds = DeadNeeds & QueuesNeeds & Pick<HealthNeeds, "operatorToken">

const BODY_BYTES = 64 * 1024
const None = z.strictObject({})
const Look = z.strictObject({ limit: limit(100, 20) })
const Wish = z.strictObject({
  dryRun: z.optional(z.boolean()),
  ids: z.optional(z.array(z.string().check(z.maxLength(100))).check(z.minLength(1), z.maxLength(1000))),
  max: z.optional(z.int().check(z.gte(1), z.lte(100_000))),
})

/** Queues and their dead letters, for whoever runs this. */
export function queueRoutes(app: Hono<Correlated>, given: AdminNeeds) {
  const needs: AdminNeeds = { ...given, actor: "operator" }

  app.get("/v1/admin/queues", async (c) => {
    operator(c.req.raw, needs.operatorToken)
    parsed(None, c.req.query())
    return c.json({ queues: await queueStates(needs) })
  })
  app.get("/v1/admin/queues/:name/dead", async (c) => {
    operator(c.req.raw, needs.operatorToken)
    const { limit } = parsed(Look, c.req.query())
    return c.json({ letters: await listDead(needs, c.req.param("name"), limit) })
  })
  app.post("/v1/admin/queues/:name/redrive", async (c) => {
    operator(c.req.raw, needs.operatorToken)
    parsed(None, c.req.query())
    const wish = parsed(Wish, await readJson(c.req.raw, BODY_BYTES, {}))
    return c.json(await redrive(needs, c.req.param("name"), wish))
  })
}
