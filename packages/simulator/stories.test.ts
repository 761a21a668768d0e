import { describe, expect, test } from "vitest"
import type { Event } from "#events/event.ts"
import { toEvent } from "#events/message.ts"
import { calendar } from "./calendar.ts"
import { demo, demoTenants } from "./demo.ts"
import { simulate } from "./simulate.ts"
import { type Story, stories } from "./stories.ts"
import type { BusinessName } from "./world.ts"

const now = Date.parse("2026-05-01T12:00:00.000Z")

/** The events of a demo tenant with the local day and hour of each. */
function history(business: BusinessName) {
  const tenant = demoTenants.find((it) => it.business === business)!
  const options = demo(tenant, now)
  const dayOf = calendar(options.from, tenant.timeZone)
  const days = Array.from({ length: options.days }, (_, index) => dayOf(index))
  const events: (Event & { day: number; hour: number })[] = []
  let day = 0
  for (const message of simulate(options)) {
    const event = toEvent(message, { receivedAt: now, messageId: () => "none" })
    if ("code" in event) throw new Error(event.message)
    while (Date.parse(event.at) >= days[day]!.end) day++
    events.push({ ...event, day, hour: Math.floor((Date.parse(event.at) - days[day]!.start) / 3_600_000) })
  }
  return { events, days }
}
type Lived = ReturnType<typeof history>
type Told = Lived["events"][number]

/** Events a day on the days that are asked for. */
const daily = ({ events, days }: Lived, is: (event: Told) => boolean, on: (day: number) => boolean) =>
  events.filter((event) => on(event.day) && is(event)).length / days.filter(({ index }) => on(index)).length
const named = (name: string) => (event: Told) => event.event === name
const within = (story: Story) => (day: number) => day >= story.from && day <= story.to
const weekend =
  ({ days }: Lived) =>
  (day: number) =>
    [0, 6].includes(days[day]!.weekday)
const atNight = ({ events }: Lived) => events.filter(({ hour }) => hour < 6).length / events.length

describe("the shop", () => {
  const shop = history("shop")
  const mobile = (name: string) => (event: Told) =>
    event.event === name && JSON.stringify(event.context?.device) === '{"type":"mobile"}'
  const sameWeekdays = (day: number) => [-7, 7].some((shift) => within(stories.brokenCheckout)(day + shift))

  test("weekends sell a third more than other days, and nights are quiet", () => {
    const isWeekend = weekend(shop)
    const orders = (on: (day: number) => boolean) => daily(shop, named("Order Completed"), on)
    expect(orders(isWeekend) / orders((day) => !isWeekend(day))).toBeCloseTo(1.38, 2)
    expect(atNight(shop)).toBeLessThan(0.05)
  })

  test("on mobile, orders almost stop for two days while checkouts go on", () => {
    const against = (name: string) =>
      daily(shop, mobile(name), within(stories.brokenCheckout)) / daily(shop, mobile(name), sameWeekdays)
    expect(against("Order Completed")).toBeLessThan(0.2)
    expect(Math.abs(against("Checkout Started") - 1)).toBeLessThan(0.2)
  })

  test("customers who came through the influencer stop buying, and others do not", () => {
    const { from } = stories.churnWave
    const users = (influencer: boolean) =>
      new Set(
        shop.events
          .filter((event) => event.day < from && event.traits && (event.traits.channel === "influencer") === influencer)
          .map((event) => event.userId),
      )
    const kept = (influencer: boolean) => {
      const group = users(influencer)
      const orders = (event: Told) => event.event === "Order Completed" && group.has(event.userId)
      return (
        daily(shop, orders, (day) => day >= from && day < from + 21) /
        daily(shop, orders, (day) => day >= from - 21 && day < from)
      )
    }
    expect(kept(true)).toBeLessThan(0.05)
    expect(kept(false)).toBeGreaterThan(0.8)
  })

  test("the sale about doubles the orders of its middle", () => {
    const { from, to } = stories.peak
    const orders = (on: (day: number) => boolean) => daily(shop, named("Order Completed"), on)
    const usual = orders((day) => (day >= from - 14 && day < from) || (day > to && day <= to + 14))
    expect(orders((day) => day >= from + 3 && day <= to - 3) / usual).toBeCloseTo(2.2, 1)
  })

  test("the new kit is unknown before its day and half adopted two weeks after", () => {
    const { from } = stories.productLaunch
    const views = (event: Told) => event.event === "Product Viewed" && event.properties?.product_id === "cold-brew-kit"
    const share = (on: (day: number) => boolean) => daily(shop, views, on) / daily(shop, named("Product Viewed"), on)
    expect(share((day) => day < from)).toBe(0)
    const atFirst = share((day) => day < from + 7 && day >= from)
    const half = share((day) => day >= from + 12 && day <= from + 16)
    const full = share((day) => day >= from + 30)
    expect([atFirst / full, half / full].map((part) => Math.round(part * 10) / 10)).toEqual([0.1, 0.6])
  })
})

