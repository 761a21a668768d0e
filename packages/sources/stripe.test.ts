import { describe, expect, test } from "vitest"
import { Fault } from "#core/fault.ts"
import { toEvent } from "#events/message.ts"
import type { Fields } from "./generic.ts"
import { stripe } from "./stripe.ts"

const NOW = Date.UTC(2026, 10, 21, 9)
const CREATED = NOW / 1000 - 3600

const read = (body: unknown) =>
  stripe.read({ method: "POST", url: "", headers: {}, body: Buffer.from(JSON.stringify(body)), receivedAt: NOW })

const event = (type: string, object: Fields, previous?: Fields) => ({
  id: "evt_1",
  object: "event",
  type,
  created: CREATED,
  livemode: true,
  data: { object, ...(previous && { previous_attributes: previous }) },
})

const told = (type: string, object: Fields, previous?: Fields) => {
  const { messages } = read(event(type, object, previous))
  for (const message of messages) {
    const kept = toEvent(message, { receivedAt: NOW, messageId: () => "made" })
    expect(kept).not.toHaveProperty("code")
    expect(kept).not.toHaveProperty("quarantine")
  }
  return messages
}

const price = (unit_amount: number, interval: string, more: Fields = {}) => ({
  id: "price_1",
  unit_amount,
  unit_amount_decimal: String(unit_amount),
  recurring: { interval, interval_count: 1, usage_type: "licensed", ...more },
})
const subscription = (status: string, items: Fields[], more: Fields = {}) => ({
  id: "sub_1",
  object: "subscription",
  customer: "cus_1",
  currency: "usd",
  status,
  items: { object: "list", data: items },
  ...more,
})
const monthly = subscription("active", [{ price: price(700, "month"), quantity: 10 }])

describe("a customer", () => {
  test("is known by Stripe's id, with name, address and country", () => {
    const customer = {
      id: "cus_1",
      object: "customer",
      email: "ada@example.com",
      name: "Ada",
      address: { country: "GB" },
    }
    expect(told("customer.created", customer)).toEqual([
      {
        type: "identify",
        messageId: "stripe:evt_1",
        userId: "stripe:cus_1",
        timestamp: "2026-11-21T08:00:00.000Z",
        traits: { email: "ada@example.com", name: "Ada", country: "GB" },
      },
    ])
  })

  test("of whom nothing is told is only passed on", () => {
    const [passed, ...more] = told("customer.updated", { id: "cus_1", object: "customer", email: null })
    expect(passed).toMatchObject({ event: "customer.updated", userId: "stripe:cus_1", properties: { id: "cus_1" } })
    expect(more).toEqual([])
  })
})

