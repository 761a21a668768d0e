import { type Child, startChild } from "./child.ts"
import { type Cluster, cpuMsOf, startCluster } from "./cluster.ts"
import { bodiesOf, corpus, lately } from "./corpus.ts"
import { type Sent, sendAll } from "./load.ts"
import { type Bench, inMs, perSecond, quantile, type Row, times } from "./report.ts"

const CONNECTIONS = 8
const CUSTOMERS = 5000
const DAYS = 3
const AIMS = new Map([[100, 0.5]])

type Side = { sent: Sent; cpuMs: number }
type Round = { events: number; ours: Side; raw: Side; allCpuMs: number; wholeSeconds: number }

/**
 * Our door, the workers draining at the same time, beside the least that a collector can do with the same bodies.
 * Rounds are interleaved; every event of ours must be found in the end.
 */
export const accept: Bench = async ({ quick, rounds, newFolder, say }) => {
  const sizes = quick ? { 1: 1500, 100: 200 } : { 1: 8000, 100: 1000 }
  const cluster = await startCluster(newFolder())
  const raw = await startChild("raw")
  try {
    await cluster.work()
    let seed = 1
    const rows: Row[] = []
    for (const [eventsARequest, requests] of Object.entries(sizes).map(
      ([size, count]) => [Number(size), count] as const,
    )) {
      const found: Round[] = []
      for (let round = 0; round <= rounds; round++) {
        const events = eventsARequest * requests
        const people = { customers: CUSTOMERS, from: lately(DAYS), days: DAYS }
        const bodies = bodiesOf(corpus({ seed: seed++, events, ...people }), eventsARequest)
        const one = await oneRound(cluster, raw, bodies, events)
        if (round === 0) continue
        found.push(one)
        const rate = ({ sent }: Side) => perSecond(events, sent.seconds)
        say(`accept ${eventsARequest}: ${rate(one.ours)} against ${rate(one.raw)}`)
      }
      rows.push(...rowsOf(eventsARequest, found))
    }
    return rows
  } finally {
    await raw.stop()
    await cluster.stop()
  }
}

async function oneRound(cluster: Cluster, raw: Child, bodies: readonly Buffer[], events: number): Promise<Round> {
  const theirs = await timed(raw, () => sendAll(`${raw.ready.url}/v1/batch`, "none", bodies, CONNECTIONS))
  if (theirs.sent.refused > 0) throw new Error(`the raw server refused ${theirs.sent.refused} requests`)
  const [begun, cpuBefore] = [performance.now(), cluster.cpuMs()]
  const ours = await timed(cluster.door, () => cluster.send(bodies, CONNECTIONS))
  await cluster.folded()
  const wholeSeconds = (performance.now() - begun) / 1000
  const allCpuMs = cluster.cpuMs() - cpuBefore
  await cluster.check(events)
  return { events, ours, raw: theirs, allCpuMs, wholeSeconds }
}

async function timed(server: Child, send: () => Promise<Sent>): Promise<Side> {
  const before = cpuMsOf(server.pid)
  const sent = await send()
  return { sent, cpuMs: cpuMsOf(server.pid) - before }
}

function rowsOf(eventsARequest: number, rounds: readonly Round[]): Row[] {
  const worstBy = (figure: (round: Round) => number) => rounds.toSorted((a, b) => figure(a) - figure(b))[0]!
  const ratioOf = ({ ours, raw }: Round) => raw.sent.seconds / ours.sent.seconds
  const cpuOf = ({ ours, raw }: Round) => ours.cpuMs / raw.cpuMs
  const worst = worstBy(ratioOf)
  const dearest = worstBy((round) => -cpuOf(round))
  const slowest = worstBy((round) => -round.wholeSeconds)
  const aim = AIMS.get(eventsARequest)
  const what = `${eventsARequest} a request`
  const micros = (cpuMs: number, { events }: Round) => `${((cpuMs * 1000) / events).toFixed(1)} us/event`
  const latencies = (side: "ours" | "raw") => rounds.flatMap((round) => round[side].sent.latenciesMs)
  const spread = (side: "ours" | "raw") =>
    `p50 ${inMs(quantile(latencies(side), 0.5))}, p99 ${inMs(quantile(latencies(side), 0.99))}`
  return [
    {
      bench: "accept",
      what: `${what}, 8 connections, workers draining`,
      ours: perSecond(worst.events, worst.ours.sent.seconds),
      against: `raw ${perSecond(worst.events, worst.raw.sent.seconds)}`,
      figure: times(ratioOf(worst)),
      ...(aim === undefined ? {} : { aim: `>= ${aim}x`, ok: ratioOf(worst) >= aim }),
    },
    {
      bench: "accept",
      what: `${what}, processor time of the server`,
      ours: micros(dearest.ours.cpuMs, dearest),
      against: `raw ${micros(dearest.raw.cpuMs, dearest)}`,
      figure: times(cpuOf(dearest)),
    },
    {
      bench: "accept",
      what: `${what}, latency at saturation`,
      ours: spread("ours"),
      against: `raw ${spread("raw")}`,
      figure: "",
    },
    {
      bench: "accept",
      what: `${what}, from the first request until all is folded`,
      ours: perSecond(slowest.events, slowest.wholeSeconds),
      figure: `${micros(slowest.allCpuMs, slowest)} in all`,
    },
  ]
}
