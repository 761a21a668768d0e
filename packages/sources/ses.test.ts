import { sign } from "node:crypto"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { HOUR, instant } from "#core/clock.ts"
import { bytes, delivery, isRead, NOW, noFetch, replaced, sampleOf, signer, told, vectorsOf } from "./fixtures.ts"
import { canonical, ses } from "./ses.ts"
import type { Delivery } from "./source.ts"

const TOPIC = "arn:aws:sns:us-west-2:123456789012:ses-events"
const CERTIFICATE = "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-7506a1e35b36ef5a444dd1a8e7cc3ed8.pem"
const SUBSCRIBE = `https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=${TOPIC}&Token=2336412f37fb`

/** Shaped as the SES guide shows a bounce. */
const mail = {
  timestamp: "2027-01-15T11:59:00.000Z",
  messageId: "EXAMPLE7c191be45",
  destination: ["ada@example.com"],
  tags: {},
}
const bounce = {
  eventType: "Bounce",
  mail,
  bounce: {
    bounceType: "Permanent",
    bounceSubType: "General",
    bouncedRecipients: [
      { emailAddress: "Ada@Example.com", action: "failed", status: "5.1.1", diagnosticCode: "smtp; 550 user unknown" },
    ],
    timestamp: "2027-01-15T11:59:02.000Z",
    feedbackId: "0100018d",
  },
}

type Envelope = Record<string, string>
const notification: Envelope = {
  Type: "Notification",
  MessageId: "9d2c5580-b61d-550c-8583-37a582870907",
  TopicArn: TOPIC,
  Message: JSON.stringify(bounce),
  Timestamp: instant(NOW),
  SignatureVersion: "2",
  SigningCertURL: CERTIFICATE,
  UnsubscribeURL: "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe",
}
const confirmation: Envelope = {
  ...notification,
  Type: "SubscriptionConfirmation",
  Token: "2336412f37fb",
  Message: "You have chosen to subscribe to the topic.",
  SubscribeURL: SUBSCRIBE,
}

function signed(envelope: Envelope): Envelope {
  const digest = envelope.SignatureVersion === "1" ? "sha1" : "sha256"
  return { ...envelope, Signature: sign(digest, bytes(canonical(envelope)), signer.key).toString("base64") }
}

async function verify(envelope: Envelope, secrets = [TOPIC], changes: Partial<Delivery> = {}) {
  const fetched: string[] = []
  const fetchText = (url: string) => Promise.resolve(fetched.push(url) > 0 ? signer.certificate : "")
  const verdict = await ses.verify(delivery({ body: bytes(envelope), ...changes }), secrets, { fetchText })
  return { verdict, fetched }
}

