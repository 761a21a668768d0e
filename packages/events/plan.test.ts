import { expect, test } from "vitest"
import type { Event } from "./event.ts"
import { type Plan, planBreach } from "./plan.ts"

const plan: Plan = {
  unknown: "reject",
  events: [
    {
      name: "Seat Booked",
      mode: "quarantine",
      properties: {
        seat: { type: "string", required: true },
        tier: { enum: ["gold", "blue"] },
        price: { type: "number" },
      },
    },
    { name: "Seat Booked", version: "2", mode: "reject", properties: { seat_id: { required: true } } },
    { name: "identify", mode: "quarantine", properties: { email: { type: "string", required: true } } },
  ],
}
const booked = (properties: Event["properties"], more: Partial<Event> = {}): Event => ({
  id: "m1",
  type: "track",
  event: "Seat Booked",
  at: "2026-01-31T12:00:00.000Z",
  userId: "u1",
  properties,
  ...more,
})
const codeOf = (event: Event) => {
  const breach = planBreach(plan, event)
  return breach && [breach.mode, breach.reason.code, breach.reason.field]
}

test("what meets the plan passes; what it does not name is free", () => {
  expect(codeOf(booked({ seat: "12A", tier: "gold", price: 10, more: true }))).toBeUndefined()
})

test("each breach has its code and its path", () => {
  expect(codeOf(booked({}))).toEqual(["quarantine", "plan_missing_field", "properties.seat"])
  expect(codeOf(booked({ seat: null }))).toEqual(["quarantine", "plan_missing_field", "properties.seat"])
  expect(codeOf(booked({ seat: 12 }))).toEqual(["quarantine", "plan_wrong_type", "properties.seat"])
  expect(codeOf(booked({ seat: "12A", tier: "red" }))).toEqual(["quarantine", "plan_not_allowed", "properties.tier"])
  expect(codeOf(booked({}, { event: "Seat Sold" }))).toEqual(["reject", "plan_unknown_event", "event"])
})

test("a version has a line of its own; one without falls back to the line of all", () => {
  const version = (event_version: number) => ({ context: { protocols: { event_version } } })
  expect(codeOf(booked({ seat: "12A" }, version(2)))).toEqual(["reject", "plan_missing_field", "properties.seat_id"])
  expect(codeOf(booked({ seat: "12A" }, version(3)))).toBeUndefined()
})

test("calls that say who somebody is are known without a line, and held to it with one", () => {
  expect(codeOf(booked(undefined, { type: "page", event: "Home" }))).toBeUndefined()
  expect(codeOf(booked(undefined, { type: "identify", event: undefined, traits: {} }))).toEqual([
    "quarantine",
    "plan_missing_field",
    "traits.email",
  ])
})
