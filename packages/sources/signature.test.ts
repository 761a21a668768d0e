import { existsSync, readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { generic } from "./generic.ts"
import { shopify } from "./shopify.ts"
import { anySame, hmac, secondsOf, withinTolerance } from "./signature.ts"
import { slack } from "./slack.ts"
import type { Delivery, Vendor } from "./source.ts"
import { standardWebhooks } from "./standard-webhooks.ts"
import { stripe } from "./stripe.ts"
import { whop } from "./whop.ts"

/** GitHub's scheme, as a sender whom we know only by a description. */
const github = generic({
  signature: { kind: "hmac", header: "X-Hub-Signature-256", algorithm: "sha256", encoding: "hex", prefix: "sha256=" },
  event: "Repository Changed",
})

/** Paddle's: what is signed begins with the time, in a header of pairs. */
const paddle = generic({
  signature: {
    ...{ kind: "hmac", header: "Paddle-Signature", algorithm: "sha256", encoding: "hex" },
    timed: { time: "ts", signature: "h1", separator: ";", join: ":" },
  },
  event: "/event_type",
})

type Vector = {
  vendor: Vendor
  source: string
  secret: string
  body: string
  headers: Record<string, string>
  now?: number
}

const vectors: Record<string, Vector> = {
  "slack-docs": {
    vendor: slack,
    source: "slackapi/python-slack-sdk tests/slack_sdk/signature/test_signature_verifier.py",
    secret: "8f742231b10e8888abcd99yyyzzz85a5",
    body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
    headers: {
      "x-slack-request-timestamp": "1531420618",
      "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    },
    now: 1531420618,
  },
  "slack-ruby": {
    vendor: slack,
    source: "slack-ruby/slack-ruby-client spec/slack/events/request_spec.rb",
    secret: "ade6ca762ade4db0e7d31484cd616b9c",
    body: '{"token":"X34FAqCu8tmGEkEEpoDncnja","challenge":"P7sFXA4o3HV2hTx4zb4zcQ9yrvuQs8pDh6EacOxmMRj0tJaXfQFF","type":"url_verification"}',
    headers: {
      "x-slack-request-timestamp": "1547933148",
      "x-slack-signature": "v0=91177eea054d65de0fc0f9b4ec57714307bc0ce2c5f3bf0d28b1b720c8f92ba2",
    },
    now: 1547933148,
  },
  "standard-webhooks": {
    vendor: standardWebhooks,
    source: "standard-webhooks/standard-webhooks libraries/javascript/src/webhook.test.ts",
    secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    body: '{"test": 2432232314}',
    headers: {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    now: 1614265330,
  },
  whop: {
    vendor: whop,
    source: "derived: docs.whop.com passes btoa(secret), so that the key is the secret's own bytes",
    secret: "ws_abc",
    body: '{"a":1}',
    headers: {
      "webhook-id": "msg_1",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,m7DDsdVUtIbjbY9ni0EXpAl7cXanhF99jLDpvKXn2Qg=",
    },
    now: 1614265330,
  },
  "shopify-sdk": {
    vendor: shopify,
    source: "Shopify/shopify-api-js packages/shopify-api/lib/webhooks/__tests__/validate.test.ts",
    secret: "test_secret_key",
    body: '{"foo": "bar"}',
    headers: { "x-shopify-hmac-sha256": "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=" },
  },
  "shopify-derived": {
    vendor: shopify,
    source: "derived from the documented scheme",
    secret: "test_api_secret",
    body: '{"id":1}',
    headers: { "x-shopify-hmac-sha256": "NkN4Pxbibd1d6vSNYmLbtjiJ2EW31zSrbZs98hpEFsA=" },
  },
  "stripe-header-derived": {
    vendor: stripe,
    source: "body and secret of stripe/stripe-node test/Webhook.spec.ts, which signs at run time",
    secret: "whsec_test_secret",
    body: '{\n  "id": "evt_test_webhook",\n  "object": "event"\n}',
    headers: { "stripe-signature": "t=1600000000,v1=d31a0c09b944148f3e0967540577eab14332f9eed37bc847aa57257cb33baf8e" },
    now: 1600000000,
  },
  "stripe-header-derived-extra-schemes": {
    vendor: stripe,
    source: "the same with other schemes beside it",
    secret: "whsec_test_secret",
    body: '{\n  "id": "evt_test_webhook",\n  "object": "event"\n}',
    headers: {
      "stripe-signature":
        "t=1600000000,v0=bad,v1=potentially_valid_or_not,v1=d31a0c09b944148f3e0967540577eab14332f9eed37bc847aa57257cb33baf8e",
    },
    now: 1600000000,
  },
  "github-docs": {
    vendor: github,
    source: "GitHub docs, Validating webhook deliveries",
    secret: "It's a Secret to Everybody",
    body: "Hello, World!",
    headers: { "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" },
  },
  "paddle-valid": {
    vendor: paddle,
    source: "PaddleHQ/paddle-node-sdk src/__tests__/notifications/webhooks-validator.node.test.ts",
    secret: "VALID_SECRET",
    body: '{"data": ["1", "2"]}',
    headers: {
      "paddle-signature": "ts=1698796800;h1=a300428748dce5c70e4da19bffd60769591ea969c99dea3105d0ec9612cf43f9",
    },
    now: 1698796800,
  },
  "github-mysecret": {
    vendor: github,
    source: "octokit/webhooks-methods.js test/verify.test.ts",
    secret: "mysecret",
    body: '{"foo":"bar"}',
    headers: { "x-hub-signature-256": "sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3" },
  },
}

const RECEIVED = 1_700_000_000
const needs = { fetchText: () => Promise.reject(new Error("no certificate is needed")) }

const delivered = ({ headers, body, now = RECEIVED }: Vector, changed: Partial<Delivery> = {}): Delivery => ({
  method: "POST",
  url: "https://collect.example.com/v1/hooks/acme",
  headers,
  body: Buffer.from(body),
  receivedAt: now * 1000,
  ...changed,
})

const verdict = async (vendor: Vendor, delivery: Delivery, ...secrets: string[]) => {
  const given = await vendor.verify(delivery, secrets, needs)
  return given === "genuine" ? given : given.code
}

/** Every number of seconds in the headers, moved. */
const moved = (headers: Record<string, string>, by: number) =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      value.replace(/\b\d{10}\b/, (seconds) => String(Number(seconds) + by)),
    ]),
  )

