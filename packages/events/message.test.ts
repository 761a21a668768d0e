import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { DAY, instant, MINUTE } from "#core/clock.ts"
import { pack, unpack } from "#core/pack.ts"
import type { Event, Reason } from "./event.ts"
import { fieldPath, limits, parseInstant, type Received, toEvent } from "./message.ts"

const NOW = "2026-06-01T12:00:00.000Z"
const now = Date.parse(NOW)
const received = (more: Partial<Received> = {}): Received => ({ receivedAt: now, messageId: () => "made", ...more })

/** A record that is taken: everything else is told by what it changes. */
const record = (more: object = {}) => ({ type: "track", event: "Tested", userId: "u", timestamp: NOW, ...more })
const parsed = (more: object = {}, about: Partial<Received> = {}) => toEvent(record(more), received(about))
const taken = (more: object = {}, about: Partial<Received> = {}): Event => {
  const event = parsed(more, about)
  if ("code" in event) throw new Error(`refused: ${JSON.stringify(event)}`)
  return event
}
const refused = (more: object = {}, about: Partial<Received> = {}): Reason => {
  const reason = parsed(more, about)
  if (!("code" in reason)) throw new Error(`taken: ${JSON.stringify(reason)}`)
  return reason
}
/** What JSON says, which an object literal cannot. */
const json = (text: string) => JSON.parse(text) as object
const nested = (levels: number): unknown => (levels === 0 ? 1 : { in: nested(levels - 1) })

test("a call of the Segment HTTP Tracking API becomes an event with all that it says, and nothing more", () => {
  const call = {
    type: "track",
    messageId: "m1",
    userId: "u1",
    anonymousId: "a1",
    groupId: "g1",
    event: "Tested",
    properties: { plan: "pro", list: [1, { deep: null }] },
    context: { page: { path: "/a" } },
    timestamp: NOW,
    integrations: { All: true },
    released: { receivedAt: NOW },
    quarantine: null,
  }
  expect(toEvent(call, received())).toEqual({
    id: "m1",
    type: "track",
    at: NOW,
    userId: "u1",
    anonymousId: "a1",
    groupId: "g1",
    event: "Tested",
    properties: { plan: "pro", list: [1, { deep: null }] },
    context: { page: { path: "/a" } },
  })
})

test("null means absent, everywhere", () => {
  const empty = { messageId: null, anonymousId: null, previousId: null, groupId: null, name: null }
  const more = { properties: null, traits: null, context: null, originalTimestamp: null, sentAt: null }
  expect(taken({ ...empty, ...more })).toEqual({ id: "made", type: "track", at: NOW, userId: "u", event: "Tested" })
})

test("a page's or a screen's own name is kept, and a track's `event` goes before its `name`", () => {
  expect(taken({ type: "page", event: undefined, name: "Home" }).event).toBe("Home")
  expect(taken({ type: "screen", event: undefined, name: "Start" }).event).toBe("Start")
  expect(taken({ type: "page", event: undefined }).event).toBeUndefined()
  expect(taken({ name: "other" }).event).toBe("Tested")
})

test("a record without a message id is given one, and only then", () => {
  expect(taken().id).toBe("made")
  expect(taken({ messageId: "own" }, { messageId: () => expect.fail("asked for an id") }).id).toBe("own")
})

