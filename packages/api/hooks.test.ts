import { randomBytes } from "node:crypto"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { DAY, HOUR, instant, MINUTE, SECOND } from "#core/clock.ts"
import { hmac } from "#sources/signature.ts"
import {
  type Made,
  type Reply,
  senders,
  sendgridSecret,
  sendgridSends,
  sns,
  startWorld,
  TOPIC,
  type World,
} from "./fixtures.ts"

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

const health = (id: string) => world.ask("GET", `/v1/sources/${id}`)
const problem = ({ status, json }: Reply) => ({ status, code: json.code })

/** A Shopify order, signed. */
function shopify(secret: string, topic: string, object: object) {
  const body = Buffer.from(JSON.stringify(object))
  const signature = hmac("sha256", secret, body, "base64")
  const headers = {
    "content-type": "application/json",
    "x-shopify-topic": topic,
    "x-shopify-webhook-id": `delivery-${randomBytes(8).toString("hex")}`,
    "x-shopify-hmac-sha256": signature,
  }
  return { headers, body }
}

describe.each(Object.entries(senders))("%s", (_, sender) => {
  let made: Made
  let secret: string
  beforeAll(async () => {
    const { vendor, config } = sender
    made = await world.source({
      vendor,
      ...(sender.secret ? { secret: sender.secret } : {}),
      ...(config ? { config } : {}),
    })
    secret = sender.secret ?? made.secret!
    // Samples of one moment tell one fact, by whatever way.
    world.clock.advance(MINUTE)
  })
  const send = () => sender.send(secret, world.clock(), made.url)
  const isToken = sender.proof === "token"

  test("is accepted, and counts once however often it is delivered", async () => {
    const sent = send()
    const first = await world.deliver(made.url, sent)
    expect([first.status, first.text]).toEqual([200, ""])
    world.clock.advance(20 * SECOND)
    expect((await world.deliver(made.url, sent)).status).toBe(200)
    const { received, counted, duplicate, rejected, quarantined } = await world.ledger(made.id)
    expect(Number(counted)).toBeGreaterThan(0)
    expect({ received, duplicate, rejected, quarantined }).toEqual({
      received: 2 * Number(counted),
      duplicate: counted,
      rejected: 0,
      quarantined: 0,
    })
  })

  test("is refused when it was altered, leaves a trace, and counts nothing", async () => {
    const before = await world.ledger(made.id)
    world.clock.advance(MINUTE)
    const refused = await world.deliver(made.url, sender.alter(send()))
    expect(problem(refused)).toEqual({ status: 401, code: "unauthorized" })
    expect(await world.ledger(made.id)).toEqual(before)
    const { lastRefusal, last24Hours, errorRate } = await health(made.id)
    expect(lastRefusal).toMatchObject({ at: instant(world.clock()), code: "bad_signature" })
    expect(last24Hours).toEqual({ ...before, refused: 1 })
    // Two deliveries were taken, whatever each of them told.
    expect(errorRate).toBe(1 / 3)
  })

  test("is refused without any proof", async () => {
    const body = Buffer.from(send().body.toString().replace("Signature", "Elsewhere"))
    const bare = { headers: { "content-type": "application/json" }, body }
    expect(problem(await world.deliver(made.url, bare))).toEqual({ status: 401, code: "unauthorized" })
  })

  test("is refused whatever junk stands in its place", async () => {
    const { headers } = send()
    const junk = ["", "null", "[]", "{}", '"', "\u0000", '{"Signature":1}', randomBytes(200)]
    for (const one of junk) {
      const told = Object.fromEntries(
        Object.keys(headers).map((name) => [
          name,
          name === "content-type" ? "application/json" : `t=1,v1=${one.length}`,
        ]),
      )
      const statusWith = async (some: Record<string, string>) => {
        const about = { ...some, "content-type": "application/json" }
        return (await world.deliver(made.url, { headers: about, body: Buffer.from(one) })).status
      }
      // A genuine token makes any body genuine: it is kept, and makes no sense.
      expect(await Promise.all([headers, told, {}].map(statusWith))).toEqual([isToken ? 202 : 401, 401, 401])
    }
  })

  test("tells when it last came, and how late", async () => {
    expect(await health(made.id)).toMatchObject({
      lastReceivedAt: expect.stringMatching(/^20/),
      ...(sender.vendor === "twilio" ? {} : { lagSeconds: expect.any(Number) }),
    })
  })
})

