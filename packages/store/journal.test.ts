import fc from "fast-check"
import { afterAll, beforeAll, expect, test } from "vitest"
import { fakeClock, SECOND } from "#core/clock.ts"
import { randomText, seededRandom } from "#core/random.ts"
import type { Batch, Event } from "#events/event.ts"
import { startTable } from "#platform/fixture.ts"
import {
  append,
  type BatchText,
  batchesOf,
  batchText,
  type Entry,
  entriesAfter,
  entriesAt,
  journalHead,
  packBatches,
  unpackBatches,
} from "./journal.ts"
import { keys } from "./keys.ts"
import type { Table } from "./table.ts"
import { TenantId } from "./tenant-id.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

let made = 0
/** A journal of its own for each test. */
function newJournal() {
  const tenant = TenantId.parse(`tenant-${++made}`)
  const clock = fakeClock("2026-05-01T12:00:00.000Z")
  const bytes = seededRandom(made)
  const needs = { table, clock, nonce: () => randomText(bytes, 16) }
  return {
    tenant,
    clock,
    needs,
    append: (carried: readonly BatchText[], over: Partial<Table> = {}) =>
      append({ ...needs, table: { ...table, ...over } }, tenant, carried),
    read: async (position = 0, options: Parameters<typeof entriesAfter>[3] = {}, over: Partial<Table> = {}) => {
      const entries: Entry[] = []
      for await (const page of entriesAfter({ table: { ...table, ...over }, clock }, tenant, position, options))
        entries.push(...page)
      return entries
    },
    /** A writer that took a place and died. */
    takePlace: () => table.add(keys.sequencer(tenant), { seq: 1, events: 0 }),
  }
}

const eventOf = (id: string, more: Partial<Event> = {}): Event => ({
  id,
  type: "track",
  event: "Tested",
  at: "2026-05-01T11:00:00.000Z",
  userId: "u",
  ...more,
})
const batchOf = (id: string, ...events: Event[]): Batch => ({
  id,
  source: "app",
  receivedAt: "2026-05-01T12:00:00.000Z",
  events,
})
const textOf = (...batches: Batch[]): BatchText => ({
  batches,
  text: batches
    .map(({ events, ...head }) =>
      batchText(
        head,
        events.map((event) => JSON.stringify(event)),
      ),
    )
    .join("\n"),
})
const carrying = (...ids: string[]) => [textOf(batchOf(ids.join(), ...ids.map((id) => eventOf(id))))]
const idsIn = ({ batches }: Entry) => batches.flatMap(({ events }) => events.map(({ id }) => id)).join()
/** What was read, as `position:ids`. */
const told = (entries: readonly Entry[]) => entries.map((entry) => `${entry.position}:${idsIn(entry)}`)

