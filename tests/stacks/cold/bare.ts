import { Hono } from "hono"
import { handle } from "hono/aws-lambda"

/** The least that a door can be: what the others are measured by. */
const app = new Hono()
app.post("/v1/batch", async (c) => {
  const { batch } = (await c.req.json()) as { batch: unknown[] }
  return c.json({ success: true, accepted: batch.length })
})
export const handler = handle(app)
