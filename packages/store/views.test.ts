import { randomBytes } from "node:crypto"
import fc from "fast-check"
import { afterAll, beforeAll, expect, test } from "vitest"
import { fakeClock } from "#core/clock.ts"
import { randomText, seededRandom } from "#core/random.ts"
import { startTable } from "#platform/fixture.ts"
import { keys } from "./keys.ts"
import type { Table } from "./table.ts"
import { TenantId } from "./tenant-id.ts"
import {
  commit,
  firstHead,
  getValues,
  type Head,
  readHead,
  readRedo,
  readValues,
  settle,
  theSwitch,
  type ViewItem,
} from "./views.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

const AT = "2026-05-01T12:00:00.000Z"
const seeded = seededRandom(1)
/** Text that cannot be made smaller by much. */
const incompressible = (kilobytes: number) => randomBytes(kilobytes * 768).toString("base64")

const begin = (...head: Parameters<typeof firstHead>) => table.put(firstHead(...head), "absent")
const switchTo = (tenant: TenantId, before: number, generation: number) => {
  const { put, condition } = theSwitch(tenant, before, generation, 0)
  return table.put(put, condition)
}

let made = 0
/** Empty views of a tenant of its own. */
async function newViews() {
  const tenant = TenantId.parse(`tenant-${++made}`)
  const needs = { table, clock: fakeClock(AT), nonce: () => randomText(seeded, 16) }
  await begin(tenant, 1, { zone: "UTC", currency: "EUR" })
  await switchTo(tenant, 0, 1)
  const pk = keys.block(tenant, 1, "days")
  const head = async () => (await readHead(needs, tenant))!
  const views = {
    tenant,
    pk,
    head,
    needs,
    over: (over: Partial<Table>) => ({ ...needs, table: { ...table, ...over } }),
    itemsOf: (values: Record<string, unknown>): ViewItem[] =>
      Object.entries(values).map(([sk, value]) => ({ pk, sk, value })),
    commit: (head: Head, to: number, values: Record<string, unknown>, over: Partial<Table> = {}) =>
      commit(views.over(over), tenant, head, {
        to,
        at: AT,
        customerCount: to * 10,
        items: views.itemsOf(values),
      }),
    /** What a fold does: all of it. */
    change: async (to: number, values: Record<string, unknown>) => {
      const committed = await views.commit(await head(), to, values)
      return settle(needs, tenant, committed!)
    },
    read: async (range?: { from?: string; to?: string }) =>
      Object.fromEntries((await readValues(needs, pk, range)).map(({ sk, value }) => [sk, value])),
    items: () => table.query(pk),
    redo: () => table.query(keys.redo(tenant, 1)),
  }
  return views
}

test("a new tenant's views are empty and true up to the journal's beginning", async () => {
  const { head, read } = await newViews()
  expect(await head()).toEqual({
    generation: 1,
    position: 0,
    at: undefined,
    zone: "UTC",
    currency: "EUR",
    customerCount: 0,
    version: 0,
    pending: undefined,
  })
  expect(await read()).toEqual({})
})

test("a generation is begun once and becomes the current one once", async () => {
  const { tenant, needs, head } = await newViews()
  const settings = { zone: "Asia/Kolkata", currency: "INR" }
  expect(await begin(tenant, 2, settings)).toBe(true)
  expect(await begin(tenant, 2, { zone: "UTC", currency: "EUR" })).toBe(false)
  expect((await head()).generation).toBe(1)
  expect(await readHead(needs, tenant, 2)).toMatchObject({ generation: 2, ...settings, position: 0 })
  expect(await readHead(needs, tenant, 3)).toBeUndefined()
  expect(await switchTo(tenant, 3, 2)).toBe(false)
  expect(await switchTo(tenant, 0, 2)).toBe(false)
  expect(await switchTo(tenant, 1, 2)).toBe(true)
  expect(await head()).toMatchObject({ generation: 2, ...settings })
})

test("what a fold changed is written down first, and stands in its place after it was settled", async () => {
  const { tenant, needs, head, commit, itemsOf, read, redo } = await newViews()
  const committed = await commit(await head(), 5, { a: { n: 1 }, b: [2] })
  expect(await head()).toEqual(committed)
  expect(committed).toMatchObject({ position: 0, version: 1, pending: { to: 5, at: AT, customerCount: 50, parts: 1 } })
  expect(await readRedo(needs, tenant, committed!)).toEqual(itemsOf({ a: { n: 1 }, b: [2] }))
  expect(await read()).toEqual({})

  await settle(needs, tenant, committed!)
  const settled = await head()
  expect(settled).toMatchObject({ position: 5, at: AT, customerCount: 50, version: 2, pending: undefined })
  expect(await read()).toEqual({ a: { n: 1 }, b: [2] })
  expect(await readRedo(needs, tenant, settled)).toEqual([])
  expect(await redo()).toEqual([])
})

