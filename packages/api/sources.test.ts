import { createHmac } from "node:crypto"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { secretOf } from "#access/source.ts"
import { Tenant } from "#access/tenant.ts"
import { instant, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { newTails } from "#pipeline/reading.ts"
import { VendorId, vendorOf } from "#sources/registry.ts"
import { keys } from "#store/keys.ts"
import { sealText } from "#store/vault.ts"
import { apiApp } from "./api.ts"
import { type Json, type Made, senders, startWorld, type World } from "./fixtures.ts"
import { hooksApp } from "./hooks.ts"

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

const deliveriesOf = async ({ id }: Pick<Made, "id">, query = "") =>
  (await world.ask("GET", `/v1/sources/${id}/deliveries${query}`)) as { deliveries: { id: string }[]; next?: string }

describe("a source", () => {
  test("is made, listed, changed and looked at, and its secret is shown once", async () => {
    const made = await world.ask("POST", "/v1/sources", { vendor: "gorgias", name: "Help desk" })
    const { secret, ...listed } = made
    expect(made).toEqual({
      id: expect.stringMatching(/^src_acme_[0-9A-Za-z]{16}$/),
      url: `${world.stack.url}/hooks/${made.id}`,
      secret: expect.stringMatching(/^[0-9A-Za-z]{43}$/),
      vendor: "gorgias",
      name: "Help desk",
      account: expect.stringMatching(/^[0-9a-z]{16}$/),
      paused: false,
      hasSecret: true,
      createdAt: expect.any(String),
    })
    expect((await world.ask("GET", "/v1/sources")).sources).toContainEqual(listed)
    const changed = await world.ask("PATCH", `/v1/sources/${made.id}`, { name: "Support", paused: true })
    expect(changed).toEqual({ ...listed, name: "Support", paused: true })
    expect(await world.ask("GET", `/v1/sources/${made.id}`)).toEqual({
      ...changed,
      last24Hours: { received: 0, counted: 0, duplicate: 0, rejected: 0, quarantined: 0, refused: 0 },
      errorRate: 0,
    })
    expect(JSON.stringify(await world.ask("GET", `/v1/sources/${made.id}`))).not.toContain(secret)
  })

  test("of a vendor with a list is polled when it has a credential, which nobody is shown", async () => {
    const made = await world.source({ vendor: "stripe", secret: "whsec_1", credential: "rk_hidden" })
    expect(made).toMatchObject({ poll: { baseUrl: "https://api.stripe.com" } })
    expect(JSON.stringify(made)).not.toContain("rk_hidden")
    const path = `/v1/sources/${made.id}`
    expect(await world.ask("PATCH", path, { credential: null })).not.toHaveProperty("poll")
    expect(await world.ask("PATCH", path, { credential: "rk_2" })).toMatchObject({
      poll: { baseUrl: "https://api.stripe.com" },
    })
  })

  const config = { signature: { kind: "bearer" }, event: "/type" }
  test.each([
    ["a vendor that nobody knows", { vendor: "nobody" }, "vendor"],
    ["no name", { vendor: "stripe", name: "" }, "name"],
    ["an empty secret", { vendor: "stripe", secret: "" }, "secret"],
    ["a field that nobody asked for", { vendor: "stripe", tenant: "globex" }, "tenant"],
    ["a config that is not needed", { vendor: "stripe", config }, "config"],
    [
      "a config with a path that is none",
      { vendor: "generic", config: { ...config, userId: "user" } },
      "config.userId",
    ],
    ["a credential for a vendor without a list", { vendor: "slack", credential: "x" }, "credential"],
    ["a credential without the shop", { vendor: "shopify", credential: "x" }, "baseUrl"],
    ["a plain address", { vendor: "stripe", credential: "x", baseUrl: "http://api.stripe.com" }, "baseUrl"],
    ["another port", { vendor: "stripe", credential: "x", baseUrl: "https://api.stripe.com:8443" }, "baseUrl"],
    [
      "somebody else's host",
      { vendor: "stripe", credential: "x", baseUrl: "https://api.stripe.com.example" },
      "baseUrl",
    ],
    ["a user in the address", { vendor: "stripe", credential: "x", baseUrl: "https://u@api.stripe.com" }, "baseUrl"],
    ["the machine's own data", { vendor: "shopify", credential: "x", baseUrl: "http://169.254.169.254/" }, "baseUrl"],
    ["a file", { vendor: "shopify", credential: "x", baseUrl: "file:///etc/passwd" }, "baseUrl"],
  ])("with %s is refused, and the field is named", async (_, wish, field) => {
    const { status, json } = await world.api("POST", "/v1/sources", { name: "Ours", ...wish })
    expect({ status, code: json.code, field: json.field }).toEqual({ status: 400, code: "invalid_request", field })
  })

  test("is only polled on this machine where that is allowed", async () => {
    const { runtime } = world.stack
    const app = apiApp({ ...runtime, loopback: false, tails: newTails() })
    const headers = { authorization: `Bearer ${world.acme.adminKey}`, "content-type": "application/json" }
    const wish = { name: "Ours", vendor: "stripe", credential: "x", baseUrl: "http://127.0.0.1:1/" }
    const { status } = await app.request("/v1/sources", { method: "POST", headers, body: JSON.stringify(wish) })
    expect(status).toBe(400)
    await world.source(wish)
  })

  test.each([
    ["nothing at all", {}, undefined],
    ["an address without a credential", { baseUrl: "https://api.stripe.com" }, "credential"],
    ["a secret, which is rotated", { secret: "whsec_2" }, "secret"],
  ])("is not changed by %s", async (_, change, field) => {
    const { id } = await world.source({ vendor: "stripe", secret: "whsec_1" })
    const { status, json } = await world.api("PATCH", `/v1/sources/${id}`, change)
    expect([status, json.field]).toEqual([400, field])
  })

  test("of a vendor that makes the secret is rotated with the vendor's new one only", async () => {
    const { id } = await world.source({ vendor: "stripe", secret: "whsec_1" })
    const { status, json } = await world.api("POST", `/v1/sources/${id}/rotate`)
    expect([status, json.field]).toEqual([400, "secret"])
  })

  test("is rotated by one at a time: of two at once one is told to look again, and the other's secret holds", async () => {
    const made = await world.source({ vendor: "gorgias" })
    const answers = await Promise.all([1, 2].map(() => world.api("POST", `/v1/sources/${made.id}/rotate`)))
    const won = answers.filter(({ status }) => status === 200)
    const lost = answers.filter(({ status }) => status === 409)
    expect(won.length + lost.length).toBe(2)
    const secret = String(won.at(-1)!.json.secret)
    expect((await world.deliver(made.url, senders.Gorgias!.send(secret, world.clock(), made.url))).status).toBe(200)
  })
})

describe("a new source without a secret", () => {
  const makers = ["gorgias", "shopify", "slack", "stripe", "twilio", "whop", "zendesk", "generic", "standard-webhooks"]
  test.each(makers)("of %s has one made, shown this once, and can be tried at once", async (vendor) => {
    const made = await world.source({ vendor })
    const { id, secret } = made
    const standard = /^whsec_[0-9A-Za-z+/]{43}=$/
    expect(secret).toMatch(vendor === "standard-webhooks" ? standard : /^[0-9A-Za-z]{43}$/)
    const own = ["gorgias", "generic", "standard-webhooks"].includes(vendor)
    expect("next" in made).toBe(!own)
    expect(await world.ask("POST", `/v1/sources/${id}/test`)).toEqual({ ok: true, status: 200, ms: 0 })
    expect(await world.ledger(id)).toMatchObject({ rejected: 0, quarantined: 0 })
    const listed = JSON.stringify(await world.ask("GET", "/v1/sources"))
    expect([listed.includes(id), listed.includes(secret!)]).toEqual([true, false])
    world.clock.advance(SECOND)
  })

  test("of a vendor that makes its own says where to paste it", async () => {
    const { id, ...made } = await world.source({ vendor: "stripe" })
    expect(made).toMatchObject({
      next: `Stripe makes its own secret: paste it with POST /v1/sources/${id}/rotate { "secret" }; until then only what is signed with this one is taken`,
    })
  })

  test.each(["paypal", "sendgrid", "ses"])("of %s has none, since the vendor alone has the key", async (vendor) => {
    const { id, ...made } = await world.source({ vendor })
    expect(made).toMatchObject({ secret: null, hasSecret: false, next: expect.stringMatching(/^paste the /) })
  })

  test("of a sender with the standard's form is rotated to another of that form", async () => {
    const { id } = await world.source({ vendor: "standard-webhooks" })
    const { secret } = await world.ask("POST", `/v1/sources/${id}/rotate`)
    expect(secret).toMatch(/^whsec_[0-9A-Za-z+/]{43}=$/)
    expect(await world.ask("POST", `/v1/sources/${id}/test`)).toMatchObject({ ok: true })
  })
})

test("a secret that was given is told in the answer of the making, and nowhere else", async () => {
  const { id, secret } = await world.source({ vendor: "stripe", secret: "whsec_given" })
  expect(secret).toBe("whsec_given")
  expect(JSON.stringify(await world.ask("GET", `/v1/sources/${id}`))).not.toContain("whsec_given")
})

test.each([
  ["Stripe", "stripe"],
  ["standard", "standard-webhooks"],
  ["standardwebhooks", "standard-webhooks"],
  ["Standard_Webhooks", "standard-webhooks"],
  ["svix", "standard-webhooks"],
  ["hmac", "generic"],
  ["bearer", "generic"],
  ["custom", "generic"],
  ["webhook", "generic"],
  ["SNS", "ses"],
])("a vendor may be called %s: it is %s", async (name, vendor) => {
  expect(await world.source({ vendor: name })).toMatchObject({ vendor })
})

describe("a sender of which nothing was said", () => {
  const event = { id: "n1", type: "Plan Chosen", user_id: "ada-generic", timestamp: "2027-01-15T11:59:00Z" }
  const body = Buffer.from(JSON.stringify({ ...event, properties: { plan: "pro" } }))

  test("signs its body in X-Signature, or sends the secret itself, and is read by the usual names", async () => {
    const made = await world.source({ vendor: "generic", secret: "shared" })
    const signature = createHmac("sha256", "shared").update(body).digest("hex")
    const status = async (headers: Record<string, string>) => (await world.deliver(made.url, { headers, body })).status
    expect(await status({ "x-signature": signature })).toBe(200)
    expect(await status({ authorization: "Bearer shared" })).toBe(200)
    expect(await status({ "x-signature": signature.replace(/^./, (c) => (c === "0" ? "1" : "0")) })).toBe(401)
    expect(await status({ authorization: "Bearer other" })).toBe(401)
    expect(await status({ authorization: "Bearer" })).toBe(401)
    expect(await status({})).toBe(401)
    expect(await world.ledger(made.id)).toMatchObject({ received: 2, counted: 1, duplicate: 1 })
    expect((await world.ask("GET", "/v1/customers/ada-generic")).customer).toMatchObject({
      lastSeen: "2027-01-15T11:59:00.000Z",
    })
  })

  test("may name its deliveries in a header, where its bodies have no id", async () => {
    const made = await world.source({ vendor: "generic", secret: "shared" })
    const send = (id: string) =>
      world.deliver(made.url, {
        headers: { authorization: "Bearer shared", "webhook-id": id },
        body: Buffer.from(JSON.stringify({ event: "Plan Chosen", userId: "ada" })),
      })
    for (const id of ["d1", "d2", "d2"]) expect((await send(id)).status).toBe(200)
    expect(await world.ledger(made.id)).toMatchObject({ received: 3, counted: 2, duplicate: 1 })
  })
})

const ACME = Tenant.parse({ id: "acme", name: "acme" }).id
describe("a door in another process than the one that changes a source", () => {
  const sends = (secret: string, url: string) => senders.Stripe!.send(secret, world.clock(), url)
  /** A door that hears of no change: it can only read. */
  async function elsewhere(wish: object) {
    const made = await world.source(wish)
    const { runtime } = world.stack
    const read: string[] = []
    const get: typeof runtime.table.get = (key) => {
      if (key.sk === made.id) read.push(key.sk)
      return runtime.table.get(key)
    }
    const hooks = hooksApp({ ...runtime, table: { ...runtime.table, get } })
    const knock = async (secret: string) => {
      const { headers, body } = sends(secret, made.url)
      return (await hooks.request(made.url, { method: "POST", headers, body: Uint8Array.from(body) })).status
    }
    const item = keys.source(ACME, made.id)
    return { made, knock, read, item, table: runtime.table }
  }

  test("takes what is signed with a new secret at once, and reads no more than once a second for junk", async () => {
    const { made, knock, read, item, table } = await elsewhere({ vendor: "stripe", secret: "whsec_1" })
    expect([await knock("whsec_1"), read.length]).toEqual([200, 1])
    world.clock.advance(1)
    for (let i = 0; i < 10; i++) expect(await knock("junk")).toBe(401)
    expect(read).toHaveLength(2)
    world.clock.advance(SECOND)
    const secret = await sealText(world.stack.runtime.vault, secretOf(ACME, made.id), "whsec_2")
    await table.set(item, { secret })
    expect([await knock("whsec_2"), read.length]).toEqual([200, 3])
  })

  test("opens at once when the pause ends, and closes within two seconds", async () => {
    const { knock, item, table } = await elsewhere({ vendor: "stripe", secret: "whsec_1" })
    await table.set(item, { paused: true })
    expect(await knock("whsec_1")).toBe(503)
    world.clock.advance(1)
    await table.set(item, { paused: false })
    expect(await knock("whsec_1")).toBe(200)
    await table.set(item, { paused: true })
    world.clock.advance(2 * SECOND)
    expect(await knock("whsec_1")).toBe(503)
  })

  test("knows a source that was not there a moment ago", async () => {
    const { knock, item, table } = await elsewhere({ vendor: "stripe", secret: "whsec_1" })
    const whole = (await table.get(item))!
    await table.delete(item)
    expect(await knock("whsec_1")).toBe(404)
    world.clock.advance(1)
    await table.put(whole)
    expect(await knock("whsec_1")).toBe(200)
  })
})

test("two senders that nobody knows may give the same id to different facts", async () => {
  const config = { signature: { kind: "bearer" }, event: "/type", messageId: "/id", userId: "/user" }
  const body = Buffer.from(JSON.stringify({ type: "Feature Used", id: 1, user: "ada" }))
  const made = [await world.source({ vendor: "generic", config }), await world.source({ vendor: "generic", config })]
  for (const { url, secret } of made) {
    expect((await world.deliver(url, { headers: { authorization: `Bearer ${secret}` }, body })).status).toBe(200)
  }
  for (const { id } of made) expect(await world.ledger(id)).toMatchObject({ received: 1, duplicate: 0 })
})

test("two senders of Standard Webhooks may give the same id to different facts; a redelivery is a copy all the same", async () => {
  const { vendor, send, secret = "" } = senders["Standard Webhooks"]!
  const made = [await world.source({ vendor, secret }), await world.source({ vendor, secret })]
  const sent = send(secret, world.clock(), made[0]!.url)
  for (const { url } of made) expect((await world.deliver(url, sent)).status).toBe(200)
  for (const { id } of made) expect(await world.ledger(id)).toMatchObject({ received: 1, counted: 1, duplicate: 0 })
  expect((await world.deliver(made[1]!.url, sent)).status).toBe(200)
  expect(await world.ledger(made[1]!.id)).toMatchObject({ received: 2, counted: 1, duplicate: 1 })
})

describe("another tenant", () => {
  test("is told the same of a source of Acme's, and of its deliveries, as of one that is not there", async () => {
    const made = await world.source({ vendor: "stripe", secret: "whsec_1" })
    await world.deliver(made.url, senders.Stripe!.send("whsec_1", world.clock(), made.url))
    const [delivery] = (await deliveriesOf(made)).deliveries
    const ways = [
      ["GET", ""],
      ["PATCH", "", { name: "Mine" }],
      ["POST", "/rotate", { secret: "mine" }],
      ["POST", "/test"],
      ["GET", "/deliveries"],
      ["GET", `/deliveries/${delivery!.id}`],
      ["POST", `/deliveries/${delivery!.id}/replay`],
      ["DELETE", ""],
    ] as const
    const absent = made.id.replace(/.{16}$/, "0123456789abcdef")
    const own = (await world.source({ vendor: "stripe", secret: "whsec_1" }, world.globex.adminKey)).id
    for (const [method, path, body] of ways) {
      const answers = []
      for (const id of [made.id, absent, made.id.replace("acme", "globex"), "junk"]) {
        const headers = { authorization: `Bearer ${world.globex.adminKey}`, "x-correlation-id": "the-same" }
        const init = { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) }
        const response = await fetch(`${world.stack.url}/v1/sources/${id}${path}`, init)
        answers.push([response.status, await response.text()])
      }
      expect(answers[0]).toEqual([404, expect.stringContaining('"code":"not_found"')])
      expect(new Set(answers.map(([, text]) => text)).size).toBe(1)
    }
    const { json, status } = await world.api(
      "GET",
      `/v1/sources/${own}/deliveries/${delivery!.id}`,
      undefined,
      world.globex.adminKey,
    )
    expect([status, json.code]).toEqual([404, "not_found"])
    expect((await world.ask("GET", "/v1/sources", undefined, world.globex.adminKey)).sources).toHaveLength(1)
    expect(await world.ask("GET", `/v1/sources/${made.id}`)).toMatchObject({ name: "Ours" })
  })
})

