import { afterAll, beforeAll, expect, test } from "vitest"
import { startWorld, type World } from "./world.ts"

let world: World
let token: string
beforeAll(async () => {
  world = await startWorld()
  await world.tenant("acme")
  token = world.stack.config.OCTANT_OPERATOR_TOKEN!
  const QueueUrl = world.stack.runtime.queues.append.dead!
  for (const MessageBody of ["1 acme AA\u202e==", "1 acme BBBB"])
    await world.stack.runtime.call("sqs", "SendMessage", { QueueUrl, MessageBody })
})
afterAll(() => world.stop())

const octant = (...args: string[]) => world.octant(["queues", ...args], { env: { OCTANT_OPERATOR_TOKEN: token } })
const told = async (...args: string[]) => JSON.parse((await octant(...args, "--json")).out) as Record<string, unknown>

test("each queue is told of with what waits in it and what was given up", async () => {
  const { code, out } = await octant()
  expect(code).toBe(0)
  const [head, ...rows] = out.trimEnd().split("\n")
  expect(head).toMatch(
    /^queue +waiting +in flight +delayed +oldest \(s\) +dead letters +looked at +oldest letter \(s\) +redrive$/,
  )
  expect(rows.map((row) => row.replace(/ +/g, " ").replace(/ \d+ sent$/, " N sent"))).toEqual([
    "append 0 0 0 – 2 0 N sent",
    ...["fold", "deliveries", "jobs-high", "jobs-low"].map((name) => `${name} 0 0 0 – 0 0 – sent`),
    "notify – – – – 0 0 – published",
    ...["close", "check", "poll"].map((name) => `${name} – – – – 0 0 – dropped`),
  ])
  expect(((await told("list")).queues as object[])[0]).toMatchObject({ name: "append", deadLetters: 2 })
})

test("dead letters are shown with why and what, and cannot command the terminal", async () => {
  const { code, out } = await octant("dead", "append")
  expect(code).toBe(0)
  expect(out.match(/tenant +acme/g)).toHaveLength(2)
  expect(out).toContain("why         outage: unnoted nothing could be noted")
  expect(out).not.toContain("\u202e")
  expect((await octant("dead", "fold")).out).toBe("fold has no dead letters\n")
})

test("dead letters are sent back when it is said which, after a dry run that sends none", async () => {
  expect((await octant("redrive", "append")).code).toBe(2)
  const dry = await octant("redrive", "append", "--all", "--dry-run")
  expect(dry).toMatchObject({ code: 0, out: "2 messages would be sent back to append\n" })
  const { letters } = (await told("dead", "append")) as { letters: { id: string }[] }
  expect(letters).toHaveLength(2)
  const one = await octant("redrive", "append", letters[0]!.id)
  expect(one).toMatchObject({ code: 0, out: expect.stringMatching(/^1 message sent back to append(; 1 stays)?\n$/) })
  expect(await told("redrive", "append", "--max", "1")).toMatchObject({ moved: [letters[1]!.id], dryRun: false })
})

test("the letters of a schedule and of the bus are treated by what they are, and it is said how", async () => {
  const { queues, call } = world.stack.runtime
  const lay = (QueueUrl: string | undefined, body: object) =>
    call("sqs", "SendMessage", { QueueUrl: QueueUrl!, MessageBody: JSON.stringify(body) })
  for (const _ of [1, 2]) await lay(queues.poll.dead, {})
  const at = new Date().toISOString()
  const detail = { id: "evt_0000000000000000", type: "alert.opened", tenant: "acme", at, data: {} }
  await lay(queues.notify.dead, { detail })
  await lay(queues.notify.dead, { detail: "nothing that was told" })
  const byItself = "and nothing sent: the schedule poll runs again by itself"
  expect((await octant("redrive", "poll", "--all", "--dry-run")).out).toBe(`2 letters would be dropped, ${byItself}\n`)
  expect((await octant("redrive", "poll", "--max", "1")).out).toMatch(
    /^1 letter dropped, and nothing sent: the schedule poll runs again by itself/,
  )
  expect((await octant("dead", "notify")).out).toContain("why         unreadable: unknown no record of a call")
  expect(await told("redrive", "notify", "--all", "--dry-run")).toMatchObject({ redrive: "published", left: 1 })
  expect((await octant("redrive", "notify", "--all")).out).toBe("1 event put on the bus again for notify; 1 stays\n")
})

test("a queue that is not there is told so, and without the operator's token nothing is told", async () => {
  expect(await octant("dead", "nothing")).toMatchObject({ code: 1, err: "there is no such queue\n" })
  const url = world.stack.url
  expect(await octant("list", "--url", url)).toMatchObject({ code: 0 })
  const without = await world.octant(["queues", "--url", url], { env: {} })
  expect(without).toMatchObject({ code: 2, err: `give the operator's token of ${url} in OCTANT_OPERATOR_TOKEN\n` })
  const wrong = await world.octant(["queues", "--url", url], { env: { OCTANT_OPERATOR_TOKEN: "guessed" } })
  expect(wrong.code).toBe(1)
})
