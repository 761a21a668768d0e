import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { createSource, NewSource } from "#access/source.ts"
import { localVault } from "#local/vault.ts"
import { type VendorId, vendorOf } from "#sources/registry.ts"
import { TenantId } from "#store/tenant-id.ts"
import { startChild } from "./child.ts"
import { startCluster } from "./cluster.ts"
import { checkStored } from "./load.ts"
import { type Bench, inMs, quantile } from "./report.ts"

/** What a vendor that is slow to wait must see, a cold start included. */
const AIM_MS = 500
const A_SECOND = 50
const vendors = ["stripe", "shopify", "whop", "standard-webhooks"] as const satisfies VendorId[]

/**
 * Signed deliveries of several vendors at a steady rate, the workers draining at the same time. Each is timed from when it
 * was due, so that a door that falls behind cannot hide it; a 200 says that raw copy and events are durable, and in
 * the end the ledger must know every one.
 */
export const hooks: Bench = async ({ quick, newFolder, say }) => {
  const deliveries = quick ? 600 : 3000
  const dir = newFolder()
  const cluster = await startCluster(dir)
  const secrets = join(dir, "secrets")
  mkdirSync(secrets)
  const door = await startChild("hooks", { config: cluster.config, dir: secrets })
  try {
    await cluster.work()
    const runtime = { ...cluster.runtime, vault: localVault(secrets), hooksUrl: () => door.ready.url!, loopback: true }
    const sources = await Promise.all(
      vendors.map(async (vendor) => {
        const wish = NewSource.parse({
          vendor,
          name: vendor,
          secret: `whsec_${Buffer.from(vendor).toString("base64")}`,
        })
        const { url } = await createSource(runtime, TenantId.parse(cluster.tenant.id), wish)
        return { url, vendor: vendorOf(vendor), secret: wish.secret! }
      }),
    )
    let sent = 0
    const deliver = async (n: number, due: number) => {
      const { vendor, secret, url } = sources[n % sources.length]!
      // A later instant is another sample: another event with another id.
      const sample = vendor.sample(secret, Date.now() + n, url)
      const { method, headers, body } = sample
      sent += vendor.read({ ...sample, url, receivedAt: Date.now() }).messages.length
      const answer = await fetch(url, { method, headers, body: Uint8Array.from(body) })
      await answer.arrayBuffer()
      return { ms: performance.now() - due, status: answer.status }
    }
    await steadily(sources.length * 5, (n) => deliver(n, performance.now()))
    const took = await steadily(deliveries, (n, due) => deliver(sources.length * 5 + n, due))
    const refused = took.filter(({ status }) => status !== 200).length
    if (refused > 0) throw new Error(`${refused} of ${deliveries} signed deliveries were refused`)
    await cluster.folded()
    await checkStored(cluster.door.ready.url!, cluster.tenant.readKey, sent)
    const latencies = took.map(({ ms }) => ms)
    const [p50, p99, max] = [0.5, 0.99, 1].map((q) => quantile(latencies, q)) as [number, number, number]
    say(`hooks: p50 ${inMs(p50)}, p99 ${inMs(p99)}, slowest ${inMs(max)}`)
    return [
      {
        bench: "hooks",
        what: `${deliveries} deliveries of ${vendors.length} vendors, ${A_SECOND} a second`,
        ours: `p50 ${inMs(p50)}, p99 ${inMs(p99)}, slowest ${inMs(max)}`,
        figure: inMs(p99),
        aim: `p99 < ${AIM_MS} ms`,
        ok: p99 < AIM_MS,
      },
    ]
  } finally {
    await door.stop()
    await cluster.stop()
  }
}

type Took = { ms: number; status: number }

/** Begins one every so often, whether or not those before have ended. */
async function steadily(count: number, work: (n: number, due: number) => Promise<Took>): Promise<Took[]> {
  const begun = performance.now()
  const running: Promise<Took>[] = []
  for (let n = 0; n < count; n++) {
    const due = begun + (n * 1000) / A_SECOND
    const wait = due - performance.now()
    if (wait > 0) await pause(wait)
    running.push(work(n, due))
  }
  return Promise.all(running)
}
