import { afterAll, beforeAll, expect, test } from "vitest"
import { startTable } from "#platform/fixture.ts"
import { BUCKETS, keys } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { commit, readHead, settle as settleViews } from "#store/views.ts"
import { call, settle } from "./fixture.ts"
import { changesOf } from "./folding.ts"
import { allRows, rowsOf } from "./pages.ts"
import { reconcile } from "./reconcile.ts"
import { Moved, memoryOf, openSnapshot } from "./snapshot.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

const users = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `u${from + i}`)
const visits = (ids: readonly string[]) => ids.map((id) => call("Tested", id))

async function pagesOf(tenant: Parameters<typeof keys.settings>[0]) {
  const buckets = Array.from({ length: BUCKETS }, (_, bucket) => table.query(keys.customers(tenant, 1, bucket)))
  return (await Promise.all(buckets)).flat().map(({ sk }) => sk)
}

test("thirty-two customers lie in one page, thirty-three in two, and every one of a thousand is found", async () => {
  const world = await settle(table)
  await world.send(visits(users(0, 32)))
  await world.fold()
  expect(await pagesOf(world.tenant)).toEqual(["00#000000000000"])
  await world.send(visits(users(32, 33)))
  await world.fold()
  expect((await pagesOf(world.tenant)).filter((sk) => sk.startsWith("01#"))).toHaveLength(2)
  await world.send(visits(users(33, 1000)))
  await world.fold()
  expect((await pagesOf(world.tenant)).filter((sk) => sk.startsWith("05#"))).toHaveLength(32)
  const snapshot = (await openSnapshot(world.needs, world.tenant))!
  const rows = await rowsOf(world.tenant, snapshot, [...users(0, 1000), "nobody"])
  expect([...rows.keys()].sort()).toEqual(users(0, 1000).sort())
  expect((await reconcile(world.needs, world.tenant)).differences).toEqual([])
})

test("a fold that changes one customer writes one page", async () => {
  const world = await settle(table)
  await world.send(visits(users(0, 100)))
  await world.fold()
  await world.send(visits(["u7"]))
  const snapshot = (await openSnapshot(world.needs, world.tenant))!
  const memory = memoryOf(snapshot)
  const rows = await rowsOf(world.tenant, snapshot, ["u7"])
  memory.customers.set("u7", rows.get("u7") as never)
  memory.changedCustomers.add("u7")
  const items = await changesOf(world.tenant, snapshot, memory)
  expect((items[0]!.value as string).split("\n")).toContain(`u7\t${JSON.stringify(rows.get("u7"))}`)
  expect(items).toEqual([
    {
      ...keys.customerPage(world.tenant, 1, 2, "u7"),
      value: expect.stringMatching(/^u\d+\t\{.*(\nu\d+\t\{.*)+$/),
    },
  ])
})

test("whoever reads while pages split sees all that was, all that is, or that the views went on", async () => {
  const world = await settle(table)
  await world.send(visits(users(0, 32)))
  await world.fold()
  const before = (await openSnapshot(world.needs, world.tenant))!
  const memory = memoryOf(before)
  for (const id of users(0, 32)) memory.customers.set(id, (await rowsOf(world.tenant, before, [id])).get(id) as never)
  memory.customers.set("late", { ...(memory.customers.get("u0") as object), id: "late" } as never)
  memory.changedCustomers.add("late")
  memory.customerCount = 33
  const items = await changesOf(world.tenant, before, memory)
  const change = { to: 2, at: "2026-05-05T00:00:00.000Z", customerCount: 33, items }
  const committed = (await commit({ ...world.needs, nonce: () => "a" }, world.tenant, before.head, change))!
  const middle = (await openSnapshot(world.needs, world.tenant))!
  expect((await rowsOf(world.tenant, middle, [...users(0, 32), "late"])).size).toBe(33)
  expect((await rowsOf(world.tenant, before, users(0, 32))).size).toBe(32)
  await settleViews(world.needs, world.tenant, committed)
  await expect(rowsOf(world.tenant, before, users(0, 32))).rejects.toThrow(Moved)
  const after = (await openSnapshot(world.needs, world.tenant))!
  expect((await readHead(world.needs, world.tenant))?.customerCount).toBe(33)
  expect((await rowsOf(world.tenant, after, [...users(0, 32), "late"])).size).toBe(33)
})

test("all rows are found of few pages, of many, and of none", async () => {
  const world = await settle(table)
  const found = async () => {
    const snapshot = (await openSnapshot(world.needs, world.tenant))!
    const ids: string[] = []
    for await (const { rows } of allRows(world.tenant, snapshot)) ids.push(...rows.map(([id]) => id))
    return ids.sort()
  }
  expect(await found()).toEqual([])
  // Of 64 pages and of 128: the first are asked for by name, the others by bucket.
  for (const count of [2048, 2049]) {
    for (let from = 0; from < count; from += 1000) await world.send(visits(users(from, Math.min(count, from + 1000))))
    await world.fold()
    expect(await found()).toEqual(users(0, count).sort())
  }
})
