import { randomBytes } from "node:crypto"
import { afterAll, beforeAll, expect, test } from "vitest"
import { startTable } from "#platform/fixture.ts"
import { journalHead } from "#store/journal.ts"
import { keys } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { TenantId } from "#store/tenant-id.ts"
import { toMessage } from "./accept.ts"
import { appendMessages, FOLD_EVERY } from "./append.ts"
import { anyLetters, call, order, settle } from "./fixture.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

const MAY = { from: "2026-05-01", to: "2026-05-31", grain: "total" } as const
const many = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({
    type: "page",
    userId: "u",
    messageId: `m${from + i}`,
    timestamp: "2026-05-05T12:00:00Z",
  }))

test("what came together is one entry, and each tenant has its own", async () => {
  const [one, other] = [await settle(table), await settle(table)]
  for (const world of [one, other, one]) await world.accept([call("Tested", "u")])
  const messages = [one.queue[0]!, other.queue[0]!, one.queue[1]!]
  expect(await appendMessages(one.needs, messages)).toEqual(["done", "done", "done"])
  expect(await journalHead(one.needs, one.tenant)).toEqual({ position: 1, events: 2 })
  expect(await journalHead(one.needs, other.tenant)).toEqual({ position: 1, events: 1 })
})

test("what came together stands as it was received: a plan that came first counts for the order, whatever the queue did", async () => {
  const world = await settle(table)
  await world.accept([{ type: "identify", userId: "u", messageId: "i", traits: { plan: "pro" } }])
  world.clock.advance(1)
  await world.accept([order("u", "12.50", {}, { timestamp: undefined })])
  world.queue.reverse()
  await world.append()
  expect((await world.ask({ ...MAY, metric: "gross_revenue", by: "plan" })).keys).toEqual([
    { key: "pro", total: "12.50" },
  ])
})

test("a message that cannot be read fails alone", async () => {
  const world = await settle(table)
  await world.accept([call("Tested", "u")])
  await world.accept([call("Tested", "u")])
  const [first, second] = world.queue as [string, string]
  expect(await appendMessages(world.needs, [first, "junk", "", second])).toEqual(["done", "failed", "failed", "done"])
  expect(await journalHead(world.needs, world.tenant)).toEqual({ position: 1, events: 2 })
})

test("a message for a tenant that does not exist fails, and makes no journal", async () => {
  const world = await settle(table)
  const nobody = TenantId.parse("nobody")
  const message = toMessage(nobody, { id: "b", source: "s", receivedAt: "2026-05-10T12:00:00.000Z", events: [] })
  await world.accept([call("Tested", "u")])
  expect(await appendMessages(world.needs, [message, world.queue[0]!])).toEqual(["failed", "done"])
  expect(await table.query(keys.journal(nobody))).toEqual([])
})

test("when the table fails for one tenant, the others' messages are done", async () => {
  const [one, other] = [await settle(table), await settle(table)]
  await one.accept([call("Tested", "u")])
  await other.accept([call("Tested", "u")])
  const failing: Table = {
    ...table,
    add: (key, amounts) =>
      key.pk === keys.sequencer(one.tenant).pk ? Promise.reject(new Error("throttled")) : table.add(key, amounts),
  }
  const messages = [one.queue[0]!, other.queue[0]!]
  expect(await appendMessages({ ...one.needs, table: failing }, messages)).toEqual(["failed", "done"])
})

test("no message is nothing to do", async () => {
  expect(await appendMessages((await settle(table)).needs, [])).toEqual([])
})

test("an entry holds up to 5,000 events; what is more goes into the next", async () => {
  const world = await settle(table)
  for (let from = 0; from < 6000; from += 1000) await world.accept(many(1000, from))
  await world.append()
  const items = await table.query(keys.journal(world.tenant))
  expect(items.map(({ n }) => n)).toEqual([5000, 1000])
})

test("entries of what cannot be packed stay within an item, whatever comes together", async () => {
  const world = await settle(table)
  const text = () => randomBytes(90_000).toString("base64")
  for (let i = 0; i < 9; i++) await world.accept([call("Tested", "u", { text: text() })])
  await world.append()
  const items = await table.query(keys.journal(world.tenant))
  expect(items.map(({ n }) => n)).toEqual([3, 3, 3])
  for (const { body } of items) expect((body as Uint8Array).length).toBeLessThan(399 * 1024)
})

test("so do entries of the text that packs worst of all", async () => {
  const world = await settle(table)
  for (let i = 0; i < 7; i++) await world.accept([call("Tested", "u", { text: anyLetters(61_000) })])
  expect(await world.append()).toEqual(new Array(7).fill("done"))
  const items = await table.query(keys.journal(world.tenant))
  expect(items.reduce((sum, { n }) => sum + Number(n), 0)).toBe(7)
})

test("a fold is asked for each time the journal has grown by twenty thousand events, once", async () => {
  const world = await settle(table)
  let sent = 0
  const grow = async (count: number) => {
    for (let left = count; left > 0; left -= 1000) {
      await world.accept(many(Math.min(left, 1000), sent))
      sent += Math.min(left, 1000)
    }
    await world.append()
    return world.asked.splice(0)
  }
  expect(FOLD_EVERY).toBe(20_000)
  expect(await grow(19_999)).toEqual([])
  expect(await grow(1)).toEqual(["1"])
  expect(await grow(19_000)).toEqual([])
  expect(await grow(1_001)).toEqual(["2"])
})
