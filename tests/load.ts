import { mkdtempSync, rmSync } from "node:fs"
import { constants, cpus, setPriority, tmpdir } from "node:os"
import { join } from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { Command, InvalidArgumentError, Option } from "commander"
import { type PlanName, planNames } from "#access/plans.ts"
import { Tenant } from "#access/tenant.ts"
import { SECOND } from "#core/clock.ts"
import { settle } from "#local/home.ts"
import { startChild } from "./bench/child.ts"
import { cpuMsOf, startCluster } from "./bench/cluster.ts"
import { columns } from "./load/columns.ts"
import { doorsOf } from "./load/doors.ts"
import { type Account, checkCounted, countedSoFar, freshness, lane, type Urls } from "./load/lane.ts"
import { comparable, isDisturbed, type Kind, kinds, quantile, type Sample, summary, verdicts } from "./load/verdict.ts"

const MOST = { seconds: 600, tenants: 50, flood: 100, rate: 100, doors: 20 } as const

/** `npm run load`: whether the others notice that one tenant floods. */
const {
  seconds,
  tenants,
  flood,
  rate,
  doors,
  of: kind,
  plan,
  url,
} = new Command("npm run load --")
  .description(
    "In turns all tenants send and ask alike, and one of them so many times as much. Ends with 1 when an answer was a 5xx, when an accepted event was not counted, or when the others' slowest hundredth became more than twice as slow. Rounds beside which other programs ran are measured again, and left out if there are enough without them.",
  )
  .option("--seconds <number>", "how long, without the rounds that are measured again", from(4, MOST.seconds), 60)
  .option("--tenants <number>", "how many; the first floods", from(2, MOST.tenants), 16)
  .option("--flood <number>", "how many times as much it sends and asks", from(1, MOST.flood), 20)
  .option(
    "--rate <number>",
    "requests a second of one tenant: four of five send, the fifth asks",
    from(1, MOST.rate),
    4,
  )
  .option(
    "--doors <number>",
    "processes that answer questions: as in the cloud each answers one at a time, and 1 is what npm start has",
    from(1, MOST.doors),
    3,
  )
  .addOption(
    new Option("--of <kind>", "what there is more of in the flood").choices(["both", ...kinds]).default("both"),
  )
  .addOption(new Option("--plan <name>", "the plan of all tenants").choices(planNames).default("pro"))
  .option(
    "--url <url>",
    'a stage of one\'s own, with tenants for this alone in OCTANT_LOAD_TENANTS: [{ "id", "writeKey", "readKey" }]',
  )
  .parse()
  .opts<{
    seconds: number
    tenants: number
    flood: number
    rate: number
    doors: number
    of: "both" | Kind
    plan: PlanName
    url?: string
  }>()
const floodOf = kind === "both" ? kinds : [kind]

