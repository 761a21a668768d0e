import { sign } from "node:crypto"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { DAY, instant, MINUTE } from "#core/clock.ts"
import {
  bytes,
  delivery,
  flipped,
  isRead,
  lowerCase,
  NOW,
  replaced,
  sampleOf,
  samplesOf,
  signer,
  standIn,
  told,
  vectorsOf,
} from "./fixtures.ts"
import { baseString, paypal } from "./paypal.ts"
import type { Delivery } from "./source.ts"

const WEBHOOK = "4JH86294D6297924G"
const TRANSMISSION = "dfb3be50-fd74-11e4-8bf3-77339302725b"
const CERTIFICATE = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-b0d12406"

/** Shaped as PayPal's simulator sends a capture. */
const capture = {
  id: "WH-58D329510W468432D-8HN650336L201105X",
  event_version: "1.0",
  create_time: "2027-01-14T21:50:07.940Z",
  resource_type: "capture",
  event_type: "PAYMENT.CAPTURE.COMPLETED",
  summary: "Payment completed for $ 30.0 USD",
  resource: {
    id: "12A34567BC123456S",
    amount: { currency_code: "USD", value: "30.00" },
    invoice_id: "5840243-146",
    status: "COMPLETED",
    supplementary_data: { related_ids: { order_id: "1AB234567A1234567" } },
  },
}

function signed(body = bytes(capture), time = instant(NOW), webhookId = WEBHOOK): Delivery {
  const signature = sign("sha256", Buffer.from(baseString(TRANSMISSION, time, webhookId, body)), signer.key)
  const headers = {
    "paypal-transmission-id": TRANSMISSION,
    "paypal-transmission-time": time,
    "paypal-transmission-sig": signature.toString("base64"),
    "paypal-cert-url": CERTIFICATE,
    "paypal-auth-algo": "SHA256withRSA",
  }
  return delivery({ headers, body })
}

const certified = { fetchText: () => Promise.resolve(signer.certificate) }
const verify = (changes: Partial<Delivery> = {}, secrets = [WEBHOOK]) =>
  paypal.verify({ ...signed(), ...changes }, secrets, certified)

describe("a delivery's signature", () => {
  test("is over the ids, the time and the body's CRC-32 in decimal", () => {
    /** 3421780262 is the CRC-32 of 123456789 in every catalogue of CRCs; the rest is PayPal-Python-SDK's sample. */
    expect(baseString(TRANSMISSION, "2015-05-18T15:45:13Z", WEBHOOK, bytes("123456789"))).toBe(
      "dfb3be50-fd74-11e4-8bf3-77339302725b|2015-05-18T15:45:13Z|4JH86294D6297924G|3421780262",
    )
  })

  test("is genuine for this webhook's id or the one before it", async () => {
    expect(await verify()).toBe("genuine")
    expect(await verify({}, ["new", WEBHOOK])).toBe("genuine")
  })

  const { headers, body } = signed()
  test.each([
    ["a flipped byte", { body: flipped(body) }],
    ["the same JSON written anew", { body: bytes(JSON.stringify(capture, null, 1)) }],
    ["another transmission", { headers: { ...headers, "paypal-transmission-id": "other" } }],
    ["a time moved forward", { headers: { ...headers, "paypal-transmission-time": instant(NOW + 290_000) } }],
    ["a time moved back", { headers: { ...headers, "paypal-transmission-time": instant(NOW - 301_000) } }],
    ["another algorithm", { headers: { ...headers, "paypal-auth-algo": "SHA1withRSA" } }],
    ["a signature that is none", { headers: { ...headers, "paypal-transmission-sig": "AAAA" } }],
  ])("is refused for %s", async (_, changes) => {
    expect(await verify(changes)).toMatchObject({ code: "bad_signature" })
  })

  test.each([[["WEBHOOK_ID"]], [[]], [[""]]])("is refused for the webhook ids %j", async (secrets) => {
    expect(await verify({}, secrets)).toMatchObject({ code: "bad_signature" })
  })

  test.each(Object.keys(headers))("is refused without %s", async (name) => {
    expect(await verify({ headers: { ...headers, [name]: "" } })).toMatchObject({ code: "missing_signature" })
  })

  test("is stale when it is from the future, from before PayPal's last retry or from no time at all", async () => {
    const sent = (time: string) => paypal.verify(signed(undefined, time), [WEBHOOK], certified)
    expect(await sent(instant(NOW + 300_000))).toBe("genuine")
    expect(await sent(instant(NOW + 301_000))).toMatchObject({ code: "stale" })
    expect(await sent(instant(NOW - 3 * DAY - 300_000))).toBe("genuine")
    expect(await sent(instant(NOW - 3 * DAY - 301_000))).toMatchObject({ code: "stale" })
    expect(await sent("yesterday")).toMatchObject({ code: "stale" })
  })
})