test("the time of an acknowledgement is on its log line, with whose it is and nothing of what it says", async () => {
  const made = await world.source({ vendor: "stripe", secret: "whsec_a" })
  await world.deliver(made.url, senders.Stripe!.send("whsec_a", world.clock(), made.url))
  const line = world.lines.findLast(({ name, key }) => name === "request" && key === made.id)
  expect(line).toEqual({
    name: "request",
    method: "POST",
    route: "/hooks/:source",
    status: 200,
    tenant: "acme",
    key: made.id,
    outcome: "read",
    ms: expect.any(Number),
    readUnits: 1,
    writeUnits: 2,
    correlationId: expect.any(String),
  })
})

test("a rotated secret: both hold for a day, then the new one alone", async () => {
  const made = await world.source({ vendor: "stripe", secret: "whsec_old" })
  const send = async (secret: string) =>
    (await world.deliver(made.url, senders.Stripe!.send(secret, world.clock(), made.url))).status
  expect([await send("whsec_old"), await send("whsec_new")]).toEqual([200, 401])
  const rotated = await world.ask("POST", `/v1/sources/${made.id}/rotate`, { secret: "whsec_new" })
  expect(rotated).toMatchObject({ oldSecretUntil: instant(world.clock() + DAY) })
  expect(JSON.stringify(rotated)).not.toContain("whsec")
  expect([await send("whsec_old"), await send("whsec_new")]).toEqual([200, 200])
  world.clock.advance(DAY)
  expect([await send("whsec_old"), await send("whsec_new")]).toEqual([401, 200])
  expect(await health(made.id)).not.toHaveProperty("oldSecretUntil")
})

test("a secret that somebody has seen ends at once", async () => {
  const made = await world.source({ vendor: "gorgias" })
  const send = async (secret: string) =>
    (await world.deliver(made.url, senders.Gorgias!.send(secret, world.clock(), made.url))).status
  expect(made.secret).toMatch(/^[0-9A-Za-z]{43}$/)
  const { secret } = await world.ask("POST", `/v1/sources/${made.id}/rotate`, { keepOld: false })
  expect([await send(made.secret!), await send(String(secret))]).toEqual([401, 200])
})

test("a source without a secret asks the vendor to come again, until its secret is pasted", async () => {
  const made = await world.source({ vendor: "sendgrid" })
  expect(made).toMatchObject({
    hasSecret: false,
    secret: null,
    next: `paste the verification key (base64), from Event Webhook settings with Signature Verification on, with POST /v1/sources/${made.id}/rotate { "secret" }; until then nothing is taken`,
  })
  const send = () => world.deliver(made.url, senders.SendGrid!.send("", world.clock(), made.url))
  const waiting = await send()
  expect(problem(waiting)).toEqual({ status: 503, code: "unavailable" })
  expect(waiting.headers.get("retry-after")).toBe("60")
  await world.ask("POST", `/v1/sources/${made.id}/rotate`, { secret: sendgridSecret })
  expect((await send()).status).toBe(200)
})

test("a paused source asks the vendor to come again, and takes what comes after the pause", async () => {
  const made = await world.source({ vendor: "whop", secret: "whop" })
  const sent = senders.Whop!.send("whop", world.clock(), made.url)
  await world.ask("PATCH", `/v1/sources/${made.id}`, { paused: true })
  const paused = await world.deliver(made.url, sent)
  expect(problem(paused)).toEqual({ status: 503, code: "unavailable" })
  expect(paused.headers.get("retry-after")).toBe("60")
  await world.ask("PATCH", `/v1/sources/${made.id}`, { paused: false })
  expect((await world.deliver(made.url, sent)).status).toBe(200)
  expect(await world.ledger(made.id)).toMatchObject({ duplicate: 0, rejected: 0 })
})

