import { expect, test } from "vitest"
import { fakeClock } from "#core/clock.ts"
import { type Count, type Window, windowsInProcess, windowsWithin } from "./limit.ts"
import { limiterContract } from "./limit-contract.ts"

const NOON = "2026-01-31T12:00:00.000Z"

limiterContract("in this process", () => {
  const clock = fakeClock(NOON)
  return { windows: windowsInProcess(clock), clock }
})

const minute = (id: string): Window => ({ span: "minute", id, limit: 10, cost: 1 })

test("while what is shared is away each process counts for itself, and it is said once when it goes and once when it is back", async () => {
  const said: boolean[] = []
  let away = false
  const shared = async (windows: readonly Window[]): Promise<Count[]> => {
    if (away) throw new Error("gone")
    return windows.map(() => ({ allowed: true, remaining: 99, resetMs: 1 }))
  }
  const windows = windowsWithin(shared, windowsInProcess(fakeClock(NOON)), (now) => said.push(now))
  expect(await windows([minute("a")])).toMatchObject([{ remaining: 99 }])
  away = true
  for (let i = 0; i < 10; i++) expect(await windows([minute("a")])).toMatchObject([{ allowed: true, remaining: 9 - i }])
  expect(await windows([minute("a")])).toMatchObject([{ allowed: false }])
  away = false
  expect(await windows([minute("a")])).toMatchObject([{ remaining: 99 }])
  expect(said).toEqual([true, false])
})

test("what has ended is forgotten, so that a million callers do not fill the memory", async () => {
  const clock = fakeClock(NOON)
  const windows = windowsInProcess(clock)
  for (let i = 0; i < 120_000; i++) {
    if (i % 1000 === 0) clock.advance(10_000)
    await windows([minute(`caller ${i}`)])
  }
  expect(await windows([minute("caller 119999")])).toMatchObject([{ remaining: 8 }])
})
