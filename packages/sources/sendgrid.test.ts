import { createPrivateKey, createPublicKey, sign } from "node:crypto"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
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
  sendgridKey,
  told,
  vectorsOf,
} from "./fixtures.ts"
import { sendgrid } from "./sendgrid.ts"

const [SIGNATURE, TIMESTAMP] = ["x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"]

/** sendgrid/sendgrid-nodejs, packages/eventwebhook/src/eventwebhook.spec.js (MIT): the body ends with CR and LF. */
const published = {
  key: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==",
  delivery: delivery({
    headers: {
      [SIGNATURE]: "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=",
      [TIMESTAMP]: "1600112502",
    },
    body: bytes(
      `[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n`,
    ),
  }),
}
/** The same file in an earlier version: a key that is not the signature's. */
const OTHER_KEY =
  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA=="

describe("a delivery's signature", () => {
  const verify = (changes: object = {}, secrets = [published.key]) =>
    sendgrid.verify({ ...published.delivery, ...changes }, secrets)
  const { headers, body } = published.delivery

  test("is genuine for the published vector, with either key of a rotation", () => {
    expect(verify()).toBe("genuine")
    expect(verify({}, [OTHER_KEY, published.key])).toBe("genuine")
  })

  test.each([
    ["a flipped byte", { body: flipped(body) }],
    ["the line's end cut off", { body: body.subarray(0, -2) }],
    ["the same JSON written anew", { body: bytes(JSON.stringify(JSON.parse(body.toString()), null, 1)) }],
    ["a later time", { headers: { ...headers, [TIMESTAMP]: "1600112803" } }],
    ["an earlier time", { headers: { ...headers, [TIMESTAMP]: "1600112201" } }],
    ["a signature that is none", { headers: { ...headers, [SIGNATURE]: "AAAA" } }],
  ])("is refused for %s", (_, changes) => {
    expect(verify(changes)).toMatchObject({ code: "bad_signature" })
  })

  test.each([[[OTHER_KEY]], [[]], [[""]], [["no key"]]])("is refused for the keys %j", (secrets) => {
    expect(verify({}, secrets)).toMatchObject({ code: "bad_signature" })
  })

  test.each([SIGNATURE, TIMESTAMP])("is refused without %s", (name) => {
    expect(verify({ headers: { ...headers, [name]: "" } })).toMatchObject({ code: "missing_signature" })
  })

  test("of the first published vector is genuine, and not for its other key", () => {
    const given = delivery({
      headers: {
        [SIGNATURE]: "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0=",
        [TIMESTAMP]: "1588788367",
      },
      body: bytes({ category: "example_payload", event: "test_event", message_id: "message_id" }),
    })
    const key =
      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA=="
    expect(sendgrid.verify(given, [key])).toBe("genuine")
    expect(sendgrid.verify(given, [OTHER_KEY])).toMatchObject({ code: "bad_signature" })
  })

  test("is genuine when our own key makes it, on the day after too", () => {
    const key = createPrivateKey(sendgridKey)
    const secret = createPublicKey(key).export({ format: "der", type: "spki" }).toString("base64")
    const given = sampleOf(sendgrid, secret)
    const signature = sign("sha256", Buffer.concat([Buffer.from("1600112502"), given.body]), key).toString("base64")
    const signed = {
      ...given,
      headers: { [SIGNATURE]: signature, [TIMESTAMP]: "1600112502" },
      receivedAt: NOW + 86_400_000,
    }
    expect(sendgrid.verify(signed, [secret])).toBe("genuine")
  })
})

describe.runIf(vectorsOf("sendgrid").length > 0)("the shared vectors", () => {
  test.each(vectorsOf("sendgrid"))("$id", ({ public_key, headers, body, valid }) => {
    const verdict = sendgrid.verify(delivery({ headers: lowerCase(headers), body: bytes(body) }), [public_key ?? ""])
    expect(verdict === "genuine").toBe(valid)
  })
})

const read = (body: unknown) => told(sendgrid.read(delivery({ body: bytes(body) })).messages)

test("each event of a delivery is a message of its own, known by its sg_event_id", () => {
  expect(told(sendgrid.read(published.delivery).messages)).toEqual([
    {
      id: "sendgrid:ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
      type: "track",
      event: "Email Dropped",
      at: "2020-09-14T19:41:32.000Z",
      userId: "email:hello@world.com",
      properties: {
        message_id: "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
        reason: "Bounced Address",
      },
      context: { traits: { email: "hello@world.com" } },
    },
  ])
  const opened = { email: "Ada@Example.com", event: "open", sg_event_id: "a", timestamp: 1 }
  expect(read([opened, { ...opened, sg_event_id: "b" }]).map((one) => [one.id, one.userId])).toEqual([
    ["sendgrid:a", "email:ada@example.com"],
    ["sendgrid:b", "email:ada@example.com"],
  ])
})

test("an event without an id of its own has the same one at each delivery", () => {
  const event = { email: "a@b.c", event: "group_resubscribe", timestamp: 1_600_000_000 }
  expect(read([event])).toEqual(read([event]))
  expect(read([event])[0]?.event).toBe("group_resubscribe")
  expect(read([{ ...event, timestamp: 1_600_000_001 }])[0]?.id).not.toBe(read([event])[0]?.id)
})

describe.runIf(samplesOf("sendgrid").length > 0)("published samples", () => {
  test("are deliveries, opens, clicks, bounces and complaints", () => {
    const events = samplesOf("sendgrid").flatMap(({ body }) => read(body))
    expect(events.map((one) => one.event)).toEqual([
      "Email Delivered",
      "Email Opened",
      "Email Clicked",
      "Email Bounced",
      "Email Complained",
    ])
    expect(events[2]?.properties?.url).toBe("https://example.com/welcome")
    expect(events[3]).toMatchObject({
      userId: "email:unknown@example.com",
      properties: { status: "5.1.1", kind: "bounce" },
    })
  })
})

test("whatever JSON comes is read or refused with a fault, and what is read the door takes", () => {
  const sample = [
    { email: "a@b.c", event: "click", sg_event_id: "x", timestamp: 1_600_000_000, url: "https://a.b", category: ["c"] },
  ]
  fc.assert(fc.property(fc.jsonValue(), (body) => isRead(sendgrid, body)))
  fc.assert(fc.property(fc.nat(10), fc.jsonValue(), (n, by) => isRead(sendgrid, replaced(sample, n, by))))
  expect(() => read([{ event: "open" }, 3])).toThrow(
    expect.objectContaining({ code: "invalid_request", field: "[1].event" }),
  )
})

test("our sample is read; signed it cannot be", () => {
  expect(told(sendgrid.read(sampleOf(sendgrid, "")).messages)[0]).toMatchObject({ event: "Email Delivered" })
})