describe("the certificate", () => {
  test.each([
    "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
    "https://evilpaypal.com/v1/notifications/certs/CERT-1",
    "https://paypal.com.example/v1/notifications/certs/CERT-1",
    "https://api.paypal.com@evil.example/v1/notifications/certs/CERT-1",
    "https://evil.example/#.paypal.com/v1/notifications/certs/",
    "https://evil.example\\.paypal.com/v1/notifications/certs/CERT-1",
    "https://evil.example/v1/notifications/certs/x?.paypal.com",
    "http://api.paypal.com/v1/notifications/certs/CERT-1",
    "https://api.paypal.com:8443/v1/notifications/certs/CERT-1",
    "https://www.paypal.com/upload/CERT-1",
    "https://api.paypal.com/v1/notifications/certs/../../upload/CERT-1",
    "https://169.254.169.254/v1/notifications/certs/CERT-1",
    "file:///v1/notifications/certs/CERT-1",
    "not a URL",
  ])("is not fetched from %s", async (url) => {
    const given = signed()
    const fetched: string[] = []
    const fetchText = (one: string) => Promise.resolve(fetched.push(one) > 0 ? signer.certificate : "")
    const verdict = await paypal.verify(
      { ...given, headers: { ...given.headers, "paypal-cert-url": url } },
      [WEBHOOK],
      { fetchText },
    )
    expect(verdict).toMatchObject({ code: "bad_certificate" })
    expect(fetched).toEqual([])
  })

  test.each(["api.paypal.com", "api.sandbox.paypal.com", "api-m.paypal.com"])("may be at %s", async (host) => {
    const url = CERTIFICATE.replace("api.paypal.com", host)
    expect(await verify({ headers: { ...signed().headers, "paypal-cert-url": url } })).toBe("genuine")
  })

  test("has to be somebody's whom an authority knows, and current", async () => {
    const served = (pem: string) => paypal.verify(signed(), [WEBHOOK], { fetchText: () => Promise.resolve(pem) })
    expect(await served(signer.authority)).toMatchObject({ code: "bad_certificate" })
    expect(await served("")).toMatchObject({ code: "bad_certificate" })
    const early = Date.parse("2026-11-20T00:00:00Z")
    const given = { ...signed(undefined, instant(early)), receivedAt: early }
    expect(await paypal.verify(given, [WEBHOOK], certified)).toMatchObject({ code: "bad_certificate" })
  })

  test("that cannot be fetched refuses nothing: PayPal sends again", async () => {
    const fetchText = () => Promise.reject(new Error("no answer"))
    await expect(paypal.verify(signed(), [WEBHOOK], { fetchText })).rejects.toThrow("no answer")
  })
})

describe.runIf(vectorsOf("paypal").length > 0)("the shared vectors", () => {
  test.each(vectorsOf("paypal"))("$id", async ({ secret = "", certificate = "", headers, body, now = 0, valid }) => {
    const given = delivery({ headers: lowerCase(headers), body: bytes(body), receivedAt: now * 1000 })
    expect(
      (await paypal.verify(given, [secret], { fetchText: () => Promise.resolve(certificate) })) === "genuine",
    ).toBe(valid)
  })
})

const read = (body: unknown) => told(paypal.read(delivery({ body: bytes(body) })).messages)
const of = (event_type: string, resource: object, more = {}) =>
  read({ id: "WH-1", create_time: "2027-01-14T21:50:07Z", event_type, resource, ...more })

test("a capture completes an order of what was paid", () => {
  expect(read(capture)).toEqual([
    {
      id: "paypal:WH-58D329510W468432D-8HN650336L201105X",
      type: "track",
      event: "Order Completed",
      at: "2027-01-14T21:50:07.940Z",
      anonymousId: "paypal:12A34567BC123456S",
      properties: {
        order_id: "12A34567BC123456S",
        total: "30.00",
        currency: "USD",
        invoice_id: "5840243-146",
        paypal_order_id: "1AB234567A1234567",
      },
    },
  ])
})