function from(least: number, most: number) {
  return (text: string) => {
    const value = Number(text)
    if (text !== "" && value >= least && value <= most) return value
    throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`)
  }
}

const ROUND_SECONDS = 10
const MOST_ROUNDS = 6
const DELAY_RESOLUTION_MS = 5
const NANOS = 1e6
/** Whoever is held up for so long himself cannot say how long others took. */
const MOST_HELD_UP_MS = 50
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

const place = url === undefined ? await here(plan) : elsewhere(url)
try {
  process.exitCode = (await measure(place)) ? 0 : 1
} finally {
  await place.stop()
}

/** A cluster of processes on this machine: as in the cloud, those who send and those who ask have doors of their own. */
async function here(plan: PlanName): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), "octant-load-"))
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
  const cluster = await startCluster(folder)
  const make = (id: string) => settle(cluster.runtime, Tenant.parse({ id, name: id, plan }))
  const accounts: Account[] = []
  for (let i = 0; i < tenants; i++) {
    accounts.push(await make(i === 0 ? "flooder" : `neighbour-${i}`))
  }
  const probe = await make("probe")
  await cluster.work()
  const apis = await Promise.all(Array.from({ length: doors }, () => startChild("door", { config: cluster.config })))
  // In the cloud each has processors of its own: here what nobody waits for gives way.
  setPriority(cluster.pids.workers, constants.priority.PRIORITY_LOW)
  const { door: collect, ...parts } = cluster.pids
  const pids = {
    collect: [collect],
    api: apis.map(({ pid }) => pid),
    ...Object.fromEntries(Object.entries(parts).map(([name, pid]) => [name, [pid]])),
  }
  const spent = (of: readonly number[]) => of.reduce((sum, pid) => sum + cpuMsOf(pid), 0)
  const cpu = () => Object.fromEntries(Object.entries(pids).map(([name, of]) => [name, spent(of)]))
  const stop = async () => {
    for (const api of apis) await api.stop()
    await cluster.stop()
  }
  const urls = { collect: doorsOf([cluster.door.ready.url!]), api: doorsOf(apis.map(({ ready }) => ready.url!)) }
  return { urls, accounts, probe, cpu, stop }
}

function elsewhere(url: string): Place {
  const [probe, ...accounts] = JSON.parse(process.env.OCTANT_LOAD_TENANTS ?? "[]") as Account[]
  if (!probe || accounts.length < 2)
    throw new Error("OCTANT_LOAD_TENANTS must name three tenants or more: the first is the probe, the second floods")
  const stage = doorsOf([url])
  return { urls: { collect: stage, api: stage }, accounts, probe, cpu: () => ({}), stop: async () => {} }
}

async function measure({ urls, accounts, probe, cpu }: Place): Promise<boolean> {
  const lanes = accounts.map((account, i) => lane({ urls, account, number: i, rate }))
  let heldUpMs = 0
  /** Everybody for a while, the first so many times as much; the processors that each part and other programs took. */
  const phase = async (name: string, forMs: number, times: number): Promise<Phase> => {
    const [before, busyBefore, began] = [cpu(), machineMs(), performance.now()]
    const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
    delay.enable()
    const probing = freshness(urls, probe, forMs)
    const samples = await Promise.all(
      lanes.map((one, i) => one.run(forMs, (kind) => (i === 0 && floodOf.includes(kind) ? times : 1))),
    )
    delay.disable()
    heldUpMs = Math.max(heldUpMs, delay.max / NANOS)
    const [after, busyAfter, took] = [cpu(), machineMs(), performance.now() - began]
    const spent = Object.keys(after).map((part): [string, number] => [part, (after[part]! - before[part]!) / took])
    const busy = (busyAfter.all - busyBefore.all) / took
    const load = (busyAfter.ours - busyBefore.ours) / took
    const others = Math.max(
      0,
      spent.reduce((rest, [, processors]) => rest - processors, busy - load),
    )
    const shown = [...spent, ["this load", load] as const, ["other programs", others] as const]
    say(
      `${name}: ${samples.flat().length} requests in ${(took / SECOND).toFixed(1)} s; processors of ${cpus().length}: ${shown.map(([part, processors]) => `${part} ${processors.toFixed(2)}`).join(", ")}`,
    )
    return { samples, fresh: await probing, others }
  }
  const before = await Promise.all(accounts.map((account) => countedSoFar(urls.api, account)))
  const settled = () =>
    Promise.all(lanes.map((one, i) => checkCounted(urls.api, one.account, before[i]! + one.accepted())))
  // Connections, caches and the first fold are not what is measured.
  const { samples: first } = await phase("warm-up", Math.min(10, seconds / 4) * SECOND, 1)
  const wanted = Math.max(1, Math.min(MOST_ROUNDS, Math.floor(seconds / ROUND_SECONDS)))
  const forMs = (seconds * SECOND) / wanted / 2
  const rounds: Round[] = []
  let [lost, countedMs]: [number[], number] = [[], 0]
  const calmly = () => phase("calm", forMs, 1)
  const flooding = async () => {
    const done = await phase(`one of ${accounts.length} at ${flood} times`, forMs, flood)
    const sent = performance.now()
    lost = await settled()
    countedMs = performance.now() - sent
    return done
  }
  // In turns, each first as often as second, so that whatever else the machine does meets both. A single round is a trial.
  const most = wanted === 1 ? 1 : 2 * wanted
  while (rounds.length < wanted || (isDisturbed(rounds, wanted) && rounds.length < most)) {
    const [one, other] = rounds.length % 2 === 0 ? [calmly, flooding] : [flooding, calmly]
    const [first, second] = [await one(), await other()]
    const [calm, flooded] = one === calmly ? [first, second] : [second, first]
    rounds.push({ calm, flooded, others: Math.max(calm.others, flooded.others) })
  }
  const judged = comparable(rounds, wanted)
  const calm = together(judged.map((round) => round.calm))
  const flooded = together(judged.map((round) => round.flooded))

  const others = ({ samples }: Pick<Phase, "samples">) => samples.slice(1).flat()
  const rows = kinds.flatMap((kind) => [
    row(`others ${kind}, calm`, others(calm), kind),
    row(`others ${kind}, flood`, others(flooded), kind),
    row(`flooder ${kind}`, flooded.samples[0] ?? [], kind),
  ])
  rows.push(row("others in all, calm", others(calm)), row("others in all, flood", others(flooded)))
  for (const [name, { fresh }] of [["calm", calm] as const, ["flood", flooded] as const])
    rows.push([`one event counted, ${name}`, String(fresh.length), "", "", ...quantiles(fresh)])
  say(columns(["", "requests", "5xx", "429", "p50 ms", "p95 ms", "p99 ms", "slowest"], rows))
  const accepted = lanes.reduce((sum, one) => sum + one.accepted(), 0)
  const missing = lost.reduce((sum, more) => sum + more, 0)
  say(`${accepted} events accepted, ${accepted - missing} counted ${(countedMs / SECOND).toFixed(1)} s after the last`)
  const all = [...first, ...rounds.flatMap((round) => [...round.calm.samples, ...round.flooded.samples])].flat()
  const wrong = verdicts({ calm: others(calm), flooded: others(flooded), all, missing })
  for (const line of wrong) say(`✗ ${line}`)
  if (isDisturbed(judged, wanted))
    say(`? other programs took up to ${Math.max(...judged.map((round) => round.others)).toFixed(1)} processors`)
  if (heldUpMs > MOST_HELD_UP_MS)
    say(`? this machine held the load itself up for ${heldUpMs.toFixed(0)} ms: trust times from a quiet one only`)
  if (wrong.length === 0) say("✓ no 5xx, nothing lost, the others not twice as slow")
  return wrong.length === 0
}

/** By tenant, the flooder first; how long single events took until they were counted; the processors that others took. */
type Phase = { samples: Sample[][]; fresh: number[]; others: number }
type Round = { calm: Phase; flooded: Phase; others: number }

function together(phases: readonly Phase[]): Omit<Phase, "others"> {
  return {
    samples: phases[0]!.samples.map((_, i) => phases.flatMap(({ samples }) => samples[i]!)),
    fresh: phases.flatMap(({ fresh }) => fresh),
  }
}

/** Processor time so far: of all that runs on this machine, and of this process. */
function machineMs() {
  const all = cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0)
  const { user, system } = process.cpuUsage()
  return { all, ours: (user + system) / 1000 }
}

function row(name: string, samples: readonly Sample[], kind?: Kind) {
  const { requests, failed, limited, ms } = summary(
    kind === undefined ? samples : samples.filter((one) => one.kind === kind),
  )
  return [name, String(requests), String(failed), String(limited), ...quantiles(ms)]
}

function quantiles(ms: readonly number[]) {
  return [0.5, 0.95, 0.99, 1].map((share) => quantile(ms, share)?.toFixed(0) ?? "–")
}