describe("a notification's signature", () => {
  test("is over the fields in their order, each a line of name and a line of value", () => {
    expect(
      canonical({
        ...confirmation,
        Message: "m",
        Token: "t",
        SubscribeURL: "u",
        Timestamp: "now",
        TopicArn: "a",
        MessageId: "i",
      }),
    ).toBe(
      "Message\nm\nMessageId\ni\nSubscribeURL\nu\nTimestamp\nnow\nToken\nt\nTopicArn\na\nType\nSubscriptionConfirmation\n",
    )
    expect(
      canonical({
        ...notification,
        Message: "m",
        Subject: "s",
        Timestamp: "now",
        TopicArn: "a",
        MessageId: "i",
        Token: "t",
      }),
    ).toBe("Message\nm\nMessageId\ni\nSubject\ns\nTimestamp\nnow\nTopicArn\na\nType\nNotification\n")
  })

  test.each(["1", "2"])("is genuine in version %s, from either topic of a change", async (SignatureVersion) => {
    const envelope = signed({ ...notification, SignatureVersion, Subject: "A subject" })
    expect(await verify(envelope)).toEqual({ verdict: "genuine", fetched: [CERTIFICATE] })
    expect((await verify(envelope, ["arn:aws:sns:us-west-2:123456789012:new", TOPIC])).verdict).toBe("genuine")
  })

  test.each([
    ["another message", { Message: JSON.stringify({ ...bounce, eventType: "Delivery" }) }],
    ["another id", { MessageId: "1" }],
    ["another time", { Timestamp: instant(NOW - 1000) }],
    ["a subject more", { Subject: "s" }],
    ["another version", { SignatureVersion: "1" }],
    ["an unknown version", { SignatureVersion: "3" }],
    ["another type", { Type: "UnsubscribeConfirmation" }],
    ["a signature that is none", { Signature: "AAAA" }],
  ])("is refused for %s", async (_, changes) => {
    expect((await verify({ ...signed(notification), ...changes })).verdict).toMatchObject({ code: "bad_signature" })
  })

  test("is refused for a topic that is not ours, whoever signs it", async () => {
    const theirs = signed({ ...notification, TopicArn: "arn:aws:sns:us-west-2:666666666666:evil" })
    expect(await verify(theirs)).toMatchObject({ verdict: { code: "bad_signature" }, fetched: [] })
    expect((await verify(signed({ ...notification, TopicArn: "" }), [""])).verdict).toMatchObject({
      code: "bad_signature",
    })
    for (const secrets of [[], [""], ["token"]]) {
      expect((await verify(signed(notification), secrets)).verdict).toMatchObject({ code: "bad_signature" })
    }
  })

  test("of another's topic cannot be cut so that ours stands in it", async () => {
    const evil = { ...notification, TopicArn: "arn:aws:sns:us-west-2:666666666666:evil" }
    const written = `x\nMessageId\n1\nTimestamp\n${instant(NOW)}\nTopicArn\n${TOPIC}\nType\nNotification`
    const theirs = signed({ ...evil, Message: written })
    const rest = canonical({ ...evil, Message: "" }).replace("Message\n\n", "")
    const recut = {
      ...theirs,
      Message: "x",
      MessageId: "1",
      TopicArn: TOPIC,
      Type: `Notification\n${rest}`.replace(/\n$/, ""),
    }
    expect(canonical(recut)).toBe(canonical({ ...evil, Message: written }))
    expect((await verify(recut)).verdict).toMatchObject({ code: "bad_signature" })
  })

  test.each(["Signature", "SigningCertURL"])("is refused without %s", async (name) => {
    const { [name]: _, ...rest } = signed(notification)
    expect((await verify(rest)).verdict).toMatchObject({ code: "missing_signature" })
  })

  test("is stale from the future and when SNS has given up; within the hour of its retries it is genuine", async () => {
    const sent = async (ms: number) => (await verify(signed({ ...notification, Timestamp: instant(NOW + ms) }))).verdict
    expect(await sent(300_000)).toBe("genuine")
    expect(await sent(301_000)).toMatchObject({ code: "stale" })
    expect(await sent(-HOUR - 300_000)).toBe("genuine")
    expect(await sent(-HOUR - 301_000)).toMatchObject({ code: "stale" })
  })

  test.each([
    "https://sns.us-west-2.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
    "https://evil.example/sns.us-west-2.amazonaws.com/SimpleNotificationService-1.pem",
    "https://sns.us-west-2.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
    "https://sns.s3-us-west-2.amazonaws.com/SimpleNotificationService-1.pem",
    "https://sns.us-west-2.s3.amazonaws.com/SimpleNotificationService-1.pem",
    "https://evil-sns.us-west-2.amazonaws.com/SimpleNotificationService-1.pem",
    "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-1.pem?Action=Publish",
    "https://sns.us-west-2.amazonaws.com/evil.pem",
    "https://sns.us-west-2.amazonaws.com:444/SimpleNotificationService-1.pem",
    "http://sns.us-west-2.amazonaws.com/SimpleNotificationService-1.pem",
    "https://sns.us-west-2.amazonaws.com/?Action=Publish&x=/SimpleNotificationService-1.pem",
  ])("is not checked with a certificate from %s", async (SigningCertURL) => {
    const { verdict, fetched } = await verify(signed({ ...notification, SigningCertURL }))
    expect([verdict, fetched]).toEqual([expect.objectContaining({ code: "bad_certificate" }), []])
  })

  test("may be checked with one from China", async () => {
    const SigningCertURL = CERTIFICATE.replace("us-west-2.amazonaws.com", "cn-north-1.amazonaws.com.cn")
    expect((await verify(signed({ ...notification, SigningCertURL }))).verdict).toBe("genuine")
  })
})