describe("why a record is refused", () => {
  test.each([
    ["a text", "x"],
    ["a number", 7],
    ["null", null],
    ["a list", [record()]],
    ["nothing", undefined],
  ])("it is %s", (_, value) => {
    expect(toEvent(value, received())).toEqual({ code: "invalid_record", field: "", message: "must be an object" })
  })

  test.each<[string, object, string]>([
    ["no type", { type: undefined }, "type"],
    ["an unknown type", { type: "purchase" }, "type"],
    ["an id that is an object", { userId: {} }, "userId"],
    ["an id that is true", { messageId: true }, "messageId"],
    ["an event's name that is a number", { event: 7 }, "event"],
    ["an empty event's name", { event: "" }, "event"],
    ["an event's name of 201 characters", { event: "x".repeat(201) }, "event"],
    ["an event's name with a line break", { event: "Order\nCompleted" }, "event"],
    ["a page's name with a NUL", { name: "\u0000" }, "name"],
    ["properties that are a list", { properties: [] }, "properties"],
    ["properties that are a text", { properties: "{}" }, "properties"],
    ["traits that are a number", { traits: 1 }, "traits"],
    ["a context that is a list", { context: [] }, "context"],
    ["a timestamp that is a number", { timestamp: now }, "timestamp"],
    ["a sentAt that is an object", { sentAt: {} }, "sentAt"],
    ["an empty user id", { userId: "" }, "userId"],
    ["an id of 257 characters", { anonymousId: "x".repeat(257) }, "anonymousId"],
  ])("%s", (_, more, field) => {
    expect(refused(more)).toMatchObject({ code: "invalid_field", field })
  })

  test.each<[string, object, string]>([
    ["a track call without its event's name", { event: undefined }, "event"],
    ["nobody whose it is", { userId: undefined }, "userId"],
    ["an alias without the id before", { type: "alias" }, "previousId"],
    ["an alias without a user", { type: "alias", userId: undefined, anonymousId: "a", previousId: "p" }, "userId"],
    ["a group call without its group", { type: "group" }, "groupId"],
  ])("%s", (_, more, field) => {
    expect(refused(more)).toMatchObject({ code: "missing_field", field })
  })

  test("eleven levels, and the place is told", () => {
    expect(taken({ properties: nested(10) as object }).properties).toEqual(nested(10))
    expect(refused({ properties: nested(11) as object })).toEqual({
      code: "too_deep",
      field: "properties.in.in.in.in.in.in.in.in.in.in",
      message: "may nest 10 levels",
    })
    expect(refused({ context: { list: [0, [[[[[[[[[]]]]]]]]]] } })).toMatchObject({
      code: "too_deep",
      field: "context.list[1][0][0][0][0][0][0][0][0]",
    })
  })

  test("a tower of a hundred thousand levels, without falling over", () => {
    const tower = json(`${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`)
    expect(refused({ traits: tower })).toMatchObject({ code: "too_deep" })
  })

  test("more than a thousand keys in one object, wherever it stands", () => {
    const wide = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]))
    expect(Object.keys(taken({ properties: wide(1000) }).properties!)).toHaveLength(1000)
    expect(refused({ properties: wide(1001) })).toEqual({
      code: "too_many_keys",
      field: "properties",
      message: "may have 1000 keys",
    })
    expect(refused({ context: { a: [wide(1001)] } })).toMatchObject({ code: "too_many_keys", field: "context.a[0]" })
  })

  test("a key of 257 characters", () => {
    expect(taken({ properties: { ["x".repeat(256)]: 1 } }).properties).toEqual({ ["x".repeat(256)]: 1 })
    expect(refused({ properties: { in: { ["x".repeat(257)]: 1 } } })).toMatchObject({
      code: "key_too_long",
      field: "properties.in",
    })
  })

  test("a key called __proto__, which would be another thing's nature", () => {
    for (const part of ["properties", "traits", "context"]) {
      expect(refused(json(`{"${part}":{"a":[{"__proto__":{"admin":true}}]}}`))).toEqual({
        code: "invalid_key",
        field: `${part}.a[0]`,
        message: "__proto__ cannot be a key",
      })
    }
    expect(taken(json('{"__proto__":{"userId":"evil"}}')).userId).toBe("u")
    expect(taken({ properties: { constructor: 1, toString: 2, hasOwnProperty: 3 } }).properties).toEqual({
      constructor: 1,
      toString: 2,
      hasOwnProperty: 3,
    })
  })

  test("traits of more than 32 KB as JSON, counted in bytes", () => {
    const traits = (letter: string, count: number) => ({ bio: letter.repeat(count) })
    const around = Buffer.byteLength(JSON.stringify({ bio: "" }))
    expect(taken({ traits: traits("x", limits.traitsBytes - around) }).traits).toBeDefined()
    const tooLarge = { code: "too_large", field: "traits", message: "traits may take 32768 bytes as JSON" }
    expect(refused({ traits: traits("x", limits.traitsBytes - around + 1) })).toEqual(tooLarge)
    expect(refused({ traits: traits("Ω", 20_000) })).toEqual(tooLarge)
  })
})