test("vendors are listed with what one needs to know, each by the id that a source is made with", async () => {
  const { vendors } = (await world.ask("GET", "/v1/vendors")) as { vendors: (Json & { id: string; facts: object })[] }
  expect(new Set(vendors.map(({ id }) => id))).toEqual(new Set(VendorId.options))
  expect(vendors.find(({ id }) => id === "whop")).toEqual({
    id: "whop",
    name: "Whop",
    docs: "https://docs.whop.com/developer/guides/webhooks",
    facts: { timeoutMs: 15_000, retries: "3 times: after 10, 20 and 40 seconds", requestsPerSecond: 2 },
    secretFrom: "vendor",
    polls: true,
  })
  expect(vendors.flatMap(({ id, secretFrom }) => (secretFrom === "us" ? [id] : []))).toEqual([
    "gorgias",
    "standard-webhooks",
    "generic",
  ])
  for (const { docs, facts } of vendors) {
    expect(docs).toMatch(/^https:/)
    expect(facts).toMatchObject({ timeoutMs: expect.any(Number), retries: expect.any(String) })
  }
})

describe("a trial", () => {
  test.each(Object.entries(senders).filter(([name]) => !["PayPal", "SendGrid", "SES through SNS"].includes(name)))(
    "of %s goes through the real door, and moves no figure but its own",
    async (_, { vendor, secret, config }) => {
      const made = await world.source({ vendor, ...(secret ? { secret } : {}), ...(config ? { config } : {}) })
      const figures = () => Promise.all(["gross_revenue", "invoiced_revenue"].map((metric) => world.total(metric)))
      const before = await figures()
      expect(await world.ask("POST", `/v1/sources/${made.id}/test`)).toEqual({ ok: true, status: 200, ms: 0 })
      const { received, counted } = await world.ledger(made.id)
      expect([Number(received) > 0, counted]).toEqual([true, received])
      expect(await figures()).toEqual(before)
      expect((await deliveriesOf(made)).deliveries).toHaveLength(1)
      world.clock.advance(SECOND)
    },
  )

  test.each(["PayPal", "SendGrid"])("of %s is not to be had from us, and says from whom", async (name) => {
    const { vendor, secret } = senders[name]!
    const { id } = await world.source({ vendor, secret })
    const { status, json } = await world.api("POST", `/v1/sources/${id}/test`)
    expect([status, json.detail]).toEqual([409, `only ${name} can sign a sample of its own: send one from there`])
  })

  test("of a source that is paused, or has no secret, says so", async () => {
    const made = await world.source({ vendor: "ses" })
    expect((await world.api("POST", `/v1/sources/${made.id}/test`)).status).toBe(409)
    await world.ask("POST", `/v1/sources/${made.id}/rotate`, { secret: "token" })
    expect(await world.ask("POST", `/v1/sources/${made.id}/test`)).toMatchObject({ ok: true, status: 200 })
    await world.ask("PATCH", `/v1/sources/${made.id}`, { paused: true })
    // However often: it must not look as if our own door were broken, and keep others from trying theirs.
    for (let i = 0; i < 6; i++) {
      const { status, json } = await world.api("POST", `/v1/sources/${made.id}/test`)
      expect([status, json.code, json.detail]).toEqual([409, "conflict", "this source is paused: resume it first"])
    }
    const other = await world.source({ vendor: "generic" })
    expect(await world.ask("POST", `/v1/sources/${other.id}/test`)).toMatchObject({ ok: true, status: 200 })
  })
})

