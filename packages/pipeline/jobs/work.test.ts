import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { DAY, MINUTE, SECOND } from "#core/clock.ts"
import { startTable } from "#platform/fixture.ts"
import { readAudit } from "#store/audit.ts"
import { keys, padded } from "#store/keys.ts"
import { untold } from "#store/outbox.ts"
import type { Table } from "#store/table.ts"
import { readHead } from "#store/views.ts"
import { anyLetters, call, order } from "../fixture.ts"
import { replay } from "../replay.ts"
import { settleJobs } from "./fixture.ts"
import { resendForgotten } from "./forgotten.ts"
import { cancelJob, listJobs } from "./job.ts"
import { readResult, writeResult } from "./result.ts"
import { MOST_ATTEMPTS } from "./work.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

const orders = { metric: "orders", from: "2026-05-01", to: "2026-05-31", grain: "total", limit: 100 }
const rare = { ...orders, where: { field: "properties.gift", op: "eq", value: true } }

async function withOrders() {
  const world = await settleJobs(table)
  await world.send([order("ada", "5", { gift: true }), order("bob", "7")])
  await world.send([order("cem", "9", { gift: true })])
  return world
}
type Way = "put" | "set" | "transact"
/** A table in the hands of a worker that dies at the nth call of a kind: from then on it can do nothing. */
function dying(name: Way, at: number, how: "before" | "after"): Table {
  let [calls, isDead] = [0, false]
  const until =
    <A extends unknown[], R>(way: Way, work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const isLast = way === name && ++calls === at
      if (isDead || (isLast && how === "before")) {
        isDead = true
        throw new Error("dead")
      }
      const answer = await work(...args)
      if (!isLast) return answer
      isDead = true
      throw new Error("dead")
    }
  const { put, set, transact } = table
  return { ...table, put: until("put", put), set: until("set", set), transact: until("transact", transact) }
}
const dead = (): Promise<never> => Promise.reject(new Error("dead"))

test("a question is answered as a job with the very answer that it would have had", async () => {
  const world = await withOrders()
  const job = await world.make("query", rare)
  expect(job).toMatchObject({ state: "queued", kind: "query", priority: "high", by: "key:k", attempts: 0, error: null })
  expect(await world.work(job)).toEqual({ outcome: "done", kind: "query", attempt: 1 })
  const found = await world.result(job)
  expect(JSON.stringify(found)).toBe(JSON.stringify(await world.ask(rare as never)))
  expect(found).toMatchObject({ total: 2, position: 2 })
  const ended = await world.look(job)
  expect(ended).toMatchObject({ state: "done", progress: { done: 3, total: 3, unit: "events" }, attempts: 1 })
  expect(ended?.resultBytes).toBe(JSON.stringify(found).length)
  expect(await world.told()).toEqual([["job.done", "query"]])
})

describe("a message that comes again", () => {
  test("finds the job over, and does nothing", async () => {
    const world = await withOrders()
    const job = await world.make("query", rare)
    await world.work(job)
    const before = await table.get(keys.job(world.tenant, job.id))
    expect(await world.work(job)).toEqual({ outcome: "over", kind: "query" })
    expect(await table.get(keys.job(world.tenant, job.id))).toEqual(before)
    expect(await world.told()).toHaveLength(1)
  })

  test("is there for a job that nobody has: nothing is done", async () => {
    const world = await withOrders()
    expect(await world.work({ id: "job_0123456789abcdef" })).toEqual({ outcome: "missing" })
  })

  test("leaves what tells of its end with the end itself, once", async () => {
    const world = await withOrders()
    const job = await world.make("query", rare)
    const heard: string[] = []
    await world.work(job, { ended: async (tenant) => void heard.push(tenant) })
    expect(await world.work(job)).toEqual({ outcome: "over", kind: "query" })
    expect(heard).toEqual([world.tenant])
    const [event] = await untold(world.needs, world.tenant)
    expect(event).toMatchObject({ type: "job.done", data: { id: job.id, kind: "query", state: "done", error: null } })
    expect(await world.told()).toEqual([["job.done", "query"]])
  })
})

