import type { Hono } from "hono"
import "#core/words.ts"
import * as z from "zod/mini"
import { listTellings, type RequestDelivery, retryTelling, states, tryWebhook } from "#delivery/telling.ts"
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  getWebhook,
  listWebhooks,
  NewWebhook,
  rotateWebhook,
  WebhookChange,
  type WebhookNeeds,
  WebhookRotation,
} from "#delivery/webhook.ts"
import { BODY_BYTES, limit, type TenantOf } from "./app.ts"
import { by } from "./audit.ts"
import { readJson } from "./body.ts"
import { type Correlated, parsed } from "./problem.ts"

export type WebhooksNeeds = WebhookNeeds & { requestDelivery: RequestDelivery }

const DeliveriesPage = z.strictObject({
  after: z.optional(z.string().check(z.regex(/^\d{13}-[\w-]{16}$/, "must be the `next` of a page"))),
  limit: limit(200, 50),
  state: z.optional(z.enum(states)),
})

/** Where a tenant wants to be told of what happens, and what it was told. */
export function mountWebhooks(app: Hono<Correlated>, needs: WebhooksNeeds, tenantOf: TenantOf) {
  app.get("/v1/webhooks", async (c) => {
    const tenant = await tenantOf(c, "read")
    return c.json({ webhooks: await listWebhooks(needs, tenant) })
  })
  app.post("/v1/webhooks", async (c) => {
    const tenant = await tenantOf(c, "admin")
    const wish = parsed(NewWebhook, await readJson(c.req.raw, BODY_BYTES))
    return c.json(await createWebhook(by(c, needs), tenant, wish), 201)
  })
  app.get("/v1/webhooks/:id", async (c) => {
    const tenant = await tenantOf(c, "read")
    return c.json(await getWebhook(needs, tenant, c.req.param("id")))
  })
  app.patch("/v1/webhooks/:id", async (c) => {
    const tenant = await tenantOf(c, "admin")
    const change = parsed(WebhookChange, await readJson(c.req.raw, BODY_BYTES))
    return c.json(await changeWebhook(by(c, needs), tenant, c.req.param("id"), change))
  })
  app.delete("/v1/webhooks/:id", async (c) => {
    const tenant = await tenantOf(c, "admin")
    return c.json(await deleteWebhook(by(c, needs), tenant, c.req.param("id")))
  })
  app.post("/v1/webhooks/:id/rotate", async (c) => {
    const tenant = await tenantOf(c, "admin")
    const rotation = parsed(WebhookRotation, await readJson(c.req.raw, BODY_BYTES, {}))
    return c.json(await rotateWebhook(by(c, needs), tenant, c.req.param("id"), rotation))
  })
  app.post("/v1/webhooks/:id/test", async (c) => {
    const tenant = await tenantOf(c, "admin")
    return c.json(await tryWebhook(by(c, needs), tenant, c.req.param("id")))
  })
  app.get("/v1/webhooks/:id/deliveries", async (c) => {
    const tenant = await tenantOf(c, "read", "some")
    return c.json(await listTellings(needs, tenant, c.req.param("id"), parsed(DeliveriesPage, c.req.query())))
  })
  app.post("/v1/webhooks/:id/deliveries/:delivery/retry", async (c) => {
    const tenant = await tenantOf(c, "admin")
    return c.json(await retryTelling(by(c, needs), tenant, c.req.param("id"), c.req.param("delivery")))
  })
}
