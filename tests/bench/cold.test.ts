import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { type FunctionName, functions } from "#platform/topology.ts"
import { coldSubjects } from "../stacks/cold/subjects.ts"

/** What a cold start costs on every machine alike; how long it takes is `npm run bench:cold`'s. */
const folder = mkdtempSync(join(tmpdir(), "octant-cold-"))
let cold: Awaited<ReturnType<typeof coldSubjects>>
beforeAll(async () => {
  const handlers = Object.entries(functions).map(([name, { handler }]) => [name, handler])
  cold = await coldSubjects(folder, { bare: "tests/stacks/cold/bare.handler", ...Object.fromEntries(handlers) })
})
afterAll(() => {
  cold.stop()
  rmSync(folder, { recursive: true, force: true })
})
const begin = (name: string) => cold.begin(cold.subjects.find((one) => one.name === name)!)

test("a bare Hono app loads Node's fetch, so that it would be seen", async () => {
  expect((await begin("bare")).has).toContain("fetch")
})

/** A webhook's first delivery is told with a `Response`. */
const asksOthers: FunctionName[] = ["deliver"]
const names = (Object.keys(functions) as FunctionName[]).filter((name) => !asksOthers.includes(name))
test.each(names)("%s answers its first request without Node's fetch", async (name) => {
  expect((await begin(name)).has).not.toContain("fetch")
})

test("events are taken by two requests of AWS: who sends them, and where they go; a few are not packed", async () => {
  const { asked, has } = await begin("collect")
  expect(asked).toEqual(["BatchGetItem", "SendMessageBatch"])
  expect(has).toEqual([])
  expect((await begin("append")).has).toEqual(["zlib"])
})

/** What is asked more often takes longer, and costs more, wherever it runs. */
const requests = {
  hooks: 7,
  api: 9,
  append: 3,
  fold: 21,
  jobsHigh: 13,
  jobsLow: 62,
  close: 8,
  check: 26,
  notify: 3,
  deliver: 6,
}
test.each(Object.entries(requests))("%s asks AWS no more than %d times", async (name, most) => {
  expect((await begin(name)).asked.length).toBeLessThanOrEqual(most)
})
