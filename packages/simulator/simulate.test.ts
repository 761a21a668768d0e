import { expect, test } from "vitest"
import { sha256 } from "#core/hash.ts"
import { type Message, toEvent } from "#events/message.ts"
import { type Simulation, simulate } from "./simulate.ts"
import type { BusinessName } from "./world.ts"

const month = (business: BusinessName, change: Partial<Simulation> = {}) => [
  ...simulate({ seed: 11, business, from: "2026-03-10", days: 30, ...change }),
]
const hash = (messages: Message[]) => sha256(messages.map((message) => JSON.stringify(message)).join("\n"))
const parsed = (message: Message) =>
  toEvent(message, { receivedAt: Date.parse("2026-04-09T12:00:00.000Z"), messageId: () => "none" })

test.each<BusinessName>(["shop", "academy", "assistant"])(
  "the same seed tells the same %s, byte for byte, and another seed another",
  (business) => {
    expect(hash(month(business))).toBe(hash(month(business)))
    expect(hash(month(business, { seed: 12 }))).not.toBe(hash(month(business)))
  },
)

test.each<BusinessName>(["shop", "academy", "assistant"])(
  "a longer %s only goes on where a shorter one ends",
  (business) => {
    const short = month(business, { days: 12 })
    expect(hash(month(business).slice(0, short.length))).toBe(hash(short))
  },
)

test.each<BusinessName>(["shop", "academy", "assistant"])(
  "the %s speaks in time order, within its days, and never twice with one id",
  (business) => {
    const messages = month(business)
    const times = messages.map((message) => message.timestamp ?? "")
    expect(times.every((time, i) => i === 0 || times[i - 1]! <= time)).toBe(true)
    expect(times[0]! >= "2026-03-09T22:00:00.000Z").toBe(true)
    expect(times.at(-1)! < "2026-04-09T04:00:00.000Z").toBe(true)
    expect(new Set(messages.map((message) => message.messageId)).size).toBe(messages.length)
  },
)

test.each<[BusinessName, number, number]>([
  ["shop", 10_593, 10],
  ["academy", 5969, 6],
  ["assistant", 10_177, 10],
])(
  "of all that the %s says (%d records) only the deliberate %d are quarantined, and none refused",
  (business, said, quarantined) => {
    const events = month(business).map(parsed)
    expect(events.filter((event) => "code" in event)).toEqual([])
    const broken = events.filter((event) => !("code" in event) && event.quarantine)
    expect([events.length, broken.length]).toEqual([said, quarantined])
  },
)

test("a business of three times the size says about three times as much", () => {
  expect(month("shop", { scale: 3 }).length / month("shop").length).toBeCloseTo(3, 0)
})

test("somebody who signs up is a stranger before and known afterwards, on the same anonymous id", () => {
  const messages = month("shop")
  const signUp = messages.find((message) => message.event === "Signed Up")!
  const mine = messages.filter((message) => message.anonymousId === signUp.anonymousId)
  expect(mine[0]).toMatchObject({ type: "page", name: "Acme Coffee" })
  expect(mine[0]).not.toHaveProperty("userId")
  const identify = mine.find((message) => message.type === "identify")
  expect(identify).toMatchObject({ userId: signUp.userId, traits: { plan: "member", country: "GB" } })
  expect(new Set(mine.flatMap((message) => message.userId ?? []))).toEqual(new Set([signUp.userId]))
})
