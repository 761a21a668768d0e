import { expect, test } from "vitest"
import { calendar, type Day } from "./calendar.ts"
import { person } from "./people.ts"
import { subscriptions } from "./subscriptions.ts"
import type { Told } from "./world.ts"

/** A book of subscriptions in which every draw is the same number. */
function book(drawn: number) {
  const told: { at: string; message: Told }[] = []
  const next = () => drawn
  const tell = (at: number, message: Told) => void told.push({ at: new Date(at).toISOString().slice(0, 10), message })
  const payer = person(next, { country: "GB", channel: "organic", plan: "free", mobile: 0 })
  return { paying: subscriptions({ next, scale: 1, tell }, { basic: 1900, pro: 4900 }), payer, told }
}
const noon = (_: unknown, day: Day) => day.at(12)
const days = (dayOf: (index: number) => Day, count: number) => Array.from({ length: count }, (_, index) => dayOf(index))

test("who starts on the 31st is billed at once and on the last day of each shorter month", () => {
  const { paying, payer, told } = book(0.99)
  for (const day of days(calendar("2026-01-21", "Europe/London"), 110)) {
    paying.live(day, noon, () => false)
    if (day.index === 0) paying.plan(payer, day)
  }
  const [start, ...invoices] = told
  expect(start).toMatchObject({ at: "2026-01-31", message: { properties: { plan: "pro", mrr: "49.00" } } })
  expect(invoices.map(({ at }) => at)).toEqual(["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"])
  expect(invoices.map(({ message }) => message.properties?.amount)).toEqual(["49.00", "49.00", "49.00", "49.00"])
})

test("who no longer comes cancels, and a year costs ten months, billed once", () => {
  const { paying, payer, told } = book(0.01)
  for (const day of days(calendar("2026-01-21", "Europe/London"), 110)) {
    paying.live(day, noon, () => day.index >= 40)
    if (day.index === 0) paying.plan(payer, day)
  }
  expect(told.map(({ at, message }) => [at, message.event, message.properties?.amount])).toEqual([
    ["2026-01-22", "Subscription Started", "190.00"],
    ["2026-01-22", "Invoice Paid", "190.00"],
    ["2026-03-02", "Subscription Cancelled", "190.00"],
  ])
})