describe("a subscription", () => {
  test("of ten seats at 7.00 a month brings 70.00", () => {
    expect(told("customer.subscription.created", monthly)).toEqual([
      {
        type: "track",
        event: "Subscription Started",
        messageId: "stripe:evt_1",
        userId: "stripe:cus_1",
        timestamp: "2026-11-21T08:00:00.000Z",
        properties: { subscription_id: "sub_1", plan: "price_1", status: "active", mrr: "70.00", currency: "USD" },
      },
    ])
  })

  test.each([
    ["12000 a year", "usd", [{ price: price(1_200_000, "year"), quantity: 1 }], "1000.00"],
    ["100 a year, which no month divides", "usd", [{ price: price(10_000, "year"), quantity: 1 }], "8.33"],
    ["30 every three months", "usd", [{ price: price(3000, "month", { interval_count: 3 }), quantity: 1 }], "10.00"],
    ["7 a week", "usd", [{ price: price(700, "week"), quantity: 1 }], "30.42"],
    ["1 a day", "usd", [{ price: price(100, "day"), quantity: 1 }], "30.42"],
    ["980 yen a month, which has no hundredths", "jpy", [{ price: price(980, "month"), quantity: 1 }], "980.00"],
    ["1.500 dinars a month, which has thousandths", "kwd", [{ price: price(1500, "month"), quantity: 1 }], "1.50"],
    [
      "500 shillings, which Stripe counts in hundredths",
      "ugx",
      [{ price: price(50_000, "month"), quantity: 1 }],
      "500.00",
    ],
    [
      "two items",
      "usd",
      [
        { price: price(700, "month"), quantity: 1 },
        { price: price(1200, "year"), quantity: 2 },
      ],
      "9.00",
    ],
    [
      "a fraction of a cent a seat",
      "usd",
      [{ price: { ...price(0, "month"), unit_amount: null, unit_amount_decimal: "0.5" }, quantity: 1000 }],
      "5.00",
    ],
    ["what is metered", "usd", [{ price: price(700, "month", { usage_type: "metered" }) }], "0.00"],
    [
      "a plan of the old form",
      "usd",
      [{ plan: { id: "gold", amount: 700, interval: "month", interval_count: 1 }, quantity: 2 }],
      "14.00",
    ],
  ])("of %s brings its share a month", (_words, currency, items, mrr) => {
    const [started] = told("customer.subscription.created", { ...subscription("active", items), currency })
    expect(started?.properties).toMatchObject({ mrr, currency: currency.toUpperCase() })
  })

  test("on trial has started and brings nothing, and brings its price once it is paid for", () => {
    const trial = { ...monthly, status: "trialing" }
    expect(told("customer.subscription.created", trial)[0]).toMatchObject({
      event: "Subscription Started",
      properties: { mrr: "0.00" },
    })
    const paid = told("customer.subscription.updated", monthly, { status: "trialing" })
    expect(paid).toMatchObject([{ event: "Subscription Changed", properties: { mrr: "70.00", status: "active" } }])
  })

  test("that is not paid yet has not started; it starts with its first payment", () => {
    const incomplete = { ...monthly, status: "incomplete" }
    expect(told("customer.subscription.created", incomplete)[0]?.event).toBe("customer.subscription.created")
    expect(told("customer.subscription.updated", monthly, { status: "incomplete" })[0]?.event).toBe(
      "Subscription Started",
    )
  })

  test("that is renewed has not changed; one with another price, plan or number of seats has", () => {
    const renewal = {
      current_period_start: 1,
      items: { data: [{ price: price(700, "month"), quantity: 10, current_period_start: 1 }] },
    }
    expect(told("customer.subscription.updated", monthly, renewal)[0]?.event).toBe("customer.subscription.updated")
    const fewer = { items: { data: [{ price: price(700, "month"), quantity: 9 }] } }
    expect(told("customer.subscription.updated", monthly, fewer)[0]).toMatchObject({
      event: "Subscription Changed",
      properties: { mrr: "70.00" },
    })
    const other = { items: { data: [{ price: { ...price(700, "month"), id: "price_0" }, quantity: 10 }] } }
    expect(told("customer.subscription.updated", monthly, other)[0]?.event).toBe("Subscription Changed")
  })

  test("that ends takes away what it brought, which for a trial is nothing", () => {
    const ended = { ...monthly, status: "canceled", ended_at: 2000, cancellation_details: { reason: "payment_failed" } }
    const [cancelled] = told("customer.subscription.deleted", ended)
    expect(cancelled).toMatchObject({
      event: "Subscription Cancelled",
      properties: { mrr: "70.00", reason: "payment_failed" },
    })
    const [trial] = told("customer.subscription.deleted", { ...ended, trial_end: 3000 })
    expect(trial?.properties).toMatchObject({ mrr: "0.00" })
  })
})