test("a deleted source is gone at once; what it brought stays", async () => {
  const made = await world.source({ vendor: "stripe", secret: "whsec_d" })
  const sent = senders.Stripe!.send("whsec_d", world.clock(), made.url)
  await world.deliver(made.url, sent)
  const before = await world.ledger(made.id)
  await world.ask("DELETE", `/v1/sources/${made.id}`)
  expect(problem(await world.deliver(made.url, sent))).toEqual({ status: 404, code: "not_found" })
  expect(await world.ledger(made.id)).toEqual(before)
  expect((await world.api("GET", `/v1/sources/${made.id}`)).status).toBe(404)
  expect((await world.api("DELETE", `/v1/sources/${made.id}`)).status).toBe(404)
})

test("whatever is no source of anybody's is answered alike, and junk without a look", async () => {
  const { id } = await world.source({ vendor: "stripe", secret: "whsec_x" })
  const ids = [
    id.replace("acme", "globex"),
    id.replace("acme", "initech"),
    `src_acme_${"0".repeat(16)}`,
    "src_acme_",
    `${id}0`,
    "acme",
    "%00",
    "src_ACME_0123456789abcdef",
    `src_octant_${id.slice(-16)}`,
  ]
  const answers = []
  for (const one of ids) {
    const headers = { "x-correlation-id": "the-same" }
    const reply = await world.deliver(`${world.stack.url}/hooks/${one}`, { headers, body: Buffer.from("{}") })
    answers.push([reply.status, reply.text])
  }
  expect(answers).toEqual(ids.map(() => [404, expect.stringContaining('"code":"not_found"')]))
  expect(new Set(answers.map(([, text]) => text)).size).toBe(1)
})

test("only POST is taken, and only there", async () => {
  const { url } = await world.source({ vendor: "stripe", secret: "whsec_x" })
  for (const method of ["GET", "PUT", "PATCH", "DELETE"]) {
    const { status, headers } = await fetch(url, { method })
    expect([status, headers.get("allow")]).toEqual([405, "POST"])
  }
  expect((await fetch(`${url}/more`, { method: "POST" })).status).toBe(404)
  expect((await fetch(`${world.stack.url}/hooks/`, { method: "POST" })).status).toBe(404)
})

test("Slack's handshake is echoed when it is signed, and stores nothing", async () => {
  const made = await world.source({ vendor: "slack", secret: "slack" })
  const body = Buffer.from(JSON.stringify({ type: "url_verification", challenge: "3eZbrw1aB" }))
  const seconds = String(Math.floor(world.clock() / 1000))
  const signed = (secret: string) => ({
    "content-type": "application/json",
    "x-slack-request-timestamp": seconds,
    "x-slack-signature": `v0=${hmac("sha256", secret, [`v0:${seconds}:`, body], "hex")}`,
  })
  const echoed = await world.deliver(made.url, { headers: signed("slack"), body })
  expect([echoed.status, echoed.text, echoed.headers.get("content-type")]).toEqual([200, "3eZbrw1aB", "text/plain"])
  expect((await world.deliver(made.url, { headers: signed("other"), body })).status).toBe(401)
  expect((await world.ask("GET", `/v1/sources/${made.id}/deliveries`)).deliveries).toEqual([])
})

test("a subscription of SNS is confirmed at SNS when it is genuine, and nowhere else", async () => {
  const made = await world.source({ vendor: "ses", secret: TOPIC })
  const SubscribeURL = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
  const handshake = {
    Type: "SubscriptionConfirmation",
    MessageId: "m",
    Token: "t",
    Message: "You have chosen",
    SubscribeURL,
  }
  const began = world.asked.length
  expect((await world.deliver(made.url, sns(handshake, world.clock()))).status).toBe(200)
  expect(world.asked.slice(began)).toContain(SubscribeURL)
  const elsewhere = { ...handshake, SubscribeURL: "https://169.254.169.254/latest/meta-data" }
  expect((await world.deliver(made.url, sns(elsewhere, world.clock()))).status).toBe(401)
  expect(world.asked.filter((url) => url.includes("169.254"))).toEqual([])
})

