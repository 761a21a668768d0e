import { afterAll, beforeAll, expect, test } from "vitest"
import { vendorOf } from "#sources/registry.ts"
import { startWorld, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await startWorld()
  await world.tenant("acme")
})
afterAll(() => world.stop())

const octant = (...args: string[]) => world.octant([...args, "--tenant", "acme"])
type Made = { id: string; url: string; secret?: string; account?: string }
const made = (...args: string[]) => world.ask("sources", "create", "--tenant", "acme", ...args) as Promise<Made>

test("a source is made, tried, paused, resumed, rotated and deleted from the command line", async () => {
  const created = await octant("sources", "create", "--vendor", "gorgias", "--name", "Support")
  expect(created.code).toBe(0)
  const [id, url, secret] = created.out.trim().split("\n") as [string, string, string]
  expect(url).toBe(`${world.stack.url}/hooks/${id}`)
  expect(secret).toMatch(/^[0-9A-Za-z]{43}$/)
  expect(created.err).toContain("keep the secret now, it is not shown again")

  expect((await octant("sources", "list")).out).toMatch(new RegExp(`${id} +gorgias +Support +on +http`))
  expect((await octant("sources", "test", id)).out).toMatch(/^taken with 200 in \d+ ms\n$/)
  await world.stack.idle()
  const shown = await octant("sources", "show", id)
  expect(shown.out).toContain("3 received = 3 counted + 0 duplicate + 0 rejected + 0 quarantined")
  expect(shown.out).toMatch(/refused +0 \(0\.0 %\)/)

  expect((await octant("sources", "pause", id)).out).toBe(`${id} (Support) is paused\n`)
  expect((await octant("sources", "resume", id)).out).toBe(`${id} (Support) is on\n`)
  const rotated = await octant("sources", "rotate", id)
  expect(rotated.out.trim()).toMatch(/^[0-9A-Za-z]{43}$/)
  expect(rotated.out.trim()).not.toBe(secret)
  expect(rotated.err).toMatch(/the one before it holds until 2/)
  expect((await octant("sources", "rotate", id, "--end-old")).err).toContain("the one before it has ended")
  expect((await octant("sources", "change", id, "--name", "Help")).out).toBe(`${id} (Help) is on\n`)

  expect((await octant("sources", "delete", id)).out).toBe(`the source ${id} (Help) is gone\n`)
  expect(await octant("sources", "show", id)).toEqual({ code: 1, out: "", err: "there is no such source\n" })
  expect((await octant("sources", "list")).out).toBe("there are no sources yet\n")
})

test("a source that has refused says when and why last, and when for each other reason", async () => {
  const [id, url, secret] = (await octant("sources", "create", "--vendor", "gorgias", "--name", "Refused")).out
    .trim()
    .split("\n") as [string, string, string]
  expect((await octant("sources", "show", id)).out).not.toContain("last refusal")
  const { headers, body } = vendorOf("gorgias").sample(`${secret}x`, Date.now(), url)
  expect((await fetch(url, { method: "POST", headers, body: Uint8Array.from(body) })).status).toBe(401)
  expect((await fetch(url, { method: "POST", body: "{}" })).status).toBe(401)
  const { lastRefusal } = (await world.ask("sources", "show", id, "--tenant", "acme")) as {
    lastRefusal: { at: string; code: string; last: Record<string, string> }
  }
  const { missing_signature: last, bad_signature: before } = lastRefusal.last
  expect(lastRefusal).toMatchObject({ at: last, code: "missing_signature" })
  const { out } = await octant("sources", "show", id)
  expect(out.match(/^(?:last refusal|and before) .*$/gm)).toEqual([
    `last refusal   ${last} missing_signature`,
    `and before     ${before} bad_signature`,
  ])
})

