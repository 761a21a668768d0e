import { expect, test } from "vitest"
import type { JsonObject } from "#events/event.ts"
import { type Call, callsOf } from "./calls.ts"
import type { Rule } from "./mapping.ts"
import { newTally } from "./tally.ts"

const rule: Rule = {
  event: "Paid",
  where: [],
  timestamp: "at",
  timeZone: "UTC",
  userId: "who",
  properties: { amount: "amount" },
}

async function made(rules: readonly Rule[] | undefined, ...lines: JsonObject[]) {
  const tally = newTally()
  async function* rows() {
    for (const [i, cells] of lines.entries()) yield { line: i + 2, cells }
  }
  const calls: Call[] = []
  for await (const call of callsOf(rows(), rules, tally)) calls.push(call)
  const { refuse: _, ...counts } = tally
  return {
    calls,
    messages: calls.map(({ message }) => message),
    ids: calls.map(({ message }) => message.messageId),
    ...counts,
  }
}
const line = (amount: string, who = "u1") => ({ at: "2026-01-31 12:00:00", who, amount })

test("a line becomes an event, its empty cells are left out", async () => {
  const { messages } = await made([rule], line(""), line("5"))
  expect(messages).toEqual([
    {
      messageId: expect.stringMatching(/^import-.{16}$/),
      type: "track",
      event: "Paid",
      timestamp: "2026-01-31T12:00:00.000Z",
      userId: "u1",
      properties: {},
    },
    {
      messageId: expect.any(String),
      type: "track",
      event: "Paid",
      timestamp: "2026-01-31T12:00:00.000Z",
      userId: "u1",
      properties: { amount: "5" },
    },
  ])
})

test("equal lines each have an id of their own, and the same ones when the file comes again, longer or in another order", async () => {
  const first = await made([rule], line("5"), line("7"), line("5"))
  expect(new Set(first.ids).size).toBe(3)
  const again = await made([{ ...rule, properties: {} }], line("7"), line("5"), line("5"), line("9"))
  expect(new Set(again.ids).intersection(new Set(first.ids)).size).toBe(3)
})

test("the first rule whose conditions hold takes a line; one that none takes is skipped", async () => {
  const refund: Rule = {
    ...rule,
    event: "Refunded",
    where: [{ column: "amount", op: "lt", value: 0 }],
    properties: { amount: { column: "amount", negate: true } },
  }
  const paid: Rule = { ...rule, where: [{ column: "amount", op: "exists" }] }
  const { messages, lines, skipped } = await made([refund, paid], line("-2.50"), line("0"), line(""))
  expect(messages.map(({ event, properties }) => [event, properties])).toEqual([
    ["Refunded", { amount: "2.5" }],
    ["Paid", { amount: "0" }],
  ])
  expect({ lines, skipped }).toEqual({ lines: 3, skipped: 1 })
})

test.each<[Rule["where"][number]["op"], unknown, string[]]>([
  ["eq", 12.5, ["12.50"]],
  ["eq", "12.5", []],
  ["ne", "b", ["12.50", "C9", ""]],
  ["in", ["b", "C9"], ["b", "C9"]],
  ["gt", 12, ["12.50"]],
  ["lte", "12.5", ["12.50"]],
  ["gte", "a", ["b"]],
  ["starts_with", "C", ["C9"]],
  ["not_starts_with", "C", ["12.50", "b", ""]],
  ["exists", undefined, ["12.50", "b", "C9"]],
  ["exists", false, [""]],
])("where %s %j takes %j", async (op, value, expected) => {
  const where = [{ column: "amount", op, value }] as Rule["where"]
  const { messages } = await made(
    [{ ...rule, where, properties: { amount: "amount" } }],
    line("12.50"),
    line("b"),
    line("C9"),
    line(""),
  )
  expect(messages.map(({ properties }) => (properties as JsonObject).amount ?? "")).toEqual(expected)
})

