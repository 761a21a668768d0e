import { expect, test } from "vitest"
import { fakeClock } from "#core/clock.ts"
import type { TenantId } from "#store/keys.ts"
import { answerCache, keptInProcess } from "./cache.ts"
import { keptContract } from "./cache-contract.ts"

const [acme, globex] = ["acme", "globex"] as TenantId[]

keptContract("in this process", () => {
  const clock = fakeClock("2026-01-31T12:00:00.000Z")
  return { kept: keptInProcess(clock), pass: async (ms) => clock.advance(ms) }
})

test("what is used least is forgotten first when there is no more room", async () => {
  const kept = keptInProcess(fakeClock("2026-01-31T12:00:00.000Z"), 1000)
  for (let i = 0; i < 100; i++) {
    await kept.put(`key ${i}`, "x".repeat(90), 60_000)
    await kept.get("key 0")
  }
  expect(await kept.get("key 0")).toBeDefined()
  expect(await kept.get("key 99")).toBeDefined()
  expect(await kept.get("key 50")).toBeUndefined()
})

test("a cache that fails is passed over and counted, for each tenant apart", async () => {
  const failing = async () => {
    throw new Error("gone")
  }
  const cache = answerCache({ kept: { get: failing, put: failing }, clock: fakeClock("2026-01-31T12:00:00.000Z") })
  await cache.put(acme!, "key", "value")
  expect(await cache.get(acme!, "key")).toBeUndefined()
  expect(cache.figures(acme!)).toMatchObject({ hits: 0, misses: 0, skipped: 1, hitRate: 0 })
  expect(cache.figures(globex!)).toMatchObject({ hits: 0, misses: 0, skipped: 0, hitRate: null })
})