test("a list of 2,500 events is counted whole, and once, with what is refused of it", async () => {
  const made = await world.source({ vendor: "sendgrid", secret: sendgridSecret })
  const events = Array.from({ length: 2500 }, (_, i) => ({
    event: "delivered",
    email: `u${i}@example.com`,
    sg_event_id: `many-${i}`,
    // Two that cannot be, in the same place of two requests' worth.
    timestamp: Math.floor((world.clock() + (i === 0 || i === 1000 ? 3 * DAY : 0)) / 1000),
  }))
  const sent = sendgridSends(events, world.clock())
  const deliver = async () => (await world.deliver(made.url, sent)).status
  expect(await health(made.id)).toMatchObject({ errorRate: 0 })
  expect(await deliver()).toBe(200)
  expect(await world.ledger(made.id)).toMatchObject({ received: 2500, counted: 2498, rejected: 2, duplicate: 0 })
  expect(await deliver()).toBe(200)
  expect(await world.ledger(made.id)).toMatchObject({ received: 5000, counted: 2498, rejected: 2, duplicate: 2500 })
  expect(await health(made.id)).toMatchObject({ errorRate: 1 })
})

test("a genuine body that makes no sense is kept, stands in the ledger, and is not asked for again", async () => {
  const made = await world.source({ vendor: "shopify", secret: "shop" })
  const body = Buffer.from('{"id": 1, "total_price": ')
  const { headers } = shopify("shop", "orders/create", {})
  const signed = { ...headers, "x-shopify-hmac-sha256": hmac("sha256", "shop", body, "base64") }
  for (let i = 0; i < 2; i++) {
    const reply = await world.deliver(made.url, { headers: signed, body })
    expect([reply.status, reply.json]).toEqual([
      202,
      { outcome: "unreadable", detail: "the body must be JSON in UTF-8" },
    ])
    world.clock.advance(SECOND)
  }
  expect(await world.ledger(made.id)).toMatchObject({ received: 2, rejected: 1, duplicate: 1, counted: 0 })
  const { deliveries } = (await world.ask("GET", `/v1/sources/${made.id}/deliveries`)) as { deliveries: object[] }
  expect(deliveries).toHaveLength(2)
  expect(deliveries[0]).toMatchObject({ outcome: "unreadable", bytes: body.length, messages: 0 })
  // Two unreadable, one refused and one well.
  await world.deliver(made.url, { headers: signed, body: Buffer.from("{}") })
  await world.deliver(made.url, shopify("shop", "themes/publish", { id: 1, name: "Comfort" }))
  expect(await health(made.id)).toMatchObject({ last24Hours: { refused: 1 }, errorRate: 0.75 })
})

test("the error rate is of all of a day's deliveries, and of no earlier ones", async () => {
  const made = await world.source({ vendor: "shopify", secret: "shop" })
  const junk = Buffer.from("{")
  const { headers } = shopify("shop", "orders/create", {})
  const unreadable = { headers: { ...headers, "x-shopify-hmac-sha256": hmac("sha256", "shop", junk, "base64") } }
  for (let i = 0; i < 6; i++) {
    expect((await world.deliver(made.url, { ...unreadable, body: junk })).status).toBe(202)
    world.clock.advance(SECOND)
  }
  for (let i = 0; i < 54; i++) await world.deliver(made.url, shopify("shop", "themes/publish", { id: i }))
  expect(await health(made.id)).toMatchObject({ errorRate: 0.1 })
  world.clock.advance(25 * HOUR)
  expect(await health(made.id)).toMatchObject({ errorRate: 0 })
})

test("a type that nobody knows is stored under its own name", async () => {
  const made = await world.source({ vendor: "shopify", secret: "shop" })
  await world.deliver(made.url, shopify("shop", "themes/publish", { id: 828_155_753, name: "Comfort" }))
  expect(await world.ledger(made.id)).toMatchObject({ counted: 1, quarantined: 0 })
})

