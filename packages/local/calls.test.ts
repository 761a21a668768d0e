import { afterAll, beforeAll, expect, test, vi } from "vitest"
import { type Stack, startStack } from "#local/stack.ts"
import { type DeadLetter, listDead } from "#pipeline/deadletters.ts"
import { schedules } from "#platform/topology.ts"
import { type Caller, keeper, tried } from "./calls.ts"

let stack: Stack
/** What its timer does to the schedule `close`. */
let tick: () => void
beforeAll(async () => {
  const timers = vi.spyOn(globalThis, "setInterval")
  stack = await startStack()
  const ofClose = timers.mock.calls.find(([, ms]) => ms === schedules.close.everyMs)
  tick = ofClose![0] as () => void
  timers.mockRestore()
}, 60_000)
afterAll(() => stack.stop())

const lettersOf = (name: Caller): Promise<DeadLetter[]> => listDead(stack.runtime, name, 10)
const never = new AbortController().signal
const kept: [name: string, payload: unknown, message: string][] = []
const keep = async (name: string, payload: unknown, error: unknown) =>
  void kept.push([name, payload, (error as Error).message])

test("an event that the running stack's subscriber fails at three times is a letter of notify", async () => {
  const { call } = stack.runtime
  const entry = (Detail: string) => ({
    EventBusName: "octant-local",
    Source: "octant",
    DetailType: "alert.opened",
    Time: 1_769_860_800,
    Detail,
  })
  await call("events", "PutEvents", { Entries: [entry('{"id":"no event of ours"}')] })
  await stack.idle()
  const [letter, ...others] = await lettersOf("notify")
  expect(others).toEqual([])
  expect(letter).toMatchObject({
    tenant: null,
    reason: { kind: "fault", code: "$ZodError", at: expect.any(String) },
    received: 3,
    firstSentAt: expect.any(String),
  })
  expect(JSON.parse(letter!.payload.text)).toMatchObject({
    source: "octant",
    "detail-type": "alert.opened",
    time: "2026-01-31T12:00:00.000Z",
    detail: { id: "no event of ours" },
  })
})

test("a schedule of the running stack that fails three times leaves one letter", async () => {
  const { table } = stack.runtime
  const asked = vi.spyOn(table, "query").mockRejectedValue(new TypeError("no tenants today"))
  tick()
  await expect.poll(() => asked.mock.calls.length, { timeout: 10_000 }).toBe(3)
  asked.mockRestore()
  await expect.poll(async () => (await lettersOf("close")).length, { timeout: 10_000 }).toBe(1)
  const QueueUrl = stack.runtime.queues.close.dead!
  expect(await lettersOf("close")).toMatchObject([
    { tenant: null, reason: { kind: "fault", code: "TypeError", message: "no tenants today" }, received: 3 },
  ])
  await stack.runtime.call("sqs", "PurgeQueue", { QueueUrl })
})

test("a schedule that does well at its second try leaves nothing", async () => {
  let runs = 0
  await tried(
    "check",
    async () => {
      if (++runs === 1) throw new Error("once")
    },
    { keep, ending: never },
  )()
  expect(runs).toBe(2)
  expect(kept).toEqual([])
})

test("a schedule that fails while all ends is not run again, and leaves nothing", async () => {
  const ending = new AbortController()
  let runs = 0
  const run = tried(
    "poll",
    async () => {
      runs++
      queueMicrotask(() => ending.abort())
      throw new Error("interrupted")
    },
    { keep, ending: ending.signal },
  )
  await expect(run()).rejects.toThrow("interrupted")
  expect(runs).toBe(1)
  expect(kept).toEqual([])
})

test("each schedule keeps its letters by itself, whatever was thrown", async () => {
  const queues = stack.runtime.queues
  const keeping = keeper({ ...stack.runtime, deadOf: (name) => queues[name].dead! })
  await keeping("poll", {}, "a text")
  await keeping("check", {}, new RangeError("too far"))
  const told = async (name: Caller) => (await lettersOf(name)).map(({ reason: { code, message } }) => [code, message])
  expect(await told("poll")).toEqual([["Error", "a text"]])
  expect(await told("check")).toEqual([["RangeError", "too far"]])
  expect(await told("close")).toEqual([])
})