describe("two workers", () => {
  test("of one job: the second leaves it alone, and comes back when the first could have died", async () => {
    const world = await withOrders()
    const job = await world.make("query", rare)
    const held = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const slow: Table = {
      ...table,
      pages: async function* (pk, range) {
        begun.resolve()
        await held.promise
        yield* table.pages(pk, range)
      },
    }
    const first = world.work(job, { table: slow })
    await begun.promise
    world.clock.advance(MINUTE)
    expect(await world.work(job)).toEqual({ outcome: "held", kind: "query" })
    expect(world.sent).toEqual([{ tenant: world.tenant, id: job.id, priority: "high", delaySeconds: 240 }])
    held.resolve()
    expect((await first).outcome).toBe("done")
  })

  test("who take it at the same moment: one has it", async () => {
    const world = await withOrders()
    const job = await world.make("query", rare)
    const outcomes = (await Promise.all([1, 2, 3, 4].map(() => world.work(job)))).map(({ outcome }) => outcome)
    expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(1)
    expect(outcomes.filter((outcome) => !["done", "held", "over"].includes(outcome))).toEqual([])
    expect((await world.look(job))?.attempts).toBe(1)
  })

  test("a worker that slept too long finds its job taken over, and changes nothing of it", async () => {
    const world = await withOrders()
    const job = await world.make("query", rare)
    let other: Promise<unknown> | undefined
    const sleepy: Table = {
      ...table,
      pages: async function* (pk, range) {
        if (!other) {
          world.clock.advance(6 * MINUTE)
          other = world.work(job)
          await other
        }
        yield* table.pages(pk, range)
      },
    }
    expect((await world.work(job, { table: sleepy })).outcome).toBe("overtaken")
    expect(await other).toMatchObject({ outcome: "done", attempt: 2 })
    expect((await world.look(job))?.state).toBe("done")
    expect(await world.told()).toEqual([["job.done", "query"]])
  })
})

test("a worker that sleeps over what it has found does not end a job that another has ended", async () => {
  const world = await withOrders()
  const job = await world.make("query", rare)
  let other: Promise<unknown> | undefined
  const sleepy: Table = {
    ...table,
    put: async (item, condition) => {
      world.clock.advance(6 * MINUTE)
      other = world.work(job)
      await other
      return table.put(item, condition)
    },
  }
  expect((await world.work(job, { table: sleepy })).outcome).toBe("overtaken")
  expect(await other).toMatchObject({ outcome: "done", attempt: 2 })
  const ended = await world.look(job)
  expect([ended?.attempts, ended?.found?.run]).toEqual([2, ended?.run])
  expect(await world.told()).toEqual([["job.done", "query"]])
})

describe("a worker that dies", () => {
  test.each([
    ["as it takes the job", "set", 1],
    ["as it tells how far it is", "set", 2],
    ["as it keeps what it has found", "put", 1],
    ["as it ends the job", "transact", 1],
  ] as const)("%s leaves it to the next", async (_, name, at) => {
    for (const how of ["before", "after"] as const) {
      const world = await withOrders()
      const job = await world.make("query", rare)
      await expect(world.work(job, { table: dying(name, at, how) })).rejects.toThrow("dead")
      world.clock.advance(5 * MINUTE)
      expect(["done", "over"]).toContain((await world.work(job)).outcome)
      expect(await world.result(job)).toMatchObject({ total: 2 })
      expect(await world.told()).toEqual([["job.done", "query"]])
    }
  })

  test("again and again is not waited for for ever: the job has failed, and says so", async () => {
    const world = await withOrders()
    const job = await world.make("query", rare)
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      await expect(world.work(job, { table: dying("put", 1, "before") })).rejects.toThrow("dead")
      world.clock.advance(5 * MINUTE)
    }
    expect(await world.work(job)).toMatchObject({ outcome: "failed", code: "internal" })
    expect(await world.look(job)).toMatchObject({
      state: "failed",
      error: { code: "internal", message: "it was begun 5 times and never came to its end" },
    })
    expect(await world.told()).toEqual([["job.failed", "query"]])
    expect(await table.query(keys.jobPlaces(world.tenant))).toEqual([])
  })
})

describe("what fails", () => {
  test("for a while is tried again, later each time, and in the end it has failed", async () => {
    const world = await withOrders()
    const job = await world.make("query", rare)
    const away: Table = {
      ...table,
      pages: () => {
        throw new Error("a secret of the table's")
      },
    }
    for (let attempt = 1; attempt < MOST_ATTEMPTS; attempt++) {
      expect(await world.work(job, { table: away })).toMatchObject({ outcome: "put off", attempt })
      expect((await world.look(job))?.state).toBe("queued")
    }
    expect(world.sent.map(({ delaySeconds }) => delaySeconds)).toEqual([30, 60, 120, 240])
    expect(await world.work(job, { table: away })).toMatchObject({ outcome: "failed", attempt: 5 })
    const { state, error } = (await world.look(job))!
    expect([state, error]).toEqual(["failed", { code: "internal", message: "something went wrong on our side" }])
  })

  test("because it cannot be done is not tried again", async () => {
    const world = await withOrders()
    const job = await world.make("query", { ...orders, asOf: 99 })
    expect(await world.work(job)).toEqual({
      outcome: "failed",
      kind: "query",
      attempt: 1,
      code: "invalid_request",
    })
    expect((await world.look(job))?.error).toEqual({
      code: "invalid_request",
      message: "the journal's position is 2",
    })
    expect(world.sent).toEqual([])
  })
})

