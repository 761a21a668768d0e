import type { Hono } from "hono"
import "#core/words.ts"
import * as z from "zod/mini"
import { openHook } from "#access/hook.ts"
import {
  changeSource,
  createSource,
  deleteSource,
  getSource,
  listSources,
  NewSource,
  Rotation,
  rotateSecret,
  SourceChange,
  type SourceNeeds,
} from "#access/source.ts"
import { trySource } from "#access/trial.ts"
import { Fault } from "#core/fault.ts"
import { listDeliveries, openDelivery } from "#pipeline/deliveries.ts"
import { healthOf } from "#pipeline/health.ts"
import { ask, type ReadNeeds } from "#pipeline/reading.ts"
import { type AcceptNeeds, replayDelivery } from "#pipeline/receive.ts"
import { listVendors } from "#sources/registry.ts"
import type { Delivery } from "#sources/source.ts"
import { announced } from "#store/audit.ts"
import type { TenantId } from "#store/keys.ts"
import { BODY_BYTES, limit, type TenantOf } from "./app.ts"
import { by, shownTo } from "./audit.ts"
import { readJson } from "./body.ts"
import { type Correlated, parsed } from "./problem.ts"

export type SourcesNeeds = SourceNeeds & AcceptNeeds & ReadNeeds & { fetch: typeof fetch }

const DeliveriesPage = z.strictObject({
  after: z.optional(z.string().check(z.regex(/^\d{13}-[\w-]{16}$/, "must be the `next` of a page"))),
  limit: limit(200, 50),
})

/** Where webhooks and back-polls are set up and looked at. */
export function mountSources(app: Hono<Correlated>, needs: SourcesNeeds, tenantOf: TenantOf) {
  app.get("/v1/vendors", async (c) => {
    await tenantOf(c, "read")
    return c.json({ vendors: listVendors() })
  })

  app.get("/v1/sources", async (c) => {
    const tenant = await tenantOf(c, "read")
    return c.json({ sources: await listSources(needs, tenant) })
  })
  app.post("/v1/sources", async (c) => {
    const tenant = await tenantOf(c, "admin")
    return c.json(
      await createSource(by(c, needs), tenant, parsed(NewSource, await readJson(c.req.raw, BODY_BYTES))),
      201,
    )
  })
  app.get("/v1/sources/:id", async (c) => {
    const tenant = await tenantOf(c, "read")
    const source = await getSource(needs, tenant, c.req.param("id"))
    const health = await ask(needs, tenant, (reading) => healthOf(needs, reading, tenant, source))
    return c.json({ ...source, ...health })
  })
  app.patch("/v1/sources/:id", async (c) => {
    const tenant = await tenantOf(c, "admin")
    const change = parsed(SourceChange, await readJson(c.req.raw, BODY_BYTES))
    return c.json(await changeSource(by(c, needs), tenant, c.req.param("id"), change))
  })
  app.delete("/v1/sources/:id", async (c) => {
    const tenant = await tenantOf(c, "admin")
    return c.json(await deleteSource(by(c, needs), tenant, c.req.param("id")))
  })
  app.post("/v1/sources/:id/rotate", async (c) => {
    const tenant = await tenantOf(c, "admin")
    const rotation = parsed(Rotation, await readJson(c.req.raw, BODY_BYTES, {}))
    return c.json(await rotateSecret(by(c, needs), tenant, c.req.param("id"), rotation))
  })
  app.post("/v1/sources/:id/test", async (c) => {
    const tenant = await tenantOf(c, "admin")
    return c.json(await trySource(by(c, needs), tenant, c.req.param("id")))
  })

  app.get("/v1/sources/:id/deliveries", async (c) => {
    const tenant = await tenantOf(c, "read", "some")
    const { after, limit } = parsed(DeliveriesPage, c.req.query())
    const { id: source, createdAt } = await getSource(needs, tenant, c.req.param("id"))
    const page = { now: needs.clock(), since: Date.parse(createdAt), limit, ...(after === undefined ? {} : { after }) }
    return c.json(await listDeliveries(needs, { tenant, source }, page))
  })
  // What a customer's vendor wrote about a customer's customers: not for everyone who may read figures.
  app.get("/v1/sources/:id/deliveries/:delivery", async (c) => {
    const tenant = await tenantOf(c, "admin")
    const { kept, delivery } = await opened(tenant, c.req.param("id"), c.req.param("delivery"))
    const deed = { action: "delivery.read", subject: kept.id, details: { source: c.req.param("id") } }
    return c.json(await shownTo(c, needs, tenant, deed, { ...kept, ...shown(delivery) }))
  })
  app.post("/v1/sources/:id/deliveries/:delivery/replay", async (c) => {
    const tenant = await tenantOf(c, "admin")
    const { hook, kept, delivery } = await opened(tenant, c.req.param("id"), c.req.param("delivery"))
    const deed = { action: "delivery.replay", subject: kept.id, details: { source: c.req.param("id") } }
    return c.json(await announced(by(c, needs), tenant, deed, () => replayDelivery(needs, hook, delivery)))
  })

  async function opened(tenant: TenantId, id: string, name: string) {
    const hook = await openHook(needs, tenant, id)
    const found = await openDelivery(needs, { tenant, source: id }, name)
    if (!found) throw new Fault("not_found", "there is no such delivery")
    return { hook, ...found }
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** The body as text; in base64 if it is none. */
function shown({ method, url, headers, body }: Delivery) {
  try {
    return { method, url, headers, body: utf8.decode(body) }
  } catch {
    return { method, url, headers, bodyBase64: Buffer.from(body).toString("base64") }
  }
}