describe("when it happened", () => {
  const at = (more: object, about: Partial<Received> = {}) => {
    const { at: corrected, original, undated } = taken(more, about)
    return { at: corrected, ...(original ? { original } : {}), ...(undated ? { undated } : {}) }
  }

  test("without a time of its own it is when we heard, and says so", () => {
    expect(at({ timestamp: undefined })).toEqual({ at: NOW, undated: true })
    expect(at({ timestamp: null, sentAt: "2026-06-01T13:00:00Z" })).toEqual({ at: NOW, undated: true })
  })

  test("originalTimestamp stands in for a missing timestamp", () => {
    const original = { originalTimestamp: "2026-05-31T00:00:00Z" }
    expect(at({ timestamp: undefined, ...original })).toEqual({ at: "2026-05-31T00:00:00.000Z" })
    expect(at(original)).toEqual({ at: NOW })
    expect(refused({ timestamp: undefined, originalTimestamp: "yesterday" })).toMatchObject({
      code: "invalid_time",
      field: "originalTimestamp",
    })
  })

  test.each([
    ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"],
    ["2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500Z"],
    ["2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123Z"],
    ["2026-01-31T12:00:00,25Z", "2026-01-31T12:00:00.250Z"],
    ["2026-01-31T12:00Z", "2026-01-31T12:00:00.000Z"],
    ["2026-01-31T12:00:00", "2026-01-31T12:00:00.000Z"],
    ["2026-01-31 12:00:00", "2026-01-31T12:00:00.000Z"],
    ["2026-01-31", "2026-01-31T00:00:00.000Z"],
    ["2026-01-31t12:00:00z", "2026-01-31T12:00:00.000Z"],
    ["  2026-01-31T12:00:00Z ", "2026-01-31T12:00:00.000Z"],
    ["2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000Z"],
    ["2026-01-31T12:00:00-0530", "2026-01-31T17:30:00.000Z"],
    ["2026-01-31 12:00:00.5 +00:00", "2026-01-31T12:00:00.500Z"],
    ["2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"],
    ["2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"],
    ["0096-02-29T00:00:00Z", "0096-02-29T00:00:00.000Z"],
    ["1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"],
  ])("%s is %s: without a zone it is UTC", (timestamp, expected) => {
    expect(at({ timestamp })).toEqual({ at: expected })
  })

  test.each([
    "",
    "now",
    "1767225600",
    "2026",
    "2026-01",
    "2026-1-1",
    "2026-13-01",
    "2026-00-01",
    "2026-01-00",
    "2026-02-29",
    "2026-02-30T00:00:00Z",
    "1900-02-29",
    "2026-04-31T12:00:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T12:60:00Z",
    "2026-01-31T12:00:60Z",
    "2026-01-31T12",
    "2026-01-31T12:00:00+25:00",
    "2026-01-31T12:00:00+02:75",
    "2026-01-31T12:00:00 CET",
    "2026-01-31T12:00:00.Z",
    "20260131T120000Z",
    "31/01/2026",
    "Sat, 31 Jan 2026 12:00:00 GMT",
    "+002026-01-31T12:00:00Z",
    "-000001-01-31T12:00:00Z",
    "10000-01-01T00:00:00Z",
    "2026-01-31T12:00:00Zjunk",
    "２０２６-01-31",
  ])("%j is no instant", (timestamp) => {
    expect(refused({ timestamp })).toEqual({
      code: "invalid_time",
      field: "timestamp",
      message: "must be an instant in ISO 8601 such as 2026-01-31T12:00:00.000Z",
    })
  })

  test.each(["0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z", "0000-12-31"])(
    "there is no year 0, however it is written: %s",
    (timestamp) => {
      expect(refused({ timestamp })).toMatchObject({ code: "invalid_time", field: "timestamp" })
    },
  )

  test("a zone does not carry an instant out of the years 1 to 9999", () => {
    expect(refused({ timestamp: "0001-01-01T00:00:00+01:00" })).toMatchObject({ code: "invalid_time" })
  })

  test("neither does a client's clock that is thousands of years off", () => {
    const about = { timestamp: "0001-01-01T00:00:00Z", sentAt: "9999-01-01T00:00:00Z" }
    expect(refused(about)).toMatchObject({ code: "invalid_time", field: "sentAt" })
    expect(refused({ timestamp: "9999-12-31T23:59:59Z", sentAt: "0001-01-01T00:00:00Z" })).toMatchObject({
      code: "in_the_future",
    })
  })

  test("a client whose clock is more than a minute off is corrected, and its own word is kept", () => {
    const ahead = { timestamp: "2026-06-01T11:30:00Z", sentAt: "2026-06-01T12:01:00.001Z" }
    expect(at(ahead)).toEqual({ at: "2026-06-01T11:28:59.999Z", original: "2026-06-01T11:30:00.000Z" })
    const behind = { timestamp: "2026-05-01T00:00:00Z", sentAt: "2026-06-01T11:00:00Z" }
    expect(at(behind)).toEqual({ at: "2026-05-01T01:00:00.000Z", original: "2026-05-01T00:00:00.000Z" })
  })

  test("up to a minute is the network's and corrects nothing", () => {
    const stated = { timestamp: "2026-06-01T11:30:00Z" }
    for (const off of [0, 1, 59_999, MINUTE, -1, -MINUTE])
      expect(at({ ...stated, sentAt: instant(now + off) })).toEqual({ at: "2026-06-01T11:30:00.000Z" })
    for (const off of [MINUTE + 1, -MINUTE - 1])
      expect(at({ ...stated, sentAt: instant(now + off) })).toHaveProperty("original", "2026-06-01T11:30:00.000Z")
  })

  test("a retry that is sent later is dated the same", () => {
    const sent = (minutes: number) =>
      at(
        { timestamp: "2026-06-01T11:30:00Z", sentAt: instant(now + (60 + minutes) * MINUTE) },
        {
          receivedAt: now + minutes * MINUTE,
        },
      )
    expect(sent(7)).toEqual(sent(0))
  })

  test("the request's sentAt is used where the record has none, and one that is no instant is not used", () => {
    const stated = { timestamp: "2026-06-01T11:30:00Z" }
    const sentAt = "2026-06-01T13:00:00Z"
    expect(at(stated, { sentAt })).toHaveProperty("at", "2026-06-01T10:30:00.000Z")
    expect(at({ ...stated, sentAt: NOW }, { sentAt })).toEqual({ at: "2026-06-01T11:30:00.000Z" })
    expect(at({ ...stated, sentAt: "soon" })).toEqual({ at: "2026-06-01T11:30:00.000Z" })
  })

  test("24 hours ahead is taken, a millisecond more is not; a corrected clock is not ahead", () => {
    expect(at({ timestamp: instant(now + DAY) })).toEqual({ at: "2026-06-02T12:00:00.000Z" })
    expect(refused({ timestamp: instant(now + DAY + 1) })).toEqual({
      code: "in_the_future",
      field: "timestamp",
      message: "may be at most 24 hours ahead",
    })
    const wrongYear = { timestamp: "2027-06-01T11:59:00Z", sentAt: "2027-06-01T12:00:00Z" }
    expect(at(wrongYear)).toEqual({ at: "2026-06-01T11:59:00.000Z", original: "2027-06-01T11:59:00.000Z" })
  })
})