test("a job that fills the memory of its worker has failed, before the worker dies of it", async () => {
  const world = await withOrders()
  const job = await world.make("query", rare)
  let looks = 0
  expect(await world.work(job, { isFull: () => ++looks > 1 })).toMatchObject({
    outcome: "failed",
    code: "job_too_large",
  })
  expect((await world.look(job))?.error?.message).toContain("more than one worker can hold in its memory")
})

describe("a question that needs too long", () => {
  test("has failed, and says so", async () => {
    const world = await withOrders()
    const job = await world.make("query", rare)
    const slow: Table = {
      ...table,
      pages: async function* (pk, range) {
        world.clock.advance(6 * MINUTE)
        yield* table.pages(pk, range)
      },
    }
    expect(await world.work(job, { table: slow })).toMatchObject({ outcome: "failed", code: "job_too_large" })
    expect((await world.look(job))?.error?.message).toBe(
      "there was not enough time for this question; ask for fewer days",
    )
  })
})

describe("a replay that is interrupted", () => {
  test("between two commits goes on where it was, and ends with one more generation", async () => {
    const world = await settleJobs(table)
    // A commit takes in 50,000 events.
    for (let entry = 0; entry < 52; entry++) {
      await world.send(Array.from({ length: 1000 }, (_, i) => call("Page Viewed", `u${i % 9}`)))
    }
    await world.fold()
    const job = await world.make("replay", { timeZone: "Europe/Athens" })
    const from: (string | undefined)[] = []
    const slow: Table = {
      ...table,
      pages: async function* (pk, range) {
        if (pk !== keys.journal(world.tenant)) return yield* table.pages(pk, range)
        from.push(range?.from)
        world.clock.advance(11 * MINUTE)
        for (const entry of await table.query(pk, range)) yield [entry]
      },
    }
    expect((await world.work(job, { table: slow })).outcome).toBe("handed on")
    expect(await world.look(job)).toMatchObject({ state: "queued", progress: { done: 50, total: 52 }, attempts: 0 })
    expect((await readHead(world.needs, world.tenant))?.generation).toBe(1)
    expect((await world.work(job, { table: slow })).outcome).toBe("done")
    expect(from).toEqual([padded(1), padded(51)])
    expect(await world.result(job)).toEqual({ generation: 2, position: 52 })
    expect(await readHead(world.needs, world.tenant)).toMatchObject({ generation: 2, zone: "Europe/Athens" })
  })

  test("after its switch is not done twice", async () => {
    const world = await withOrders()
    await world.fold()
    const job = await world.make("replay", { currency: "EUR" })
    const full: Table = {
      ...table,
      put: (item, condition) => (item.pk.includes("#jobs#results") ? dead() : table.put(item, condition)),
    }
    expect((await world.work(job, { table: full })).outcome).toBe("put off")
    expect((await world.work(job)).outcome).toBe("done")
    expect(await world.result(job)).toMatchObject({ generation: 2, position: 2 })
  })
})

test("a worker that is about to stop hands its job on, and nothing counts as an attempt", async () => {
  const world = await withOrders()
  const job = await world.make("query", rare)
  expect((await world.work(job, { isStopping: () => true })).outcome).toBe("handed on")
  expect(await world.look(job)).toMatchObject({ state: "queued", attempts: 0 })
  expect(world.sent).toEqual([{ tenant: world.tenant, id: job.id, priority: "high", delaySeconds: 0 }])
  expect((await world.work(job)).outcome).toBe("done")
})

