import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { instant } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { bytes, delivery, flipped, isRead, NOW, replaced, sampleOf, samplesOf, standIn, told } from "./fixtures.ts"
import { zendesk } from "./zendesk.ts"

const SECRET = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="
const read = (body: unknown) => zendesk.read(delivery({ body: bytes(body) }))

describe("a delivery's signature", () => {
  /** The secret that developer.zendesk.com documents for tests; the signature is derived with the documented scheme. */
  const documented = delivery({
    headers: {
      "x-zendesk-webhook-signature": "xUtCUOUj5TXkGSQ6SnxFAFh2MCcz4hhvvZUvAhh/8zo=",
      "x-zendesk-webhook-signature-timestamp": "2026-07-22T10:00:00Z",
    },
    body: bytes('{"test":true}'),
    receivedAt: Date.parse("2026-07-22T10:00:00Z"),
  })
  const verify = (changes: Partial<typeof documented> = {}, secrets = [SECRET]) =>
    zendesk.verify({ ...documented, ...changes }, secrets)

  test("is genuine for the documented test secret, used as text", () => {
    expect(verify()).toBe("genuine")
    expect(verify({}, ["new secret", SECRET])).toBe("genuine")
  })

  test.each([
    ["a flipped byte", { body: flipped(documented.body) }],
    ["the same JSON written otherwise", { body: bytes('{ "test": true }') }],
    ["another signature", { headers: { ...documented.headers, "x-zendesk-webhook-signature": "AAAA" } }],
  ])("is refused for %s", (_, changes) => {
    expect(verify(changes)).toMatchObject({ code: "bad_signature" })
  })

  test.each([[["other"]], [[]], [[""]]])("is refused for the secrets %j", (secrets) => {
    expect(verify({}, secrets)).toMatchObject({ code: "bad_signature" })
  })

  test.each(Object.keys(documented.headers))("is refused without %s", (name) => {
    expect(verify({ headers: { ...documented.headers, [name]: "" } })).toMatchObject({ code: "missing_signature" })
  })

  test.each([301, -301])("is stale %i seconds away", (seconds) => {
    expect(verify({ receivedAt: documented.receivedAt + seconds * 1000 })).toMatchObject({ code: "stale" })
    const moved = instant(documented.receivedAt + seconds * 1000)
    const headers = { ...documented.headers, "x-zendesk-webhook-signature-timestamp": moved }
    expect(verify({ headers })).toMatchObject({ code: "stale" })
    expect(verify({ headers, receivedAt: documented.receivedAt + seconds * 1000 })).toMatchObject({
      code: "bad_signature",
    })
  })

  test("is within five minutes either way", () => {
    expect(verify({ receivedAt: documented.receivedAt + 300_000 })).toBe("genuine")
    expect(verify({ receivedAt: documented.receivedAt - 300_000 })).toBe("genuine")
  })
})

const detail = {
  id: "5158",
  requester_id: "84473",
  status: "OPEN",
  subject: "Cannot log in",
  description: "The app does not take my password.",
  via: { channel: "email" },
  created_at: "2027-01-08T10:12:07Z",
  updated_at: "2027-01-08T14:25:30Z",
}
const event = (type: string, change: object) => ({
  account_id: 22129848,
  detail,
  event: change,
  id: "d4f5c389",
  subject: "zen:ticket:5158",
  time: "2027-01-08T14:25:30.123456789Z",
  type: `zen:event-type:${type}`,
})

test("a new ticket is opened by its requester, with its first words", () => {
  expect(told(read(event("ticket.created", {})).messages)).toEqual([
    {
      id: "zendesk:ticket:5158:opened",
      type: "track",
      event: "Ticket Opened",
      at: "2027-01-08T10:12:07.000Z",
      userId: "zendesk:84473",
      properties: { ticket_id: "5158", channel: "email", subject: detail.subject, text: detail.description },
    },
  ])
})

test("a ticket that becomes solved is resolved, so many seconds after it was opened", () => {
  const [resolved] = told(read(event("ticket.status_changed", { current: "SOLVED", previous: "OPEN" })).messages)
  expect(resolved).toMatchObject({ event: "Ticket Resolved", at: "2027-01-08T14:25:30.123Z" })
  expect(resolved?.properties).toEqual({ ticket_id: "5158", resolution_seconds: 4 * 3600 + 13 * 60 + 23 })
})

test("a public comment is sent by an agent or received from anybody else; a note is neither", () => {
  const comment = (is_staff: boolean, is_public = true) =>
    told(
      read(
        event("ticket.comment_added", { comment: { id: 987, body: "Hello", is_public, author: { id: 7, is_staff } } }),
      ).messages,
    )
  expect(comment(true)[0]).toMatchObject({
    id: "zendesk:comment:987",
    event: "Ticket Message Sent",
    userId: "zendesk:84473",
  })
  expect(comment(false)[0]).toMatchObject({ event: "Ticket Message Received", properties: { text: "Hello" } })
  expect(comment(true, false)[0]).toMatchObject({ event: "zen:event-type:ticket.comment_added" })
  expect(JSON.stringify(comment(true, false))).not.toContain("Hello")
})

test("an event that we do not know is told by Zendesk's own name, and a user's says who it is", () => {
  const user = {
    ...event("user.created", {}),
    subject: "zen:user:6596848315901",
    detail: { id: "6596848315901", email: "ada@example.com" },
  }
  expect(told(read(user).messages)).toMatchObject([
    { id: "zendesk:d4f5c389", event: "zen:event-type:user.created", userId: "zendesk:6596848315901" },
    { type: "identify", userId: "zendesk:6596848315901", traits: { email: "ada@example.com" } },
  ])
})

