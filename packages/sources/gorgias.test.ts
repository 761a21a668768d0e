import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { bytes, delivery, isRead, NOW, replaced, sampleOf, standIn, told } from "./fixtures.ts"
import { gorgias } from "./gorgias.ts"

const read = (body: unknown) => told(gorgias.read(delivery({ body: bytes(body) })).messages)

/** Shaped as developers.gorgias.com shows a ticket and a message: instants without a zone, which are UTC. */
const ticket = {
  id: 123,
  status: "open",
  channel: "email",
  subject: "Where is my order?",
  excerpt: "It has not come",
  customer: { id: 3924, email: "john@example.com", name: "John Doe" },
  created_datetime: "2027-01-01T10:00:00.123456",
  updated_datetime: "2027-01-02T10:00:00.123456",
  closed_datetime: null,
}
const message = {
  id: 924712,
  from_agent: false,
  public: true,
  body_text: "Hello\n",
  created_datetime: "2027-01-01T10:00:00.468912",
}

test("the token that the tenant's integration sends is genuine, during a rotation the one before it too", () => {
  const verify = (token: string, secrets: string[]) =>
    gorgias.verify(delivery({ headers: token ? { "x-octant-token": token } : {}, body: bytes("{}") }), secrets)
  expect(verify("new", ["new"])).toBe("genuine")
  expect(verify("old", ["new", "old"])).toBe("genuine")
  expect(verify("older", ["new", "old"])).toMatchObject({ code: "bad_signature" })
  expect(verify("ne", ["new"])).toMatchObject({ code: "bad_signature" })
  expect(verify("new", [])).toMatchObject({ code: "bad_signature" })
  expect(verify("", ["new", ""])).toMatchObject({ code: "missing_signature" })
})

test("a ticket with its first message is opened and received", () => {
  expect(read({ trigger: "ticket-created", ticket, message })).toEqual([
    {
      id: "gorgias:ticket:123:opened",
      type: "track",
      event: "Ticket Opened",
      at: "2027-01-01T10:00:00.123Z",
      userId: "gorgias:3924",
      properties: { ticket_id: "123", channel: "email", subject: "Where is my order?", text: "It has not come" },
    },
    expect.objectContaining({
      type: "identify",
      userId: "gorgias:3924",
      traits: { email: "john@example.com", name: "John Doe" },
    }),
    expect.objectContaining({
      id: "gorgias:message:924712",
      event: "Ticket Message Received",
      at: "2027-01-01T10:00:00.468Z",
    }),
  ])
})

test("each closing of a ticket is a resolution of its own", () => {
  const closed = (at: string) => read({ ticket: { ...ticket, status: "closed", closed_datetime: at } }).at(-1)
  expect(closed("2027-01-01T11:00:00.123456")).toMatchObject({
    id: "gorgias:ticket:123:closed:2027-01-01T11:00:00.123Z",
    event: "Ticket Resolved",
    properties: { ticket_id: "123", resolution_seconds: 3600 },
  })
  expect(closed("2027-01-03T11:00:00")?.id).not.toBe(closed("2027-01-01T11:00:00.123456")?.id)
})

test("a template that renders all as text says the same as the API", () => {
  const rendered = {
    ...ticket,
    id: "123",
    closed_datetime: "None",
    customer: { ...ticket.customer, id: "3924", name: "" },
  }
  const sent = { ...message, id: "924713", from_agent: "True", public: "True" }
  expect(read({ ticket: rendered, message: sent }).map((one) => [one.id, one.event ?? one.traits])).toEqual([
    ["gorgias:ticket:123:opened", "Ticket Opened"],
    ["gorgias:ticket:123:customer", { email: "john@example.com" }],
    ["gorgias:message:924713", "Ticket Message Sent"],
  ])
})

