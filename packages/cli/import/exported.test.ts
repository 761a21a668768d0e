import { afterAll, beforeAll, expect, test } from "vitest"
import { fakeClock } from "#core/clock.ts"
import { vendorOf } from "#sources/registry.ts"
import { hmac } from "#sources/signature.ts"
import { shopifyStandIn } from "#sources/standins/shopify.ts"
import { stripeStandIn } from "#sources/standins/stripe.ts"
import { startWorld, type World } from "../world.ts"

let world: World
const stops: (() => Promise<void>)[] = []
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => {
  await world.stop()
  await Promise.all(stops.map((stop) => stop()))
})

const DAY = ["--from", "2026-01-31", "--to", "2026-01-31", "--grain", "total"]
const total = async (tenant: string, metric: string) =>
  ((await world.ask("query", metric, "--tenant", tenant, ...DAY)) as { total: unknown }).total
const ledger = async (tenant: string) => {
  await world.stack.idle()
  const { total: sum } = (await world.ask("ledger", "--tenant", tenant)) as { total: Record<string, number> }
  return { counted: sum.counted, duplicate: sum.duplicate, rejected: sum.rejected, quarantined: sum.quarantined }
}
const none = { duplicate: 0, rejected: 0, quarantined: 0 }
/** What a stand-in did on one day. */
const clock = () => fakeClock("2026-01-31T12:00:00.000Z")

test("an export of Stripe's events is what its webhooks told: by line, as one document, once or twice, it counts once", async () => {
  await world.tenant("stripe")
  const now = clock()
  const standIn = await stripeStandIn(now)
  stops.push(standIn.stop)
  const events: string[] = []
  for (let n = 0; n < 20; n++) {
    for (const { body } of standIn.happen(n).webhooks) events.push(Buffer.from(body).toString())
    now.advance(1000)
  }
  const made = (await world.ask(
    ...["sources", "create", "--vendor", "stripe", "--name", "x", "--secret", "whsec_x", "--tenant", "stripe"],
  )) as { id: string; url: string }
  // Five of them came by webhook already.
  for (const event of events.slice(-5)) {
    const body = Buffer.from(event)
    const { headers } = signed(event)
    expect((await fetch(made.url, { method: "POST", headers, body: Uint8Array.from(body) })).status).toBe(200)
  }
  await world.stack.idle()
  const file = world.file("stripe.ndjson", [...events, "{", '{"id":"evt_x"}'].join("\n"))
  const run = await world.octant(["import", file, "--vendor", "stripe", "--tenant", "stripe"])
  expect(run.code).toBe(1)
  expect(run.out).toContain("line 21: is not JSON\n")
  expect(run.out).toContain("line 22: type is needed\n")
  expect(await ledger("stripe")).toEqual({ ...none, counted: 20, duplicate: 5 })
  const revenue = await total("stripe", "gross_revenue")
  expect(revenue).toBe("121.02")

  const page = world.file(
    "stripe.json",
    JSON.stringify({ object: "list", data: events.map((one) => JSON.parse(one)) }, null, 2),
  )
  await world.ask("import", page, "--vendor", "stripe", "--tenant", "stripe")
  expect(await ledger("stripe")).toEqual({ ...none, counted: 20, duplicate: 25 })
  expect(await total("stripe", "gross_revenue")).toBe(revenue)

  function signed(event: string) {
    const sample = vendorOf("stripe").sample("whsec_x", Date.now(), made.url)
    const seconds = /t=(\d+)/.exec(sample.headers["stripe-signature"]!)![1]!
    const signature = hmac("sha256", "whsec_x", [`${seconds}.`, Buffer.from(event)], "hex")
    return { headers: { ...sample.headers, "stripe-signature": `t=${seconds},v1=${signature}` } }
  }
})

test("an export of Shopify's orders by its API tells orders with their refunds, once", async () => {
  await world.tenant("shopify")
  const now = clock()
  const standIn = await shopifyStandIn(now)
  stops.push(standIn.stop)
  let [ordered, refunded] = [0, 0]
  for (let n = 0; n < 40; n++) {
    const telling = standIn.happen(n)
    ordered += telling.ordered ?? 0
    refunded += telling.refunded ?? 0
    now.advance(1000)
  }
  const headers = { "x-shopify-access-token": standIn.credential }
  const url = `${standIn.baseUrl}/admin/api/2026-10/orders.json?updated_at_min=2026&updated_at_max=2027`
  const file = world.file("shopify.json", await (await fetch(url, { headers })).text())
  const args = ["import", file, "--vendor", "shopify", "--tenant", "shopify"]
  await world.ask(...args)
  const { counted } = await ledger("shopify")
  expect(await total("shopify", "gross_revenue")).toBe((ordered / 100).toFixed(2))
  expect(await total("shopify", "refunds")).toBe((refunded / 100).toFixed(2))
  await world.ask(...args)
  expect(await ledger("shopify")).toEqual({ ...none, counted, duplicate: counted })
  const long = '{"id":820982911946154508,"created_at":"2026-01-31T09:30:00Z","subtotal_price":"1.00"}'
  const kept = (await world.ask(
    ...["import", world.file("long.ndjson", long), "--vendor", "shopify", "--tenant", "shopify", "--dry-run"],
  )) as { first: object[] }
  expect(kept.first[0]).toMatchObject({ messageId: "shopify:order_820982911946154508" })
})