describe("a subscription", () => {
  test("is confirmed once it is genuine, and answered", async () => {
    const envelope = signed(confirmation)
    expect(await verify(envelope)).toEqual({ verdict: "genuine", fetched: [CERTIFICATE, SUBSCRIBE] })
    expect(ses.challenge(delivery({ body: bytes(envelope) }))).toEqual({ status: 200, body: "" })
    expect(ses.read(delivery({ body: bytes(envelope) })).messages).toEqual([])
    expect(ses.challenge(delivery({ body: bytes(signed(notification)) }))).toBeUndefined()
  })

  test.each([
    ["forged", { ...signed(confirmation), Token: "other" }],
    ["of another's topic", signed({ ...confirmation, TopicArn: "arn:aws:sns:us-west-2:666666666666:evil" })],
    [
      "to be confirmed elsewhere",
      signed({ ...confirmation, SubscribeURL: "https://evil.example/?Action=ConfirmSubscription" }),
    ],
    [
      "to be confirmed at a look-alike",
      signed({ ...confirmation, SubscribeURL: SUBSCRIBE.replace(".com/", ".com.evil.example/") }),
    ],
    ["to be confirmed inside", signed({ ...confirmation, SubscribeURL: "http://169.254.169.254/latest/meta-data" })],
  ])("that is %s is not confirmed", async (_, envelope) => {
    const { verdict, fetched } = await verify(envelope)
    expect(verdict).toMatchObject({ code: "bad_signature" })
    expect(fetched.filter((url) => url !== CERTIFICATE)).toEqual([])
  })

  test("that is ended is answered, and not begun again", async () => {
    const ended = signed({ ...confirmation, Type: "UnsubscribeConfirmation" })
    expect(await verify(ended)).toEqual({ verdict: "genuine", fetched: [CERTIFICATE] })
    expect(ses.challenge(delivery({ body: bytes(ended) }))).toMatchObject({ status: 200 })
  })
})

describe("EventBridge's API destination", () => {
  const send = (token: string, secrets: string[]) =>
    ses.verify(
      delivery({ headers: { "x-octant-token": token }, body: bytes({ source: "aws.ses", detail: bounce }) }),
      secrets,
      noFetch,
    )

  test("is genuine with a token of ours, never with a topic's name", () => {
    expect(send("old", ["new", "old"])).toBe("genuine")
    expect(send("other", ["new", "old"])).toMatchObject({ code: "bad_signature" })
    expect(send(TOPIC, [TOPIC])).toMatchObject({ code: "bad_signature" })
  })

  test("has to send one", async () => {
    expect(await send("", ["token"])).toMatchObject({ code: "missing_signature" })
  })
})

describe.runIf(vectorsOf("sns").length > 0)("the shared vectors", () => {
  test.each(vectorsOf("sns"))("$id", async ({ secret = "", certificate = "", body, now = 0, valid }) => {
    const given = delivery({ body: bytes(body), receivedAt: now * 1000 })
    expect((await ses.verify(given, [secret], { fetchText: () => Promise.resolve(certificate) })) === "genuine").toBe(
      valid,
    )
  })
})

const read = (body: unknown) => told(ses.read(delivery({ body: bytes(body) })).messages)
const bridged = (detail: object, type = "Email Bounced") => ({
  version: "0",
  id: "c3d4e5f6",
  "detail-type": type,
  source: "aws.ses",
  time: instant(NOW),
  detail,
})

test("SNS, EventBridge and raw delivery tell a bounce as the same fact", () => {
  expect(read(notification)).toEqual([
    {
      id: expect.stringMatching(/^ses:EXAMPLE7c191be45:bounce:[\w-]{16}$/),
      type: "track",
      event: "Email Bounced",
      at: "2027-01-15T11:59:02.000Z",
      userId: "email:ada@example.com",
      properties: {
        message_id: "EXAMPLE7c191be45",
        kind: "Permanent",
        status: "5.1.1",
        reason: "smtp; 550 user unknown",
      },
      context: { traits: { email: "Ada@Example.com" } },
    },
  ])
  expect(read(bridged(bounce))).toEqual(read(notification))
  expect(read(bounce)).toEqual(read(notification))
})

