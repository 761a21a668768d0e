import { mkdtempSync } from "node:fs"
import { availableParallelism, loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { parseArgs } from "node:util"
import { type PlanName, planNames } from "#access/plans.ts"
import { Tenant } from "#access/tenant.ts"
import { SECOND } from "#core/clock.ts"
import { settle } from "#local/home.ts"
import { startChild } from "./bench/child.ts"
import { cpuMsOf, startCluster } from "./bench/cluster.ts"
import { columns } from "./load/columns.ts"
import { type Account, checkCounted, countedSoFar, freshness, lane, type Urls } from "./load/lane.ts"
import { type Kind, kinds, quantile, type Sample, summary, verdicts } from "./load/verdict.ts"

/**
 * `npm run load -- [--seconds 60] [--tenants 8] [--flood 20] [--rate 4] [--of both|collect|query] [--plan pro]`: in
 * turns all tenants send and ask alike, and one of them so many times as much. Ends with 1 when an answer was a 5xx, when an
 * accepted event was not counted, or when the others' slowest hundredth became more than twice as slow.
 * `--url` runs it against a stage of one's own, with tenants for this alone as JSON in OCTANT_LOAD_TENANTS:
 * `[{ "id", "writeKey", "readKey" }]`.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    tenants: { type: "string", default: "8" },
    flood: { type: "string", default: "20" },
    /** Requests a second of one tenant: four of five send, the fifth asks. */
    rate: { type: "string", default: "4" },
    /** What there is more of in the flood. */
    of: { type: "string", default: "both" },
    plan: { type: "string", default: "pro" },
    url: { type: "string" },
  },
})
const LONGEST_SECONDS = 600
const ROUNDS = 3
const DELAY_RESOLUTION_MS = 5
const NANOS = 1e6
/** Whoever is held up for so long himself cannot say how long others took. */
const MOST_HELD_UP_MS = 50
const seconds = number("seconds", 4, LONGEST_SECONDS)
const flood = number("flood", 1, 100)
const rate = number("rate", 1, 100)
const floodOf = values.of === "both" ? kinds : kinds.filter((kind) => kind === values.of)
if (floodOf.length === 0) throw new Error("--of is both, collect or query")
const plan = planNames.find((name) => name === values.plan)
if (!plan) throw new Error(`--plan is one of ${planNames.join(", ")}`)

function number(name: "seconds" | "tenants" | "flood" | "rate", least: number, most: number) {
  const value = Number(values[name])
  if (!(value >= least && value <= most)) throw new Error(`--${name} must be from ${least} to ${most}`)
  return value
}
const say = (line: string) => void process.stdout.write(`${line}\n`)

type Place = {
  urls: Urls
  /** The first floods. */
  accounts: Account[]
  /** A small tenant, which looks how long it takes until what it sends is counted. */
  probe: Account
  /** Processor time of each part so far, where the parts are ours. */
  cpu: () => Record<string, number>
  stop: () => Promise<void>
}

const place = values.url === undefined ? await here(plan) : elsewhere(values.url)
try {
  process.exitCode = (await measure(place)) ? 0 : 1
} finally {
  await place.stop()
}

/** A cluster of processes on this machine: as in the cloud, those who send and those who ask have doors of their own. */
async function here(plan: PlanName): Promise<Place> {
  const cluster = await startCluster(mkdtempSync(join(tmpdir(), "octant-load-")))
  const make = (id: string) => settle(cluster.runtime, Tenant.parse({ id, name: id, plan }))
  const accounts: Account[] = []
  for (let i = 0; i < number("tenants", 2, 50); i++) {
    accounts.push(await make(i === 0 ? "flooder" : `neighbour-${i}`))
  }
  const probe = await make("probe")
  await cluster.work()
  const api = await startChild("door", { config: cluster.config })
  const { door: collect, ...parts } = cluster.pids
  const pids = { collect, api: api.pid, ...parts }
  const cpu = () => Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuMsOf(pid)]))
  const stop = async () => {
    await api.stop()
    await cluster.stop()
  }
  return { urls: { collect: cluster.door.ready.url!, api: api.ready.url! }, accounts, probe, cpu, stop }
}

function elsewhere(url: string): Place {
  const [probe, ...accounts] = JSON.parse(process.env.OCTANT_LOAD_TENANTS ?? "[]") as Account[]
  if (!probe || accounts.length < 2)
    throw new Error("OCTANT_LOAD_TENANTS must name three tenants or more: the first is the probe, the second floods")
  return { urls: { collect: url, api: url }, accounts, probe, cpu: () => ({}), stop: async () => {} }
}