describe("deliveries", () => {
  test("are listed page by page from the newest, over days", async () => {
    const made = await world.source({ vendor: "stripe", secret: "whsec_1" })
    const sent: string[] = []
    for (let i = 0; i < 7; i++) {
      const sample = senders.Stripe!.send("whsec_1", world.clock(), made.url)
      sent.unshift((JSON.parse(sample.body.toString()) as { id: string }).id)
      expect((await world.deliver(made.url, sample)).status).toBe(200)
      world.clock.advance(9 * 3600 * SECOND)
    }
    const found: unknown[] = []
    let next = ""
    do {
      const page = await deliveriesOf(made, `?limit=3${next && `&after=${next}`}`)
      expect(page.deliveries.length).toBeLessThanOrEqual(3)
      found.push(...page.deliveries.map((one) => (one as Json).deliveryId))
      next = page.next ?? ""
    } while (next !== "")
    expect(found).toEqual(sent.map((id) => `stripe:${id}`))
    expect((await deliveriesOf(made)).deliveries).toHaveLength(7)
  })

  test("are taken again without counting again", async () => {
    const made = await world.source({ vendor: "twilio", secret: "token" })
    await world.deliver(made.url, senders.Twilio!.send("token", world.clock(), made.url))
    expect(await world.ledger(made.id)).toMatchObject({ received: 1, counted: 1 })
    const [delivery] = (await deliveriesOf(made)).deliveries
    // Twilio tells no time: by the day of the replay it would be another event.
    world.clock.advance(5 * 24 * 3600 * SECOND)
    const replay = `/v1/sources/${made.id}/deliveries/${delivery!.id}/replay`
    expect(await world.ask("POST", replay)).toEqual({
      outcome: "read",
      messages: 1,
      accepted: 1,
      quarantined: 0,
      rejected: 0,
    })
    await world.stack.idle()
    expect((await world.ask("GET", `/v1/ledger?from=2020-01-01&to=2099-01-01`)).rows).toContainEqual(
      expect.objectContaining({ source: made.id, received: 2, counted: 1, duplicate: 1 }),
    )
  })

  test("that could not be queued are refused, but kept, and count when they are taken again", async () => {
    const made = await world.source({ vendor: "stripe", secret: "whsec_1" })
    const { runtime } = world.stack
    const broken = hooksApp({ ...runtime, enqueue: () => Promise.reject(new Error("no queue")) })
    const { headers, body } = senders.Stripe!.send("whsec_1", world.clock(), made.url)
    const init = { method: "POST", headers, body: Uint8Array.from(body) }
    expect((await broken.request(made.url, init)).status).toBe(500)
    expect(await world.ledger(made.id)).toMatchObject({ received: 0 })
    const [delivery] = (await deliveriesOf(made)).deliveries
    await world.ask("POST", `/v1/sources/${made.id}/deliveries/${delivery!.id}/replay`)
    expect(await world.ledger(made.id)).toMatchObject({ counted: 2 })
    expect((await world.deliver(made.url, { headers, body })).status).toBe(200)
    expect(await world.ledger(made.id)).toMatchObject({ counted: 2, duplicate: 2 })
  })

  test("whose raw copy cannot be kept are not acknowledged, and nothing of them is queued", async () => {
    const made = await world.source({ vendor: "stripe", secret: "whsec_1" })
    const { runtime } = world.stack
    const queued: string[] = []
    const put: typeof runtime.table.put = async (item, condition) => {
      if (item.pk.includes("deliveries")) throw new Error("no table")
      return runtime.table.put(item, condition)
    }
    const enqueue = async (messages: readonly string[]) => void queued.push(...messages)
    const broken = hooksApp({ ...runtime, enqueue, table: { ...runtime.table, put } })
    const { headers, body } = senders.Stripe!.send("whsec_1", world.clock(), made.url)
    const answer = await broken.request(made.url, { method: "POST", headers, body: Uint8Array.from(body) })
    expect([answer.status, queued]).toEqual([500, []])
    expect(await answer.text()).not.toContain("no table")
  })
})

