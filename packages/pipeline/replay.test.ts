import { afterAll, beforeAll, expect, test } from "vitest"
import { MINUTE } from "#core/clock.ts"
import { unpack } from "#core/pack.ts"
import { startTable } from "#platform/fixture.ts"
import { BUCKETS, keys } from "#store/keys.ts"
import type { Table, Write } from "#store/table.ts"
import { readHead, readValues } from "#store/views.ts"
import { call, order, type Settled, settle } from "./fixture.ts"
import { foldTenant } from "./folding.ts"
import { reconcile } from "./reconcile.ts"
import { blockKinds, dropOldViews, replay } from "./replay.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

/** Some of everything that views hold. */
async function someLife(world: Settled, entries: number, foldEvery: number) {
  for (let i = 0; i < entries; i++) {
    const user = `user-${i % 7}`
    const day = `2026-0${4 + (i % 2)}-0${1 + (i % 9)}`
    const at = (hour: number) => ({ timestamp: `${day}T${String(hour).padStart(2, "0")}:30:00Z` })
    await world.send([
      order(
        user,
        `${i}.25`,
        { country: ["GR", "DE"][i % 2], products: [{ product_id: `sku-${i % 3}`, price: "1.5", quantity: 2 }] },
        { ...at(1), messageId: `o${i}` },
      ),
      {
        type: "page",
        anonymousId: `anon-${i % 5}`,
        messageId: `p${i}`,
        ...at(22),
        context: { campaign: { source: "ads" } },
      },
      {
        type: "identify",
        userId: user,
        anonymousId: `anon-${i % 5}`,
        messageId: `i${i}`,
        traits: { plan: "pro", n: i },
        ...at(23),
      },
      call(
        "Subscription Started",
        user,
        { subscription_id: `s${i % 7}`, plan: "pro", mrr: `${i}` },
        { ...at(3), messageId: `s${i}` },
      ),
      call("Response Received", user, { model: "m", response_time_ms: 10 * i }, { ...at(4), messageId: `r${i}` }),
      call("Feature Used", user, { feature: "search" }, { ...at(5), messageId: `f${i % 9}` }),
      call("Satisfaction Rated", user, { rating: 9 }, { ...at(6), messageId: `q${i}` }),
      { type: "track" },
    ])
    if (i % foldEvery === foldEvery - 1) await world.fold()
  }
}

/** Every value of a generation by its place, as the bytes that stand there say it. */
async function valuesOf(world: Settled, generation: number) {
  const found = new Map<string, string>()
  const partitions: [string, string][] = [
    ...blockKinds.map((kind): [string, string] => [kind, keys.block(world.tenant, generation, kind)]),
    ...Array.from({ length: BUCKETS }, (_, i): [string, string] => [
      `customers ${i}`,
      keys.customers(world.tenant, generation, i),
    ]),
    ["timeline", keys.timeline(world.tenant, generation)],
    ["copies", keys.copies(world.tenant, generation)],
    ["quarantine", keys.quarantine(world.tenant, generation)],
  ]
  // A page that was split holds nothing any more.
  for (const [name, pk] of partitions)
    for (const { sk, value } of await readValues({ table }, pk))
      if (value !== "") found.set(`${name} ${sk}`, JSON.stringify(value))
  const seen = new Map<string, string[]>()
  for (const { sk, value } of await readValues({ table }, keys.seen(world.tenant, generation)))
    seen.set(sk.slice(0, 10), [...(seen.get(sk.slice(0, 10)) ?? []), ...(String(value).match(/.{16}/g) ?? [])].sort())
  for (const [day, hashes] of seen) found.set(`seen ${day}`, hashes.join(""))
  return found
}