describe("money", () => {
  const invoice = {
    id: "in_1",
    object: "invoice",
    customer: "cus_1",
    currency: "eur",
    amount_paid: 1250,
    billing_reason: "subscription_cycle",
  }

  test("of an invoice is counted once, though Stripe tells it twice", () => {
    const paid = told("invoice.paid", { ...invoice, subscription: "sub_1", customer_email: "ada@example.com" })
    expect(paid[0]).toMatchObject({
      event: "Invoice Paid",
      messageId: "stripe:evt_1",
      properties: { invoice_id: "in_1", subscription_id: "sub_1", amount: "12.50", currency: "EUR" },
    })
    expect(paid[1]).toMatchObject({
      type: "identify",
      messageId: "stripe:evt_1:traits",
      traits: { email: "ada@example.com" },
    })
    expect(told("invoice.payment_succeeded", invoice)[0]?.event).toBe("invoice.payment_succeeded")
  })

  test("of an invoice of the newer API is of its subscription too", () => {
    const [paid] = told("invoice.paid", { ...invoice, parent: { subscription_details: { subscription: "sub_2" } } })
    expect(paid?.properties).toMatchObject({ subscription_id: "sub_2" })
  })

  test.each([
    ["jpy", 1250, "1250"],
    ["kwd", 1250, "1.250"],
    ["isk", 1250, "12.50"],
    ["usd", 1, "0.01"],
    ["usd", 0, "0.00"],
  ])("in %s: %d minor units are %s", (currency, amount_paid, amount) => {
    expect(told("invoice.paid", { ...invoice, currency, amount_paid })[0]?.properties).toMatchObject({ amount })
  })

  const session = {
    id: "cs_1",
    object: "checkout.session",
    mode: "payment",
    payment_status: "paid",
    payment_intent: "pi_1",
    customer: null,
    currency: "eur",
    amount_total: 11_900,
    total_details: { amount_tax: 1900, amount_shipping: 500, amount_discount: 0 },
    customer_details: { email: "guest@example.com", address: { country: "DE" } },
  }

  test("of a guest's checkout is an order, and its refund belongs to the same guest and order", () => {
    const [order, ...more] = told("checkout.session.completed", session)
    expect(order).toMatchObject({
      event: "Order Completed",
      anonymousId: "stripe:pi_1",
      properties: {
        order_id: "pi_1",
        revenue: "95.00",
        total: "119.00",
        tax: "19.00",
        shipping: "5.00",
        currency: "EUR",
        country: "DE",
      },
    })
    expect(more).toEqual([])
    const charge = {
      id: "ch_1",
      object: "charge",
      payment_intent: "pi_1",
      customer: null,
      currency: "eur",
      amount: 11_900,
      amount_refunded: 2000,
    }
    expect(told("charge.refunded", charge, { amount_refunded: 500 })[0]).toMatchObject({
      event: "Order Refunded",
      anonymousId: "stripe:pi_1",
      properties: { order_id: "pi_1", total: "15.00", currency: "EUR" },
    })
    expect(
      told("charge.dispute.created", {
        id: "dp_1",
        object: "dispute",
        payment_intent: "pi_1",
        amount: 500,
        currency: "eur",
        reason: "fraudulent",
      })[0],
    ).toMatchObject({
      event: "Dispute Opened",
      properties: { dispute_id: "dp_1", order_id: "pi_1", amount: "5.00", reason: "fraudulent" },
    })
  })

  test.each([
    ["is for a subscription", { mode: "subscription" }],
    ["is not paid yet", { payment_status: "unpaid" }],
    ["makes an invoice, which will be paid", { invoice: "in_1" }],
  ])("of a checkout that %s is not counted as an order", (_words, differently) => {
    expect(told("checkout.session.completed", { ...session, ...differently })[0]?.event).toBe(
      "checkout.session.completed",
    )
  })

  const intent = {
    id: "pi_2",
    object: "payment_intent",
    customer: "cus_1",
    amount: 500,
    currency: "usd",
    client_secret: "pi_2_secret_x",
    receipt_email: "a@b.c",
  }
  const charge = {
    id: "ch_2",
    object: "charge",
    payment_intent: "pi_2",
    customer: "cus_1",
    amount: 500,
    currency: "usd",
  }

  test("of a payment of its own is an order, which its charge does not tell again", () => {
    expect(told("payment_intent.succeeded", intent)).toEqual([
      {
        type: "track",
        event: "Order Completed",
        messageId: "stripe:pi_2:paid",
        userId: "stripe:cus_1",
        timestamp: "2026-11-21T08:00:00.000Z",
        properties: { order_id: "pi_2", revenue: "5.00", total: "5.00", currency: "USD" },
      },
    ])
    expect(told("charge.succeeded", charge)[0]?.event).toBe("charge.succeeded")
    expect(told("payment_intent.succeeded", { ...intent, customer: null })[0]).toMatchObject({
      anonymousId: "stripe:pi_2",
    })
  })

  test("of a charge without a payment is an order", () => {
    expect(told("charge.succeeded", { ...charge, payment_intent: null })[0]).toMatchObject({
      event: "Order Completed",
      messageId: "stripe:ch_2:paid",
      properties: { order_id: "ch_2", revenue: "5.00" },
    })
  })

  test("of a payment that Checkout and the CSV tell too is one fact", () => {
    const [order] = told("checkout.session.completed", { ...session, payment_intent: "pi_2" })
    const line = { id: "ch_2", Amount: "5.00", Currency: "usd", Status: "Paid", "PaymentIntent ID": "pi_2" }
    const [imported] = stripe.exported(stripe.table.object([line]))
    const [paid] = told("payment_intent.succeeded", intent)
    expect([order?.messageId, imported?.messageId]).toEqual([paid?.messageId, paid?.messageId])
    expect(imported?.properties).toMatchObject({ order_id: "pi_2", revenue: "5.00", currency: "USD" })
  })

  test.each([
    ["an invoice's, by the older API", { invoice: "in_1" }],
    ["an invoice's, by the newer API", { payment_details: { order_reference: "in_1" } }],
    ["an invoice's, by Stripe's own words", { description: "Subscription update" }],
    ["Checkout's", { payment_details: { order_reference: "cs_1" } }],
  ])("of a payment that is %s is not counted twice", (_words, more) => {
    expect(told("payment_intent.succeeded", { ...intent, ...more })).toMatchObject([
      { event: "payment_intent.succeeded", messageId: "stripe:evt_1", properties: { id: "pi_2", amount: "5.00" } },
    ])
  })

  test.each([{ invoice: "in_1" }, { description: "Subscription creation" }, { description: "Payment for Invoice" }])(
    "given back of an invoice (%o) is no order's refund",
    (more) => {
      const given = { ...charge, amount_refunded: 500, ...more }
      expect(told("charge.refunded", given, { amount_refunded: 0 })).toMatchObject([
        { event: "charge.refunded", messageId: "stripe:evt_1", properties: { id: "ch_2", amount: "5.00" } },
      ])
    },
  )
})