describe("the academy", () => {
  const academy = history("academy")

  test("a video brings more than ten times the usual sign-ups in one day", () => {
    const { viralDay } = stories
    const usual = daily(academy, named("Signed Up"), (day) => day > 30 && day !== viralDay.from)
    expect(daily(academy, named("Signed Up"), within(viralDay)) / usual).toBeGreaterThan(10)
    const channels = academy.events.filter((event) => event.day === viralDay.from && event.event === "Signed Up")
    expect(channels.filter((event) => event.properties?.channel === "video").length / channels.length).toBeGreaterThan(
      0.85,
    )
  })

  test("nights are quiet", () => expect(atNight(academy)).toBeLessThan(0.05))
})

describe("the assistant", () => {
  const assistant = history("assistant")

  test("weekends see half of the sessions of other days, and nights are quiet", () => {
    const isWeekend = weekend(assistant)
    const sessions = (on: (day: number) => boolean) => daily(assistant, named("Session Started"), on)
    expect(sessions(isWeekend) / sessions((day) => !isWeekend(day))).toBeCloseTo(0.47, 2)
    expect(atNight(assistant)).toBeLessThan(0.05)
  })

  test("one model is six times as slow for three days, and the others are not", () => {
    const median = (model: string, on: (day: number) => boolean) => {
      const answers = assistant.events.filter(
        (event) => event.event === "Response Received" && event.properties?.model === model && on(event.day),
      )
      const times = answers.map((event) => Number(event.properties?.response_time_ms)).toSorted((a, b) => a - b)
      return times[Math.floor(times.length / 2)]!
    }
    const slow = within(stories.slowModel)
    const slowness = (model: string) => median(model, slow) / median(model, (day) => !slow(day))
    expect(["iris-mini", "iris-large", "iris-reason"].map((model) => Math.round(slowness(model)))).toEqual([1, 6, 1])
  })

  test("the guided start makes more of its new users subscribe", () => {
    const subscribed = new Set(assistant.events.filter(named("Subscription Started")).map((event) => event.userId))
    const counted = (variant: string) => {
      const exposed = assistant.events.filter((event) => event.properties?.variant === variant)
      expect(exposed.every((event) => within(stories.experiment)(event.day))).toBe(true)
      return [exposed.length, exposed.filter((event) => subscribed.has(event.userId)).length]
    }
    expect({ control: counted("control"), guided: counted("guided") }).toEqual({
      control: [263, 25],
      guided: [241, 49],
    })
  })

  test("voice is unused before its day and adopted after", () => {
    const { from } = stories.featureLaunch
    const voice = (event: Told) => event.properties?.feature === "voice"
    expect(daily(assistant, voice, (day) => day < from)).toBe(0)
    expect(daily(assistant, voice, (day) => day >= from && day < from + 7)).toBeLessThan(2)
    expect(daily(assistant, voice, (day) => day >= from + 40)).toBeGreaterThan(10)
  })
})

test("each story belongs to its business and lies within the demo", () => {
  for (const { name, from, to } of Object.values<Story>(stories)) {
    expect([name, from >= 0, from <= to, to < 120]).toEqual([name, true, true, true])
  }
})
