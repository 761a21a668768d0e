import { randomBytes } from "node:crypto"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { DAY, SECOND } from "#core/clock.ts"
import { packText } from "#core/pack.ts"
import { startTable } from "#platform/fixture.ts"
import { batchesOf, entriesAfter, packBatches } from "#store/journal.ts"
import { keys } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { TenantId } from "#store/tenant-id.ts"
import { fromMessage, requestLimits, toMessage } from "./accept.ts"
import { anyLetters, call, order, settle } from "./fixture.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

const ITEM_BYTES = 400 * 1024
/** The largest message that SQS takes. */
const MESSAGE_BYTES = 1024 * 1024

test("a request tells how many of its records were queued, and which were refused and why", async () => {
  const world = await settle(table)
  const records = [
    call("Tested", "u"),
    { type: "track", event: "Tested" },
    call("Order Completed", "u", { revenue: "1" }),
    call("Tested", "u", {}, { timestamp: "soon" }),
    7,
  ]
  const accepted = await world.accept(records)
  expect(accepted).toMatchObject({
    accepted: 2,
    quarantined: 1,
    rejected: [
      { index: 1, code: "missing_field", field: "userId" },
      { index: 3, code: "invalid_time", field: "timestamp" },
      { index: 4, code: "invalid_record", field: "" },
    ],
  })
  const [batch] = fromMessage(world.queue[0]!).batches
  expect(batch).toMatchObject({
    id: accepted.batchId,
    source: "app",
    receivedAt: "2026-05-10T12:00:00.000Z",
    rejected: [
      { index: 1, code: "missing_field" },
      { index: 3, code: "invalid_time" },
      { index: 4, code: "invalid_record" },
    ],
  })
  expect(batch?.events.map(({ id, quarantine }) => [id, quarantine?.field])).toEqual([
    [records[0] && Object(records[0]).messageId, undefined],
    [Object(records[2]).messageId, "properties.order_id"],
  ])
})

test("a request resolves only when all of it is queued; nothing is queued of one that fails", async () => {
  const world = await settle(table)
  const failing = { ...world.needs, enqueue: () => Promise.reject(new Error("the queue is away")) }
  const { accept } = await import("./accept.ts")
  const request = { tenant: world.tenant, source: "app", records: [call("Tested", "u")] }
  await expect(accept(failing, request)).rejects.toThrow("the queue is away")
})

test("nothing at all is queued for no records", async () => {
  const world = await settle(table)
  expect(await world.accept([])).toMatchObject({ accepted: 0, quarantined: 0, rejected: [] })
  expect(world.queue).toEqual([])
})

test("what was refused altogether is queued for the ledger all the same", async () => {
  const world = await settle(table)
  await world.send([7, 8])
  expect(await world.ledger()).toMatchObject({ received: 2, rejected: 2, counted: 0, balanced: true })
})

test("a thousand records are taken and one more is not", async () => {
  const world = await settle(table)
  const many = Array.from({ length: requestLimits.events + 1 }, () => call("Tested", "u"))
  await expect(world.accept(many)).rejects.toMatchObject({ code: "payload_too_large", field: "batch" })
  expect((await world.accept(many.slice(1))).accepted).toBe(1000)
})

test("a record of more than 256 KB is refused alone, counted in bytes", async () => {
  const world = await settle(table)
  const record = (text: string) => call("Tested", "u", { text })
  const { accepted, rejected } = await world.accept([
    record("x".repeat(200_000)),
    record("x".repeat(262_144)),
    record("Ω".repeat(140_000)),
    call("Tested", "u"),
  ])
  expect([accepted, rejected.map(({ index, code }) => [index, code])]).toEqual([
    2,
    [
      [1, "too_large"],
      [2, "too_large"],
    ],
  ])
})

