import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { QueryInput } from "#metrics/query.ts"
import { startTable } from "#platform/fixture.ts"
import { append, batchText } from "#store/journal.ts"
import { keys } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { readHead } from "#store/views.ts"
import { call, order, type Settled, settle } from "./fixture.ts"
import { foldTenant } from "./folding.ts"
import { reconcile } from "./reconcile.ts"
import { type Happening, logs, toEvent, twinOf } from "./twin.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

const differences = async (world: Settled) => (await reconcile(world.needs, world.tenant)).differences

/** Appends happenings as one entry. */
async function appendAll(world: Settled, some: readonly Happening[]) {
  const events = some.map(toEvent)
  const head = { id: `b${some[0]?.id}`, source: "app", receivedAt: "2026-05-10T12:00:00.000Z" }
  const text = batchText(
    head,
    events.map((event) => JSON.stringify(event)),
  )
  await append(world.needs, world.tenant, [{ batches: [{ ...head, events }], text }])
}

const asked: QueryInput[] = [
  { metric: "events" },
  { metric: "active_customers", grain: "week" },
  { metric: "active_customers", grain: "total" },
  { metric: "new_customers" },
  { metric: "sessions" },
  { metric: "net_revenue", grain: "month" },
  { metric: "mrr" },
  { metric: "resolution_hours" },
  { metric: "feature_adoption", grain: "total" },
]

describe("the views", () => {
  test("say what one counts by hand, however the journal was cut into entries, folds and questions", async () => {
    await fc.assert(
      fc.asyncProperty(
        logs(40),
        fc.array(fc.tuple(fc.nat(12), fc.boolean(), fc.boolean()), { minLength: 4, maxLength: 8 }),
        async (log, steps) => {
          const world = await settle(table, { timeZone: "Europe/Athens" })
          world.clock.set("2026-11-12T12:00:00.000Z")
          const base = new Date(Math.min(...log.map(({ ms }) => ms))).toISOString().slice(0, 7)
          const range = { from: `${base}-20`, to: `${base.slice(0, 5)}${base.endsWith("03") ? "04" : "11"}-09` }
          let done = 0
          for (const [size, folds, asks] of steps) {
            await appendAll(world, log.slice(done, done + size))
            done = Math.min(done + size, log.length)
            if (folds) await world.fold()
            if (asks) await checked(world, log.slice(0, done), range)
          }
          await appendAll(world, [...log.slice(done), ...log.slice(0, 5)])
          await checked(world, log, range)
          await world.fold()
          await checked(world, log, range)
          expect(await differences(world)).toEqual([])
        },
      ),
      { numRuns: 8 },
    )
  })

  async function checked(world: Settled, log: readonly Happening[], range: { from: string; to: string }) {
    const twin = twinOf(log, "Europe/Athens")
    const wrong: unknown[] = []
    for (const query of asked) {
      const { total, series } = await world.ask({ ...range, ...query })
      const close = (a: unknown, b: unknown) =>
        a === b || (a !== null && b !== null && Math.abs(Number(a) - Number(b)) < 2e-6)
      if (!close(total, twin.figure(query.metric, range)))
        wrong.push([query.metric, total, twin.figure(query.metric, range)])
      if (query.grain !== undefined) continue
      for (const { at, value } of series) {
        const counted = twin.figure(query.metric, { from: at, to: at })
        if (!close(value, counted)) wrong.push([query.metric, at, value, counted])
      }
    }
    expect(wrong).toEqual([])
  }
})

test("a fold says whether there was something to fold", async () => {
  const world = await settle(table)
  expect(await world.fold()).toBe("nothing")
  await world.send([order("u", "5")])
  expect(await world.fold()).toBe("folded")
  expect(await world.fold()).toBe("nothing")
  expect(await readHead(world.needs, world.tenant)).toMatchObject({ position: 1, customerCount: 1, pending: undefined })
})

test("a tenant without views has nothing to fold", async () => {
  const world = await settle(table)
  expect(await foldTenant(world.needs, "nobody" as typeof world.tenant)).toBe("nothing")
})

test("a fold up to a position leaves the rest for the next", async () => {
  const world = await settle(table)
  for (const revenue of ["1", "2", "4"]) await world.send([order("u", revenue)])
  expect(await foldTenant(world.needs, world.tenant, { to: 2 })).toBe("folded")
  expect((await readHead(world.needs, world.tenant))?.position).toBe(2)
  expect(await world.total({ metric: "gross_revenue" })).toBe("7.00")
  await world.fold()
  expect(await world.total({ metric: "gross_revenue" })).toBe("7.00")
})

test("of two folds at once one wins, and everything counts once", async () => {
  const world = await settle(table)
  for (let i = 0; i < 5; i++) await world.send([order(`u${i}`, "1"), order("u", "1")])
  const outcomes = await Promise.all([world.fold(), world.fold(), world.fold()])
  expect(outcomes).toContain("folded")
  expect(await world.total({ metric: "gross_revenue" })).toBe("10.00")
  expect(await differences(world)).toEqual([])
})

