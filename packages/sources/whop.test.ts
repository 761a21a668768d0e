import { describe, expect, test } from "vitest"
import { Fault } from "#core/fault.ts"
import { toEvent } from "#events/message.ts"
import type { Fields } from "./generic.ts"
import { standardHeaders, standardWebhooks } from "./standard-webhooks.ts"
import { whop } from "./whop.ts"

const NOW = Date.UTC(2026, 10, 21, 9)
const SENT = "2026-11-21T08:00:00.000Z"

const deliver = (body: unknown, headers: Record<string, string> = { "webhook-id": "msg_1" }) => ({
  method: "POST",
  url: "",
  headers,
  body: Buffer.from(JSON.stringify(body)),
  receivedAt: NOW,
})

const told = (type: string, data: Fields) => {
  const { messages } = whop.read(
    deliver({ id: "msg_1", api_version: "v1", timestamp: SENT, type, company_id: "biz_1", data }),
  )
  for (const message of messages) {
    const kept = toEvent(message, { receivedAt: NOW, messageId: () => "made" })
    expect(kept).not.toHaveProperty("code")
    expect(kept).not.toHaveProperty("quarantine")
  }
  return messages
}

const user = { id: "user_1", email: "ada@example.com", name: "Ada", username: "ada" }
const payment = {
  id: "pay_1",
  status: "paid",
  billing_reason: "subscription_cycle",
  total: 49.99,
  tax_amount: 7.98,
  currency: "usd",
  created_at: "2026-11-21T07:58:00.000Z",
  updated_at: "2026-11-21T07:59:00.000Z",
  paid_at: "2026-11-21T07:59:00.000Z",
  membership: { id: "mem_1", status: "active" },
  plan: { id: "plan_1" },
  product: { id: "prod_1", title: "Course" },
  billing_address: { country: "GB" },
  user,
}
const membership = {
  id: "mem_1",
  status: "active",
  created_at: "2026-11-01T08:00:00.000Z",
  updated_at: "2026-11-01T08:00:00.000Z",
  renewal_period_start: "2026-11-01T08:00:03.000Z",
  renewal_period_end: "2026-12-01T08:00:03.000Z",
  currency: "usd",
  plan: { id: "plan_1" },
  product: { id: "prod_1" },
  user,
}

describe("a payment", () => {
  test("of a subscription is an invoice paid, and says who paid", () => {
    expect(told("payment.succeeded", payment)).toEqual([
      {
        type: "track",
        event: "Invoice Paid",
        messageId: "whop:pay_1:paid",
        userId: "whop:user_1",
        timestamp: "2026-11-21T07:59:00.000Z",
        properties: {
          invoice_id: "pay_1",
          subscription_id: "mem_1",
          billing_reason: "subscription_cycle",
          amount: "49.99",
          plan: "plan_1",
          product_id: "prod_1",
          currency: "USD",
        },
      },
      {
        type: "identify",
        messageId: "whop:pay_1:paid:user",
        userId: "whop:user_1",
        timestamp: "2026-11-21T07:59:00.000Z",
        traits: { email: "ada@example.com", name: "Ada", username: "ada", country: "GB" },
      },
    ])
  })

  test("made once is an order, which earned what is left without tax", () => {
    const [order] = told("payment.succeeded", { ...payment, billing_reason: "one_time" })
    expect(order).toMatchObject({
      event: "Order Completed",
      messageId: "whop:pay_1:paid",
      properties: { order_id: "pay_1", revenue: "42.01", total: "49.99", tax: "7.98", currency: "USD" },
    })
  })

  test.each([
    ["whop_usd", "USD"],
    ["usdt", "USD"],
    ["eur", "EUR"],
  ])("in %s is in %s, and a time in seconds is a time", (given, currency) => {
    const [paid] = told("payment.succeeded", { ...payment, currency: given, paid_at: 1795248000 })
    expect(paid).toMatchObject({ timestamp: "2026-11-21T08:00:00.000Z", properties: { currency } })
  })

  test("that failed is only passed on", () => {
    expect(told("payment.failed", payment)).toMatchObject([
      { event: "payment.failed", messageId: "whop:msg_1", userId: "whop:user_1", properties: { id: "pay_1" } },
    ])
  })
})

test("a refund counts once, when it has succeeded, whichever webhook says so", () => {
  const refund = {
    id: "rfnd_1",
    amount: 10.43,
    currency: "usd",
    status: "succeeded",
    created_at: SENT,
    payment: { id: "pay_1", billing_reason: "one_time", user },
  }
  const expected = {
    event: "Order Refunded",
    messageId: "whop:rfnd_1:refunded",
    userId: "whop:user_1",
    properties: { order_id: "pay_1", refund_id: "rfnd_1", total: "10.43", currency: "USD" },
  }
  expect(told("refund.created", { ...refund, status: "pending" })[0]?.event).toBe("refund.created")
  expect(told("refund.created", refund)).toMatchObject([expected])
  expect(told("refund.updated", refund)).toMatchObject([expected])
  const ofSubscription = { ...refund, payment: { ...refund.payment, billing_reason: "subscription_cycle" } }
  expect(told("refund.created", ofSubscription)).toMatchObject([{ event: "refund.created", messageId: "whop:msg_1" }])
})

