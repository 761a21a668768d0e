import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { parseArgs } from "node:util"
import { seededNumbers } from "#core/random.ts"
import { type Running, settled, startProcess } from "../process.ts"

/** `npm run chaos:kill -- --times 10`: kill -9 of the real process under load, as often as told; then everything is counted. */
const { values } = parseArgs({
  options: { times: { type: "string", default: "10" }, seed: { type: "string", default: "1" } },
})
const next = seededNumbers(Number(values.seed))
const dir = mkdtempSync(join(tmpdir(), "octant-kill-"))
const LANES = 4
let running: Running = await startProcess(dir, "--no-demo", "--port", "0")
const port = new URL(running.dev.collectUrl).port
let [sent, acknowledged, stopped] = [0, 0, false]

/** A client that sends a batch until it is told that it is safe: the same ids each time, but not always in the same batches. */
async function lane() {
  while (!stopped) {
    const batch = Array.from({ length: 1 + Math.floor(next() * 40) }, () => {
      const id = sent++
      return {
        type: "track",
        event: "Order Completed",
        messageId: `m${id}`,
        userId: `u${id % 97}`,
        timestamp: "2026-05-05T10:00:00Z",
        properties: { order_id: `o${id}`, revenue: "1.01" },
      }
    })
    let left = [batch]
    while (left.length > 0) {
      if (await accepted(left[0]!)) left.shift()
      else if (left[0]!.length > 1 && next() < 0.3) {
        const middle = Math.ceil(left[0]!.length / 2)
        left = [left[0]!.slice(0, middle), left[0]!.slice(middle), ...left.slice(1)]
      } else await pause(20)
    }
    acknowledged += batch.length
  }
}

async function accepted(batch: unknown[]) {
  try {
    const response = await fetch(`${running.dev.collectUrl}/v1/batch`, {
      method: "POST",
      headers: { authorization: `Bearer ${running.dev.tenants[0]!.writeKey}`, "content-type": "application/json" },
      body: JSON.stringify({ batch }),
      signal: AbortSignal.timeout(5000),
    })
    await response.arrayBuffer()
    return response.status === 200
  } catch {
    return false
  }
}

const lanes = Array.from({ length: LANES }, lane)
for (let time = 1; time <= Number(values.times); time++) {
  await pause(200 + next() * 800)
  await running.kill()
  running = await startProcess(dir, "--no-demo", "--port", port)
  process.stdout.write(`killed ${time} times, ${acknowledged} events acknowledged\n`)
}
stopped = true
await Promise.all(lanes)
const counted = await settled(running, "orders", acknowledged, 60_000)
let clean = true
const octant = (command: string) =>
  execFileSync(process.execPath, ["packages/cli/octant.ts", command, "--data", dir], { stdio: "inherit" })
try {
  octant("replay")
  octant("reconcile")
} catch {
  clean = false
}
await running.interrupt()
rmSync(dir, { recursive: true, force: true })
process.stdout.write(
  `${acknowledged} acknowledged, ${String(counted)} counted, reconcile ${clean ? "clean" : "found differences"}\n`,
)
const well = counted === acknowledged && clean
process.stdout.write(`kill -9: ${well ? 1 : 0} passed, ${well ? 0 : 1} failed\n`)
process.exit(well ? 0 : 1)