test("each recipient is told of, each under an id of its own", () => {
  const recipients = ["a@example.com", "b@example.com"]
  const delivered = {
    eventType: "Delivery",
    mail: { ...mail, destination: recipients },
    delivery: { timestamp: mail.timestamp, recipients, smtpResponse: "250 OK" },
  }
  const events = read(bridged(delivered))
  expect(events.map((one) => [one.event, one.userId])).toEqual([
    ["Email Delivered", "email:a@example.com"],
    ["Email Delivered", "email:b@example.com"],
  ])
  expect(new Set(events.map((one) => one.id)).size).toBe(2)
})

test.each([
  ["Send", { send: {} }, "Email Sent", {}],
  ["Reject", { reject: { reason: "Bad content" } }, "Email Dropped", { reason: "Bad content" }],
  [
    "Rendering Failure",
    { failure: { errorMessage: "no attribute", templateName: "T" } },
    "Email Dropped",
    { reason: "no attribute" },
  ],
  [
    "Complaint",
    {
      complaint: {
        complainedRecipients: [{ emailAddress: "ada@example.com" }],
        complaintFeedbackType: "abuse",
        timestamp: mail.timestamp,
      },
    },
    "Email Complained",
    { kind: "abuse" },
  ],
  [
    "DeliveryDelay",
    {
      deliveryDelay: {
        delayType: "MailboxFull",
        delayedRecipients: [{ emailAddress: "ada@example.com", status: "4.2.2" }],
      },
    },
    "Email Delayed",
    { kind: "MailboxFull", status: "4.2.2" },
  ],
  ["Open", { open: { timestamp: mail.timestamp, userAgent: "x", ipAddress: "192.0.2.1" } }, "Email Opened", {}],
  [
    "Click",
    { click: { timestamp: mail.timestamp, link: "https://example.com/a", ipAddress: "192.0.2.1" } },
    "Email Clicked",
    { url: "https://example.com/a" },
  ],
  ["Subscription", { subscription: { newTopicPreferences: { unsubscribeAll: true } } }, "Email Unsubscribed", {}],
  ["Subscription", { subscription: { newTopicPreferences: { unsubscribeAll: false } } }, "Subscription", {}],
  ["Novelty", {}, "Novelty", {}],
])("%s of %j is told as %s", (eventType, about, event, properties) => {
  expect(read({ eventType, mail, ...about })).toMatchObject([
    { event, userId: "email:ada@example.com", properties: { message_id: mail.messageId, ...properties } },
  ])
})

test("who opened a message to several is not guessed", () => {
  const event = {
    eventType: "Open",
    mail: { ...mail, destination: ["a@example.com", "b@example.com"] },
    open: { timestamp: mail.timestamp },
  }
  expect(read(event).map((one) => one.userId)).toEqual([undefined])
})

test("the sentence with which SES tries a topic out says nothing", () => {
  expect(
    read({ ...notification, Message: "Successfully validated SNS topic for Amazon SES event publishing." }),
  ).toEqual([])
})

test("whatever JSON comes is read or refused with a fault, and what is read the door takes", () => {
  fc.assert(fc.property(fc.jsonValue(), (body) => isRead(ses, body)))
  fc.assert(
    fc.property(
      fc.nat(25),
      fc.jsonValue(),
      (n, by) => isRead(ses, replaced(bounce, n, by)) && isRead(ses, replaced(bridged(bounce), n, by)),
    ),
  )
  fc.assert(fc.property(fc.nat(10), fc.jsonValue(), (n, by) => isRead(ses, replaced(notification, n, by))))
  expect(() => read({ eventType: "Bounce" })).toThrow(
    expect.objectContaining({ code: "invalid_request", field: "mail.messageId" }),
  )
})

test("our sample is genuine by its token and is read", () => {
  expect(ses.verify(sampleOf(ses, "s3cret"), ["s3cret"], noFetch)).toBe("genuine")
  expect(told(ses.read(sampleOf(ses, "s3cret")).messages)[0]).toMatchObject({ event: "Email Delivered" })
})