describe("a job that is cancelled", () => {
  test("before it was begun is not begun", async () => {
    const world = await withOrders()
    const job = await world.make("query", rare)
    expect((await cancelJob(world.needs, world.tenant, job.id)).state).toBe("cancelled")
    expect((await world.work(job)).outcome).toBe("over")
    expect((await world.look(job))?.attempts).toBe(0)
    expect(await world.told()).toEqual([])
  })

  test("while it runs stops at the next progress, and its place is free", async () => {
    const world = await withOrders()
    const job = await world.make("query", rare, { most: 1 })
    const meanwhile: Table = {
      ...table,
      pages: async function* (pk, range) {
        await cancelJob(world.needs, world.tenant, job.id)
        world.clock.advance(2 * SECOND)
        yield* table.pages(pk, range)
      },
    }
    expect((await world.work(job, { table: meanwhile })).outcome).toBe("cancelled")
    expect(await world.look(job)).toMatchObject({ state: "cancelled", resultBytes: null })
    expect((await world.make("query", rare, { most: 1 })).state).toBe("queued")
  })

  test("while its worker keeps what it has found stays cancelled, and nobody is told of an end", async () => {
    const world = await withOrders()
    const job = await world.make("query", rare)
    const meanwhile: Table = {
      ...table,
      put: async (item, condition) => {
        await cancelJob(world.needs, world.tenant, job.id)
        return table.put(item, condition)
      },
    }
    expect((await world.work(job, { table: meanwhile })).outcome).toBe("cancelled")
    expect(await world.look(job)).toMatchObject({ state: "cancelled", resultBytes: null })
    expect(await world.told()).toEqual([])
  })

  test("twice is cancelled; one that is done is not", async () => {
    const world = await withOrders()
    const job = await world.make("query", rare)
    await cancelJob(world.needs, world.tenant, job.id)
    expect((await cancelJob(world.needs, world.tenant, job.id)).state).toBe("cancelled")
    const other = await world.make("query", rare)
    await world.work(other)
    await expect(cancelJob(world.needs, world.tenant, other.id)).rejects.toMatchObject({
      code: "conflict",
      message: "this job is done already",
    })
    const { rows } = await readAudit(world.needs, world.tenant, { limit: 10 })
    expect(rows.map(({ action }) => action).filter((action) => action.startsWith("job."))).toEqual([
      "job.create",
      "job.cancel",
      "job.create",
    ])
  })
})

test("how far a job is, is written down every two seconds at most", async () => {
  const world = await settleJobs(table)
  for (let i = 0; i < 6; i++) await world.send([order(`u${i}`, "1", { gift: true })])
  await world.fold()
  const job = await world.make("query", rare)
  const written: unknown[] = []
  const counting: Table = {
    ...table,
    set: (key, values, condition) => {
      if ("done" in values) written.push(values.done)
      return table.set(key, values, condition)
    },
    pages: async function* (pk, range) {
      for (const entry of await table.query(pk, range)) {
        world.clock.advance(SECOND)
        yield [entry]
      }
    },
  }
  await world.work(job, { table: counting })
  expect(written).toEqual([0, 2, 4, 6])
})

describe("the places of a tenant", () => {
  test("are as many as its plan says, and one is free when a job is over", async () => {
    const world = await withOrders()
    const [first] = [await world.make("query", rare), await world.make("query", rare), await world.make("query", rare)]
    await expect(world.make("query", rare)).rejects.toMatchObject({ code: "too_many_jobs", retryAfter: 30 })
    await world.work(first)
    expect((await world.make("query", rare)).state).toBe("queued")
  })

  test("are not more for those who ask at the same moment", async () => {
    const world = await withOrders()
    const asked = await Promise.allSettled(Array.from({ length: 8 }, () => world.make("query", rare)))
    expect(asked.filter(({ status }) => status === "fulfilled")).toHaveLength(3)
    expect(await table.query(keys.jobPlaces(world.tenant))).toHaveLength(3)
  })
})

describe("an Idempotency-Key", () => {
  test("makes one job, however often it is sent, and is refused with another body", async () => {
    const world = await withOrders()
    const about = { idempotencyKey: "once" }
    const made = await Promise.all([1, 2, 3].map(() => world.make("query", rare, about)))
    expect(new Set(made.map(({ id }) => id)).size).toBe(1)
    await expect(world.make("query", orders, about)).rejects.toMatchObject({ code: "idempotency_conflict" })
    expect((await listJobs(world.needs, world.tenant, { limit: 10 })).jobs).toHaveLength(1)
  })

  test("is free again when its job has been forgotten, thirty days after its end", async () => {
    const world = await withOrders()
    const about = { idempotencyKey: "once" }
    const job = await world.make("query", rare, about)
    await world.work(job)
    world.clock.advance(30 * DAY)
    expect((await world.look(job))?.state).toBe("done")
    world.clock.advance(2 * SECOND)
    expect(await world.look(job)).toBeUndefined()
    expect((await listJobs(world.needs, world.tenant, { limit: 10 })).jobs).toEqual([])
    expect((await world.make("query", orders, about)).state).toBe("queued")
    expect((await listJobs(world.needs, world.tenant, { limit: 10 })).jobs).toMatchObject([{ state: "queued" }])
  })
})

