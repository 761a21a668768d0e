import { expect, test } from "vitest"
import type { Message } from "#events/message.ts"
import { batches } from "./batches.ts"
import { demo, demoTenants } from "./demo.ts"
import { simulate } from "./simulate.ts"
import { truth } from "./truth.ts"

const now = Date.parse("2026-05-01T02:30:00.000Z")
const told = (id: string) => [...simulate(demo(demoTenants.find((tenant) => tenant.id === id)!, now))]

const bytesEach = (messages: Message[]) =>
  Math.round(messages.reduce((sum, message) => sum + JSON.stringify(message).length, 0) / messages.length)

test("a demo ends yesterday by the tenant's own calendar", () => {
  expect(demoTenants.map((tenant) => [tenant.id, tenant.timeZone, demo(tenant, now).from])).toEqual([
    ["acme", "Europe/London", "2026-01-01"],
    ["academy", "America/New_York", "2025-12-31"],
    ["iris", "Europe/Athens", "2026-01-01"],
  ])
})

const acme = {
  bytes: 540,
  events: 57_971,
  quarantined: 55,
  customers: 917,
  strangers: 2355,
  signUps: 699,
  orders: 2928,
  revenue: "152628.12",
  refunds: 94,
  refunded: "3884.11",
}
const academy = {
  bytes: 502,
  events: 30_563,
  quarantined: 37,
  customers: 641,
  signUps: 641,
  enrolments: 1076,
  lessons: 9525,
  subscriptions: 131,
  invoiced: "17854.00",
}
const iris = {
  bytes: 538,
  events: 46_861,
  quarantined: 54,
  customers: 960,
  sessions: 5301,
  messages: 16_718,
  tokens: "8152726",
  cost: "19.997849",
  subscriptions: 115,
  invoiced: "8784.00",
}

test.each(Object.entries({ acme, academy, iris }))(
  "the figures of %s are these, however often its batches are delivered",
  (id, { bytes, ...figures }) => {
    const messages = told(id)
    const expected = truth(messages)
    expect(expected).toMatchObject(figures)
    const delivered = [...batches(messages, 100)]
    expect(delivered.length).toBeGreaterThan(Math.ceil(messages.length / 100))
    expect(truth(delivered.flatMap((body) => body.batch))).toEqual(expected)
    expect(bytesEach(messages)).toBe(bytes)
  },
)
