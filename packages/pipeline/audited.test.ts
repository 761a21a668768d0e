import { afterAll, beforeAll, expect, test } from "vitest"
import { MINUTE } from "#core/clock.ts"
import { startTable } from "#platform/fixture.ts"
import { readAudit } from "#store/audit.ts"
import { keys } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { readHead } from "#store/views.ts"
import { call, order, type Settled, settle } from "./fixture.ts"
import { check } from "./quality/check.ts"
import { release } from "./quarantine.ts"
import { replay } from "./replay.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

/** What was written down since the tenant was made. */
const deedsOf = async ({ tenant }: Settled) =>
  (await readAudit({ table }, tenant, { limit: 100 })).rows
    .reverse()
    .slice(1)
    .map(({ actor, action, subject, details }) => ({ actor, action, subject, details }))

test("a replay is written down when it begins and when its views are switched to", async () => {
  const world = await settle(table)
  await world.send([order("u", "5")])
  await replay(world.needs, world.tenant, { zone: "Asia/Kolkata" })
  const by = { actor: "operator", subject: "views 2" }
  expect(await deedsOf(world)).toEqual([
    { ...by, action: "views.replay", details: { zone: "Asia/Kolkata", currency: "EUR" } },
    { ...by, action: "views.switch", details: { before: 1 } },
  ])
})

test("a replay that cannot be written down does not begin, and one whose switch cannot be does not switch", async () => {
  const world = await settle(table)
  await world.send([order("u", "5")])
  const failing = (after: number): Table => {
    let left = after
    return {
      ...table,
      transact: (writes, token) =>
        left-- > 0 ? table.transact(writes, token) : Promise.reject(new Error("the log is away")),
    }
  }
  await expect(replay({ ...world.needs, table: failing(0) }, world.tenant)).rejects.toThrow("the log is away")
  expect(await readHead(world.needs, world.tenant, 2)).toBeUndefined()
  await expect(replay({ ...world.needs, table: failing(1) }, world.tenant)).rejects.toThrow("the log is away")
  expect((await readHead(world.needs, world.tenant))?.generation).toBe(1)
  expect((await deedsOf(world)).map(({ action }) => action)).toEqual(["views.replay"])
})

test("a release is written down before it, with the names of what was edited and not with what it holds", async () => {
  const world = await settle(table)
  await world.send([call("Order Completed", "u", {}, { messageId: "broken" })])
  const set = { order_id: "secret-7", revenue: "1" }
  const wish = { ids: ["broken"], set }
  const away = { ...world.needs, enqueue: () => Promise.reject(new Error("the queue is away")) }
  await world.reading((reading) => release(world.needs, reading, world.tenant, { ...wish, dryRun: true }))
  const look = { actor: "operator", action: "quarantine.read", subject: "1 events", details: { dryRun: true } }
  expect(await deedsOf(world)).toEqual([look])
  await expect(world.reading((reading) => release(away, reading, world.tenant, wish))).rejects.toThrow("away")
  await world.reading((reading) => release(world.needs, reading, world.tenant, wish))
  const deed = { actor: "operator", action: "quarantine.release", subject: "1 events" }
  const details = { ids: ["broken"], edited: ["order_id", "revenue"], kept: 0 }
  expect(await deedsOf(world)).toEqual([
    look,
    { ...deed, details },
    { ...deed, details: { ...details, outcome: "failed" } },
    { ...deed, details },
  ])
})

test("what a schedule mends by itself is written down as the schedule's", async () => {
  const world = await settle(table)
  // Places that their writers have left: they are filled by whoever reads.
  await table.add(keys.sequencer(world.tenant), { seq: 1001 })
  await world.send([call("Tested", "u")])
  world.clock.advance(MINUTE)
  await check({ ...world.needs, trackingPlan: async () => undefined }, world.tenant)
  expect(world.asked).toEqual(["check-0"])
  expect(await deedsOf(world)).toEqual([
    { actor: "schedule", action: "remedy.fold", subject: "check-0", details: { entries: 1002 } },
  ])
})