test("words are cut at two thousand characters", () => {
  const long = { ...event("ticket.created", {}), detail: { ...detail, description: "x".repeat(5000) } }
  expect(String(told(read(long).messages)[0]?.properties?.text)).toHaveLength(2000)
})

describe.runIf(samplesOf("zendesk").length > 0)("published samples", () => {
  test("of triggers are opened, updated and resolved tickets", () => {
    const names = samplesOf("zendesk").map(({ body }) => told(read(body).messages).map((one) => one.event ?? one.type))
    expect(names).toEqual([
      ["Ticket Opened", "identify"],
      ["Ticket Opened", "identify", "Ticket Updated"],
      ["Ticket Opened", "identify", "Ticket Updated"],
      ["Ticket Opened", "identify", "Ticket Updated"],
      ["Ticket Opened", "identify", "Ticket Resolved"],
    ])
    const solved = told(read(samplesOf("zendesk")[4]!.body).messages).at(-1)
    expect(solved).toMatchObject({ userId: "email:jamie.chen@example.com", properties: { resolution_seconds: 5258 } })
  })
})

test("whatever JSON comes is read or refused with a fault, and what is read the door takes", () => {
  const samples = [
    event("ticket.created", {}),
    event("ticket.comment_added", { comment: { id: 1, is_public: true } }),
    { ticket_id: 1, ...detail },
  ]
  fc.assert(fc.property(fc.jsonValue(), (body) => isRead(zendesk, body)))
  fc.assert(
    fc.property(fc.constantFrom(...samples), fc.nat(30), fc.jsonValue(), (body, n, by) =>
      isRead(zendesk, replaced(body, n, by)),
    ),
  )
  expect(() => zendesk.read(delivery({ body: bytes("") }))).toThrow(Fault)
  expect(() => read({ type: "zen:event-type:ticket.created" })).toThrow(
    expect.objectContaining({ code: "invalid_request", field: "id" }),
  )
})

test("our sample is genuine and is read", () => {
  expect(zendesk.verify(sampleOf(zendesk, "s3cret"), ["s3cret"])).toBe("genuine")
  expect(told(zendesk.read(sampleOf(zendesk, "s3cret")).messages)[0]).toMatchObject({
    event: "Ticket Opened",
    at: instant(NOW),
  })
})

describe("the back-poll", () => {
  const tickets = [1, 2, 3].map((id) => ({ ...detail, id, status: id === 2 ? "solved" : "open" }))
  const users = [{ id: 84473, name: "Ada", email: "ada@example.com" }]
  const metric_sets = [{ ticket_id: 2, solved_at: "2027-01-08T11:12:07Z" }]
  /** Cursors are opaque: this one's are `page-<n>`, two tickets a page. */
  const vendor = () =>
    standIn((url) => {
      if (!url.searchParams.has("cursor") && !url.searchParams.has("start_time")) return { status: 400 }
      const page = Number(/\d+$/.exec(url.searchParams.get("cursor") ?? "page-0")?.[0])
      const after_cursor = page < 2 ? `page-${page + 1}` : null
      const listed = tickets.slice(page * 2, page * 2 + 2)
      return { body: { tickets: listed, users, metric_sets, after_cursor, end_of_stream: page >= 1 } }
    })
  const needs = (fetch: typeof globalThis.fetch) => ({
    fetch,
    credential: "a@b.c/token:key",
    baseUrl: "https://acme.example/",
    now: NOW,
  })

  test("walks through the export by Zendesk's cursor and tells the same facts as the webhook", async () => {
    const { fetch, asked } = vendor()
    const first = await zendesk.poll(needs(fetch), undefined, NOW - 86_400_000)
    const second = await zendesk.poll(needs(fetch), first.cursor, NOW)
    expect([first.done, second.done, second.cursor]).toEqual([false, true, "page-2"])
    expect(
      asked.map(({ url }) => `${url.pathname} ${url.searchParams.get("start_time") ?? url.searchParams.get("cursor")}`),
    ).toEqual([
      `/api/v2/incremental/tickets/cursor.json ${NOW / 1000 - 86_400}`,
      "/api/v2/incremental/tickets/cursor.json page-1",
    ])
    expect(new Headers(asked[0]?.init.headers).get("authorization")).toBe(`Basic ${btoa("a@b.c/token:key")}`)
    const events = told([...first.messages, ...second.messages])
    expect(events.filter((one) => one.event === "Ticket Opened").map((one) => one.id)).toEqual(
      ["1", "2", "3"].map((id) => `zendesk:ticket:${id}:opened`),
    )
    expect(events.find((one) => one.event === "Ticket Resolved")).toMatchObject({
      at: "2027-01-08T11:12:07.000Z",
      userId: "zendesk:84473",
      properties: { resolution_seconds: 3600 },
    })
    expect(events.find((one) => one.type === "identify")?.traits).toEqual({ email: "ada@example.com", name: "Ada" })
  })

  test("asks for nothing of the last minute, and resumes where no cursor came", async () => {
    const { fetch, asked } = standIn(() => ({ body: { tickets: [], after_cursor: null, end_of_stream: true } }))
    const { cursor } = await zendesk.poll(needs(fetch), undefined, NOW)
    await zendesk.poll(needs(fetch), cursor, NOW)
    expect(asked.map(({ url }) => url.searchParams.get("start_time"))).toEqual([
      String(NOW / 1000 - 61),
      String(NOW / 1000 - 61),
    ])
  })

  test("waits as long as Zendesk says", async () => {
    const { fetch } = standIn(() => ({ status: 429, headers: { "retry-after": "93" } }))
    await expect(zendesk.poll(needs(fetch), undefined, NOW)).rejects.toMatchObject({
      code: "rate_limited",
      retryAfter: 93,
    })
  })
})