test("a note between agents is not told; another trigger is, by its name", () => {
  const note = read({ trigger: "ticket-updated", ticket, message: { ...message, public: false } })
  expect(note.map((one) => one.event)).toEqual(["Ticket Opened", undefined, "ticket-updated"])
  expect(note.at(-1)).toMatchObject({
    at: "2027-01-02T10:00:00.123Z",
    properties: { ticket_id: "123", status: "open" },
  })
})

test("whatever JSON comes is read or refused with a fault, and what is read the door takes", () => {
  const body = {
    trigger: "ticket-updated",
    ticket: { ...ticket, status: "closed", closed_datetime: "2027-01-01" },
    message,
  }
  fc.assert(fc.property(fc.jsonValue(), (value) => isRead(gorgias, value)))
  fc.assert(fc.property(fc.nat(30), fc.jsonValue(), (n, by) => isRead(gorgias, replaced(body, n, by))))
  expect(() => read({ ticket: {} })).toThrow(expect.objectContaining({ code: "invalid_request", field: "ticket.id" }))
})

test("our sample is genuine and is read", () => {
  expect(gorgias.verify(sampleOf(gorgias, "s3cret"), ["s3cret"])).toBe("genuine")
  expect(told(gorgias.read(sampleOf(gorgias, "s3cret")).messages)).toHaveLength(3)
})

describe("the back-poll", () => {
  /** Three tickets, two a page, by a cursor that names the place behind a ticket. */
  const vendor = (count = 3) => {
    const tickets = Array.from({ length: count }, (_, i) => ({
      ...ticket,
      id: i + 1,
      updated_datetime: `2027-01-0${i + 1}T00:00:00`,
    }))
    return standIn((url) => {
      if (url.searchParams.get("order_by") !== "updated_datetime:asc") return { status: 400 }
      const start = Number(atob(url.searchParams.get("cursor") ?? "") || 0)
      const more = start + 2 < tickets.length
      const meta = { prev_cursor: null, next_cursor: more ? btoa(String(start + 2)) : null }
      return { body: { object: "list", uri: "/api/tickets", data: tickets.slice(start, start + 2), meta } }
    })
  }
  const needs = (fetch: typeof globalThis.fetch) => ({
    fetch,
    credential: "a@b.c:key",
    baseUrl: "https://acme.example",
    now: NOW,
  })
  const opened = (messages: Parameters<typeof told>[0]) =>
    told(messages)
      .filter((one) => one.event === "Ticket Opened")
      .map((one) => one.properties?.ticket_id)

  test("walks through the list, passes over what is too old, and asks the last page again", async () => {
    const { fetch, asked } = vendor()
    const first = await gorgias.poll(needs(fetch), undefined, Date.parse("2027-01-02T00:00:00Z"))
    const second = await gorgias.poll(needs(fetch), first.cursor, Date.parse("2027-01-02T00:00:00Z"))
    expect([opened(first.messages), opened(second.messages)]).toEqual([["2"], ["3"]])
    expect([first.done, second.done, second.cursor]).toEqual([false, true, first.cursor])
    expect(asked[0]?.url.pathname).toBe("/api/tickets")
    const later = vendor(4)
    expect(opened((await gorgias.poll(needs(later.fetch), second.cursor, 0)).messages)).toEqual(["3", "4"])
  })

  test("of a list of one page begins anew", async () => {
    const { fetch, asked } = vendor(1)
    const { cursor, done } = await gorgias.poll(needs(fetch), undefined, 0)
    await gorgias.poll(needs(fetch), cursor, 0)
    expect([cursor, done, asked[1]?.url.searchParams.has("cursor")]).toEqual(["", true, false])
  })

  test("waits as long as Gorgias says", async () => {
    const { fetch } = standIn(() => ({ status: 429, headers: { "Retry-after": "7" } }))
    await expect(gorgias.poll(needs(fetch), undefined, 0)).rejects.toMatchObject({
      code: "rate_limited",
      retryAfter: 7,
    })
  })
})