const SHOPIFY_CSV = `Name,Email,Financial Status,Currency,Subtotal,Shipping,Taxes,Total,Discount Code,Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Billing Name,Billing Country,Shipping Country,Cancelled at,Refunded Amount,Id,Source
#1001,ada@example.com,paid,USD,40.00,5.00,4.00,49.00,TEN,4.44,2026-01-31 09:30:00 -0500,2,"Mug, blue",10.00,MUG-B,Ada Lovelace,GB,GR,,0.00,820982911946154500,web
#1001,ada@example.com,,,,,,,,,,1,Plate,24.44,PLA,,,,,,,
#1002,bob@example.com,refunded,USD,12.50,0.00,0.00,12.50,,0.00,2026-01-31 23:30:00 +0200,1,Cup,12.50,CUP,Bob,DE,DE,,12.50,820982911946154501,web
`

test("the CSV of Shopify's orders' page makes one order of its lines, under the id of the webhook", async () => {
  await world.tenant("page")
  const args = ["import", world.file("orders.csv", SHOPIFY_CSV), "--vendor", "shopify", "--tenant", "page"]
  const first = await world.octant(args)
  expect(first.code).toBe(0)
  expect(first.out).toMatch(/left out 1 times: an order's refunds, which the CSV gives neither an id nor a time/)
  await world.octant(args)
  // An order and the traits of who bought it, of each.
  expect(await ledger("page")).toEqual({ ...none, counted: 4, duplicate: 4 })
  expect(await total("page", "gross_revenue")).toBe("52.50")
  expect(await total("page", "units")).toBe(4)
  const webhook = vendorOf("shopify").read({
    ...{ method: "POST", url: "", receivedAt: 0, headers: { "x-shopify-topic": "orders/create" } },
    body: Buffer.from('{"id":820982911946154500,"created_at":"2026-01-31T09:30:00-05:00","subtotal_price":"40.00"}'),
  })
  const dry = (await world.ask(...args, "--dry-run")) as { first: { messageId: string; timestamp: string }[] }
  expect(dry.first[0]).toMatchObject({
    messageId: webhook.messages[0]!.messageId,
    timestamp: "2026-01-31T14:30:00.000Z",
    event: "Order Completed",
    properties: {
      revenue: "40.00",
      coupon: "TEN",
      country: "GR",
      products: [{ sku: "MUG-B", quantity: 2 }, { sku: "PLA" }],
    },
  })
})

const STRIPE_CSV = `id,Created date (UTC),Amount,Amount Refunded,Currency,Customer ID,Customer Email,Invoice ID,PaymentIntent ID,Status
ch_1,2026-01-31 10:00:00,20.00,0.00,usd,cus_1,ada@example.com,,pi_1,Paid
ch_2,2026-01-31 11:00:00,9.99,9.99,usd,cus_1,ada@example.com,in_2,pi_2,Refunded
ch_3,2026-01-31 12:00:00,5.00,0.00,usd,,,,pi_3,Failed
`

test("the CSV of Stripe's payments' page counts what was paid, of the customer that the webhooks know", async () => {
  await world.tenant("paid")
  const args = ["import", world.file("payments.csv", STRIPE_CSV), "--vendor", "stripe", "--tenant", "paid"]
  expect((await world.octant(args)).out).toContain("left out 1 times: what was given back of a payment")
  await world.octant(args)
  expect(await ledger("paid")).toMatchObject({ counted: 5, duplicate: 5 })
  expect(await total("paid", "gross_revenue")).toBe("20.00")
  expect(await total("paid", "invoiced_revenue")).toBe("9.99")
  expect(await world.ask("customer", "stripe:cus_1", "--tenant", "paid")).toMatchObject({ customer: { orders: 1 } })
})

test("a vendor of whom no export can be read is refused, and so is a mapping beside a vendor", async () => {
  const file = world.file("x.ndjson", "{}")
  expect((await world.octant(["import", file, "--vendor", "slack"])).code).toBe(2)
  expect((await world.octant(["import", file, "--vendor", "stripe", "--mapping", file])).code).toBe(2)
})