async function measure({ urls, accounts, probe, cpu }: Place): Promise<boolean> {
  const lanes = accounts.map((account, i) => lane({ urls, account, number: i, rate }))
  let heldUpMs = 0
  /** Everybody for a while, the first so many times as much; the processor time of each part. */
  const phase = async (name: string, forMs: number, times: number) => {
    const before = cpu()
    const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
    delay.enable()
    const probing = freshness(urls, probe, forMs)
    const samples = await Promise.all(
      lanes.map((one, i) => one.run(forMs, (kind) => (i === 0 && floodOf.includes(kind) ? times : 1))),
    )
    delay.disable()
    heldUpMs = Math.max(heldUpMs, delay.max / NANOS)
    const after = cpu()
    const spent = Object.keys(after).map((part) => `${part} ${((after[part]! - before[part]!) / forMs).toFixed(2)}`)
    say(
      `${name}: ${samples.flat().length} requests in ${(forMs / SECOND).toFixed(1)} s; load ${loadavg()[0]!.toFixed(1)} on ${availableParallelism()}${spent.length > 0 ? `; processors: ${spent.join(", ")}` : ""}`,
    )
    return { samples, fresh: await probing }
  }
  const before = await Promise.all(accounts.map((account) => countedSoFar(urls.api, account)))
  const settled = () =>
    Promise.all(lanes.map((one, i) => checkCounted(urls.api, one.account, before[i]! + one.accepted())))
  // Connections, caches and the first fold are not what is measured.
  const { samples: first } = await phase("warm-up", Math.min(10, seconds / 4) * SECOND, 1)
  const [calm, flooded] = [noPhase(), noPhase()]
  // In turns, so that whatever else the machine does meets both.
  const rounds = seconds >= ROUNDS * 8 ? ROUNDS : 1
  let [lost, countedMs]: [number[], number] = [[], 0]
  for (let round = 0; round < rounds; round++) {
    const forMs = (seconds * SECOND) / rounds / 2
    add(calm, await phase("calm", forMs, 1))
    add(flooded, await phase(`one of ${accounts.length} at ${flood} times`, forMs, flood))
    const sent = performance.now()
    lost = await settled()
    countedMs = performance.now() - sent
  }

  const others = ({ samples }: Phase) => samples.slice(1).flat()
  const rows = kinds.flatMap((kind) => [
    row(`others ${kind}, calm`, others(calm), kind),
    row(`others ${kind}, flood`, others(flooded), kind),
    row(`flooder ${kind}`, flooded.samples[0] ?? [], kind),
  ])
  for (const [name, { fresh }] of [["calm", calm] as const, ["flood", flooded] as const])
    rows.push([`one event counted, ${name}`, String(fresh.length), "", "", ...quantiles(fresh)])
  say(columns(["", "requests", "5xx", "429", "p50 ms", "p95 ms", "p99 ms", "slowest"], rows))
  const accepted = lanes.reduce((sum, one) => sum + one.accepted(), 0)
  const missing = lost.reduce((sum, more) => sum + more, 0)
  say(`${accepted} events accepted, ${accepted - missing} counted ${(countedMs / SECOND).toFixed(1)} s after the last`)
  const all = [...first, ...calm.samples, ...flooded.samples].flat()
  const wrong = verdicts({ calm: others(calm), flooded: others(flooded), all, missing })
  for (const line of wrong) say(`✗ ${line}`)
  if (heldUpMs > MOST_HELD_UP_MS)
    say(`? this machine held the load itself up for ${heldUpMs.toFixed(0)} ms: trust times from a quiet one only`)
  if (wrong.length === 0) say("✓ no 5xx, nothing lost, the others not twice as slow")
  return wrong.length === 0
}

/** By tenant, the flooder first; and how long single events took until they were counted. */
type Phase = { samples: Sample[][]; fresh: number[] }
function noPhase(): Phase {
  return { samples: [], fresh: [] }
}

function add(to: Phase, { samples, fresh }: Phase) {
  to.samples = samples.map((more, i) => [...(to.samples[i] ?? []), ...more])
  to.fresh.push(...fresh)
}

function row(name: string, samples: readonly Sample[], kind: Kind) {
  const { requests, failed, limited, ms } = summary(samples.filter((one) => one.kind === kind))
  return [name, String(requests), String(failed), String(limited), ...quantiles(ms)]
}

function quantiles(ms: readonly number[]) {
  return [0.5, 0.95, 0.99, 1].map((share) => quantile(ms, share)?.toFixed(0) ?? "–")
}