test("a thin event of the newer kind is passed on with what it is about", () => {
  const thin = {
    id: "evt_2",
    object: "v2.core.event",
    type: "v1.billing.meter.error_report_triggered",
    created: "2026-11-21T08:00:00.000Z",
    related_object: { id: "mtr_1", type: "billing.meter" },
  }
  expect(read(thin).messages).toMatchObject([
    {
      event: "v1.billing.meter.error_report_triggered",
      messageId: "stripe:evt_2",
      timestamp: "2026-11-21T08:00:00.000Z",
      properties: { id: "mtr_1" },
    },
  ])
})

test.each([["[]"], ["null"], ["{}"], ['{"id":"evt_1"}'], ["no json"], ["\xff"]])(
  "a body of %s is none of Stripe's",
  (body) => {
    expect(() =>
      stripe.read({ method: "POST", url: "", headers: {}, body: Buffer.from(body, "latin1"), receivedAt: NOW }),
    ).toThrow(Fault)
  },
)

/** Stripe's list of events: newest first, pages by `starting_after` and `ending_before`, a filter by `created`. */
function standIn(ids: number, limitTo = 3) {
  const events = Array.from({ length: ids }, (_, i) => ({
    ...event("charge.failed", { id: `ch_${i}`, customer: "cus_1" }),
    id: `evt_${i}`,
    created: NOW / 1000 - 86_400 + i * 60,
  }))
  const asked: URL[] = []
  const state = { events, asked, refuse: undefined as Response | undefined }
  const answer = async (input: string | URL | Request, init?: RequestInit) => {
    const url = new URL(String(input))
    asked.push(url)
    expect(new Headers(init?.headers).get("authorization")).toBe("Bearer rk_1")
    expect(init?.redirect).toBe("error")
    if (state.refuse) return state.refuse
    const query = (name: string) => url.searchParams.get(name) ?? undefined
    const inSpan = state.events
      .filter(
        ({ created }) => created >= Number(query("created[gte]") ?? 0) && created <= Number(query("created[lte]")),
      )
      .toReversed()
    const place = query("starting_after") ?? query("ending_before")
    const at = inSpan.findIndex(({ id }) => id === place)
    if (place && at < 0) return Response.json({ error: { code: "resource_missing" } }, { status: 400 })
    const [low, high] = query("ending_before") ? [Math.max(0, at - limitTo), at] : [at + 1, at + 1 + limitTo]
    const more = query("ending_before") ? low > 0 : high < inSpan.length
    return Response.json({ object: "list", data: inSpan.slice(low, high), has_more: more })
  }
  return { ...state, state, fetch: answer as typeof fetch }
}