describe("identifiers", () => {
  test.each<[string, unknown, string]>([
    ["a whole number", 42, "42"],
    ["nought", 0, "0"],
    ["a negative number", -7, "-7"],
    ["the largest number that JSON keeps", 9007199254740991, "9007199254740991"],
    ["256 characters", "x".repeat(256), "x".repeat(256)],
    ["a decomposed letter", "Zoe\u0308", "Zo\u00eb"],
    ["a word with spaces", " a b ", " a b "],
    ["an emoji", "🦊", "🦊"],
    ["what looks like a key of ours", "T#acme#views~1", "T#acme#views~1"],
    ["a C1 control character", "a\u0085", "a\u0085"],
  ])("%s is taken as text", (_, id, text) => {
    for (const field of ["messageId", "userId", "anonymousId", "groupId"] as const) {
      const event = taken({ [field]: id })
      expect(field === "messageId" ? event.id : event[field]).toBe(text)
    }
    expect(taken({ type: "alias", previousId: id }).previousId).toBe(text)
  })

  test("one name typed in two ways is one name", () => {
    expect(taken({ userId: "Zoe\u0308" }).userId).toBe(taken({ userId: "Zo\u00eb" }).userId)
  })

  test("the length is that of the composed form", () => {
    expect(taken({ userId: "e\u0301".repeat(256) }).userId).toBe("é".repeat(256))
    expect(refused({ userId: "e\u0301".repeat(257) })).toMatchObject({ field: "userId" })
  })

  test.each([1.5, 1e21, 2 ** 53, -(2 ** 53)])("the number %d is refused: JSON may have changed it on its way", (id) => {
    expect(refused({ userId: id })).toEqual({
      code: "invalid_field",
      field: "userId",
      message: "is no whole number that JSON keeps exactly; send it as text",
    })
  })

  test.each<[string, string]>([
    ["a line break", "a\nb"],
    ["a NUL", "\u0000"],
    ["a unit separator", "a\u001fb"],
    ["a DEL", "a\u007f"],
    ["the first half of a character", "a\ud800"],
    ["the second half of a character", "\udc00a"],
  ])("%s is refused", (_, id) => {
    for (const field of ["messageId", "userId", "anonymousId", "groupId", "previousId"])
      expect(refused({ [field]: id })).toEqual({
        code: "invalid_field",
        field,
        message: "must not hold control characters or half characters",
      })
  })
})

