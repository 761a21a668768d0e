import { afterAll, beforeAll, expect, test } from "vitest"
import { createJob } from "#pipeline/jobs/job.ts"
import { kindNamed } from "#pipeline/jobs/kinds.ts"
import type { TenantId } from "#store/keys.ts"
import { startWorld, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await startWorld()
  await world.tenant("acme", { currency: "EUR" })
  const order = (id: string, revenue: string) =>
    JSON.stringify({
      type: "track",
      event: "Order Completed",
      messageId: id,
      userId: `u${id}`,
      timestamp: "2026-01-05T23:30:00Z",
      properties: { order_id: id, revenue, gift: id === "1" },
    })
  await world.ask("import", world.file("orders.ndjson", [order("1", "5.50"), order("2", "7")].join("\n")))
  await world.stack.idle()
})
afterAll(() => world.stop())

const asked = ["query", "gross_revenue", "--from", "2026-01-04", "--to", "2026-01-06"]
const gifts = ["--where", '{"field":"properties.gift","op":"eq","value":true}']
type Told = { id: string; state: string; jobs: { id: string; kind: string }[]; next?: string }
const ask = async (...args: string[]) => (await world.ask("jobs", ...args)) as Told
/** One that nobody works. */
const waiting = async () =>
  (
    await createJob(
      world.stack.runtime,
      "acme" as TenantId,
      { kind: "reconcile", input: {} },
      await kindNamed("reconcile"),
      9,
    )
  ).id

test("a question asked as a job prints what the question prints, after a bar", async () => {
  const steps: number[] = []
  const titles: string[] = []
  const bar = (title: string) => {
    titles.push(title)
    return { to: (value: number) => void steps.push(value), end: () => {} }
  }
  const plainly = await world.octant([...asked, ...gifts])
  const byJob = await world.octant([...asked, ...gifts, "--job"], { bar })
  const ageless = (text: string) => text.replace(/came \d+ s ago/, "…")
  expect(ageless(byJob.out)).toBe(ageless(plainly.out))
  expect(byJob.out).toContain("total        5.50")
  expect([titles, steps.at(-1)]).toEqual([["query"], 100])
  const [id] = byJob.err.match(/job_[\w-]{16}/) ?? []
  expect(ageless((await world.octant(["jobs", "result", id!])).out)).toBe(ageless(plainly.out))
  expect(await world.ask("jobs", "result", id!)).toMatchObject({ total: "5.50" })
})

test("a replay is asked for, waited for and shown", async () => {
  const { id } = await ask("create", "replay", "--time-zone", "Europe/Athens")
  expect(await world.octant(["jobs", "wait", id])).toMatchObject({
    code: 0,
    out: expect.stringContaining("done, 100 % of 1 positions"),
  })
  expect(await ask("show", id)).toMatchObject({ state: "done", kind: "replay", input: { timeZone: "Europe/Athens" } })
  expect(JSON.parse((await world.octant(["jobs", "result", id])).out)).toEqual({ generation: 2, position: 1 })
  const { out } = await world.octant(asked)
  expect(out).toMatch(/2026-01-05 +0\.00\n2026-01-06 +12\.50/)
})

test("the same Idempotency-Key is the same job", async () => {
  const create = () => ask("create", "query", "--input", '{"metric":"orders"}', "--idempotency-key", "monthly")
  expect((await create()).id).toBe((await create()).id)
})

test("a job that is cancelled is told so, and whoever waits for it ends with 1", async () => {
  const id = await waiting()
  expect(await world.octant(["jobs", "result", id])).toMatchObject({ code: 1, err: "this job is queued; ask again\n" })
  expect(await world.octant(["jobs", "cancel", id])).toMatchObject({ code: 0, out: `${id} is cancelled\n` })
  expect(await world.octant(["jobs", "wait", id])).toMatchObject({ code: 1, err: `${id} is cancelled\n` })
})

test("a job that has failed says why", async () => {
  const { id } = await ask("create", "query", "--input", '{"metric":"orders","asOf":99}')
  const waited = await world.octant(["jobs", "wait", id])
  expect(waited).toMatchObject({ code: 1, err: `${id} has failed: the journal's position is 1\n` })
  expect((await world.octant(["jobs", "show", id])).out).toContain("invalid_request: the journal's position is 1")
})

test("jobs are listed newest first, by kind and page by page", async () => {
  const id = await waiting()
  const { jobs, next } = await ask("list", "--limit", "1")
  expect(jobs).toMatchObject([{ id, kind: "reconcile" }])
  expect((await ask("list", "--after", next!)).jobs.map((job) => job.id)).not.toContain(id)
  expect((await ask("list", "--kind", "replay")).jobs).toHaveLength(1)
  const { out } = await world.octant(["jobs", "--state", "queued"])
  expect(out).toContain(`${id}  reconcile  queued   0 %`)
})

test.each([
  [["jobs", "create", "magic"], "kind: must be one of query, replay, reconcile\n"],
  [["jobs", "create", "replay", "--currency", "euro"], "input.currency: must be an ISO 4217 code such as EUR\n"],
  [["jobs", "create", "query", "--input", "{"], '--input must be JSON such as {"metric":"orders"}\n'],
])("%j is used in a wrong way", async (args, err) => {
  expect(await world.octant(args)).toMatchObject({ code: 2, err })
})
