import { expect, test } from "vitest"
import type { Event, JsonObject } from "#events/event.ts"
import { differencesOf, draftOf } from "./draft.ts"

const tracked = (id: number, event: string, properties: JsonObject): Event => ({
  id: `m${id}`,
  type: "track",
  event,
  at: "2026-01-31T12:00:00.000Z",
  userId: "u1",
  properties,
})
const seats = Array.from({ length: 300 }, (_, i) =>
  tracked(i, "Seat Booked", { seat: `${i}A`, tier: i % 2 ? "gold" : "blue", ...(i % 3 ? { price: i } : {}) }),
)

test("a draft says what was always there, of which type, and the few values of a field", () => {
  expect(draftOf(seats)).toEqual({
    unknown: "observe",
    events: [
      {
        name: "Seat Booked",
        mode: "observe",
        properties: {
          price: { type: "number" },
          seat: { type: "string", required: true },
          tier: { type: "string", required: true, enum: ["blue", "gold"] },
        },
      },
    ],
  })
})

test("what was drafted from differs from the draft in nothing", () => {
  expect(differencesOf(draftOf(seats), seats)).toEqual([])
})

test("differences name the event, the field, how many, and one of them", () => {
  const plan = draftOf(seats)
  const more = [...seats, tracked(900, "Seat Booked", { seat: 5, tier: "red", row: 2 }), tracked(901, "Seat Sold", {})]
  expect(
    differencesOf(plan, more).map(({ code, field, count, of, example }) => [code, field, count, of, example]),
  ).toEqual([
    ["plan_wrong_type", "properties.seat", 1, 301, "m900"],
    ["plan_not_allowed", "properties.tier", 1, 301, "m900"],
    ["new_property", "properties.row", 1, 301, "m900"],
    ["plan_unknown_event", undefined, 1, 1, "m901"],
  ])
  expect(differencesOf(plan, [])).toEqual([{ code: "not_seen", event: "Seat Booked", count: 0, of: 0 }])
})

test("a second draft keeps what is in force", () => {
  const before = draftOf(seats)
  before.events[0]!.mode = "reject"
  before.events[0]!.properties.tier = { enum: ["gold"] }
  const after = draftOf([tracked(1, "Seat Sold", {})], before)
  expect(after.events[0]).toEqual(before.events[0])
  expect(after.events[1]).toEqual({ name: "Seat Sold", mode: "observe", properties: {} })
})