describe("the id of a batch", () => {
  const idOf = async (records: readonly unknown[], more = {}) =>
    (await (await settle(table)).accept(records, more)).batchId

  test("is the same for the same messages, in any order, whenever they come", async () => {
    const records = Array.from({ length: 6 }, () => call("Tested", "u"))
    const id = await idOf(records)
    expect(id).toMatch(/^ids-[\w-]{16}$/)
    expect(await idOf([...records].reverse())).toBe(id)
    expect(await idOf(records, { sentAt: "2026-05-10T12:00:01Z" })).toBe(id)
    expect(await idOf(records.slice(1))).not.toBe(id)
  })

  test("does not confuse messages whose ids can be joined in two ways", async () => {
    const records = (...ids: string[]) => ids.map((messageId) => call("Tested", "u", {}, { messageId }))
    expect(await idOf(records("a", "bc"))).not.toBe(await idOf(records("ab", "c")))
    expect(await idOf(records("a,b"))).not.toBe(await idOf(records("a", "b")))
  })

  test("is the client's if it sent an Idempotency-Key, and the vendor's if it is a delivery", async () => {
    const id = await idOf([call("Tested", "u")], { idempotencyKey: "k-1" })
    expect(id).toMatch(/^key-[\w-]{16}$/)
    expect(await idOf([call("Other", "u")], { idempotencyKey: "k-1" })).toBe(id)
    expect(await idOf([call("Tested", "u")], { idempotencyKey: "k-2" })).not.toBe(id)
    expect(await idOf([call("Tested", "u")], { deliveryId: "evt_1" })).toBe("evt_1")
  })

  test("is another each time when nothing can be told apart", async () => {
    expect(await idOf([7])).not.toBe(await idOf([7]))
  })
})

describe("messages without an id", () => {
  const nameless = () => ({ type: "track", event: "Tested", userId: "u", timestamp: "2026-05-05T12:00:00Z" })
  const idsFor = async (more: object) => {
    const world = await settle(table)
    await world.accept([nameless(), nameless()], more)
    return fromMessage(world.queue[0]!).batches.flatMap(({ events }) => events.map(({ id }) => id))
  }

  test("are given the same ones again under the same key or delivery, each its own", async () => {
    for (const more of [{ idempotencyKey: "k" }, { deliveryId: "d" }]) {
      const ids = await idsFor(more)
      expect(new Set(ids).size).toBe(2)
      expect(await idsFor(more)).toEqual(ids)
    }
    expect(await idsFor({ deliveryId: "other" })).not.toEqual(await idsFor({ deliveryId: "d" }))
  })

  test("are new each time without one", async () => {
    expect(await idsFor({})).not.toEqual(await idsFor({}))
  })

  test("count once however often a client retries under its key, and twice without", async () => {
    const world = await settle(table)
    for (const _ of [1, 2, 3]) await world.send([nameless(), nameless()], { idempotencyKey: "k" })
    expect(await world.ledger()).toMatchObject({ received: 6, counted: 2, duplicate: 4 })
    await world.send([nameless()])
    await world.send([nameless()])
    expect(await world.total({ metric: "events" })).toBe(4)
  })
})