test("built anew in other cuts, every value of the views is the same, byte for byte", async () => {
  const world = await settle(table, { timeZone: "Europe/Athens" })
  await someLife(world, 60, 13)
  await world.fold()
  const before = await valuesOf(world, 1)
  const replayed = await replay(world.needs, world.tenant)
  expect(replayed).toEqual({ generation: 2, position: 60 })
  const after = await valuesOf(world, 2)
  expect([...after.keys()].sort()).toEqual([...before.keys()].sort())
  for (const [name, value] of before) expect(after.get(name), name).toBe(value)
  expect(before.size).toBeGreaterThan(50)
  expect((await reconcile(world.needs, world.tenant)).differences).toEqual([])
})

test("blocks built anew are the same bytes on the disk too", async () => {
  const world = await settle(table)
  await someLife(world, 12, 3)
  await world.fold()
  const bodies = async (generation: number) =>
    Promise.all(
      blockKinds.map(async (kind) =>
        (await table.query(keys.block(world.tenant, generation, kind))).map(({ sk, body }) => [
          sk,
          Buffer.from(body as Uint8Array).toString("hex"),
        ]),
      ),
    )
  const before = await bodies(1)
  await replay(world.needs, world.tenant)
  expect(await bodies(2)).toEqual(before)
  expect(unpack(Buffer.from(before[0]![0]![1]!, "hex"))).toHaveProperty("events")
})

test("nobody waits and nobody sees a half: the old views answer until the new ones have caught up", async () => {
  const world = await settle(table)
  await someLife(world, 8, 3)
  const revenue = () => world.total({ metric: "gross_revenue", from: "2026-04-01" })
  const before = await revenue()
  const seen: unknown[] = []
  const watching: Table = {
    ...table,
    put: async (item, condition) => {
      if (item.pk.includes("#views#2#")) seen.push(await revenue())
      return table.put(item, condition)
    },
  }
  await replay({ ...world.needs, table: watching }, world.tenant)
  expect(seen.length).toBeGreaterThan(20)
  expect(new Set(seen)).toEqual(new Set([before]))
  expect(await revenue()).toBe(before)
})

test("in another time zone a day has other figures, and back again the old ones", async () => {
  const world = await settle(table)
  await world.send([
    order("a", "1", {}, { timestamp: "2026-05-04T22:30:00Z" }),
    order("b", "2", {}, { timestamp: "2026-05-05T03:00:00Z" }),
    order("c", "4", {}, { timestamp: "2026-05-05T23:30:00Z" }),
  ])
  await world.fold()
  const days = async () => {
    const { series } = await world.ask({ metric: "gross_revenue", from: "2026-05-04", to: "2026-05-06" })
    return series.map(({ value }) => value)
  }
  expect(await days()).toEqual(["1.00", "6.00", "0.00"])
  await replay(world.needs, world.tenant, { zone: "Europe/Athens" })
  expect(await days()).toEqual(["0.00", "3.00", "4.00"])
  expect((await table.get(keys.settings(world.tenant)))?.timeZone).toBe("Europe/Athens")
  await replay(world.needs, world.tenant, { zone: "America/New_York" })
  expect(await days()).toEqual(["3.00", "4.00", "0.00"])
  await replay(world.needs, world.tenant, { zone: "UTC" })
  expect(await days()).toEqual(["1.00", "6.00", "0.00"])
  expect((await reconcile(world.needs, world.tenant)).differences).toEqual([])
})

test("in another currency other orders are at home", async () => {
  const world = await settle(table)
  await world.send([order("a", "1", { currency: "EUR" }), order("b", "2", { currency: "USD" }), order("c", "4")])
  expect(await world.total({ metric: "gross_revenue" })).toBe("5.00")
  await replay(world.needs, world.tenant, { currency: "USD" })
  const { total, currency } = await world.ask({ metric: "gross_revenue", from: "2026-05-01", grain: "total" })
  expect([total, currency]).toEqual(["6.00", "USD"])
})

const switches = (writes: readonly Write[]) => writes.some((write) => "put" in write && write.put.sk === "current")