test("lines of one group become one event with a product each, wherever they lie", async () => {
  const grouped: Rule = {
    ...rule,
    event: "Order Completed",
    groupBy: "order",
    properties: { order_id: "order" },
    lines: { price: "amount", quantity: { const: 2 } },
  }
  const of = (order: string, amount: string) => ({ order, ...line(amount) })
  const { calls, ids } = await made([grouped], of("1", "5"), of("2", "7"), of("1", "5"))
  expect(calls.map(({ line, lines, message }) => [line, lines, message.properties])).toEqual([
    [
      2,
      2,
      {
        order_id: "1",
        products: [
          { price: "5", quantity: 2 },
          { price: "5", quantity: 2 },
        ],
      },
    ],
    [3, 1, { order_id: "2", products: [{ price: "7", quantity: 2 }] }],
  ])
  expect((await made([grouped], of("1", "5"), of("1", "5"), of("2", "7"))).ids).toEqual(ids)
  expect((await made([grouped], of("1", "5"), of("1", "6"))).ids[0]).not.toBe(ids[0])
})

test("a line that does not fit spoils its group, for an order short of a line would count less", async () => {
  const grouped: Rule = { ...rule, groupBy: "order", lines: { quantity: { column: "amount", negate: true } } }
  const of = (order: string, amount: string, who = "u1") => ({ order, ...line(amount, who) })
  const { calls, refusedLines, reasons } = await made(
    [grouped],
    of("1", "5"),
    of("2", "7"),
    of("1", "five"),
    of("3", "1"),
    of("3", "1", "u2"),
    of("", "1"),
  )
  expect(calls.map(({ line }) => line)).toEqual([3])
  expect(refusedLines).toBe(5)
  expect(reasons).toEqual([
    { line: 7, reason: "order is empty" },
    { line: 2, reason: 'line 4: amount is not a number: "five"' },
    { line: 5, reason: "line 6: the lines of one group name different customers" },
  ])
})

test("a line without a userId goes to its anonymousId, or is refused", async () => {
  const both: Rule = { ...rule, anonymousId: "amount" }
  expect(
    (await made([both], line("5", ""), line("6"))).messages.map(({ userId, anonymousId }) => [userId, anonymousId]),
  ).toEqual([
    [undefined, "5"],
    ["u1", undefined],
  ])
  expect((await made([rule], line("5", " "))).reasons).toEqual([
    { line: 2, reason: "nobody is named: userId has no value, and neither has anonymousId" },
  ])
})

test("a time that is none refuses its line", async () => {
  const { reasons } = await made([rule], { ...line("5"), at: "12/1/2010 8:26" }, { ...line("5"), at: "" })
  expect(reasons).toEqual([
    { line: 2, reason: 'at is not ISO 8601 such as 2026-01-31 12:00:00: "12/1/2010 8:26"' },
    { line: 3, reason: "at is empty" },
  ])
})

test("what a CSV gives as text can be made a number or a boolean", async () => {
  const typed: Rule = {
    ...rule,
    properties: { rating: { column: "amount", as: "number" }, success: { column: "ok", as: "boolean" } },
  }
  const { messages, reasons } = await made([typed], { ...line("4.5"), ok: "Yes" }, { ...line("3"), ok: "maybe" })
  expect(messages.map(({ properties }) => properties)).toEqual([{ rating: 4.5, success: true }])
  expect(reasons).toEqual([{ line: 3, reason: 'ok is neither true nor false: "maybe"' }])
})

test("a line that is a call already keeps its id or is given one, and loses its sentAt", async () => {
  const call = {
    type: "track",
    event: "Paid",
    userId: "u1",
    sentAt: "2010-01-01T00:00:00Z",
    timestamp: "2010-01-01T00:00:00Z",
  }
  const { messages, reasons } = await made(
    undefined,
    { ...call, messageId: "m1" },
    call,
    call,
    { hello: "world" },
    { ...call, timestamp: null },
  )
  const { sentAt: _, ...rest } = call
  expect(messages).toEqual([
    { ...rest, messageId: "m1" },
    { ...rest, messageId: expect.stringMatching(/^import-/) },
    { ...rest, messageId: expect.stringMatching(/^import-/) },
  ])
  expect(messages[1]!.messageId).not.toBe(messages[2]!.messageId)
  expect(reasons).toEqual([
    { line: 5, reason: "is no tracking call (it has no type): give a --mapping" },
    { line: 6, reason: "has no timestamp: sent again another day, it would count again" },
  ])
})