test("whoever finds a commit that was not settled finishes it without the one who made it", async () => {
  const { tenant, needs, head, commit, read } = await newViews()
  await commit(await head(), 5, { a: 1 })
  await settle(needs, tenant, await head())
  expect(await read()).toEqual({ a: 1 })
})

test("settling a second time changes nothing", async () => {
  const { tenant, needs, head, commit, items, itemsOf } = await newViews()
  const committed = (await commit(await head(), 5, { a: 1, b: 2 }))!
  await settle(needs, tenant, committed)
  const [settled, before] = [await head(), await items()]
  await settle(needs, tenant, committed)
  await settle(needs, tenant, committed, itemsOf({ a: 1, b: 2 }))
  expect(await items()).toEqual(before)
  expect(await head()).toEqual(settled)
})

test("a straggler that settles an old commit does not undo a later one", async () => {
  const { tenant, needs, head, commit, change, itemsOf, read } = await newViews()
  const old = { a: "old", b: "old", c: "old" }
  const first = (await commit(await head(), 5, old))!
  await settle(needs, tenant, first)
  await change(7, { a: "new", b: null })
  await settle(needs, tenant, first, itemsOf(old))
  expect(await read()).toEqual({ a: "new", b: null, c: "old" })
  expect(await head()).toMatchObject({ position: 7, customerCount: 70, pending: undefined })
})

