import { Webhook as Oracle } from "standardwebhooks"
import { afterAll, beforeAll, expect, test } from "vitest"
import { type Receiver, startReceiver } from "../../tests/receiver.ts"
import { startWorld, type World } from "./world.ts"

let world: World
let receiver: Receiver
beforeAll(async () => {
  world = await startWorld({ hiddenFor: () => 0 })
  await world.tenant("acme")
  receiver = await startReceiver()
})
afterAll(async () => {
  receiver.stop()
  await world.stop()
})
const octant = (...args: string[]) => world.octant(["webhooks", ...args, "--tenant", "acme"])

test("a webhook is made, tried, changed, rotated and deleted from the command line", async () => {
  expect((await octant("list")).out).toBe("there are no webhooks yet\n")
  const created = await octant("create", "--to", receiver.url, "--events", "alert.opened", "alert.closed")
  expect(created.code).toBe(0)
  const [id, secret] = created.out.trim().split("\n") as [string, string]
  expect(id).toMatch(/^wh_[0-9A-Za-z]{16}$/)
  expect(created.err).toContain("keep the secret now, it is not shown again")
  expect((await octant("list")).out).toMatch(new RegExp(`${id} +on +alert.opened, alert.closed +http`))
  expect((await octant("deliveries", id)).out).toBe("nothing was told yet\n")

  const tried = await octant("test", id)
  const [delivery] = /^\d{13}-[\w-]{16}/.exec(tried.out)!
  await world.stack.idle()
  const [one] = receiver.taken()
  expect(new Oracle(secret).verify(one!.body, one!.headers as Record<string, string>)).toMatchObject({
    type: "webhook.test",
    data: { webhook: id },
  })
  expect((await octant("deliveries", id, "--state", "delivered")).out).toMatch(
    new RegExp(`${delivery} +webhook.test +delivered +1 +204, \\d+ ms\\n`),
  )
  expect((await octant("retry", id, delivery)).out).toBe(`${delivery} is on its way\n`)
  await world.stack.idle()
  expect(receiver.taken()).toHaveLength(1)

  expect((await octant("update", id, "--events", "*", "--disable", "--description", "for us")).out).toMatch(
    /events +\*\nstate +off\nfor +for us\n/,
  )
  expect((await octant("test", id)).err).toContain("the webhook is disabled: enable it first")
  expect((await octant("update", id, "--enable")).out).toMatch(/state +on\n/)
  expect((await octant("update", id, "--enable", "--disable")).code).toBe(2)
  const rotated = await octant("rotate", id)
  expect(rotated.out).toMatch(/^whsec_\S+\n$/)
  expect(rotated.out).not.toContain(secret)
  expect(rotated.err).toMatch(/the one before it signs until 2/)
  expect((await octant("show", id)).out).toMatch(/old secret +signs until 2/)
  expect((await octant("rotate", id, "--end-old")).err).toMatch(/the one before it has ended\n$/)
  expect((await octant("show", id)).out).not.toContain("old secret")
  expect((await octant("delete", id)).out).toBe(`the webhook ${id} (${receiver.url}) is gone\n`)
  expect((await octant("show", id)).err).toContain("there is no such webhook")
})

test("what is refused is said in words, and --json is one document", async () => {
  const refused = await octant("create", "--to", "http://10.0.0.1/")
  expect([refused.code, refused.err]).toEqual([2, "url must begin with https://\n"])
  expect((await octant("create", "--to", receiver.url, "--events", "nothing.happened")).err).toContain("events[0]")
  const made = (await world.ask("webhooks", "create", "--to", receiver.url)) as { id: string; events: string[] }
  expect(made.events).toEqual(["*"])
  expect(await world.ask("webhooks", "list")).toMatchObject({ webhooks: [{ id: made.id, enabled: true }] })
  expect(await world.ask("webhooks", "deliveries", made.id, "--limit", "1")).toEqual({ deliveries: [] })
})