describe("quarantine", () => {
  test.each([
    [{ order_id: "1", total: 5, coupon: null, revenue: null, products: null, channel: "" }],
    [{ order_id: "1", products: [{ product_id: "p", category: "", price: "5", quantity: null }] }],
  ])("nobody is set aside for saying null, or nothing, of what need not be said: %j", (properties) => {
    expect(taken({ event: "Order Completed", properties }).quarantine).toBeUndefined()
    expect(taken({ event: "Order Completed", properties }).properties).toEqual(properties)
  })

  test("what must be said is not said by null", () => {
    expect(taken({ event: "Order Completed", properties: { order_id: null, total: 5 } }).quarantine).toMatchObject({
      field: "properties.order_id",
    })
  })

  test("an event that breaks its own type's schema is taken with the reason, however its name is spelled", () => {
    for (const event of ["Order Completed", "order_completed", "ORDER-COMPLETED"]) {
      expect(taken({ event, properties: { order_id: "1", revenue: "12,50" } }).quarantine).toEqual({
        code: "schema",
        field: "properties.revenue",
        message: "must be a decimal such as 12.50, not negative, below 10^15, with at most 12 places",
      })
    }
    expect(taken({ event: "Order Completed" }).quarantine).toMatchObject({ field: "properties.order_id" })
    expect(
      taken({ event: "Order Completed", properties: { order_id: 1, products: [{ price: 1 }, { price: "x" }] } })
        .quarantine,
    ).toMatchObject({ field: "properties.products[1].price" })
  })

  test("an event of the tenant's own name, or of another type, is not held to a schema", () => {
    expect(taken({ event: "Orders Completed", properties: { revenue: "x" } }).quarantine).toBeUndefined()
    expect(taken({ type: "page", event: undefined, name: "Order Completed" }).quarantine).toBeUndefined()
  })
})

test("a field's path is written as one would in code", () => {
  expect(fieldPath([])).toBe("")
  expect(fieldPath(["batch", 3, "context", "page"])).toBe("batch[3].context.page")
  expect(fieldPath([0, "a"])).toBe("[0].a")
})