test("a refund and a reversal give back of the order that the capture was", () => {
  const links = [
    { rel: "self", href: "https://api.paypal.com/v2/payments/refunds/1Y1" },
    { rel: "up", href: "https://api.paypal.com/v2/payments/captures/12A34567BC123456S" },
  ]
  const refund = { id: "1Y1", amount: { currency_code: "usd", value: "0.99" }, links }
  expect(of("PAYMENT.CAPTURE.REFUNDED", refund)[0]).toMatchObject({
    event: "Order Refunded",
    properties: { order_id: "12A34567BC123456S", total: "0.99", currency: "USD", refund_id: "1Y1" },
  })
  expect(of("PAYMENT.CAPTURE.REVERSED", refund)[0]?.properties).toMatchObject({ reason: "reversed", total: "0.99" })
  const sale = { id: "6YX", sale_id: "9T0916710M1105906", amount: { total: "-0.01", currency: "USD" } }
  expect(of("PAYMENT.SALE.REFUNDED", sale)[0]?.properties).toMatchObject({
    order_id: "9T0916710M1105906",
    total: "0.01",
  })
})

test("a sale is an order; one for a subscription is an invoice, tied to its subscriber by the subscription", () => {
  const amount = { total: "9.99", currency: "USD", details: { subtotal: "8.99", tax: "1.00" } }
  expect(of("PAYMENT.SALE.COMPLETED", { id: "S1", amount })[0]).toMatchObject({
    event: "Order Completed",
    properties: { order_id: "S1", total: "9.99", tax: "1.00" },
  })
  const [paid] = of("PAYMENT.SALE.COMPLETED", { id: "S1", amount, billing_agreement_id: "I-CP18" })
  expect(paid).toMatchObject({
    event: "Invoice Paid",
    anonymousId: "paypal:I-CP18",
    properties: { invoice_id: "S1", subscription_id: "I-CP18", amount: "9.99", currency: "USD" },
  })
  const subscriber = {
    payer_id: "2J6QB8YJQSJRJ",
    email_address: "ada@example.com",
    name: { given_name: "Ada", surname: "L" },
  }
  expect(of("BILLING.SUBSCRIPTION.ACTIVATED", { id: "I-CP18", plan_id: "P-5ML", subscriber })).toMatchObject([
    {
      event: "Subscription Started",
      userId: "paypal:2J6QB8YJQSJRJ",
      properties: { subscription_id: "I-CP18", plan: "P-5ML" },
    },
    {
      type: "identify",
      userId: "paypal:2J6QB8YJQSJRJ",
      anonymousId: "paypal:I-CP18",
      traits: { email: "ada@example.com", name: "Ada L" },
    },
  ])
})

describe.runIf(samplesOf("paypal").length > 0)("published samples", () => {
  test("are all told, and those of the catalogue by its names", () => {
    const named = samplesOf("paypal").map(({ eventType, body }) => [eventType, read(body)[0]?.event])
    expect(named.filter(([type, event]) => type !== event)).toEqual([
      ["BILLING.SUBSCRIPTION.ACTIVATED", "Subscription Started"],
      ["BILLING.SUBSCRIPTION.CANCELLED", "Subscription Cancelled"],
      ["BILLING.SUBSCRIPTION.EXPIRED", "Subscription Cancelled"],
      ["BILLING.SUBSCRIPTION.RE-ACTIVATED", "Subscription Started"],
      ["BILLING.SUBSCRIPTION.SUSPENDED", "Subscription Cancelled"],
      ["BILLING.SUBSCRIPTION.UPDATED", "Subscription Changed"],
      ["PAYMENT.SALE.COMPLETED", "Order Completed"],
    ])
    const cancelled = samplesOf("paypal").find(({ eventType }) => eventType.endsWith("CANCELLED"))
    expect(read(cancelled?.body)).toMatchObject([
      {
        at: "2016-04-28T11:53:10.000Z",
        userId: "paypal:XLHKRXRA4H7QY",
        properties: {
          subscription_id: "I-PE7JWXKGVN0R",
          amount: "10.00",
          interval: "month",
          currency: "USD",
          reason: "cancelled",
        },
      },
      { traits: { email: "coolbuyer@example.com", name: "Cool Buyer" } },
    ])
  })
})