describe("an Idempotency-Key", () => {
  test("belongs to one body: with another it is refused, and nothing of it is queued", async () => {
    const world = await settle(table)
    await world.accept([call("Tested", "a")], { idempotencyKey: "k" })
    const again = world.accept([call("Tested", "b")], { idempotencyKey: "k" })
    await expect(again).rejects.toMatchObject({ code: "idempotency_conflict", field: "Idempotency-Key", status: 422 })
    expect(world.queue).toHaveLength(1)
  })

  test("makes a retry count as received when the first was, so that undated events are dated the same", async () => {
    const world = await settle(table)
    const undated = [{ type: "track", event: "Tested", userId: "u" }]
    await world.accept(undated, { idempotencyKey: "k" })
    world.clock.advance(3 * DAY)
    await world.accept(undated, { idempotencyKey: "k" })
    expect(world.queue[1]).toBe(world.queue[0])
    await world.append()
    expect(await world.ledger()).toMatchObject({ received: 2, counted: 1, duplicate: 1 })
  })

  test("is the tenant's own", async () => {
    const [one, other] = [await settle(table), await settle(table)]
    await one.accept([call("Tested", "a")], { idempotencyKey: "k" })
    expect((await other.accept([call("Tested", "b")], { idempotencyKey: "k" })).accepted).toBe(1)
  })

  test("is forgotten by the table itself after 30 days", async () => {
    const world = await settle(table)
    await world.accept([call("Tested", "a")], { idempotencyKey: "k" })
    const claim = await table.get(keys.claim(world.tenant, "k"))
    expect(claim?.ttl).toBe((world.clock() + 30 * DAY) / SECOND)
  })

  test.each(["", " ", "a b", "ключ", "x".repeat(256), "a\nb"])("%j is none", async (idempotencyKey) => {
    const world = await settle(table)
    const asking = world.accept([call("Tested", "a")], { idempotencyKey })
    await expect(asking).rejects.toMatchObject({ code: "invalid_request", field: "Idempotency-Key" })
  })

  test("of 255 visible characters is one", async () => {
    const world = await settle(table)
    expect((await world.accept([call("Tested", "a")], { idempotencyKey: "~".repeat(255) })).accepted).toBe(1)
  })

  test("whose claim's answer was lost is still one's own", async () => {
    const world = await settle(table)
    const { accept } = await import("./accept.ts")
    const unsure: Pick<Table, "put" | "get"> = {
      get: table.get,
      put: async (...put) => {
        await table.put(...put)
        return table.put(...put)
      },
    }
    const request = { tenant: world.tenant, source: "app", records: [call("Tested", "a")], idempotencyKey: "k" }
    expect((await accept({ ...world.needs, table: unsure }, request)).accepted).toBe(1)
  })
})

/** Texts that can hardly be made smaller. */
const noise: [string, (bytes: number) => string][] = [
  ["base64", (bytes) => randomBytes(Math.floor(bytes * 0.75)).toString("base64")],
  ["letters of any script", anyLetters],
]

describe("a large batch", () => {
  const large = (text: (bytes: number) => string) =>
    Array.from({ length: 14 }, (_, i) =>
      call("Tested", "u", { text: text(60_000) }, { messageId: `large-${i}`, timestamp: "2026-05-05T12:00:00Z" }),
    )

  test.each(noise)(
    "of %s is cut into parts that fit into the queue and into an item, however they are put together",
    async (_, text) => {
      const world = await settle(table)
      const records = large(text)
      await world.accept([...records, 7])
      expect(world.queue.length).toBeGreaterThan(2)
      for (const message of world.queue) {
        expect(message.length).toBeLessThan(MESSAGE_BYTES)
        expect(packText(fromMessage(message).text).length).toBeLessThan(ITEM_BYTES)
      }
      expect(new Set(await world.append())).toEqual(new Set(["done"]))
      const ids: string[] = []
      for await (const entries of entriesAfter(world.needs, world.tenant, 0))
        for (const { batches } of entries) ids.push(...batches.flatMap(({ events }) => events.map(({ id }) => id)))
      expect(ids.sort()).toEqual(records.map(({ messageId }) => messageId).sort())
    },
  )

  test("has one id in all its parts, and its refusals in the first alone", async () => {
    const world = await settle(table)
    const { batchId } = await world.accept([7, ...large(noise[0]![1])])
    const batches = world.queue.flatMap((message) => fromMessage(message).batches)
    expect(new Set(batches.map(({ id }) => id))).toEqual(new Set([batchId]))
    expect(batches.map(({ rejected }) => rejected?.length)).toEqual([1, ...batches.slice(1).map(() => undefined)])
  })

  test("is cut the same whenever it comes", async () => {
    const world = await settle(table)
    const records = large(noise[0]![1])
    await world.accept(records)
    const first = world.queue.splice(0)
    await world.accept(records)
    expect(world.queue).toEqual(first)
  })

  test("of one record that is as large as may be goes alone", async () => {
    const world = await settle(table)
    await world.accept([call("Tested", "u", { text: "" })])
    const around = JSON.stringify(fromMessage(world.queue.pop()!).batches[0]?.events[0]).length
    const text = noise[0]![1](2 * 262_144).slice(0, 262_144 - around)
    const { rejected } = await world.accept([call("Tested", "u"), call("Tested", "u", { text }), call("Tested", "u")])
    expect(rejected).toEqual([])
    expect(world.queue.map((message) => fromMessage(message).batches[0]?.events.length)).toEqual([1, 1, 1])
    for (const message of world.queue) expect(packText(fromMessage(message).text).length).toBeLessThan(ITEM_BYTES)
  })

  test("counts once, also when only some of its parts come again", async () => {
    const world = await settle(table)
    await world.accept(large(noise[0]![1]))
    const parts = [...world.queue]
    await world.append()
    world.queue.push(parts[1]!, parts[0]!)
    await world.append()
    expect(await world.total({ metric: "events" })).toBe(14)
    expect((await world.ledger()).balanced).toBe(true)
  })
})