test("forty who append at once get the positions 1 to 40, one each, and each finds its own events there", async () => {
  const journal = newJournal()
  const given = await Promise.all(Array.from({ length: 40 }, (_, i) => journal.append(carrying(`m${i}`))))
  const positions = given.map(({ position }) => position)
  expect([...positions].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
  const entries = await journal.read()
  expect(entries.map(({ position }) => position)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
  for (const [i, position] of positions.entries()) expect(idsIn(entries[position - 1]!)).toBe(`m${i}`)
})

test("an append tells how many events the journal has taken in all", async () => {
  const journal = newJournal()
  expect(await journalHead(journal.needs, journal.tenant)).toEqual({ position: 0, events: 0 })
  expect(await journal.append(carrying("a", "b"))).toEqual({ position: 1, events: 2 })
  expect(await journal.append([...carrying("c"), ...carrying("d", "e")])).toEqual({ position: 2, events: 5 })
  expect(await journalHead(journal.needs, journal.tenant)).toEqual({ position: 2, events: 5 })
})

test("batches that came together are one entry, each as it was, with the time of the append", async () => {
  const journal = newJournal()
  const rejected = { ...batchOf("two", eventOf("b")), rejected: [{ index: 3, code: "invalid_time" }] }
  await journal.append([textOf(batchOf("one", eventOf("a"))), textOf(rejected, batchOf("three"))])
  expect(await journal.read()).toEqual([
    {
      position: 1,
      at: "2026-05-01T12:00:00.000Z",
      batches: [batchOf("one", eventOf("a")), rejected, batchOf("three")],
    },
  ])
})

test("nobody reads beyond a place whose writer may still come", async () => {
  const journal = newJournal()
  await journal.append(carrying("a"))
  await journal.takePlace()
  await journal.append(carrying("c"))
  expect(told(await journal.read())).toEqual(["1:a"])
  journal.clock.advance(5 * SECOND)
  expect(told(await journal.read())).toEqual(["1:a"])
  expect(told(await journal.read(1))).toEqual([])
})

test("a place whose writer has died is filled with nothing after five seconds", async () => {
  const journal = newJournal()
  await journal.takePlace()
  await journal.takePlace()
  await journal.append(carrying("c"))
  journal.clock.advance(5 * SECOND + 1)
  expect(told(await journal.read())).toEqual(["1:", "2:", "3:c"])
  expect(told(await journal.read(1))).toEqual(["2:", "3:c"])
})

test("a place that nobody has written behind is no hole yet", async () => {
  const journal = newJournal()
  await journal.append(carrying("a"))
  await journal.takePlace()
  journal.clock.advance(60 * SECOND)
  expect(told(await journal.read())).toEqual(["1:a"])
  expect(await table.get(keys.entry(journal.tenant, 2))).toBeUndefined()
})

test("a writer who comes too late finds its place taken and takes another; what was read has not changed", async () => {
  const journal = newJournal()
  let go = () => {}
  const held = new Promise<void>((resolve) => {
    go = resolve
  })
  let first = true
  const late = journal.append(carrying("late", "too"), {
    put: async (...put) => {
      if (first) await held
      first = false
      return table.put(...put)
    },
  })
  await expect.poll(() => journalHead(journal.needs, journal.tenant)).toMatchObject({ position: 1 })
  await journal.append(carrying("b"))
  journal.clock.advance(6 * SECOND)
  expect(told(await journal.read())).toEqual(["1:", "2:b"])
  go()
  expect(await late).toEqual({ position: 3, events: 3 })
  expect(told(await journal.read())).toEqual(["1:", "2:b", "3:late,too"])
})

test("a late writer that comes between the look at a hole and its filling is read in its place", async () => {
  const journal = newJournal()
  await journal.takePlace()
  await journal.append(carrying("b"))
  journal.clock.advance(6 * SECOND)
  const entry = { ...keys.entry(journal.tenant, 1), at: "2026-05-01T12:00:05.000Z", writer: "late" }
  const body = packBatches([batchOf("one", eventOf("a"))])
  const entries = await journal.read(
    0,
    {},
    {
      put: async (item, condition) => {
        await table.put({ ...entry, body })
        return table.put(item, condition)
      },
    },
  )
  expect(told(entries)).toEqual(["1:a", "2:b"])
})

test("an append whose answer was lost and that was sent again has one place", async () => {
  const journal = newJournal()
  const given = await journal.append(carrying("a"), {
    put: async (...put) => {
      await table.put(...put)
      return table.put(...put)
    },
  })
  expect(given).toEqual({ position: 1, events: 1 })
  await journal.append(carrying("b"))
  expect(told(await journal.read())).toEqual(["1:a", "2:b"])
})

test("a journal that gives no free place after a hundred tries says so", async () => {
  const journal = newJournal()
  const appending = journal.append(carrying("a"), { put: async () => false, get: async () => undefined })
  await expect(appending).rejects.toThrow("the journal gave no free place")
  expect((await journalHead(journal.needs, journal.tenant)).position).toBe(100)
})

test("reading ends where it is told to, and holes before that are filled", async () => {
  const journal = newJournal()
  for (const id of ["a", "b"]) await journal.append(carrying(id))
  await journal.takePlace()
  for (const id of ["d", "e"]) await journal.append(carrying(id))
  journal.clock.advance(6 * SECOND)
  expect(told(await journal.read(0, { to: 2 }))).toEqual(["1:a", "2:b"])
  expect(told(await journal.read(1, { to: 4 }))).toEqual(["2:b", "3:", "4:d"])
  expect(told(await journal.read(5, { to: 4 }))).toEqual([])
})

test("entries that are not wanted keep their places and lose their events", async () => {
  const journal = newJournal()
  for (const id of ["a", "b", "c"]) await journal.append(carrying(id))
  const wanted = ({ sk }: { sk: string }) => !sk.endsWith("2")
  expect(told(await journal.read(0, { wanted }))).toEqual(["1:a", "2:", "3:c"])
})

test("an entry says between which instants its events happened, by their own clocks and by ours", async () => {
  const journal = newJournal()
  const span = async (...events: Event[]) => {
    const { position } = await journal.append([textOf(batchOf("b", ...events))])
    const { from, to, n } = (await table.get(keys.entry(journal.tenant, position)))!
    return [from, to, n]
  }
  const at = (time: string, original?: string) => eventOf(time, { at: time, ...(original ? { original } : {}) })
  expect(await span(at("2026-05-01T10:00:00.000Z"), at("2026-04-30T10:00:00.000Z"))).toEqual([
    "2026-04-30T10:00:00.000Z",
    "2026-05-01T10:00:00.000Z",
    2,
  ])
  expect(await span(at("2026-05-01T10:00:00.000Z", "2026-05-03T10:00:00.000Z"))).toEqual([
    "2026-05-01T10:00:00.000Z",
    "2026-05-03T10:00:00.000Z",
    1,
  ])
  expect(await span()).toEqual([undefined, undefined, 0])
})

test("single entries are had by their positions, those that are there", async () => {
  const journal = newJournal()
  for (const id of ["a", "b", "c"]) await journal.append(carrying(id))
  const entries = await entriesAt(journal.needs, journal.tenant, [3, 1, 9])
  expect(told(entries).sort()).toEqual(["1:a", "3:c"])
})

test("journals of tenants whose names begin alike are apart", async () => {
  const [one, other] = [newJournal(), newJournal()]
  const longer = { ...one, tenant: TenantId.parse(`${one.tenant}-b`) }
  await one.append(carrying("a"))
  await append(one.needs, longer.tenant, carrying("x"))
  await other.append(carrying("y"))
  expect(told(await one.read())).toEqual(["1:a"])
})

const json = fc.jsonValue({ depthSize: "small" }).map((value) => JSON.parse(JSON.stringify(value)))
const text = fc.string({ unit: "binary", maxLength: 20 })
const events = fc.array(
  fc.record({
    id: text,
    type: fc.constantFrom("track", "page"),
    at: fc.constant("2026-05-01T11:00:00.000Z"),
    userId: text,
    properties: fc.dictionary(text, json, { noNullPrototype: true }),
  }),
  { maxLength: 5 },
)
const batches = fc.array(
  fc.record({ id: text, source: text, receivedAt: text, events }).map((batch) => batch as unknown as Batch),
  { maxLength: 5 },
)

test("batches survive being packed, whatever their texts hold", () => {
  fc.assert(
    fc.property(batches, (some) => {
      const back = unpackBatches(packBatches(some))
      expect(JSON.stringify(back)).toBe(JSON.stringify(some))
      expect(batchesOf(textOf(...some).text)).toEqual(some)
    }),
  )
})

test("a version that is not known is not read", () => {
  const bytes = packBatches([batchOf("b", eventOf("a"))])
  for (const version of [4, 65, 255])
    expect(() => unpackBatches(Buffer.concat([Buffer.of(version), bytes.subarray(1)]))).toThrow(
      `unknown pack version ${version}`,
    )
  expect(() => unpackBatches(new Uint8Array())).toThrow("unknown pack version undefined")
})

test("bytes that were damaged anywhere are not read as anything else", () => {
  const batches = [batchOf("b", ...Array.from({ length: 200 }, (_, i) => eventOf(`m${i}`)))]
  const bytes = packBatches(batches)
  expect(bytes[0]).toBe(1)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const damaged = Buffer.from(bytes)
      damaged[at]! ^= mask
      let read: Batch[] = batches
      try {
        read = unpackBatches(damaged)
      } catch {}
      expect(read).toEqual(batches)
    }),
    { numRuns: 300 },
  )
})

test("bytes that were cut off are not read, small or large", () => {
  for (const count of [1, 3, 200]) {
    const bytes = packBatches([batchOf("b", ...Array.from({ length: count }, (_, i) => eventOf(`m${i}`)))])
    for (let length = 2; length < bytes.length; length += 1 + Math.floor(bytes.length / 90))
      expect(() => unpackBatches(bytes.subarray(0, length)), `${length} of ${bytes.length}`).toThrow()
  }
})

test("a batch that lost its last event's line is not read as a smaller one", () => {
  const whole = textOf(batchOf("b", eventOf("m1"), eventOf("m2"))).text
  expect(() => batchesOf(whole.slice(0, whole.lastIndexOf("\n")))).toThrow("a batch is cut off")
})