test("a flood of refusals is counted whole, and written once a second", async () => {
  const made = await world.source({ vendor: "stripe", secret: "whsec_1" })
  const { runtime } = world.stack
  const written: string[] = []
  const add: typeof runtime.table.add = (key, amounts) => {
    written.push(key.pk)
    return runtime.table.add(key, amounts)
  }
  const hooks = hooksApp({ ...runtime, table: { ...runtime.table, add } })
  const knock = () => hooks.request(made.url, { method: "POST", body: "{}" })
  for (let second = 0; second < 3; second++) {
    const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await knock()).status))
    expect(new Set(statuses)).toEqual(new Set([401]))
    world.clock.advance(SECOND)
  }
  expect(written).toHaveLength(3)
  await knock()
  expect(await world.ask("GET", `/v1/sources/${made.id}`)).toMatchObject({
    last24Hours: { refused: 61 },
    lastRefusal: { code: "missing_signature" },
    errorRate: 1,
  })
  world.clock.advance(25 * 3600 * SECOND)
  expect(await world.ask("GET", `/v1/sources/${made.id}`)).toMatchObject({
    last24Hours: { refused: 0 },
    lastRefusal: { code: "missing_signature" },
    errorRate: 0,
  })
})

test("refusals of two kinds within a second are all counted, and each kind says when it last was", async () => {
  const made = await world.source({ vendor: "stripe", secret: "whsec_1" })
  const hooks = hooksApp(world.stack.runtime)
  const knock = async (sent: { headers: Record<string, string>; body: Uint8Array }) =>
    (await hooks.request(made.url, { method: "POST", headers: sent.headers, body: Uint8Array.from(sent.body) })).status
  const sent = (secret: string, at: number) => senders.Stripe!.send(secret, at, made.url)
  const [first, now] = [world.clock(), () => world.clock()]
  for (let i = 0; i < 20; i++) expect(await knock(sent("whsec_other", now()))).toBe(401)
  world.clock.advance(500)
  expect(await knock(sent("whsec_1", now() - 600 * SECOND))).toBe(401)
  const health = () => world.ask("GET", `/v1/sources/${made.id}`)
  expect(await health()).toMatchObject({
    last24Hours: { refused: 21 },
    lastRefusal: { at: instant(now()), code: "stale", last: { bad_signature: instant(first), stale: instant(now()) } },
  })
  // What was gathered is written down by whoever knocks a second later, though nobody else is refused.
  for (let i = 0; i < 5; i++) expect(await knock(sent("whsec_other", now()))).toBe(401)
  expect(await health()).toMatchObject({ last24Hours: { refused: 21 } })
  world.clock.advance(SECOND)
  expect(await knock(sent("whsec_1", now()))).toBe(200)
  expect(await health()).toMatchObject({ last24Hours: { refused: 26 }, lastRefusal: { code: "bad_signature" } })
})

