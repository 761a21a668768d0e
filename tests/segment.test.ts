import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Analytics } from "@segment/analytics-node"
import { afterAll, expect, test } from "vitest"
import { settled, startProcess, total } from "./process.ts"

const dir = mkdtempSync(join(tmpdir(), "octant-segment-"))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test("the Segment SDK loses nothing and doubles nothing, though the server is killed and started again in between", async () => {
  const first = await startProcess(dir, "--no-demo", "--port", "0")
  const port = new URL(first.dev.collectUrl).port
  const analytics = new Analytics({
    writeKey: first.dev.tenants[0]!.writeKey,
    host: first.dev.collectUrl,
    flushAt: 20,
    flushInterval: 50,
    maxRetries: 1000,
  })
  const failures: unknown[] = []
  analytics.on("error", (error) => failures.push(error))
  const buy = (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      analytics.track({
        userId: `u${i % 50}`,
        event: "Order Completed",
        properties: { order_id: `o${i}`, revenue: "10.10", currency: "USD" },
      })
    }
  }
  buy(0, 300)
  analytics.identify({ userId: "u1", anonymousId: "a1", traits: { plan: "pro" } })
  await first.kill()
  buy(300, 600)
  const second = await startProcess(dir, "--no-demo", "--port", port)
  buy(600, 700)
  await analytics.closeAndFlush()
  expect(failures).toEqual([])
  expect(await settled(second, "orders", 700)).toBe(700)
  expect(await total(second, "gross_revenue")).toBe("7070.00")
  expect(await total(second, "active_customers")).toBe(50)
  expect(await second.interrupt()).toBe(0)
}, 60_000)