describe.each(Object.entries(vectors))("%s", (_name, vector) => {
  const { vendor, secret, headers, body, now } = vector
  const accepts = (changed: Partial<Delivery> = {}) => verdict(vendor, delivered(vector, changed), secret)

  test("is genuine, under the current secret and under the one before", async () => {
    expect(await accepts()).toBe("genuine")
    expect(await verdict(vendor, delivered(vector), "another_secret", secret)).toBe("genuine")
    expect(await verdict(vendor, delivered(vector), secret, "another_secret")).toBe("genuine")
  })

  test("is refused under another secret, under none and under an empty one", async () => {
    expect(await verdict(vendor, delivered(vector), "another_secret")).toBe("bad_signature")
    expect(await verdict(vendor, delivered(vector))).toBe("bad_signature")
    expect(await verdict(vendor, delivered(vector), "")).toBe("bad_signature")
  })

  test("is refused with any one byte of its body changed, with one more and with one less", async () => {
    const bytes = Buffer.from(body)
    for (let i = 0; i < bytes.length; i++) {
      expect(await accepts({ body: Buffer.from(bytes).fill(bytes[i]! ^ 1, i, i + 1) })).toBe("bad_signature")
    }
    expect(await accepts({ body: Buffer.concat([bytes, Buffer.of(0x20)]) })).toBe("bad_signature")
    expect(await accepts({ body: bytes.subarray(0, -1) })).toBe("bad_signature")
    expect(await accepts({ body: new Uint8Array() })).toBe("bad_signature")
  })

  test("is refused without any one of its headers", async () => {
    for (const name of Object.keys(headers)) {
      const rest = Object.fromEntries(Object.entries(headers).filter(([other]) => other !== name))
      expect(await accepts({ headers: rest })).toBe("missing_signature")
      expect(await accepts({ headers: { ...rest, [name]: "" } })).toBe("missing_signature")
    }
  })

  test("is refused with a signature cut short, and with one of another kind", async () => {
    const signed = Object.keys(headers).at(-1)!
    const cut = await accepts({ headers: { ...headers, [signed]: headers[signed]!.slice(0, -1) } })
    expect(cut).toBe("bad_signature")
    expect(await accepts({ headers: { ...headers, [signed]: "nonsense" } })).toMatch(/_signature$/)
  })

  test.skipIf(now === undefined)("is stale 301 seconds before and after it was signed, and not at 300", async () => {
    expect(await accepts({ receivedAt: (now! + 301) * 1000 })).toBe("stale")
    expect(await accepts({ receivedAt: (now! - 301) * 1000 })).toBe("stale")
    expect(await accepts({ receivedAt: (now! + 300) * 1000 })).toBe("genuine")
    expect(await accepts({ receivedAt: (now! - 300) * 1000 })).toBe("genuine")
  })

  test.skipIf(now === undefined)("is refused with its own time moved, by one second as by 301", async () => {
    for (const by of [1, -1, 301, -301]) expect(await accepts({ headers: moved(headers, by) })).toBe("bad_signature")
  })
})

const spaced = Object.entries(vectors).filter(([, { body }]) => body.startsWith("{") && /\s/.test(body))
test.each(spaced)(
  "%s is refused when something on the way has parsed its body and written it again",
  async (_name, vector) => {
    const body = Buffer.from(JSON.stringify(JSON.parse(vector.body)))
    expect(await verdict(vector.vendor, delivered(vector, { body }), vector.secret)).toBe("bad_signature")
  },
)