test.each([
  ["that the vendor does not have is the sender's fault, and leaves a trace", "not_found", 401],
  ["that cannot be fetched now is ours, and leaves none", "unavailable", 503],
] as const)("a certificate %s", async (_, code, status) => {
  const { vendor, send, secret = "" } = senders.PayPal!
  const made = await world.source({ vendor, secret })
  const fetchText = () => Promise.reject(new Fault(code, "no certificate"))
  const hooks = hooksApp({ ...world.stack.runtime, fetchText })
  const { headers, body } = send(secret, world.clock(), made.url)
  const answer = await hooks.request(made.url, { method: "POST", headers, body: Uint8Array.from(body) })
  expect(answer.status).toBe(status)
  const { lastRefusal } = await world.ask("GET", `/v1/sources/${made.id}`)
  expect((lastRefusal as Json | undefined)?.code).toBe(status === 401 ? "bad_certificate" : undefined)
})

test("what a failing write lost of the refusals is counted by the next", async () => {
  const made = await world.source({ vendor: "stripe", secret: "whsec_1" })
  const { runtime } = world.stack
  let failing = true
  const add: typeof runtime.table.add = (...given) =>
    failing ? Promise.reject(new Error("no table")) : runtime.table.add(...given)
  const hooks = hooksApp({ ...runtime, table: { ...runtime.table, add } })
  for (let i = 0; i < 3; i++) await hooks.request(made.url, { method: "POST", body: "{}" })
  failing = false
  world.clock.advance(SECOND)
  await hooks.request(made.url, { method: "POST", body: "{}" })
  expect(await world.ask("GET", `/v1/sources/${made.id}`)).toMatchObject({ last24Hours: { refused: 4 } })
})