test("a fold that dies after its commit is finished by the next, and is read as if it were", async () => {
  const world = await settle(table)
  await world.send([order("a", "5", { country: "GR" }), order("b", "7")])
  let puts = 0
  const dying: Table = {
    ...table,
    put: (item, condition) => {
      if (!item.pk.endsWith("#redo") && ++puts > 4) return Promise.reject(new Error("died"))
      return table.put(item, condition)
    },
  }
  await expect(foldTenant({ ...world.needs, table: dying }, world.tenant)).rejects.toThrow("died")
  expect((await readHead(world.needs, world.tenant))?.pending).toMatchObject({ to: 1 })
  expect(await world.total({ metric: "gross_revenue" })).toBe("12.00")
  await world.send([order("c", "1")])
  expect(await world.total({ metric: "active_customers" })).toBe(3)
  expect(await world.fold()).toBe("folded")
  expect(await world.total({ metric: "gross_revenue" })).toBe("13.00")
  expect(await differences(world)).toEqual([])
})

test("a question asked while a fold is being settled is answered from one moment", async () => {
  const world = await settle(table)
  for (let i = 0; i < 6; i++) await world.send([order(`u${i}`, "1", { country: `C${i}` })])
  await foldTenant(world.needs, world.tenant, { to: 3 })
  const answers: unknown[] = []
  const asking: Table = {
    ...table,
    put: async (item, condition) => {
      const done = await table.put(item, condition)
      if (/#views#1#(days|by|set|customers)/.test(item.pk))
        answers.push(
          await world.total({ metric: "average_order_value" }),
          await world.total({ metric: "active_customers" }),
        )
      return done
    },
  }
  await foldTenant({ ...world.needs, table: asking }, world.tenant)
  expect(answers.length).toBeGreaterThan(10)
  expect(new Set(answers)).toEqual(new Set(["1.00", 6]))
})

test("retries across folds count once, dated by the client or not", async () => {
  const world = await settle(table)
  const dated = call("Tested", "u")
  const undated = call("Tested", "u", {}, { timestamp: undefined })
  await world.send([dated, undated])
  await world.fold()
  world.clock.advance(20 * 3_600_000)
  await world.send([undated, dated])
  await world.fold()
  expect(await world.total({ metric: "events" })).toBe(2)
  expect(await world.ledger()).toMatchObject({ received: 4, counted: 2, duplicate: 2, balanced: true })
})

test("customers that became one stay one in the months that were folded before", async () => {
  const world = await settle(table)
  const on = (day: string) => ({ timestamp: `${day}T12:00:00Z` })
  await world.send([
    { type: "page", anonymousId: "a", messageId: "1", ...on("2025-12-31") },
    { type: "page", anonymousId: "a", messageId: "2", ...on("2026-02-01") },
    { type: "page", userId: "u", messageId: "3", ...on("2026-01-15") },
    { type: "page", userId: "u", messageId: "4", ...on("2025-12-31") },
  ])
  await world.fold()
  const customers = () =>
    world.ask({ metric: "active_customers", from: "2025-12-01", to: "2026-02-28", grain: "month" })
  expect((await customers()).series.map(({ value }) => value)).toEqual([2, 1, 1])
  await world.send([{ type: "identify", userId: "u", anonymousId: "a", messageId: "5", ...on("2026-02-02") }])
  const merged = [1, 1, 1]
  expect((await customers()).series.map(({ value }) => value)).toEqual(merged)
  await world.fold()
  expect((await customers()).series.map(({ value }) => value)).toEqual(merged)
  expect((await customers()).total).toBe(1)
  const stored = await table.query(keys.block(world.tenant, 1, "set#"))
  expect(stored.map(({ sk }) => sk)).toEqual(["2025-12", "2026-01", "2026-02"])
  expect(await differences(world)).toEqual([])
})

test("an event of the year 1 does not make a merge slow", async () => {
  const world = await settle(table)
  await world.send([
    { type: "page", anonymousId: "a", messageId: "1", timestamp: "0001-01-01T00:00:00Z" },
    { type: "page", anonymousId: "a", messageId: "2", timestamp: "2026-05-01T00:00:00Z" },
    { type: "page", userId: "u", messageId: "3", timestamp: "2026-05-01T00:00:00Z" },
  ])
  await world.fold()
  await world.send([
    { type: "identify", userId: "u", anonymousId: "a", messageId: "4", timestamp: "2026-05-02T00:00:00Z" },
  ])
  let asked = 0
  const counting: Table = {
    ...table,
    getMany: (wanted) => {
      asked += wanted.length
      return table.getMany(wanted)
    },
  }
  await foldTenant({ ...world.needs, table: counting }, world.tenant)
  expect(asked).toBeLessThan(2000)
})
