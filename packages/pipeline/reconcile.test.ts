import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { pack, unpack } from "#core/pack.ts"
import { startTable } from "#platform/fixture.ts"
import { BUCKETS, keys } from "#store/keys.ts"
import type { Key, Table } from "#store/table.ts"
import { call, order, type Settled, settle } from "./fixture.ts"
import { reconcile } from "./reconcile.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

async function folded() {
  const world = await settle(table)
  await world.send([
    order("ada", "5.10", { country: "GR" }),
    order("bob", "7", { country: "DE" }),
    call("Satisfaction Rated", "ada", { rating: 9 }, { messageId: "q" }),
    { type: "page", userId: "ada", anonymousId: "a", messageId: "p", timestamp: "2026-05-05T12:00:00Z" },
  ])
  await world.fold()
  return world
}
/** Changes one stored value behind everybody's back. */
async function tamper({ pk, sk }: Key, change: (value: never) => unknown) {
  const item = (await table.get({ pk, sk }))!
  await table.put({ ...item, body: pack(change(unpack(item.body as Uint8Array) as never)) })
}
/** The same with the rows of a customers' page. */
const tamperRows = (key: Key, change: (rows: [id: string, row: string][]) => [string, string][]) =>
  tamper(key, (page: string) => {
    const rows = page.split("\n").map((line) => line.split("\t") as [string, string])
    return change(rows)
      .map((row) => row.join("\t"))
      .join("\n")
  })
const found = async (world: Settled) => (await reconcile(world.needs, world.tenant)).differences

test("views that nobody touched are what the journal says", async () => {
  const world = await folded()
  const { differences, events, position, compared } = await reconcile(world.needs, world.tenant)
  expect([differences, events, position]).toEqual([[], 4, 1])
  expect(compared).toBeGreaterThan(15)
})

test("what is not folded yet is no difference", async () => {
  const world = await folded()
  await world.send([order("ada", "1")])
  expect(await reconcile(world.needs, world.tenant)).toMatchObject({ differences: [], events: 4, position: 1 })
})

test("a customer without anything that counts, and taken back figures, are no difference", async () => {
  const world = await folded()
  await world.send([
    { type: "alias", userId: "ada", previousId: "bob", messageId: "x", timestamp: "2026-05-06T00:00:00Z" },
  ])
  await world.fold()
  expect(await found(world)).toEqual([])
})

describe("tampering with one stored value is found and named:", () => {
  test("a day's revenue", async () => {
    const world = await folded()
    const key = { pk: keys.block(world.tenant, 1, "days"), sk: "2026-05" }
    await tamper(key, (days: { gross_revenue: Record<string, unknown[]> }) => ({
      ...days,
      gross_revenue: { "": [5, "12.2"] },
    }))
    const [difference, ...others] = await found(world)
    expect(others).toEqual([])
    expect(difference).toMatchObject({
      what: `${key.pk}|2026-05`,
      stored: { gross_revenue: { "": [5, "12.2"] } },
      recounted: { gross_revenue: { "": [5, "12.1"] } },
    })
  })

  test("a customer's orders", async () => {
    const world = await folded()
    const key = keys.customerPage(world.tenant, 1, 0, "bob")
    await tamperRows(key, (rows) =>
      rows.map(([id, row]) => [id, id === "bob" ? JSON.stringify({ ...JSON.parse(row), orders: 2 }) : row]),
    )
    expect(await found(world)).toMatchObject([
      { what: `${key.pk}|${key.sk}|bob`, stored: { id: "bob", orders: 2 }, recounted: { id: "bob", orders: 1 } },
    ])
  })

  test("whose name a name stands for", async () => {
    const world = await folded()
    const key = keys.customerPage(world.tenant, 1, 0, "a")
    await tamperRows(key, (rows) => rows.map(([id, row]) => [id, id === "a" ? `{"root":"bob"}` : row]))
    expect(await found(world)).toEqual([
      { what: `${key.pk}|${key.sk}|a`, stored: { root: "bob" }, recounted: { root: "ada" } },
    ])
  })

  test("a value that is missing, and one that is too much", async () => {
    const world = await folded()
    const key = keys.customerPage(world.tenant, 1, 0, "bob")
    await tamperRows(key, (rows) => [
      ...rows.filter(([id]) => id !== "bob"),
      ["eve", rows.find(([id]) => id === "ada")![1]],
    ])
    const differences = await found(world)
    expect(differences).toHaveLength(2)
    expect(differences).toContainEqual({
      what: `${key.pk}|${key.sk}|bob`,
      stored: undefined,
      recounted: expect.objectContaining({ id: "bob" }),
    })
    expect(differences).toContainEqual({
      what: `${key.pk}|${key.sk}|eve`,
      stored: expect.objectContaining({ id: "ada" }),
      recounted: undefined,
    })
  })

  test("who was there on a day", async () => {
    const world = await folded()
    await tamper({ pk: keys.block(world.tenant, 1, "set#"), sk: "2026-05" }, (set: object) => ({
      ...set,
      active_customers: { "": [1, 16] },
    }))
    expect((await found(world)).map(({ what }) => what)).toEqual([`${keys.block(world.tenant, 1, "set#")}|2026-05`])
  })

  test("the ledger", async () => {
    const world = await folded()
    const key = { pk: keys.block(world.tenant, 1, "ledger"), sk: "2026-05-10" }
    await tamper(key, () => ({ "12": { app: [0, 5, 1, 4, 4, 1] } }))
    expect((await found(world)).map(({ what }) => what)).toEqual([`${key.pk}|2026-05-10`])
  })

  test("what lies in quarantine", async () => {
    const world = await folded()
    const [lying] = await table.query(keys.quarantine(world.tenant, 1))
    await tamper(lying!, () => null)
    expect(await found(world)).toMatchObject([{ stored: null, recounted: { event: { id: "q" } } }])
  })

  test("a message that is remembered though it never came, or forgotten though it did", async () => {
    const world = await folded()
    const [seen] = await table.query(keys.seen(world.tenant, 1))
    await tamper(seen!, (hashes: string) => hashes.slice(16))
    expect(await found(world)).toEqual([{ what: "messages seen", stored: 0, recounted: 1 }])
    await tamper(seen!, (hashes: string) => `${hashes}${"x".repeat(16)}`)
    expect(await found(world)).toEqual([{ what: "messages seen", stored: 1, recounted: 1 }])
  })
})

test("no more than a thousand differences are told", async () => {
  const world = await settle(table)
  for (const some of [0, 1])
    await world.send(Array.from({ length: 515 }, (_, i) => call("Tested", `u${some * 515 + i}`)))
  await world.fold()
  for (let i = 0; i < BUCKETS; i++)
    for (const page of await table.query(keys.customers(world.tenant, 1, i)))
      await table.delete({ pk: page.pk, sk: page.sk })
  expect(await found(world)).toHaveLength(1000)
})

test("how far it is, is told entry by entry", async () => {
  const world = await settle(table)
  for (let i = 0; i < 3; i++) await world.send([call("Tested", "u")])
  await world.fold()
  const told: number[][] = []
  await reconcile(world.needs, world.tenant, (events, position) => told.push([events, position]))
  expect(told.at(-1)).toEqual([3, 3])
})

test("a tenant without views cannot be reconciled", async () => {
  const world = await settle(table)
  await expect(reconcile(world.needs, "nobody" as typeof world.tenant)).rejects.toThrow("this tenant has no views")
})