test("a refusal that cannot be written down is a refusal all the same", async () => {
  const made = await world.source({ vendor: "stripe", secret: "whsec_1" })
  const { runtime } = world.stack
  const add = () => Promise.reject(new Error("no table"))
  const hooks = hooksApp({ ...runtime, table: { ...runtime.table, add } })
  expect((await hooks.request(made.url, { method: "POST", body: "{}" })).status).toBe(401)
  expect(world.lines.findLast(({ name }) => name === "error")).toMatchObject({ source: made.id, tenant: "acme" })
})

test("what a delivery touches in the table is its tenant's own", async () => {
  const made = await world.source({ vendor: "stripe", secret: "whsec_1" })
  const { runtime } = world.stack
  const touched: string[] = []
  const table = new Proxy(runtime.table, {
    get: (whole, name: keyof typeof runtime.table) =>
      ((first: string | { pk: string }, ...rest: never[]) => {
        touched.push(typeof first === "string" ? first : first.pk)
        return (whole[name] as (...all: unknown[]) => unknown)(first, ...rest)
      }) as never,
  })
  const hooks = hooksApp({ ...runtime, table })
  const { headers, body } = senders.Stripe!.send("whsec_1", world.clock(), made.url)
  for (const one of [body, Buffer.from("{}")]) {
    await hooks.request(made.url, { method: "POST", headers, body: Uint8Array.from(one) })
  }
  expect(touched.length).toBeGreaterThanOrEqual(4)
  expect(touched.filter((pk) => !pk.startsWith("T#acme#"))).toEqual([])
})