describe("a membership", () => {
  test("that becomes active is a subscription", () => {
    const [started, who] = told("membership.activated", membership)
    expect(started).toEqual({
      type: "track",
      event: "Subscription Started",
      messageId: "whop:mem_1:activated",
      userId: "whop:user_1",
      timestamp: "2026-11-01T08:00:00.000Z",
      properties: { subscription_id: "mem_1", plan: "plan_1", product_id: "prod_1", status: "active", currency: "USD" },
    })
    expect(who).toMatchObject({ type: "identify", traits: { email: "ada@example.com" } })
  })

  test("that comes back in another period starts again", () => {
    const [started] = told("membership.activated", { ...membership, renewal_period_start: "2026-11-21T08:00:00.000Z" })
    expect(started).toMatchObject({ messageId: "whop:mem_1:activated:2026-11-21T08:00:00.000Z" })
  })

  test("that ends is cancelled once for its period, with the reason", () => {
    const [ended] = told("membership.deactivated", {
      ...membership,
      status: "canceled",
      cancel_option: "too_expensive",
    })
    expect(ended).toMatchObject({
      event: "Subscription Cancelled",
      messageId: "whop:mem_1:deactivated:2026-12-01T08:00:03.000Z",
      timestamp: SENT,
      properties: { subscription_id: "mem_1", reason: "too_expensive" },
    })
  })

  test("that will end is only passed on", () => {
    expect(told("membership.cancel_at_period_end_changed", membership)[0]?.event).toBe(
      "membership.cancel_at_period_end_changed",
    )
  })
})

test("a lesson that is finished is one finished lesson of its course", () => {
  const interaction = {
    id: "int_1",
    completed: true,
    created_at: SENT,
    course: { id: "cors_1", title: "SQL" },
    lesson: { id: "lesn_1", title: "Joins", chapter: { id: "chap_1" } },
    user: { id: "user_1", name: "Ada", username: "ada" },
  }
  expect(told("course_lesson_interaction.completed", interaction)).toMatchObject([
    {
      event: "Lesson Completed",
      messageId: "whop:int_1:completed",
      userId: "whop:user_1",
      properties: { course_id: "cors_1", lesson_id: "lesn_1", chapter_id: "chap_1" },
    },
  ])
})

test("a dispute is opened once, for whoever paid", () => {
  const dispute = {
    id: "dspt_1",
    amount: 49.99,
    currency: "usd",
    reason: "fraudulent",
    status: "needs_response",
    created_at: SENT,
    payment: { id: "pay_1", user },
  }
  expect(told("dispute.created", dispute)).toMatchObject([
    {
      event: "Dispute Opened",
      messageId: "whop:dspt_1:opened",
      userId: "whop:user_1",
      properties: { dispute_id: "dspt_1", order_id: "pay_1", amount: "49.99", currency: "USD" },
    },
  ])
})

test("what nobody has a name for is passed on for the company, and an envelope of the old form too", () => {
  expect(told("withdrawal.created", { id: "wdrl_1", status: "requested", bank_name: "Bank" })).toEqual([
    {
      type: "track",
      event: "withdrawal.created",
      messageId: "whop:msg_1",
      anonymousId: "whop:biz_1",
      timestamp: SENT,
      properties: { company_id: "biz_1", id: "wdrl_1", status: "requested" },
    },
  ])
  expect(whop.read(deliver({ action: "membership_went_valid", data: { id: "mem_1" } })).messages).toMatchObject([
    { event: "membership_went_valid", messageId: "whop:msg_1" },
  ])
})

test("a body without a type, or a delivery without an id, is none of Whop's", () => {
  expect(() => whop.read(deliver({ id: "msg_1", data: {} }))).toThrow(Fault)
  expect(() => whop.read(deliver({ type: "payment.succeeded" }, {}))).toThrow(Fault)
})

test("a sender of the standard's own gives names, user and properties as they are", () => {
  const body = { type: "order.completed", timestamp: SENT, data: { user_id: "u1", order_id: "o1", total: "12.50" } }
  expect(standardWebhooks.read(deliver(body)).messages).toEqual([
    {
      type: "track",
      event: "order.completed",
      messageId: "standard-webhooks:msg_1",
      userId: "u1",
      timestamp: SENT,
      properties: body.data,
    },
  ])
})

/** Whop's lists: pages by an opaque cursor, oldest first. */
function standIn(lists: Record<string, Fields[]>, size = 2) {
  const asked: URL[] = []
  const answer = async (input: string | URL | Request, init?: RequestInit) => {
    const url = new URL(String(input))
    asked.push(url)
    expect(new Headers(init?.headers).get("authorization")).toBe("Bearer key_1")
    expect(url.searchParams.get("company_id")).toBe("biz_1")
    expect(url.searchParams.get("direction")).toBe("asc")
    const query = (name: string) => url.searchParams.get(name)
    const within = (item: Fields, by: string, edge: string) =>
      (!query(`${edge}_after`) || String(item[by]) > query(`${edge}_after`)!) &&
      (!query(`${edge}_before`) || String(item[by]) < query(`${edge}_before`)!)
    const items = lists[url.pathname.replace("/api/v1/", "")]!.filter(
      (item) => within(item, "created_at", "created") && within(item, "updated_at", "updated"),
    )
    const from = Number(query("after")?.slice(7) ?? 0)
    const has_next_page = from + size < items.length
    return Response.json({
      data: items.slice(from, from + size),
      page_info: { end_cursor: `cursor-${from + size}`, has_next_page },
    })
  }
  return { asked, fetch: answer as typeof fetch }
}

