import { afterAll, beforeAll, expect, test } from "vitest"
import { startWorld, type World } from "#api/fixtures.ts"
import { instant, SECOND } from "#core/clock.ts"
import { type Imported, importHistory } from "#pipeline/history.ts"
import { type VendorId, vendorOf } from "#sources/registry.ts"
import { shopifyStandIn } from "#sources/standins/shopify.ts"
import type { Sent, StandIn } from "#sources/standins/standin.ts"
import { stripeStandIn } from "#sources/standins/stripe.ts"
import type { TenantId } from "#store/keys.ts"

let world: World
let standIns: StandIn[] = []
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => {
  await world.stop()
  await Promise.all(standIns.map(({ stop }) => stop()))
  standIns = []
})

const into = (source: string, vendor: VendorId) => ({ tenant: "acme" as TenantId, source, vendor: vendorOf(vendor) })
const imports = (source: string, vendor: VendorId, lines: string[]) =>
  importHistory(world.stack.runtime, into(source, vendor), lines)

/** Things happen at a stand-in; all of its webhooks. */
function live(standIn: StandIn, count: number): { webhooks: Sent[]; events: number } {
  standIns.push(standIn)
  const webhooks: Sent[] = []
  let events = 0
  for (let n = 0; n < count; n++) {
    const telling = standIn.happen(n)
    webhooks.push(...telling.webhooks)
    events += telling.events
    world.clock.advance(SECOND)
  }
  return { webhooks, events }
}
const bodyOf = ({ body }: Sent) => Buffer.from(body).toString()

test("an export of Stripe's events fills what was before the webhooks, and doubles nothing; twice is as once", async () => {
  const standIn = await stripeStandIn(world.clock)
  const { webhooks, events } = live(standIn, 2300)
  const made = await world.source({ vendor: "stripe", secret: standIn.secret! })
  for (const webhook of webhooks.slice(-5)) expect((await world.deliver(made.url, webhook)).status).toBe(200)
  const lines = ["", ...webhooks.map(bodyOf), "{", '{"id":"evt_x"}', " "]
  const seen: number[] = []
  const so = await importHistory(world.stack.runtime, into(made.id, "stripe"), lines, ({ accepted }: Imported) =>
    seen.push(accepted),
  )
  expect(so).toEqual({
    lines: 2302,
    accepted: events,
    quarantined: 0,
    rejected: 0,
    unread: [
      { line: 2302, message: "the body must be JSON in UTF-8" },
      { line: 2303, message: "type is needed" },
    ],
    unreadCount: 2,
  })
  expect(seen).toEqual([1000, 2000, 2300])
  expect(await world.ledger(made.id)).toMatchObject({ received: events + 5, counted: events, duplicate: 5 })
  await imports(made.id, "stripe", lines)
  expect(await world.ledger(made.id)).toMatchObject({ counted: events, duplicate: 5 + events })
})

test("an export of Shopify's orders tells what their webhooks told, with refunds and cancellations", async () => {
  const standIn = await shopifyStandIn(world.clock)
  const { webhooks, events } = live(standIn, 40)
  const made = await world.source({ vendor: "shopify", secret: standIn.secret! })
  for (const webhook of webhooks) await world.deliver(made.url, webhook)
  expect(await world.ledger(made.id)).toMatchObject({ counted: events })
  const gross = await world.total("gross_revenue")
  const answer = await fetch(
    `${standIn.baseUrl}/admin/api/2026-10/orders.json?updated_at_min=2027&updated_at_max=2028`,
    {
      headers: { "x-shopify-access-token": standIn.credential },
    },
  )
  const { orders } = (await answer.json()) as { orders: object[] }
  expect(
    await imports(
      made.id,
      "shopify",
      orders.map((order) => JSON.stringify(order)),
    ),
  ).toMatchObject({
    lines: 30,
    accepted: events,
    unreadCount: 0,
  })
  expect(await world.ledger(made.id)).toMatchObject({ counted: events, duplicate: events })
  expect(await world.total("gross_revenue")).toBe(gross)
  const cancelled = {
    id: 77,
    created_at: instant(world.clock()),
    cancelled_at: instant(world.clock()),
    total_price: "5.00",
  }
  await imports(made.id, "shopify", [JSON.stringify(cancelled)])
  expect(await world.ledger(made.id)).toMatchObject({ counted: events + 3 })
})

test("a vendor of whom no export can be read is refused", async () => {
  await expect(imports("src_acme_0123456789abcdef", "slack", [])).rejects.toMatchObject({ code: "invalid_request" })
})