const anyJson = fc.jsonValue({ maxDepth: 6 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown)
const times = fc.oneof(
  fc
    .date({ min: new Date("0001-01-01"), max: new Date("2026-06-02"), noInvalidDate: true })
    .map((date) => date.toISOString()),
  fc.constantFrom("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-06-01", "soon"),
)
const ids = fc.oneof(fc.string({ unit: "binary", maxLength: 8 }), fc.double(), anyJson)
/** Mostly well-formed, so that much of it is taken. */
const anyRecord = fc.record(
  {
    type: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom("track", "identify", "page", "screen", "group", "alias") },
      { weight: 1, arbitrary: anyJson },
    ),
    event: fc.oneof(fc.constantFrom("Tested", "Order Completed", "Feature Used"), fc.string({ unit: "binary" })),
    name: fc.oneof(fc.string({ unit: "binary", minLength: 1 }), fc.constant(null)),
    messageId: ids,
    userId: fc.oneof(fc.constantFrom("u", 7), ids),
    anonymousId: fc.oneof(fc.constantFrom("a"), ids),
    previousId: fc.constantFrom("p", "q"),
    groupId: fc.constantFrom("g", 1),
    properties: fc.oneof(fc.dictionary(fc.string({ unit: "binary" }), anyJson), anyJson),
    traits: fc.oneof(fc.dictionary(fc.string({ unit: "binary" }), anyJson), anyJson),
    context: fc.dictionary(fc.string(), anyJson),
    timestamp: times,
    originalTimestamp: times,
    sentAt: times,
  },
  { requiredKeys: ["type", "event"] },
)

test("whatever JSON comes, it is taken or refused with a code and a sentence, and never throws", () => {
  fc.assert(
    fc.property(fc.oneof(anyRecord, anyJson), (any) => {
      const outcome = toEvent(any, received())
      if ("code" in outcome) {
        expect(outcome.code).toMatch(/^[a-z_]+$/)
        expect(outcome.message).not.toBe("")
      } else expect(outcome.id).not.toBe("")
    }),
    { numRuns: 400 },
  )
})

test("what is taken survives being packed byte for byte", () => {
  fc.assert(
    fc.property(anyRecord, (any) => {
      const event = toEvent(any, received())
      fc.pre(!("code" in event))
      expect(JSON.stringify(unpack(pack(event)))).toBe(JSON.stringify(event))
    }),
  )
})

test("what is taken is dated in the years 1 to 9999, as an instant that sorts as text", () => {
  fc.assert(
    fc.property(times, times, fc.constantFrom(now, Date.parse("2030-01-01")), (timestamp, sentAt, receivedAt) => {
      const event = toEvent(record({ timestamp, sentAt }), received({ receivedAt }))
      fc.pre(!("code" in event))
      for (const text of [event.at, event.original ?? event.at])
        expect(text).toMatch(/^(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    }),
    { numRuns: 300 },
  )
})

/** RFC 3339, section 5.6, without leap seconds. */
const rfc3339 = fc
  .record({
    date: fc.date({ min: new Date("0001-01-02"), max: new Date("9999-12-30"), noInvalidDate: true }),
    separator: fc.constantFrom("T", "t", " "),
    fraction: fc.option(fc.stringMatching(/^\d{1,9}$/), { nil: undefined }),
    zone: fc.oneof(
      fc.constantFrom("Z", "z"),
      fc
        .tuple(fc.constantFrom("+", "-"), fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
        .map(([sign, h, m]) => `${sign}${String(h).padStart(2, "0")}:${String(m).padStart(2, "0")}`),
    ),
  })
  .map(({ date, separator, fraction, zone }) => {
    const [day, time] = [date.toISOString().slice(0, 10), date.toISOString().slice(11, 19)]
    return { text: `${day}${separator}${time}${fraction === undefined ? "" : `.${fraction}`}${zone}` }
  })

test("every instant of RFC 3339 is read as JavaScript reads it", () => {
  fc.assert(
    fc.property(rfc3339, ({ text }) => {
      expect(parseInstant(text)).toBe(Date.parse(text.toUpperCase().replace(" ", "T")))
    }),
    { numRuns: 500 },
  )
})

test("whatever is read is an instant, and the text of an instant is read as that instant", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?$/)), (text) => {
      const ms = parseInstant(text)
      if (ms !== undefined) expect(parseInstant(instant(ms))).toBe(ms)
    }),
    { numRuns: 500 },
  )
})