test("whatever JSON comes is read or refused with a fault, and what is read the door takes", () => {
  const event_type = fc.constantFrom(
    "PAYMENT.SALE.REFUNDED",
    "PAYMENT.SALE.COMPLETED",
    "BILLING.SUBSCRIPTION.UPDATED",
    "X",
  )
  fc.assert(fc.property(fc.jsonValue(), (body) => isRead(paypal, body)))
  fc.assert(
    fc.property(event_type, fc.jsonValue(), (type, resource) =>
      isRead(paypal, { ...capture, event_type: type, resource }),
    ),
  )
  fc.assert(fc.property(fc.nat(25), fc.jsonValue(), (n, by) => isRead(paypal, replaced(capture, n, by))))
  expect(() => read({ id: "WH-1" })).toThrow(expect.objectContaining({ code: "invalid_request", field: "event_type" }))
})

test("our sample is read; signed it cannot be", () => {
  expect(told(paypal.read(sampleOf(paypal, "")).messages)[0]).toMatchObject({ event: "Order Completed" })
})

describe("the back-poll", () => {
  const listed = [3, 2, 1].map((n) => ({ ...capture, id: `WH-${n}`, create_time: `2027-01-1${n}T00:00:00Z` }))
  /** Newest first and two a page, the next one behind a link, as PayPal lists; a token for the right client. */
  const vendor = () =>
    standIn((url, { method, headers }) => {
      const authorization = new Headers(headers).get("authorization")
      if (url.pathname === "/v1/oauth2/token") {
        return method === "POST" && authorization === `Basic ${btoa("id:secret")}`
          ? { body: { access_token: "A21", expires_in: 32400 } }
          : { status: 401 }
      }
      if (authorization !== "Bearer A21" || url.pathname !== "/v1/notifications/webhooks-events") return { status: 403 }
      const [start, from] = [Number(url.searchParams.get("start_index") ?? 0), url.searchParams.get("start_time") ?? ""]
      const events = listed.filter(({ create_time }) => create_time >= from)
      const next = `https://api.paypal.com${url.pathname}?start_time=${from}&start_index=${start + 2}`
      const links =
        start + 2 < events.length
          ? [
              { rel: "self", href: "x" },
              { rel: "next", href: next },
            ]
          : []
      return { body: { events: events.slice(start, start + 2), count: 2, links } }
    })
  const needs = (fetch: typeof globalThis.fetch, credential = "id:secret") => ({
    fetch,
    credential,
    baseUrl: "https://paypal.example",
    now: NOW,
  })

  test("follows the links, sorts each page, and begins the next window before the end of this one", async () => {
    const { fetch, asked } = vendor()
    const first = await paypal.poll(needs(fetch), undefined, NOW - 10 * DAY)
    const second = await paypal.poll({ ...needs(fetch), now: NOW + MINUTE }, first.cursor, 0)
    const third = await paypal.poll({ ...needs(fetch), now: NOW + DAY }, second.cursor, 0)
    const ids = [first, second, third].map(({ messages }) => told(messages).map((one) => one.id))
    expect(ids).toEqual([["paypal:WH-2", "paypal:WH-3"], ["paypal:WH-1"], []])
    expect([first.done, second.done, third.done]).toEqual([false, true, true])
    const windows = asked
      .filter(({ url }) => url.pathname.endsWith("events"))
      .map(({ url }) => [url.searchParams.get("start_time"), url.searchParams.get("end_time")])
    expect(windows).toEqual([
      [instant(NOW - 10 * DAY), instant(NOW)],
      [instant(NOW - 10 * DAY), instant(NOW)],
      [instant(NOW - 5 * MINUTE), instant(NOW + DAY)],
    ])
    expect(new Set(asked.map(({ url }) => url.host))).toEqual(new Set(["paypal.example"]))
  })

  test("goes back no further than PayPal keeps events, and takes a token too", async () => {
    const { fetch, asked } = vendor()
    await paypal.poll(needs(fetch, "A21"), undefined, 0)
    expect(asked.map(({ url }) => url.searchParams.get("start_time"))).toEqual([instant(NOW - 30 * DAY)])
  })

  test("says when PayPal refuses the credential, and waits as long as PayPal says", async () => {
    await expect(paypal.poll(needs(vendor().fetch, "id:wrong"), undefined, 0)).rejects.toMatchObject({
      code: "forbidden",
    })
    const { fetch } = standIn(() => ({ status: 429, headers: { "retry-after": "11" } }))
    await expect(paypal.poll(needs(fetch, "A21"), undefined, 0)).rejects.toMatchObject({
      code: "rate_limited",
      retryAfter: 11,
    })
    await expect(paypal.poll(needs(fetch), undefined, 0)).rejects.toMatchObject({
      code: "rate_limited",
      retryAfter: 11,
    })
  })
})