test("of several signatures one has to fit, and one of another version never does", async () => {
  const vector = vectors["standard-webhooks"]!
  const signed = vector.headers["webhook-signature"]!
  const accepts = (signature: string) =>
    verdict(
      standardWebhooks,
      delivered(vector, { headers: { ...vector.headers, "webhook-signature": signature } }),
      vector.secret,
    )
  expect(await accepts(`v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,abc ${signed}`)).toBe("genuine")
  expect(await accepts(signed.replace("v1", "v2"))).toBe("bad_signature")
  expect(await accepts("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLawdd")).toBe("bad_signature")
  expect(await accepts("v1,")).toBe("bad_signature")
})

test("Stripe's v0, which it sends from test mode beside v1, proves nothing", async () => {
  const vector = vectors["stripe-header-derived"]!
  const headers = { "stripe-signature": vector.headers["stripe-signature"]!.replace("v1=", "v0=") }
  expect(await verdict(stripe, delivered(vector, { headers }), vector.secret)).toBe("missing_signature")
  const beside = { "stripe-signature": `${headers["stripe-signature"]},v1=00` }
  expect(await verdict(stripe, delivered(vector, { headers: beside }), vector.secret)).toBe("bad_signature")
})

test("a sender that still uses Svix's names for the headers is understood", async () => {
  const vector = vectors["standard-webhooks"]!
  const headers = Object.fromEntries(
    Object.entries(vector.headers).map(([name, value]) => [name.replace("webhook", "svix"), value]),
  )
  expect(await verdict(standardWebhooks, delivered(vector, { headers }), vector.secret)).toBe("genuine")
})

test.each([
  ["", "f7f9bd47fb987337b5796fdc1fdb9ba221d0d5396814bfcaf9521f43fd8927fd"],
  ['{"obj1":"hello","obj2":"world"}', "bebb1a643997f419b315ddba19e6f5411e1ce7f810ba6d3617ce72823092f363"],
  ["😀", "837da296d05c4fe31f61d5d7ead035099d9585a5bcde87de952012a78f0b0c43"],
])("HMAC-SHA256 of %j is what stripe/stripe-node test/crypto/helpers.ts has", (data, expected) => {
  expect(hmac("sha256", "test_secret", data, "hex")).toBe(expected)
  expect(hmac("sha256", "test_secret", [data.slice(0, 2), Buffer.from(data.slice(2))], "hex")).toBe(expected)
})

test("no signature sent, or none expected, is never the same", () => {
  expect(anySame([], ["a"])).toBe(false)
  expect(anySame(["a"], [])).toBe(false)
  expect(anySame([""], [])).toBe(false)
  expect(anySame(["b", "a"], ["c", "a"])).toBe(true)
})

test.each(["", "1e9", "0x10", "-1", " 1", "1.5", "99999999999999", "now", undefined])(
  "a time of %j is no time",
  (value) => {
    expect(withinTolerance(secondsOf(value), 0)).toBe(false)
  },
)

test.each([stripe, slack, shopify, whop, standardWebhooks, github].map((vendor) => [vendor.id, vendor] as const))(
  "a sample of %s is accepted, and nothing but its secret makes it so",
  async (_id, vendor) => {
    const now = Date.UTC(2026, 10, 21, 9)
    const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    const url = "https://collect.example.com/v1/hooks/acme"
    const delivery = { ...vendor.sample(secret, now, url), url, receivedAt: now }
    expect(await verdict(vendor, delivery, secret)).toBe("genuine")
    expect(await verdict(vendor, delivery, "whsec_b3RoZXI=")).toBe("bad_signature")
    expect(vendor.read(delivery).messages).not.toHaveLength(0)
  },
)

test.each([stripe, slack, shopify, whop, standardWebhooks, github].map((vendor) => [vendor.id, vendor] as const))(
  "nobody gets into %s by signing with nothing, though the source has no secret yet",
  async (_id, vendor) => {
    const delivery = { ...vendor.sample("", RECEIVED * 1000, ""), url: "", receivedAt: RECEIVED * 1000 }
    expect(await verdict(vendor, delivery, "")).toBe("bad_signature")
  },
)

const file = new URL("../../../shared/data/webhooks/signature_vectors.json", import.meta.url)
const ofProvider: Record<string, Vendor> = {
  slack,
  "standard-webhooks/svix": standardWebhooks,
  shopify,
  stripe,
  github,
  paddle,
}
type Published = {
  id: string
  provider: string
  secret: string
  body: string
  headers: Record<string, string>
  now?: number
  valid: boolean
}

/** The file of published vectors lies beside the repository on some machines only; those typed above are always there. */
test.skipIf(!existsSync(file))("every published vector of ours is judged as published", async () => {
  const published = (JSON.parse(readFileSync(file, "utf8")) as { vectors: Published[] }).vectors
  const ours = published.filter(({ provider }) => provider in ofProvider)
  expect(ours.length).toBeGreaterThanOrEqual(16)
  for (const { id, provider, headers: named, valid, ...rest } of ours) {
    const vendor = ofProvider[provider]!
    const headers = Object.fromEntries(Object.entries(named).map(([name, value]) => [name.toLowerCase(), value]))
    const given = await verdict(vendor, delivered({ vendor, source: id, headers, ...rest }), rest.secret)
    expect([id, given === "genuine"]).toEqual([id, valid])
  }
})
