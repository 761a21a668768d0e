import fc from "fast-check"
import { Webhook } from "standardwebhooks"
import Stripe from "stripe"
import { Webhook as Svix } from "svix"
import { describe, expect, test } from "vitest"
import type { Delivery } from "./source.ts"
import { standardWebhooks } from "./standard-webhooks.ts"
import { stripe } from "./stripe.ts"
import { whop } from "./whop.ts"

/** The vendors' own libraries, made to judge the same deliveries as we do. */
const NOW = Math.floor(Date.now() / 1000) * 1000
const url = "https://collect.example.com/v1/hooks/acme"
const deliver = (body: string, headers: Record<string, string>): Delivery => ({
  method: "POST",
  url,
  headers,
  body: Buffer.from(body),
  receivedAt: NOW,
})
const agrees = (attempt: () => unknown): "genuine" | "refused" => {
  try {
    attempt()
    return "genuine"
  } catch {
    return "refused"
  }
}
const ours = (verdict: unknown) => (verdict === "genuine" ? verdict : "refused")

const text = fc.string({ unit: "grapheme", minLength: 1 })
const body = text.map((words) => JSON.stringify({ id: "evt_1", object: "event", words }))
/** How old a signature is, in seconds; the libraries read the clock themselves, so the edges are left out by far: a busy machine may take its time in between. */
const age = fc.constantFrom(0, 10, 200, 400, 86_400)
const change = fc.constantFrom("nothing", "body", "signature", "secret")

describe("Stripe's library", () => {
  const { webhooks } = new Stripe("sk_test_1")

  test("accepts and refuses what we do", () => {
    fc.assert(
      fc.property(body, text, age, change, (payload, secret, seconds, changed) => {
        const timestamp = NOW / 1000 - seconds
        const signed = webhooks.generateTestHeaderString({ payload, secret, timestamp })
        const signature = changed === "signature" ? signed.replace(/.$/, (last) => (last === "0" ? "1" : "0")) : signed
        const sent = changed === "body" ? `${payload} ` : payload
        const key = changed === "secret" ? `${secret}x` : secret
        const theirs = agrees(() => webhooks.constructEvent(sent, signature, key))
        expect(ours(stripe.verify(deliver(sent, { "stripe-signature": signature }), [key]))).toBe(theirs)
        expect(theirs).toBe(changed === "nothing" && seconds <= 300 ? "genuine" : "refused")
      }),
    )
  })

  test("accepts our sample", () => {
    const sample = stripe.sample("whsec_test_secret", NOW)
    const event = webhooks.constructEvent(
      Buffer.from(sample.body),
      sample.headers["stripe-signature"],
      "whsec_test_secret",
    )
    expect(event.type).toBe("invoice.paid")
  })
})

describe("the library of Standard Webhooks", () => {
  const secrets = fc.string({ unit: "binary", minLength: 8 }).map((key) => Buffer.from(key).toString("base64"))

  test("accepts and refuses what we do", () => {
    fc.assert(
      fc.property(
        body,
        secrets,
        age,
        fc.integer({ min: -1, max: 1 }),
        change,
        (payload, secret, seconds, side, changed) => {
          const webhook = new Webhook(`whsec_${secret}`)
          const at = new Date(NOW - side * seconds * 1000)
          const signed = webhook.sign("msg_1", at, payload)
          const headers = {
            "webhook-id": "msg_1",
            "webhook-timestamp": String(at.getTime() / 1000),
            "webhook-signature": changed === "signature" ? `v1,${signed.slice(4)}` : signed,
          }
          const sent = changed === "body" ? `${payload} ` : payload
          const key = changed === "secret" ? `whsec_${Buffer.from(`${secret}x`).toString("base64")}` : `whsec_${secret}`
          const theirs = agrees(() => new Webhook(key).verify(sent, headers))
          expect(ours(standardWebhooks.verify(deliver(sent, headers), [key]))).toBe(theirs)
          expect(theirs).toBe(changed === "nothing" && Math.abs(side * seconds) <= 300 ? "genuine" : "refused")
        },
      ),
    )
  })

  test("by Svix, under its own names for the headers, accepts and refuses what we do", () => {
    fc.assert(
      fc.property(body, secrets, age, change, (payload, secret, seconds, changed) => {
        const svix = new Svix(`whsec_${secret}`)
        const at = new Date(NOW - seconds * 1000)
        const signed = svix.sign("msg_1", at, payload)
        const headers = {
          "svix-id": "msg_1",
          "svix-timestamp": String(at.getTime() / 1000),
          "svix-signature": changed === "signature" ? `v1,${signed.slice(4)}` : signed,
        }
        const sent = changed === "body" ? `${payload} ` : payload
        const key = changed === "secret" ? `whsec_${Buffer.from(`${secret}x`).toString("base64")}` : `whsec_${secret}`
        const theirs = agrees(() => new Svix(key).verify(sent, headers))
        expect(ours(standardWebhooks.verify(deliver(sent, headers), [key]))).toBe(theirs)
        expect(theirs).toBe(changed === "nothing" && seconds <= 300 ? "genuine" : "refused")
      }),
    )
  })

  test("accepts our samples, Whop's with the key that Whop's guide makes of its secret", () => {
    const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    const standard = standardWebhooks.sample(secret, NOW)
    expect(new Webhook(secret).verify(Buffer.from(standard.body), standard.headers)).toMatchObject({
      type: "feature.used",
    })
    const ofWhop = whop.sample("ws_abc", NOW)
    expect(new Webhook(btoa("ws_abc")).verify(Buffer.from(ofWhop.body), ofWhop.headers)).toMatchObject({
      type: "payment.succeeded",
    })
  })
})