test("an older version of a customer that comes late does not overwrite a newer", async () => {
  const made = await world.source({ vendor: "shopify", secret: "shop" })
  const ada = (email: string, at: number) => ({ id: 42, email, updated_at: instant(at) })
  await world.deliver(made.url, shopify("shop", "customers/update", ada("new@example.com", world.clock() - MINUTE)))
  await world.deliver(made.url, shopify("shop", "customers/update", ada("old@example.com", world.clock() - HOUR)))
  await world.stack.idle()
  expect((await world.ask("GET", "/v1/customers/shopify:42")).customer).toMatchObject({
    traits: { email: "new@example.com" },
  })
  expect(await world.ledger(made.id)).toMatchObject({ counted: 2 })
})

describe("at rest", () => {
  const WORD = "eine-sehr-seltene-Zeile"

  test("neither a body nor a secret can be read in the table, but the tenant's own administrator can read the body", async () => {
    const made = await world.source({
      vendor: "stripe",
      secret: "whsec_not_to_be_found",
      credential: "rk_not_to_be_found",
    })
    const event = {
      id: "evt_rest",
      type: "customer.updated",
      created: Math.floor(world.clock() / 1000),
      data: { object: { id: "cus_1", object: "customer", description: WORD } },
    }
    const body = Buffer.from(JSON.stringify(event))
    const t = event.created
    const signature = hmac("sha256", "whsec_not_to_be_found", [`${t}.`, body], "hex")
    const headers = { "content-type": "application/json", "stripe-signature": `t=${t},v1=${signature}` }
    expect((await world.deliver(made.url, { headers, body })).status).toBe(200)
    await world.stack.idle()
    const lying = await world.atRest()
    expect(lying).toContain("evt_rest")
    for (const word of [WORD, "not_to_be_found", signature]) expect(lying).not.toContain(word)

    const { deliveries } = (await world.ask("GET", `/v1/sources/${made.id}/deliveries`)) as {
      deliveries: { id: string }[]
    }
    const path = `/v1/sources/${made.id}/deliveries/${deliveries[0]!.id}`
    expect(await world.ask("GET", path)).toMatchObject({
      deliveryId: "stripe:evt_rest",
      outcome: "read",
      messages: 1,
      bytes: body.length,
      method: "POST",
      body: body.toString(),
      headers: { "stripe-signature": headers["stripe-signature"] },
    })
    expect((await world.api("GET", path, undefined, world.acme.readKey)).status).toBe(403)
    expect((await world.api("GET", path, undefined, world.globex.adminKey)).status).toBe(404)
  })

  test("a header that shows the secret is not kept", async () => {
    const made = await world.source({ vendor: "gorgias" })
    await world.deliver(made.url, senders.Gorgias!.send(made.secret!, world.clock(), made.url))
    const { deliveries } = (await world.ask("GET", `/v1/sources/${made.id}/deliveries`)) as {
      deliveries: { id: string }[]
    }
    const shown = await world.ask("GET", `/v1/sources/${made.id}/deliveries/${deliveries[0]!.id}`)
    expect(JSON.stringify(shown)).not.toContain(made.secret)
    expect(shown.headers).toMatchObject({ "content-type": "application/json" })
  })

  test("a body of exactly 1 MB that cannot be compressed is kept byte for byte; one more byte is too large", async () => {
    const bearer = { signature: { kind: "bearer" }, event: "Blob Sent" }
    const made = await world.source({ vendor: "generic", config: bearer })
    const headers = { authorization: `Bearer ${made.secret}` }
    const body = randomBytes(1024 * 1024)
    expect((await world.deliver(made.url, { headers, body })).status).toBe(202)
    expect(problem(await world.deliver(made.url, { headers, body: Buffer.concat([body, Buffer.of(1)]) }))).toEqual({
      status: 413,
      code: "payload_too_large",
    })
    const { deliveries } = (await world.ask("GET", `/v1/sources/${made.id}/deliveries`)) as {
      deliveries: { id: string }[]
    }
    expect(deliveries).toHaveLength(1)
    const { bodyBase64 } = await world.ask("GET", `/v1/sources/${made.id}/deliveries/${deliveries[0]!.id}`)
    expect(Buffer.from(String(bodyBase64), "base64").equals(body)).toBe(true)
  })
})