test("a settlement that died half way is finished by the next", async () => {
  const { tenant, needs, head, commit, over, read } = await newViews()
  const values = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i}`, i]))
  const committed = (await commit(await head(), 5, values))!
  let puts = 0
  const dying = over({
    put: (item, condition) => (++puts > 20 ? Promise.reject(new Error("died")) : table.put(item, condition)),
  })
  await expect(settle(dying, tenant, committed)).rejects.toThrow("died")
  expect(Object.keys(await read()).length).toBeLessThan(40)
  expect(await head()).toEqual(committed)
  await settle(needs, tenant, await head())
  expect(await read()).toEqual(values)
})

test("of two folds that commit at once one wins, and nothing of the other is left", async () => {
  const { tenant, needs, head, commit, read, redo } = await newViews()
  const start = await head()
  const outcomes = await Promise.all([commit(start, 5, { a: "one" }), commit(start, 6, { a: "other", b: "other" })])
  expect(outcomes.filter((outcome) => outcome === undefined)).toHaveLength(1)
  expect(await redo()).toHaveLength(1)
  await settle(needs, tenant, await head())
  expect(await read()).toEqual(outcomes[0] ? { a: "one" } : { a: "other", b: "other" })
  expect(await redo()).toEqual([])
})

test("a fold whose views went on meanwhile commits nothing", async () => {
  const { head, commit, change, read } = await newViews()
  const start = await head()
  await change(5, { a: "new" })
  expect(await commit(start, 6, { a: "late" })).toBeUndefined()
  expect(await read()).toEqual({ a: "new" })
  expect((await head()).position).toBe(5)
})

test("a commit whose answer was lost and that was sent again has won", async () => {
  const { tenant, needs, head, commit, read } = await newViews()
  const committed = await commit(
    await head(),
    5,
    { a: 1 },
    {
      set: async (...set) => {
        await table.set(...set)
        return table.set(...set)
      },
    },
  )
  expect(committed).toMatchObject({ version: 1, pending: { to: 5 } })
  await settle(needs, tenant, committed!)
  expect(await read()).toEqual({ a: 1 })
})

test("a commit larger than an item may be is written down in parts, and read whole", async () => {
  const { tenant, needs, head, commit, redo, read } = await newViews()
  const values = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`k${i}`, incompressible(300)]))
  const committed = (await commit(await head(), 5, values))!
  expect(committed.pending!.parts).toBe((await redo()).length)
  expect(committed.pending!.parts).toBeGreaterThan(3)
  expect((await readRedo(needs, tenant, committed))?.map(({ value }) => value)).toEqual(Object.values(values))
  await settle(needs, tenant, committed)
  expect(await read()).toEqual(values)
  expect(await redo()).toEqual([])
})

test("a commit of which a part is gone tells that it was settled meanwhile", async () => {
  const { tenant, needs, head, commit, redo } = await newViews()
  const committed = (await commit(await head(), 5, { a: incompressible(1000) }))!
  const [{ pk, sk }] = (await redo()) as [{ pk: string; sk: string }]
  await table.delete({ pk, sk })
  expect(await readRedo(needs, tenant, committed)).toBeUndefined()
})

test("what was written down is forgotten by the table itself a day later, should nobody settle it", async () => {
  const { head, commit, redo } = await newViews()
  await commit(await head(), 5, { a: 1 })
  expect((await redo()).map(({ ttl }) => ttl)).toEqual([Date.parse("2026-05-02T12:00:00.000Z") / 1000])
})

test("a value larger than an item may be is cut and joined, and so are its neighbours kept apart", async () => {
  const { pk, needs, change, read, items } = await newViews()
  const values = { abc: incompressible(1200), "abc!": "a neighbour", "abc~x": "another", abd: "a third" }
  await change(5, values)
  expect(await items()).toHaveLength(4 + 2)
  expect(await read()).toEqual(values)
  expect(await read({ from: "abc", to: "abc" })).toEqual({ abc: values.abc })
  expect(await read({ from: "abc!", to: "abd" })).toEqual({ ...values, abc: undefined })
  const wanted = ["abc", "abd", "nowhere"].map((sk) => ({ pk, sk }))
  const found = await getValues(needs, wanted)
  expect(Object.fromEntries(found.map(({ sk, value }) => [sk, value]))).toEqual({ abc: values.abc, abd: "a third" })
  expect(found.map(({ position }) => position)).toEqual([5, 5])
})

test("a value that was large and became small is small, and may grow again", async () => {
  const { pk, needs, change, read } = await newViews()
  await change(1, { a: incompressible(1200), b: 1 })
  await change(2, { a: "small" })
  expect(await read()).toEqual({ a: "small", b: 1 })
  expect((await getValues(needs, [{ pk, sk: "a" }]))[0]).toMatchObject({ value: "small", position: 2 })
  const again = incompressible(700)
  await change(3, { a: again })
  expect(await read()).toEqual({ a: again, b: 1 })
  expect((await getValues(needs, [{ pk, sk: "a" }]))[0]).toMatchObject({ value: again, position: 3 })
})

test("a value of which some parts are newer than others is not read: its position tells to look again", async () => {
  const { tenant, pk, needs, head, change, commit, over } = await newViews()
  await change(1, { a: incompressible(1200) })
  const committed = (await commit(await head(), 2, { a: incompressible(1200) }))!
  let first: Promise<boolean> | undefined
  const dying = over({
    put: async (item, condition) => {
      if (first === undefined) {
        first = table.put(item, condition)
        return first
      }
      await first
      throw new Error("died")
    },
  })
  await expect(settle(dying, tenant, committed)).rejects.toThrow("died")
  const half = { sk: "a", position: Number.POSITIVE_INFINITY, value: undefined }
  expect(await readValues(needs, pk)).toEqual([half])
  expect(await getValues(needs, [{ pk, sk: "a" }])).toEqual([{ pk, ...half }])
})

test("values say up to which position they are true", async () => {
  const { pk, needs, change } = await newViews()
  await change(5, { a: 1, b: 1 })
  await change(9, { b: 2 })
  expect((await readValues(needs, pk)).map(({ sk, position }) => [sk, position])).toEqual([
    ["a", 5],
    ["b", 9],
  ])
})

test("a range of keys holds both ends and nothing else", async () => {
  const { change, read } = await newViews()
  await change(1, { "2026-01": 1, "2026-02": 2, "2026-02-03": 3, "2026-03": 4 })
  expect(await read({ from: "2026-02", to: "2026-02" })).toEqual({ "2026-02": 2 })
  expect(await read({ from: "2026-01", to: "2026-02-03" })).toEqual({ "2026-01": 1, "2026-02": 2, "2026-02-03": 3 })
  expect(await read({ to: "2026-01" })).toEqual({ "2026-01": 1 })
  expect(await read({ from: "2026-02-03" })).toEqual({ "2026-02-03": 3, "2026-03": 4 })
})

const json = fc.jsonValue({ depthSize: "small" }).map((value) => JSON.parse(JSON.stringify(value)) as unknown)
/** What an identifier may be. */
const name = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
  .map((text) => text.normalize("NFC"))
  .filter((text) => !/[\u0000-\u001f\u007f]/.test(text) && text.isWellFormed() && text !== "__proto__")

test("whatever is committed under whatever names is read back", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.dictionary(name, json, { noNullPrototype: true }), { maxLength: 4 }),
      async (changes) => {
        const { pk, needs, change, read } = await newViews()
        const expected: Record<string, unknown> = {}
        for (const [i, values] of changes.entries()) {
          await change(i + 1, values)
          Object.assign(expected, values)
        }
        expect(await read()).toEqual(expected)
        const found = await getValues(
          needs,
          Object.keys(expected).map((sk) => ({ pk, sk })),
        )
        expect(Object.fromEntries(found.map(({ sk, value }) => [sk, value]))).toEqual(expected)
      },
    ),
    { numRuns: 25 },
  )
})