test("jobs are listed newest first, page by page, by kind and by state", async () => {
  const world = await withOrders()
  const ids: string[] = []
  for (const kind of ["query", "reconcile", "query", "reconcile", "query"] as const) {
    const job = await world.make(kind, kind === "query" ? rare : {}, { most: 9 })
    ids.unshift(job.id)
    world.clock.advance(SECOND)
  }
  await world.work({ id: ids[2]! })
  const list = async (page: object) => {
    const { jobs, next } = await listJobs(world.needs, world.tenant, { limit: 2, ...page })
    return { ids: jobs.map(({ id }) => ids.indexOf(id)), next }
  }
  const first = await list({})
  expect(first.ids).toEqual([0, 1])
  const second = await list({ after: first.next })
  expect(second.ids).toEqual([2, 3])
  expect(await list({ after: second.next })).toEqual({ ids: [4], next: undefined })
  expect((await list({ kind: "reconcile" })).ids).toEqual([1, 3])
  expect((await list({ state: "done" })).ids).toEqual([2])
  expect((await list({ kind: "query", state: "queued" })).ids).toEqual([0, 4])
})

test("a page of jobs with long questions is shorter, and the next goes on", async () => {
  const world = await withOrders()
  const value = Array.from({ length: 20_000 }, (_, i) => `some-gift-${i}`)
  const long = { ...orders, where: { field: "properties.gift", op: "in", value } }
  for (let i = 0; i < 5; i++) {
    await world.make("query", long, { most: 9 })
    world.clock.advance(SECOND)
  }
  const first = await listJobs(world.needs, world.tenant, { limit: 50 })
  expect(first.jobs).toHaveLength(3)
  const second = await listJobs(world.needs, world.tenant, { limit: 50, after: first.next! })
  expect([second.jobs.length, second.next]).toEqual([2, undefined])
})

test("a job whose message was lost, or whose worker has died, is put before the workers again", async () => {
  const world = await withOrders()
  const lost = await world.make("query", rare)
  const abandoned = await world.make("reconcile")
  const over = await world.make("query", rare)
  await world.work(over)
  await expect(world.work(abandoned, { table: dying("put", 1, "before") })).rejects.toThrow("dead")
  const forgotten = async () => {
    world.sent.length = 0
    await resendForgotten(world.working, world.tenant)
    return world.sent.map(({ id, priority }) => [id, priority])
  }
  expect(await forgotten()).toEqual([])
  world.clock.advance(5 * MINUTE)
  expect(await forgotten()).toEqual([[abandoned.id, "low"]])
  world.clock.advance(10 * MINUTE)
  expect((await forgotten()).sort()).toEqual(
    [
      [lost.id, "high"],
      [abandoned.id, "low"],
    ].sort(),
  )
})
test("a result that is too large is refused with a reason, and one of several items comes back whole", async () => {
  const world = await withOrders()
  const place = { tenant: world.tenant, id: "job_0123456789abcdef" }
  const text = JSON.stringify(anyLetters(1_000_000))
  const found = await writeResult(world.needs, place, "run", { text, ttl: 1 })
  expect(found.parts).toBeGreaterThan(2)
  expect(await readResult(world.needs, place, found)).toBe(text)
  await expect(writeResult(world.needs, place, "run", { text: "x".repeat(5_000_001), ttl: 1 })).rejects.toMatchObject({
    code: "job_too_large",
    message: expect.stringContaining("5000001 bytes, and 5000000 can be kept"),
  })
})

test("a replay by a job is the replay of the command, and names who asked for it", async () => {
  const [byJob, byCommand] = [await withOrders(), await withOrders()]
  const job = await byJob.make("replay", { timeZone: "Pacific/Auckland" })
  await byJob.work(job)
  const built = await replay(byCommand.needs, byCommand.tenant, { zone: "Pacific/Auckland" })
  expect(await byJob.result(job)).toEqual(built)
  const { rows } = await readAudit(byJob.needs, byJob.tenant, { limit: 2 })
  expect(rows.map(({ action, actor }) => [action, actor])).toEqual([
    ["views.switch", "key:k"],
    ["views.replay", "key:k"],
  ])
})
