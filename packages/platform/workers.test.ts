import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { HOUR, MINUTE } from "#core/clock.ts"
import { call, order, settle } from "#pipeline/fixture.ts"
import { journalHead } from "#store/journal.ts"
import { keys } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { readHead } from "#store/views.ts"
import { appendWorker } from "./append-worker.ts"
import { closeWorker } from "./close-worker.ts"
import { startTable } from "./fixture.ts"
import { foldWorker } from "./fold-worker.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

const records = (...bodies: string[]) => ({ Records: bodies.map((body, i) => ({ messageId: `id-${i}`, body })) })
const failures = (...ids: string[]) => ({ batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })) })
const request = (tenant: string) => JSON.stringify({ version: 1, tenant })

describe("the worker that appends", () => {
  test("gives back to the queue exactly the messages that were not appended", async () => {
    const world = await settle(table)
    await world.accept([call("Tested", "u")])
    await world.accept([call("Tested", "u")])
    const [first, second] = world.queue as [string, string]
    expect(await appendWorker(world.needs)(records(first, "junk", second, ""))).toEqual(failures("id-1", "id-3"))
    expect((await journalHead(world.needs, world.tenant)).events).toBe(2)
  })

  test("has nothing to give back when all went well, or when there was nothing", async () => {
    const world = await settle(table)
    await world.accept([call("Tested", "u")])
    expect(await appendWorker(world.needs)(records(...world.queue))).toEqual(failures())
    expect(await appendWorker(world.needs)(records())).toEqual(failures())
  })
})

describe("the worker that folds", () => {
  test("tries again what failed after a minute, five, and half an hour; then when the queue shows it", async () => {
    const world = await settle(table)
    const hidden: [string | undefined, number][] = []
    const hide = async (record: { receiptHandle?: string }, ms: number) => void hidden.push([record.receiptHandle, ms])
    const worker = foldWorker({ ...world.needs, hide })
    for (const received of [1, 2, 3, 4, 5]) {
      const attributes = { ApproximateReceiveCount: String(received) }
      const junk = { messageId: "junk", body: "junk", receiptHandle: `junk-${received}`, attributes }
      const good = { messageId: "good", body: request(world.tenant), receiptHandle: "good", attributes }
      expect(await worker({ Records: [junk, good] })).toEqual(failures("junk"))
    }
    expect(hidden).toEqual([
      ["junk-1", MINUTE],
      ["junk-2", 5 * MINUTE],
      ["junk-3", 30 * MINUTE],
    ])
  })

  test("folds each tenant that was asked for; what it cannot read or fold fails alone", async () => {
    const [one, other] = [await settle(table), await settle(table)]
    for (const world of [one, other]) await world.send([order("u", "5")])
    const failing: Table = {
      ...table,
      query: (pk, range) =>
        pk === keys.views(one.tenant) ? Promise.reject(new Error("throttled")) : table.query(pk, range),
    }
    const bodies = [
      request(one.tenant),
      request(other.tenant),
      "junk",
      '{"version":2,"tenant":"acme"}',
      request("ACME"),
    ]
    expect(await foldWorker({ ...one.needs, table: failing })(records(...bodies))).toEqual(
      failures("id-0", "id-2", "id-3", "id-4"),
    )
    expect((await readHead({ table }, other.tenant))?.position).toBe(1)
  })

  test("asks for the rest when its time is up: a message that it failed would hide the tenant's others for 90 minutes", async () => {
    const world = await settle(table)
    const thousand = Array.from({ length: 1000 }, () => call("Tested", "u"))
    for (let events = 0; events <= 50_000; events += 1000) await world.send(thousand)
    world.asked.length = 0
    const started = world.needs.clock()
    let looks = 0
    const runtime = { ...world.needs, clock: () => started + looks++ * 10 * MINUTE }
    expect(await foldWorker(runtime)(records(request(world.tenant)))).toEqual(failures())
    expect(world.asked).toEqual([expect.stringMatching(/^on-./)])
    expect(await foldWorker(world.needs)(records(request(world.tenant)))).toEqual(failures())
    expect((await readHead({ table }, world.tenant))?.position).toBe(51)
    expect(world.asked).toHaveLength(1)
  })

  test("leaves it to the next worker when it is to stop", async () => {
    const world = await settle(table)
    const thousand = Array.from({ length: 1000 }, () => call("Tested", "u"))
    for (let events = 0; events <= 50_000; events += 1000) await world.send(thousand)
    world.asked.length = 0
    expect(await foldWorker(world.needs, () => true)(records(request(world.tenant)))).toEqual(failures("id-0"))
    expect(world.asked).toEqual([])
  })

  test("has done its work when there is nothing to fold", async () => {
    const world = await settle(table)
    expect(await foldWorker(world.needs)(records(request(world.tenant)))).toEqual(failures())
  })
})

/** No queue to be looked at. */
const noQueues = {
  call: () => Promise.reject(new Error("not asked for")),
  queues: { append: { url: "", dead: undefined }, fold: { url: "", dead: undefined } },
  publish: () => Promise.reject(new Error("not asked for")),
}

describe("the day's close", () => {
  async function asked(world: Awaited<ReturnType<typeof settle>>) {
    const steps: [string, string][] = []
    await closeWorker({
      ...world.needs,
      ...noQueues,
      requestFold: async (tenant, step) => void steps.push([tenant, step]),
    })()
    return steps.filter(([tenant]) => tenant === world.tenant).map(([, step]) => step)
  }

  test("asks for a fold of what a day has left behind, when that day is over where the tenant is", async () => {
    const world = await settle(table, { timeZone: "America/New_York" })
    await world.send([order("u", "5")])
    await world.fold()
    await world.send([order("u", "7")])
    expect(await asked(world)).toEqual([])
    world.clock.set("2026-05-11T03:59:59.000Z")
    expect(await asked(world)).toEqual([])
    world.clock.set("2026-05-11T04:00:00.000Z")
    const [step] = await asked(world)
    expect(step).toMatch(/^close-2026-05-11-/)
    world.clock.advance(HOUR)
    expect(await asked(world)).toEqual([step])
    await world.fold()
    expect(await asked(world)).toEqual([])
  })

  test("asks at once for a tenant that was never folded, and not at all for one without events", async () => {
    const world = await settle(table)
    expect(await asked(world)).toEqual([])
    await world.send([order("u", "5")])
    expect(await asked(world)).toHaveLength(1)
  })

  test("asks for a fold that was left in the middle", async () => {
    const world = await settle(table)
    await world.send([order("u", "5")])
    const dying: Table = {
      ...table,
      put: (item, condition) =>
        item.pk.endsWith("#days") ? Promise.reject(new Error("died")) : table.put(item, condition),
    }
    expect(await foldWorker({ ...world.needs, table: dying })(records(request(world.tenant)))).toEqual(failures("id-0"))
    world.clock.advance(MINUTE)
    expect(await asked(world)).toHaveLength(1)
  })
})