test("a vendor's secret comes from the environment, and is told once", async () => {
  const env = { OCTANT_SOURCE_SECRET: "whsec_from_the_environment" }
  const args = ["sources", "create", "--vendor", "stripe", "--name", "Payments", "--tenant", "acme"]
  const { out, err } = await world.octant(args, { env })
  const [id, url, told] = out.trim().split("\n") as [string, string, string]
  expect([told, err.includes("whsec_from_the_environment")]).toEqual(["whsec_from_the_environment", false])
  expect((await octant("sources", "show", id)).out).not.toContain("whsec_from_the_environment")
  const { headers, body } = vendorOf("stripe").sample(env.OCTANT_SOURCE_SECRET, Date.now(), url)
  expect((await fetch(url, { method: "POST", headers, body: Uint8Array.from(body) })).status).toBe(200)
  await world.stack.idle()

  const [line] = (await octant("sources", "deliveries", id)).out.trim().split("\n").slice(1)
  const delivery = line!.split(" ")[0]!
  expect(line).toMatch(/ read +2 +\d+ +stripe:evt_sample_/)
  const opened = await octant("sources", "delivery", id, delivery)
  expect(opened.out).toContain(Buffer.from(body).toString())
  expect((await octant("sources", "replay", id, delivery)).out).toBe("read: 2 events accepted\n")
  await world.stack.idle()
  const { last24Hours } = (await world.ask("sources", "show", id, "--tenant", "acme")) as { last24Hours: object }
  expect(last24Hours).toMatchObject({ received: 4, counted: 2, duplicate: 2 })
})

test("what cannot be made is said before anything is sent, or with the field that is wrong", async () => {
  expect(await octant("sources", "create", "--vendor", "nobody", "--name", "x")).toMatchObject({ code: 2 })
  const usual = await octant("sources", "create", "--vendor", "Webhook", "--name", "Usual")
  expect(usual.out).toMatch(/^src_acme_\w{16}\nhttp\S+\n[0-9A-Za-z]{43}\n$/)
  const pasted = await octant("sources", "create", "--vendor", "paypal", "--name", "PayPal")
  expect(pasted.out).toMatch(/^src_acme_\w{16}\nhttp\S+\n$/)
  expect(pasted.err).toContain("paste the webhook's id, from the app's webhooks in the PayPal dashboard")
  const config = '{"signature":{"kind":"bearer"},"event":"/type","messageId":"/id"}'
  const file = world.file("config.json", config)
  expect((await made("--vendor", "generic", "--name", "Billing", "--config", `@${file}`)).secret).toHaveLength(43)
  expect((await octant("sources", "create", "--vendor", "generic", "--name", "x", "--config", "{")).err).toContain(
    "--config must be JSON",
  )
  const vendors = (await octant("sources", "vendors")).out
  expect(vendors).toMatch(/^stripe +Stripe +pasted from the vendor +with --credential +https:/m)
})

test("the quality of the data is told in tables, each part and its gate, and as the JSON of the API", async () => {
  const lines = Array.from({ length: 60 }, (_, i) => ({
    type: "track",
    event: "Order Completed",
    messageId: `q${i}`,
    userId: "u1",
    timestamp: new Date().toISOString(),
    properties: i < 50 ? { order_id: `o${i}`, revenue: "12.50" } : { order_id: `o${i}` },
  }))
  await world.ask(
    ...["import", world.file("q.ndjson", lines.map((line) => JSON.stringify(line)).join("\n")), "--tenant", "acme"],
  )
  await world.stack.idle()
  const { checkWorker } = await import("#platform/check-worker.ts")
  await checkWorker(world.stack.runtime)()
  const summary = await octant("quality")
  expect(summary.code).toBe(0)
  expect(summary.out).toMatch(/^score \d+(\.\d)? of 100\n/)
  expect(summary.out).toMatch(/^default +accuracy +0\.16667 +< 0\.01 +/m)
  expect((await octant("quality", "--strict")).code).toBe(1)
  expect((await octant("quality", "failing", "--source", "default")).out).toContain("/v1/quarantine?limit=100")
  const scores = (await octant("quality", "scores")).out
  expect(scores).toMatch(/^ +accuracy +accuracy +0\.16667 +0 +20 +FAILS +< 0\.01$/m)
  expect(scores).toMatch(/^ +volume +completeness +– +– +20 +unknown +/m)
  expect((await octant("quality", "ledger", "--source", "default")).out).toMatch(/60 +50 +0 +0 +10 +balanced/)
  expect((await octant("quality", "alerts")).out).toBe("there were no alerts\n")
  const trends = (await world.ask("quality", "trends", "--grain", "day", "--tenant", "acme")) as { hours: number }[]
  expect(trends.every(({ hours }) => hours === 1)).toBe(true)
  expect((await octant("quality", "trends")).out).toMatch(/^default .*█|▁/m)
  expect((await octant("quality", "nonsense")).code).toBe(2)
  expect((await octant("quality", "--help")).out).toContain("--grain")
})
