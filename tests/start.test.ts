import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import type { AddressInfo } from "node:net"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, test } from "vitest"
import { type DevTenant, readState } from "#local/home.ts"
import { type DemoTenant, demo, demoTenants } from "#simulator/demo.ts"
import { simulate } from "#simulator/simulate.ts"
import { truth } from "#simulator/truth.ts"
import { type Running, settled, startProcess, total } from "./process.ts"

const folder = mkdtempSync(join(tmpdir(), "octant-start-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const start = (...options: string[]) =>
  spawnSync(process.execPath, ["functions/local.ts", ...options], { encoding: "utf8", timeout: 20_000 })

test("an empty tenant: what is sent is there at the next start, and Ctrl-C ends it cleanly", async () => {
  const dir = join(folder, "empty")
  const first = await startProcess(dir, "--no-demo", "--port", "0")
  expect(first.dev.tenants.map(({ id }) => id)).toEqual(["acme"])
  const sent = await fetch(`${first.dev.collectUrl}/v1/track`, {
    method: "POST",
    headers: { authorization: `Bearer ${first.dev.tenants[0]!.writeKey}`, "content-type": "application/json" },
    body: JSON.stringify({ userId: "ada", event: "Order Completed", properties: { order_id: 1, revenue: "12.50" } }),
  })
  expect(sent.status).toBe(200)
  expect(await first.interrupt()).toBe(0)
  const second = await startProcess(dir, "--no-demo", "--port", "0")
  expect(second.dev.tenants).toEqual(first.dev.tenants)
  expect(await settled(second, "gross_revenue", "12.50")).toBe("12.50")

  const rival = start("--no-demo", "--port", "0", "--data", dir)
  expect(rival.status).toBe(1)
  expect(rival.stderr).toContain("is running on")
  await second.interrupt()

  const fresh = await startProcess(dir, "--no-demo", "--port", "0", "--fresh")
  expect(await total(fresh, "orders")).toBe(0)
  await fresh.interrupt()
}, 60_000)

test("--trace shows the way of one event from the door to the views, as a tree", async () => {
  const dir = join(folder, "traced")
  const traced = await startProcess(dir, "--no-demo", "--port", "0", "--trace")
  const shown = traced.output().replaceAll(/ · \d+ ms, after \d+ ms/g, "")
  const parts = shown.split("\n").filter((line) => /[├└]─ |^POST /.test(line) && !/ (DynamoDB|SQS) /.test(line))
  expect(parts.map((line) => line.replace(/^[│ ]*[├└]─ /, ""))).toEqual([
    "POST /v1/track · acme · accepted · 200",
    "send append",
    "process append · acme · 1",
    "journal write",
    "send fold · acme",
    "process fold · acme · folded",
    "fold",
    "commit",
    "settle",
  ])
  expect(shown).toMatch(/^ {6}├─ journal write$/m)
  expect(await total(traced, "events")).toBe(1)
  expect(await traced.interrupt()).toBe(0)
}, 60_000)

test("a port that is taken is named, and nothing is left running", async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const refused = start("--no-demo", "--port", String(port), "--data", join(folder, "taken"))
  server.close()
  expect(refused.status).toBe(1)
  expect(refused.stderr).toContain(String(port))
  expect(refused.stderr).not.toContain("    at ")
})

test("--help tells the options", () => {
  const help = start("--help")
  for (const option of ["--port", "--fresh", "--no-demo", "--data", "--log", "--trace"])
    expect(help.stdout).toContain(option)
})

/** What the simulator says of a demo by brute force, under the names of the metrics. */
function figuresOf(tenant: DemoTenant, seededAt: number) {
  const told = truth(simulate(demo(tenant, seededAt)))
  return {
    events: told.events - told.quarantined,
    sign_ups: told.signUps,
    orders: told.orders,
    gross_revenue: told.revenue,
    refunds: told.refunded,
    enrolments: told.enrolments,
    lessons_completed: told.lessons,
    invoiced_revenue: told.invoiced,
    messages: told.messages,
  }
}

/** What the API answers of them, by tenant. */
async function counted(running: Running, names: readonly string[]) {
  const figures = async (tenant: DevTenant) =>
    Object.fromEntries(await Promise.all(names.map(async (name) => [name, await total(running, name, tenant)])))
  return Object.fromEntries(
    await Promise.all(running.dev.tenants.map(async (tenant) => [tenant.id, await figures(tenant)])),
  )
}

test("the demo is seeded once, counted exactly, and shows its headline figures", async () => {
  const dir = join(folder, "demo")
  const first = await startProcess(dir, "--port", "0")
  expect(first.output()).toContain("Acme Coffee (acme): events")
  expect(first.output()).toContain("curl -H")
  const { seededAt } = readState(dir)
  const figures = Object.fromEntries(demoTenants.map((one) => [one.id, figuresOf(one, seededAt!)]))
  const names = Object.keys(figures.acme!)
  expect(await counted(first, names)).toEqual(figures)
  await first.interrupt()
  const second = await startProcess(dir, "--port", "0")
  expect(await counted(second, names)).toEqual(figures)
  expect(second.output()).not.toContain("seeding")
  await second.interrupt()
}, 90_000)
