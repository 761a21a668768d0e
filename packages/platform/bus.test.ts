import { expect, test } from "vitest"
import type { TenantId } from "#store/keys.ts"
import { happened } from "#store/outbox.ts"
import { putEvents } from "./bus.ts"

const event = (subject: string) =>
  happened("acme" as TenantId, "alert.opened", subject, { at: "2026-01-31T12:00:00.000Z", data: { subject } })
const events = [event("one"), event("two"), event("three")]

test("the same fact has the same id, and another tenant's has another", () => {
  expect(event("one").id).toBe("evt_nzB4n-ykv0oxppK_")
  expect(happened("globex" as TenantId, "alert.opened", "one", events[0]!).id).not.toBe(events[0]!.id)
})

test("events go to the bus by their type and from us", async () => {
  const asked: unknown[] = []
  const refused = await putEvents(async (...call) => {
    asked.push(call)
    return { FailedEntryCount: 0, Entries: [{ EventId: "1" }] }
  }, "the-bus")(events.slice(0, 1))
  expect(refused).toEqual(new Set())
  const Detail = JSON.stringify({ ...events[0], origin: {} })
  const entry = { EventBusName: "the-bus", Source: "octant", DetailType: "alert.opened", Time: 1_769_860_800, Detail }
  expect(asked).toEqual([["events", "PutEvents", { Entries: [entry] }]])
})

test("an answer of 200 that has refused some of them says which", async () => {
  const Entries = [{ EventId: "1" }, { ErrorCode: "ThrottlingException", ErrorMessage: "slow down" }, { EventId: "3" }]
  const refused = await putEvents(async () => ({ FailedEntryCount: 1, Entries }), "the-bus")(events)
  expect(refused).toEqual(new Set([events[1]!.id]))
})

test("an answer that counts failures and does not say which has taken only what it names", async () => {
  const refused = await putEvents(async () => ({ FailedEntryCount: 2, Entries: [{ EventId: "1" }] }), "the-bus")(events)
  expect(refused).toEqual(new Set([events[1]!.id, events[2]!.id]))
})
