import { expect, test } from "vitest"
import type { Event } from "#events/event.ts"
import type { Entry } from "#store/journal.ts"
import { type Day, observe, together } from "./observe.ts"

const event = (id: string, name: string, more: Partial<Event> = {}): Event => ({
  id,
  type: "track",
  event: name,
  at: "2026-01-31T11:59:50.000Z",
  userId: "u1",
  properties: { price: "2.50", country: "GB", empty: "" },
  ...more,
})
const entry = (position: number, events: Event[]): Entry => ({
  position,
  at: "2026-01-31T12:00:01.000Z",
  batches: [{ id: `b${position}`, source: "web", receivedAt: "2026-01-31T12:07:00.000Z", events }],
})

test("an hour knows its names, fields, values and lags; a second look at an entry changes nothing", () => {
  const day: Day = { position: 0, hours: {} }
  const dayOf = () => day
  observe(dayOf, entry(1, [event("a", "Seat Booked"), event("b", "Seat Booked", { properties: {} })]))
  day.position = 1
  observe(dayOf, entry(1, [event("a", "Seat Booked")]))
  const hour = day.hours["12"]!
  expect(hour.events).toBe(2)
  expect(hour.minutes[7]).toBe(2)
  expect(hour.maxLag).toBe(430)
  expect({ ...hour.names["Seat Booked"]!.fields }).toEqual({
    userId: 2,
    "properties.price": 1,
    "properties.country": 1,
  })
  expect({ ...hour.values.country }).toEqual({ GB: 1 })
})

test("names that objects are born with are names like any other", () => {
  const day: Day = { position: 0, hours: {} }
  const strange = ["constructor", "__proto__", "toString"]
  observe(
    () => day,
    entry(
      1,
      strange.map((name, i) => event(`m${i}`, name, { properties: { country: name, [`x${name}`]: 1 } })),
    ),
  )
  const sum = together([day.hours["12"]!, day.hours["12"]!])
  expect(strange.map((name) => sum.names[name]?.n)).toEqual([2, 2, 2])
  expect(strange.map((name) => sum.values.country![name])).toEqual([2, 2, 2])
})