test("a replay that was cut off goes on where it was", async () => {
  const world = await settle(table)
  await someLife(world, 6, 100)
  const dying: Table = {
    ...table,
    transact: (writes, token) => (switches(writes) ? Promise.reject(new Error("died")) : table.transact(writes, token)),
  }
  await expect(replay({ ...world.needs, table: dying }, world.tenant)).rejects.toThrow("died")
  expect((await readHead(world.needs, world.tenant))?.generation).toBe(1)
  expect((await readHead(world.needs, world.tenant, 2))?.position).toBe(6)
  const progress: number[] = []
  expect(
    (await replay(world.needs, world.tenant, { onProgress: (position) => progress.push(position) })).generation,
  ).toBe(2)
  expect(progress).toEqual([])
  expect((await reconcile(world.needs, world.tenant)).differences).toEqual([])
})

test("one that was cut off with other settings is left alone", async () => {
  const world = await settle(table)
  await world.send([order("a", "1")])
  const dying: Table = {
    ...table,
    transact: (writes, token) => (switches(writes) ? Promise.reject(new Error("died")) : table.transact(writes, token)),
  }
  await expect(replay({ ...world.needs, table: dying }, world.tenant, { zone: "Asia/Kolkata" })).rejects.toThrow("died")
  expect((await replay(world.needs, world.tenant)).generation).toBe(3)
  expect((await readHead(world.needs, world.tenant))?.zone).toBe("UTC")
})

test("of two replays at once one is told that the other was faster, and the views are right", async () => {
  const world = await settle(table)
  await someLife(world, 4, 2)
  const outcomes = await Promise.allSettled([
    replay(world.needs, world.tenant),
    replay(world.needs, world.tenant, { zone: "Asia/Kolkata" }),
  ])
  expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"])
  expect((await reconcile(world.needs, world.tenant)).differences).toEqual([])
})

test("old views are deleted when their last reader has gone, all of them and nothing else", async () => {
  const world = await settle(table)
  await someLife(world, 5, 2)
  await replay(world.needs, world.tenant)
  const left = async () => (await valuesOf(world, 1)).size
  await dropOldViews(world.needs, world.tenant)
  expect(await left()).toBeGreaterThan(20)
  world.clock.advance(11 * MINUTE)
  await dropOldViews(world.needs, world.tenant)
  expect(await left()).toBe(0)
  expect(await readHead(world.needs, world.tenant, 1)).toBeUndefined()
  expect((await reconcile(world.needs, world.tenant)).differences).toEqual([])
  expect(await foldTenant(world.needs, world.tenant, { generation: 1 })).toBe("nothing")
})

test("what is appended during a replay is counted", async () => {
  const world = await settle(table)
  await someLife(world, 4, 2)
  let sent = false
  const busy: Table = {
    ...table,
    transact: async (writes, token) => {
      if (switches(writes) && !sent) {
        sent = true
        await world.send([order("late", "1000")])
        await world.fold()
      }
      return table.transact(writes, token)
    },
  }
  const before = Number(await world.total({ metric: "gross_revenue", from: "2026-04-01" }))
  await replay({ ...world.needs, table: busy }, world.tenant)
  expect(Number(await world.total({ metric: "gross_revenue", from: "2026-04-01" }))).toBe(before + 1000)
})

test("a tenant without views cannot be replayed", async () => {
  const world = await settle(table)
  await expect(replay(world.needs, "nobody" as typeof world.tenant)).rejects.toThrow("this tenant has no views")
})

test("two replays with the same settings build one generation, and nobody sees a half of it", async () => {
  const world = await settle(table)
  for (let i = 0; i < 3; i++) await world.send([order(`u${i}`, "5")])
  await world.fold()
  let isFirst = true
  // The other one commits its first entry just before this one would.
  const shared: Table = {
    ...table,
    put: async (item, condition) => {
      if (item.pk === keys.redo(world.tenant, 2) && isFirst) {
        isFirst = false
        await foldTenant(world.needs, world.tenant, { generation: 2, to: 1 })
      }
      return table.put(item, condition)
    },
  }
  const built = await replay({ ...world.needs, table: shared }, world.tenant)
  expect(built).toEqual({ generation: 2, position: 3 })
})
