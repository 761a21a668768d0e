import { describe, expect, test } from "vitest"
import { TenantId } from "#store/tenant-id.ts"
import { limiterOf, type Request, type Windows } from "./limit.ts"
import { type PlanName, plans } from "./plans.ts"

/** Where a limiter counts, at a time that the tests set; `trips` is how often it has been asked over the network. */
export type Counting = { windows: Windows; clock: { (): number; advance(ms: number): void }; trips?: () => number }

let made = 0
/** What every limiter promises, wherever it counts. */
export function limiterContract(name: string, start: () => Counting) {
  describe(`limits counted ${name}`, () => {
    const world = () => {
      const counting = start()
      const tenant = TenantId.parse(`tenant-${process.pid}-${made++}`)
      const limiter = limiterOf(counting)
      const usual = { tenant, key: "one", route: "/v1/query", plan: "free" as PlanName }
      const send = (request: Partial<Request> = {}) => limiter.check({ ...usual, ...request })
      const sent = async (times: number, request: Partial<Request> = {}) => {
        const verdicts = []
        for (let i = 0; i < times; i++) verdicts.push(await send(request))
        return verdicts
      }
      return { ...counting, limiter, tenant, send, sent }
    }
    const { free, basic } = plans
    const { key, tenant, user, ip, route } = free.requestsPerMinute

    test("a key's requests pass up to its plan's figure, and the next is refused with the time to wait", async () => {
      const { sent, send, clock } = world()
      clock.advance(15_000)
      const passed = await sent(key, { route: "" })
      expect(passed.filter(({ allowed }) => allowed)).toHaveLength(key)
      expect(passed.at(-1)).toMatchObject({ reason: "key", limit: key, remaining: 0 })
      const refused = await send({ route: "" })
      expect(refused).toMatchObject({ allowed: false, reason: "key", limit: key, remaining: 0 })
      // The rest of the minute, and until a 60th of it has faded: five of 300.
      expect(refused.resetMs).toBe(45_000 + 1000)
    })

    test.each([1, 4])("who is refused and waits as long as it was told is let in, at a weight of %i", async (cost) => {
      const { clock, send, sent } = world()
      const asked = { user: "ada", cost, route: "" }
      await sent(Math.floor((user - 1) / cost), asked)
      await sent(2, { ...asked, cost: 4 })
      const refused = await send(asked)
      expect(refused).toMatchObject({ allowed: false, reason: "user" })
      clock.advance(refused.resetMs)
      expect(await send(asked)).toMatchObject({ allowed: true })
    })

    test("who is refused for the minute and for the day is told of the day", async () => {
      const { send } = world()
      await send({ cost: key, spends: { events: free.perDay.events } })
      expect(await send({ spends: { events: 1 } })).toMatchObject({ allowed: false, reason: "events" })
    })

    test("fifty at once are counted as fifty", async () => {
      const { send } = world()
      const weighty = { cost: Math.ceil(key / 20), route: "" }
      const verdicts = await Promise.all(Array.from({ length: 50 }, () => send(weighty)))
      expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(Math.floor(key / weighty.cost))
    })

    test.each([
      ["key", key, (i: number) => ({ key: "one", route: `/r${i}` })],
      ["tenant", tenant, (i: number) => ({ key: `k${i}`, route: `/r${i}` })],
      ["user", user, (i: number) => ({ key: `k${i}`, user: "ada", route: `/r${i}` })],
      ["ip", ip, (i: number) => ({ key: `k${i}`, ip: "192.0.2.1", route: `/r${i}` })],
      ["route", route, (i: number) => ({ key: `k${i}`, route: "/v1/query" })],
    ] as const)("%s: the request after the last that it may have is refused for it", async (reason, limit, asked) => {
      const { send } = world()
      const cost = limit / 10
      for (let i = 0; i < 10; i++) expect(await send({ cost, ...asked(i) })).toMatchObject({ allowed: true })
      expect(await send({ cost, ...asked(10) })).toMatchObject({ allowed: false, reason, limit })
    })

    test("one tenant cannot use up what is another's: not its key's, its address's or its user's", async () => {
      const { send, sent, tenant } = world()
      const same = { key: "same", user: "ada", ip: "192.0.2.1", cost: user }
      await sent(2, same)
      expect(await send(same)).toMatchObject({ allowed: false })
      expect(await send({ ...same, cost: 1, tenant: TenantId.parse(`${tenant}-other`) })).toMatchObject({
        allowed: true,
      })
    })

    test("a minute slides: half a minute into the next, half of the last still counts", async () => {
      const { clock, send } = world()
      await send({ cost: key, route: "" })
      clock.advance(90_000 - (clock() % 60_000))
      expect(await send({ cost: 1, route: "" })).toMatchObject({ allowed: true, reason: "key", remaining: key / 2 - 1 })
      clock.advance(120_000)
      expect(await send({ cost: 1, route: "" })).toMatchObject({ allowed: true, remaining: key - 1, reason: "key" })
    })

    test("a day's quota ends at its figure, names itself, and begins again at midnight UTC", async () => {
      const { clock, send } = world()
      const { aiMessages } = free.perDay
      for (let i = 0; i < 10; i++)
        expect(await send({ spends: { aiMessages: aiMessages / 10 } })).toMatchObject({ allowed: true })
      const refused = await send({ spends: { aiMessages: 1 } })
      expect(refused).toMatchObject({ allowed: false, reason: "aiMessages", limit: aiMessages, remaining: 0 })
      expect((clock() + refused.resetMs) % 86_400_000).toBe(0)
      expect(await send()).toMatchObject({ allowed: true })
      clock.advance(refused.resetMs)
      expect(await send({ spends: { aiMessages: 1 } })).toMatchObject({ allowed: true })
    })

    test("a request that is refused has used nothing of the day, so that a smaller one still fits", async () => {
      const { send, sent } = world()
      expect(await send({ spends: { events: free.perDay.events - 1 } })).toMatchObject({ allowed: true })
      expect(await sent(3, { spends: { events: 2 } })).toMatchObject([
        { allowed: false },
        { allowed: false },
        { allowed: false },
      ])
      expect(await send({ spends: { events: 1 } })).toMatchObject({ allowed: true, reason: "events", remaining: 0 })
    })

    test("what was let through and not used is given back to the day", async () => {
      const { send, limiter, tenant } = world()
      const all = free.perDay.events
      expect(await send({ spends: { events: all } })).toMatchObject({ allowed: true, remaining: 0 })
      await limiter.giveBack({ tenant, plan: "free", spends: { events: 3 } })
      expect(await send({ spends: { events: 4 } })).toMatchObject({ allowed: false, reason: "events" })
      expect(await send({ spends: { events: 3 } })).toMatchObject({ allowed: true, reason: "events", remaining: 0 })
    })

    test("a plan decides: what free refuses, basic lets pass, and enterprise has no end to a day", async () => {
      const { send } = world()
      const day = { spends: { events: free.perDay.events + 1 } }
      expect(await send(day)).toMatchObject({ allowed: false, reason: "events" })
      expect(await send({ ...day, plan: "basic" })).toMatchObject({ allowed: true })
      expect(await send({ spends: { events: basic.perDay.events * 1000 }, plan: "enterprise" })).toMatchObject({
        allowed: true,
      })
    })

    test("who errs or floods is slowed first: its requests weigh fourfold, until it has behaved for a while", async () => {
      const { limiter, clock, tenant, send } = world()
      const weight = async (): Promise<number> => {
        const before = await send({ key: "probe", route: "", cost: 1 })
        const after = await send({ key: "probe", route: "", cost: 1 })
        return before.remaining - after.remaining
      }
      expect(await weight()).toBe(1)
      for (let i = 0; i < 40; i++) limiter.note(tenant, i % 3 === 0 ? 400 : 200)
      expect(await weight()).toBe(2)
      for (let i = 0; i < 80; i++) limiter.note(tenant, 422)
      expect(await weight()).toBe(4)
      for (let i = 0; i < 500; i++) limiter.note(tenant, 503)
      expect(await weight()).toBe(1)
      for (let i = 0; i < 2000; i++) limiter.note(tenant, 404)
      expect(await weight()).toBe(4)
      clock.advance(10 * 60_000)
      expect(await weight()).toBe(1)
    })

    test("five dimensions and a quota take one round trip", async () => {
      const { send, trips } = world()
      await send({ user: "warm", ip: "192.0.2.9", spends: { events: 1 } })
      const before = trips?.() ?? 0
      await send({ user: "ada", ip: "192.0.2.1", spends: { events: 1 } })
      if (trips) expect(trips() - before).toBe(1)
    })
  })
}