test("what a door believes of a source is read once in two seconds, whoever knocks without a signature", async () => {
  const made = await world.source({ vendor: "stripe", secret: "whsec_1" })
  const { runtime } = world.stack
  const read: string[] = []
  const get: typeof runtime.table.get = (key) => {
    read.push(key.sk)
    return runtime.table.get(key)
  }
  const table = { ...runtime.table, get }
  const hooks = hooksApp({ ...runtime, table })
  const knock = async (id: string) =>
    (await hooks.request(`${world.stack.url}/hooks/${id}`, { method: "POST", body: "{}" })).status
  for (let i = 0; i < 10; i++) expect(await knock(made.id)).toBe(401)
  expect(read).toEqual([made.id])
  world.clock.advance(2 * SECOND)
  expect(await knock(made.id)).toBe(401)
  expect(read).toEqual([made.id, made.id])
  for (const junk of ["src_acme_", "src__0123456789abcdef", `${made.id}1`, "x"]) expect(await knock(junk)).toBe(404)
  expect(read).toHaveLength(2)
})

test.each(["zendesk", "gorgias"] as const)(
  "two accounts of %s have each their own customers and tickets, and two sources of one account share them",
  async (vendor) => {
    const secret = vendor === "zendesk" ? { secret: "shared" } : {}
    const wish = (account?: string) => ({ vendor, ...secret, ...(account === undefined ? {} : { account }) })
    const [first, second, again, unnamed] = [
      await world.source(wish("one")),
      await world.source(wish("two")),
      await world.source(wish("two")),
      await world.source(wish()),
    ]
    for (const made of [first, second, again, unnamed]) {
      const sample = vendorOf(vendor).sample(made.secret ?? "shared", world.clock(), made.url)
      expect((await world.deliver(made.url, sample)).status).toBe(200)
      await world.stack.idle()
    }
    const told = async ({ id }: Made) => {
      const { counted, duplicate } = (await world.ledger(id)) as { counted: number; duplicate: number }
      return counted > 0 && duplicate === 0 ? "counted" : counted === 0 && duplicate > 0 ? "known" : "mixed"
    }
    expect([await told(first), await told(second), await told(again), await told(unnamed)]).toEqual([
      "counted",
      "counted",
      "known",
      "counted",
    ])
    const id = vendor === "zendesk" ? "8447388090494" : "3924"
    for (const account of ["one", "two"]) {
      const { customer } = await world.ask("GET", `/v1/customers/${vendor}:${account}:${id}`)
      expect(customer).toMatchObject({ tickets: { opened: 1 } })
    }
    expect((await world.api("GET", `/v1/customers/${vendor}:${id}`)).status).toBe(404)
    expect(await world.ask("GET", `/v1/sources/${first.id}`)).toMatchObject({ account: "one" })
  },
)

test("an account is refused where the vendor's ids are everyone's, and taken from the URL of the vendor's API", async () => {
  const refused = await world.api("POST", "/v1/sources", { vendor: "stripe", name: "x", account: "one" })
  expect(refused.json).toMatchObject({ code: "invalid_request", field: "account" })
  const odd = await world.api("POST", "/v1/sources", { vendor: "zendesk", name: "x", account: "One:" })
  expect(odd.json).toMatchObject({ code: "invalid_request", field: "account" })
  const made = await world.source({ vendor: "zendesk", credential: "a:b", baseUrl: "https://acme-eu.zendesk.com" })
  expect(made).toMatchObject({ account: "acme-eu" })
})