/** SQS bills by 64 KiB. */
const BILLED_BYTES = 64 * 1024
test("a small batch is sent as it is, for ten such messages are billed as one; a larger one is packed", async () => {
  const world = await settle(table)
  const sent = async (size: number) => {
    await world.accept([call("Tested", "u", { text: "a".repeat(size) }, { messageId: `m-${size}` })])
    const message = world.queue.pop()!
    return { bytes: message.length, isPlain: Buffer.from(message.split(" ")[2]!, "base64")[0] === 0 }
  }
  const all = []
  for (let size = 0; size < 6000; size += 100) all.push(await sent(size))
  const plain = all.filter(({ isPlain }) => isPlain)
  expect(Math.max(...plain.map(({ bytes }) => bytes))).toBeGreaterThan(BILLED_BYTES / 10 - 300)
  for (const { bytes } of all) expect(bytes * 10).toBeLessThanOrEqual(BILLED_BYTES)
  expect(all.at(-1)).toMatchObject({ isPlain: false })
})

describe("a message of the queue", () => {
  const text = fc.string({ unit: "binary", maxLength: 12 })

  test("is read back as the batch it was made of", () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 5 }), text, (ids, source) => {
        const tenant = TenantId.parse("acme")
        const events = ids.map((id) => ({
          id,
          type: "track" as const,
          event: "T",
          at: "2026-05-05T12:00:00.000Z",
          userId: id,
        }))
        const batch = { id: "b", source, receivedAt: "2026-05-10T12:00:00.000Z", events }
        const message = toMessage(tenant, batch)
        const read = fromMessage(message)
        expect(read).toMatchObject({ tenant, batches: [batch] })
        expect(batchesOf(read.text)).toEqual([batch])
      }),
    )
  })

  test.each<[string, string]>([
    ["another version", `2 acme ${packBatches([]).toString("base64")}`],
    ["nothing", ""],
    ["no body", "1 acme"],
    ["bytes that are none", "1 acme AAAA====zzz"],
    ["a tenant that cannot be", `1 ACME ${packBatches([]).toString("base64")}`],
    ["JSON", '{"tenant":"acme"}'],
  ])("is not read if it is %s", (_, message) => {
    expect(() => fromMessage(message)).toThrow()
  })
})

test("an order that is sent again in another batch counts once", async () => {
  const world = await settle(table)
  const [one, other] = [order("u", "5"), order("u", "7")]
  await world.send([one, other])
  await world.send([other])
  await world.fold()
  await world.send([order("u", "1"), one])
  expect(await world.total({ metric: "gross_revenue" })).toBe("13.00")
  expect(await world.ledger()).toMatchObject({ received: 5, counted: 3, duplicate: 2, balanced: true })
})