describe("a back-poll", () => {
  const baseUrl = "https://api.whop.test/api/v1?company_id=biz_1"
  const since = NOW - 30 * 86_400_000

  async function round(server: ReturnType<typeof standIn>, cursor?: string, now = NOW) {
    const ids: unknown[] = []
    for (let i = 0; i < 50; i++) {
      const page = await whop.poll({ fetch: server.fetch, credential: "key_1", baseUrl, now }, cursor, since)
      ids.push(...page.messages.filter(({ type }) => type === "track").map(({ messageId }) => messageId))
      cursor = page.cursor
      if (page.done) return { ids, cursor }
    }
    throw new Error("never done")
  }

  test("lists what was paid, refunded and begun over several pages, under the ids of the webhooks", async () => {
    const refund = {
      id: "rfnd_1",
      amount: 1,
      currency: "usd",
      status: "succeeded",
      created_at: SENT,
      payment: { id: "pay_1", billing_reason: "one_time" },
    }
    const lists = {
      payments: ["pay_1", "pay_2", "pay_3"]
        .map((id) => ({ ...payment, id }))
        .concat({ ...payment, id: "pay_4", status: "open" }),
      refunds: [refund, { ...refund, id: "rfnd_2", status: "pending" }],
      memberships: [membership, { ...membership, id: "mem_2", status: "drafted" }],
    }
    const { ids } = await round(standIn(lists))
    expect(ids).toEqual([
      "whop:pay_1:paid",
      "whop:pay_2:paid",
      "whop:pay_3:paid",
      "whop:rfnd_1:refunded",
      "whop:mem_1:activated",
    ])
    expect(ids[0]).toBe(told("payment.succeeded", payment)[0]?.messageId)
    expect(ids[3]).toBe(told("refund.created", refund)[0]?.messageId)
    expect(ids[4]).toBe(told("membership.activated", membership)[0]?.messageId)
  })

  test("finds a membership that ended, once, though Whop cannot list what has ended", async () => {
    const memberships = ["mem_1", "mem_2", "mem_3"].map((id) => ({
      ...membership,
      id,
      created_at: "2026-01-01T08:00:00.000Z",
      updated_at: "2026-01-01T08:00:00.000Z",
    }))
    const server = standIn({ payments: [], refunds: [], memberships })
    let { ids, cursor } = await round(server)
    expect(ids).toEqual([])
    memberships[0] = { ...memberships[0]!, status: "canceled", updated_at: "2026-11-21T09:05:00.000Z" }
    const found: unknown[] = []
    for (let i = 1; i <= 8; i++) {
      ;({ ids, cursor } = await round(server, cursor, NOW + i * 900_000))
      found.push(...ids)
    }
    expect(found).toEqual([told("membership.deactivated", memberships[0]!)[0]?.messageId])
  })

  test("a second round lists nothing that the first did, and asks nothing in the same minute", async () => {
    const server = standIn({ payments: [payment], refunds: [], memberships: [membership] })
    const { cursor } = await round(server)
    expect((await round(server, cursor, NOW + 900_000)).ids).toEqual([])
    const asked = server.asked.length
    expect((await round(server, cursor, NOW - 5000)).ids).toEqual([])
    expect(server.asked).toHaveLength(asked)
  })

  test("that is told to wait says for how long", async () => {
    const refuse = (async () => new Response("{}", { status: 429, headers: { "retry-after": "30" } })) as typeof fetch
    const polled = whop.poll({ fetch: refuse, credential: "key_1", baseUrl, now: NOW }, undefined, since)
    await expect(polled).rejects.toMatchObject({ code: "rate_limited", retryAfter: 30 })
  })
})

describe("a delivery signed the standard's own way", () => {
  const key = Buffer.from("0123456789abcdef01234567")
  const body = JSON.stringify({ type: "payment.succeeded", data: {} })
  const sent = { ...deliver({}, standardHeaders(key, NOW, body)), body: Buffer.from(body) }

  test.each([`whsec_${key.toString("base64")}`, key.toString("base64")])("is genuine under %s", (secret) => {
    expect(whop.verify(sent, [secret])).toBe("genuine")
  })

  test("is refused under another key, and under a word that only looks like one", () => {
    const refused = { code: "bad_signature" }
    expect(whop.verify(sent, [Buffer.from("another key of 24 bytes!").toString("base64")])).toMatchObject(refused)
    const short = { ...deliver({}, standardHeaders(Buffer.from("abcd", "base64"), NOW, body)), body: Buffer.from(body) }
    expect(whop.verify(short, ["abcd"])).toMatchObject(refused)
  })
})
