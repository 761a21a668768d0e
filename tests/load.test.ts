import { execFile } from "node:child_process"
import { createServer, type Server } from "node:http"
import { describe, expect, test } from "vitest"
import { doorsOf } from "./load/doors.ts"
import { senderTo } from "./load/lane.ts"
import { comparable, quantile, type Sample, summary, verdicts } from "./load/verdict.ts"

const samples = (kind: Sample["kind"], ms: number, count = 100, status = 200): Sample[] =>
  Array.from({ length: count }, () => ({ kind, status, ms }))
const usual = [...samples("collect", 10), ...samples("query", 50)]
const run = (change: Partial<Parameters<typeof verdicts>[0]>) => {
  const { calm = usual, flooded = usual, missing = 0 } = change
  return verdicts({ calm, flooded, missing, all: [...calm, ...flooded] })
}

test("the value of a share is the one below which so many lie", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
  expect([0.5, 0.95, 0.99, 1].map((share) => quantile(hundred, share))).toEqual([50, 95, 99, 100])
  expect(quantile([], 0.99)).toBeUndefined()
})

test("refusals are told and do not count as quick answers", () =>
  expect(
    summary([...samples("collect", 10, 2), ...samples("collect", 1, 3, 429), ...samples("query", 9, 1, 503)]),
  ).toEqual({
    requests: 6,
    failed: 1,
    limited: 3,
    ms: [10, 10],
  }))

test("a request goes to the first door that is idle, else to the least busy", () => {
  const doors = doorsOf(["a", "b"])
  const [first, second, third] = [doors.next(), doors.next(), doors.next()]
  expect([first.url, second.url, third.url]).toEqual(["a", "b", "a"])
  second.done()
  expect(doors.next().url).toBe("b")
  first.done()
  third.done()
  expect(doors.next().url).toBe("a")
})

describe("a request whose connection is ended without an answer", () => {
  /** Ends the connection instead of answering the nth request on it. */
  const endingAt = async (nth: number, work: (send: ReturnType<typeof senderTo>) => Promise<void>) => {
    const seen = new WeakMap<object, number>()
    const server: Server = createServer(({ socket }, response) => {
      const on = (seen.get(socket) ?? 0) + 1
      seen.set(socket, on)
      if (on === nth) socket.destroy()
      else response.end("well")
    })
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
    await work(senderTo(doorsOf([`http://127.0.0.1:${Object(server.address()).port}`])))
    server.closeAllConnections()
    server.close()
  }

  test("is sent again if the connection was one that had lain idle", () =>
    endingAt(2, async (send) => {
      for (let i = 0; i < 3; i++) expect(await send("POST", "/", "key", "{}")).toEqual({ status: 200, text: "well" })
    }))

  test("has failed if the connection was new", () =>
    endingAt(1, (send) => expect(send("POST", "/", "key", "{}")).rejects.toThrow("socket hang up")))
})

describe("a run of the load", () => {
  const flooded = (more: Sample[]) => [...usual, ...more]
  test("in which the others are exactly twice as slow is good", () => {
    expect(run({})).toEqual([])
    expect(run({ flooded: [...samples("collect", 20), ...samples("query", 100)] })).toEqual([])
  })
  test.each<[string, Parameters<typeof run>[0], string[]]>([
    [
      "in which two of a hundred of the others' requests are slower",
      { flooded: flooded(samples("collect", 21, 2)) },
      ["the others' collect has a p99 of 21 ms while one floods, and 10 ms before: 2.1 times"],
    ],
    [
      "with an answer of 503",
      { flooded: flooded(samples("query", 1, 1, 503)) },
      ["1 requests failed, the first with 503"],
    ],
    [
      "with a request that was not answered",
      { calm: flooded(samples("query", 1, 1, 0)) },
      ["1 requests failed, the first without an answer"],
    ],
    ["that lost an event", { missing: 1 }, ["1 accepted events were not counted"]],
    [
      "in which the others were limited",
      { flooded: flooded(samples("collect", 1, 1, 429)) },
      ["1 requests of the others were limited"],
    ],
    [
      "whose keys were refused",
      { calm: flooded(samples("collect", 1, 1, 401)) },
      ["1 requests were refused, the first with 401"],
    ],
    ["in which nothing was asked", { flooded: samples("collect", 10) }, ["nothing of the others' query was answered"]],
  ])("%s is bad", (_, change, wrong) => expect(run(change)).toEqual(wrong))
})

describe("rounds beside which other programs ran", () => {
  const rounds = (...others: number[]) => others.map((processors, no) => ({ no, others: processors }))
  const judged = (wanted: number, ...others: number[]) => comparable(rounds(...others), wanted).map(({ no }) => no)
  test("are left out when there are enough others", () => expect(judged(2, 0.1, 1.2, 0.25, 0.26)).toEqual([0, 2]))
  test("count when there are not: nothing passes for want of a quiet machine", () =>
    expect(judged(3, 0.1, 1.2, 0.25, 0.26)).toEqual([0, 1, 2, 3]))
})

test.each([
  [["--help"], 0, /^Usage: npm run load -- \[options\]/],
  [["--surprise"], 1, /^error: unknown option '--surprise'\n$/],
  [["--tenants", "1"], 1, /^error: option '--tenants <number>' argument '1' is invalid. .*from 2 to 50.*\n$/],
  [["--of", "all"], 1, /^error: option '--of <kind>' argument 'all' is invalid. .*both, collect, query.*\n$/],
] as const)("with %j the load says what can be asked of it, and does nothing", async (asked, code, said) => {
  const ended = await new Promise<{ code: unknown; said: string }>((done) =>
    execFile(process.execPath, ["tests/load.ts", ...asked], (error, out, err) =>
      done({ code: error?.code ?? 0, said: out + err }),
    ),
  )
  expect(ended).toEqual({ code, said: expect.stringMatching(said) })
})

test("for a few seconds against processes of its own, what was accepted is counted", async () => {
  const out = await new Promise<string>((done) =>
    execFile(process.execPath, ["tests/load.ts", "--seconds", "4", "--flood", "3", "--tenants", "2"], (_, out) =>
      done(out),
    ),
  )
  expect(out).toMatch(/\n([1-9]\d*) events accepted, \1 counted/)
  expect(out).not.toContain("requests failed")
  expect(out).not.toContain("not counted")
}, 60_000)