async function drain(
  server: ReturnType<typeof standIn>,
  cursor: string | undefined,
  now = NOW,
  since = NOW - 86_400_000,
) {
  const ids: unknown[] = []
  for (let i = 0; i < 50; i++) {
    const page = await stripe.poll(
      { fetch: server.fetch, credential: "rk_1", baseUrl: "https://api.stripe.test/", now },
      cursor,
      since,
    )
    ids.push(...page.messages.map(({ messageId }) => messageId))
    cursor = page.cursor
    if (page.done) return { ids, cursor }
  }
  throw new Error("never done")
}

describe("a back-poll", () => {
  const named = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `stripe:evt_${from + i}`)

  test.each([0, 1, 3, 4, 7, 9])(
    "of %d events lists each once, oldest first, and then only what is new",
    async (count) => {
      const server = standIn(count)
      const first = await drain(server, undefined)
      expect(first.ids).toEqual(named(0, count))
      const added = standIn(count + 5).events.slice(count)
      server.events.push(...added)
      const second = await drain(server, first.cursor)
      expect(second.ids).toEqual(named(count, count + 5))
      expect((await drain(server, second.cursor)).ids).toEqual([])
    },
  )

  test("gives each event the id that its webhook has", async () => {
    const server = standIn(1)
    expect((await drain(server, undefined)).ids).toEqual([read(server.events[0]).messages[0]?.messageId])
  })

  test("leaves what is younger than a minute to the next round", async () => {
    const server = standIn(2)
    const justAfter = server.events[1]!.created * 1000 + 59_000
    const first = await drain(server, undefined, justAfter)
    expect(first.ids).toEqual(["stripe:evt_0"])
    expect((await drain(server, first.cursor, justAfter + 2000)).ids).toEqual(["stripe:evt_1"])
  })

  test("begins anew when Stripe has forgotten where it was", async () => {
    const server = standIn(4)
    const { cursor } = await drain(server, undefined)
    server.events.splice(0, 4, ...standIn(8).events.slice(5))
    expect((await drain(server, cursor)).ids).toEqual(named(5, 8))
  })

  test.each([
    [429, { "retry-after": "7" }, "rate_limited", 7],
    [429, { "retry-after": "Sat, 21 Nov 2026 09:00:30 GMT" }, "rate_limited", 30],
    [429, {}, "rate_limited", 10],
    [401, {}, "forbidden", undefined],
    [503, { "retry-after": "3" }, "unavailable", 3],
    [400, {}, "invalid_request", undefined],
  ])("that is answered with %d says so", async (status, headers, code, retryAfter) => {
    const refuse = (async () => new Response("{}", { status, headers })) as typeof fetch
    const polled = stripe.poll(
      { fetch: refuse, credential: "rk_1", baseUrl: "https://api.stripe.test", now: NOW },
      undefined,
      0,
    )
    await expect(polled).rejects.toMatchObject({ code, ...(retryAfter && { retryAfter }) })
  })

  test.each([
    ["nobody answers", async () => Promise.reject(new TypeError("fetch failed"))],
    ["the answer is no JSON", async () => new Response("<html>")],
    ["the answer is no object", async () => new Response("[]")],
  ])("may be tried again when %s", async (_words, answer) => {
    const polled = stripe.poll(
      { fetch: answer as typeof fetch, credential: "rk_1", baseUrl: "https://api.stripe.test", now: NOW },
      undefined,
      0,
    )
    await expect(polled).rejects.toMatchObject({ code: "unavailable" })
  })
})
