import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  bytes,
  delivery,
  flipped,
  isRead,
  lowerCase,
  replaced,
  sampleOf,
  samplesOf,
  told,
  vectorsOf,
} from "./fixtures.ts"
import { twilio } from "./twilio.ts"

const TOKEN = "12345"
const URL_ = "https://mycompany.com/myapp.php?foo=1&bar=2"
const form = { "content-type": "application/x-www-form-urlencoded" }
const PARAMETERS = {
  CallSid: "CA1234567890ABCDE",
  Caller: "+14158675309",
  Digits: "1234",
  From: "+14158675309",
  To: "+18005551212",
}

const signed = (signature: string, url: string, parameters: [string, string][]) =>
  delivery({
    url,
    headers: { ...form, "x-twilio-signature": signature },
    body: bytes(String(new URLSearchParams(parameters))),
  })
const json = (signature: string, url: string, body: string) =>
  delivery({ url, headers: { "content-type": "application/json", "x-twilio-signature": signature }, body: bytes(body) })

/** Every vector below is of twilio/twilio-node, spec/validation.spec.js (MIT). */
const ofUrl: [string, string, string][] = [
  ["the usual URL", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", URL_],
  [
    "https with a port, signed without",
    "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    "https://mycompany.com:1234/myapp.php?foo=1&bar=2",
  ],
  ["http with its port", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", "http://mycompany.com:1234/myapp.php?foo=1&bar=2"],
  ["https without a port, signed with 443", "kvajT1Ptam85bY51eRf/AJRuM3w=", URL_],
  ["http without a port, signed with 80", "0ZXoZLH/DfblKGATFgpif+LLRf4=", "http://mycompany.com/myapp.php?foo=1&bar=2"],
  ["a user and a password", "CukzLTc1tT5dXEDIHm/tKBanW10=", "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2"],
  ["a user alone", "2YRLlVAflCqxaNicjMpJcSTgzSs=", "https://user@mycompany.com/myapp.php?foo=1&bar=2"],
  [
    "a user and a password, signed with 443",
    "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI=",
    "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2",
  ],
  ["special characters", "dsq4Ehbj6cs+KdTkpF5sSSplOWw=", `${URL_}&Body=It's+amazing`],
]
const ADDRESS = "MessagingBinding.Address"
const ofParameters: [string, string, [string, string][]][] = [
  [
    "a list",
    "83O6e2vORAoJHUNzJjDWN1jz+BA=",
    [
      [ADDRESS, "+1325xxxxxxx"],
      [ADDRESS, "+1415xxxxxxx"],
    ],
  ],
  [
    "a list in another order",
    "83O6e2vORAoJHUNzJjDWN1jz+BA=",
    [
      [ADDRESS, "+1415xxxxxxx"],
      [ADDRESS, "+1325xxxxxxx"],
    ],
  ],
  [
    "a value twice",
    "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
    [
      ["Sid", "CA123"],
      ["SidAccount", "AC123"],
      ["Digits", "5678"],
      ["Digits", "1234"],
      ["Digits", "1234"],
    ],
  ],
]
const BODY = '{"property": "value", "boolean": true}'
const DIGEST = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
const ofJson: [string, string, string, string][] = [
  ["a body", "a9nBmqA0ju/hNViExpshrM61xv4=", `${URL_}&bodySHA256=${DIGEST}`, BODY],
  [
    "an empty object",
    "Ldidvp12m26NI7eqEvxnEpkd9Hc=",
    `${URL_}&bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a`,
    "{}",
  ],
  [
    "a URL with the digest alone",
    "y77kIzt2vzLz71DgmJGsen2scGs=",
    `https://mycompany.com/myapp.php?bodySHA256=${DIGEST}`,
    BODY,
  ],
]

describe("a delivery's signature", () => {
  test.each(ofUrl)("is genuine for %s", (_, signature, url) => {
    expect(twilio.verify(signed(signature, url, Object.entries(PARAMETERS)), ["new", TOKEN])).toBe("genuine")
  })

  test.each(ofParameters)("is genuine for %s of parameters", (_, signature, parameters) => {
    expect(twilio.verify(signed(signature, URL_, parameters), [TOKEN])).toBe("genuine")
  })

  test.each(ofJson)("is genuine for %s of JSON", (_, signature, url, body) => {
    expect(twilio.verify(json(signature, url, body), [TOKEN])).toBe("genuine")
    expect(twilio.verify(json(signature, url, `${body} `), [TOKEN])).toMatchObject({ code: "bad_signature" })
    expect(twilio.verify(json(signature, url, JSON.stringify(JSON.parse(body), null, 2)), ["other"])).toMatchObject({
      code: "bad_signature",
    })
  })

  const genuine = signed(ofUrl[0]![1], URL_, Object.entries(PARAMETERS))
  test.each([
    ["a flipped byte", { body: flipped(genuine.body) }],
    ["another parameter", { body: bytes(`${genuine.body}&x=`) }],
    ["another query", { url: `${URL_}&somethingUnexpected=true` }],
    ["another path", { url: URL_.replace("myapp", "yourapp") }],
    ["a URL that is none", { url: "?" }],
    ["a wrong signature", { headers: { ...form, "x-twilio-signature": "WRONG_SIGNATURE" } }],
    ["a digest of another body", { url: `${URL_}&bodySHA256=${DIGEST}` }],
  ])("is refused for %s", (_, changes) => {
    expect(twilio.verify({ ...genuine, ...changes }, [TOKEN])).toMatchObject({ code: "bad_signature" })
  })

  test("is refused for a JSON body whose digest the URL does not carry", () => {
    expect(twilio.verify(json(ofUrl[0]![1], URL_, BODY), [TOKEN])).toMatchObject({ code: "bad_signature" })
  })

  test.each([[["other"]], [[]], [[""]]])("is refused for the tokens %j", (secrets) => {
    expect(twilio.verify(genuine, secrets)).toMatchObject({ code: "bad_signature" })
  })

  test("is refused when there is none", () => {
    expect(twilio.verify({ ...genuine, headers: form }, [TOKEN])).toMatchObject({ code: "missing_signature" })
  })
})

describe.runIf(vectorsOf("twilio").length > 0)("the shared vectors", () => {
  test.each(vectorsOf("twilio"))("$id", ({ url = "", secret = "", headers, body, valid }) => {
    expect(
      twilio.verify(delivery({ url, headers: lowerCase(headers), body: bytes(body) }), [secret]) === "genuine",
    ).toBe(valid)
  })
})

const read = (parameters: Record<string, string>) =>
  told(twilio.read(delivery({ headers: form, body: bytes(String(new URLSearchParams(parameters))) })).messages)

test.each([
  ["sent", "Text Message Sent"],
  ["delivered", "Text Message Delivered"],
  ["undelivered", "Text Message Failed"],
  ["failed", "Text Message Failed"],
  ["queued", "message.queued"],
])("a message that is %s is told as %s, of whom it is to", (status, event) => {
  expect(read({ MessageSid: "SM1", MessageStatus: status, From: "+1501", To: "+1555", ErrorCode: "30003" })).toEqual([
    {
      id: `twilio:SM1:${status}`,
      type: "track",
      event,
      at: expect.any(String),
      undated: true,
      userId: "phone:+1555",
      properties: { message_id: "SM1", status, channel: "sms", error_code: "30003" },
    },
  ])
})

test("a callback of another kind is told by the name that it has", () => {
  expect(read({ EventType: "onMessageAdded", Sid: "IM1", AccountSid: "AC1" })[0]).toMatchObject({
    id: "twilio:IM1",
    event: "onMessageAdded",
    properties: { account_id: "AC1" },
  })
})

describe.runIf(samplesOf("twilio").length > 0)("published samples", () => {
  test("are messages received and calls, of the other side", () => {
    const events = samplesOf("twilio").flatMap(({ body }) => read(body as Record<string, string>))
    expect(events.map((one) => [one.event, one.userId])).toEqual([
      ["Text Message Received", "phone:+14155550198"],
      ["Text Message Received", "phone:+14155550198"],
      ["call.ringing", "phone:+14155550198"],
      ["call.completed", "phone:+14155550198"],
      ["call.no-answer", "phone:+14155550287"],
    ])
    expect(events[0]?.properties?.text).toBe("Running about 10 min late, on my way!")
    expect(events[3]).toMatchObject({ at: "2026-07-15T14:32:18.000Z", properties: { duration_seconds: 187 } })
  })
})

test("whatever comes is read or refused with a fault, and what is read the door takes", () => {
  const sample = {
    MessageSid: "SM1",
    MessageStatus: "delivered",
    From: "+1501",
    To: "+1555",
    Timestamp: "Wed, 15 Jul 2026 14:32:18 +0000",
  }
  const headers = { "content-type": "application/json" }
  fc.assert(fc.property(fc.jsonValue(), (body) => isRead(twilio, body, headers) && isRead(twilio, body)))
  fc.assert(fc.property(fc.nat(6), fc.jsonValue(), (n, by) => isRead(twilio, replaced(sample, n, by), headers)))
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom(...Object.keys(sample), "CallSid"), fc.string({ unit: "binary" })),
      (parameters) => isRead(twilio, String(new URLSearchParams(parameters)), form),
    ),
  )
})

test("our sample is genuine and is read", () => {
  expect(twilio.verify(sampleOf(twilio, TOKEN), [TOKEN])).toBe("genuine")
  expect(told(twilio.read(sampleOf(twilio, TOKEN)).messages)[0]).toMatchObject({ event: "Text Message Delivered" })
})
