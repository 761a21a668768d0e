import { rmSync } from "node:fs"
import type { DevTenant } from "#local/home.ts"
import { bodiesOf, corpus, lately } from "./corpus.ts"
import { type Child, startChild } from "./child.ts"
import { checkStored, type Sent, sendAll } from "./load.ts"
import { type Bench, inMs, perSecond, quantile, type Row, times } from "./report.ts"

const CONNECTIONS = 8
const CUSTOMERS = 5000
const DAYS = 3
const AIM = { 1: undefined, 100: 0.5 } as Record<number, number | undefined>

type Side = { sent: Sent; cpuMs: number }
type Round = { events: number; ours: Side; raw: Side; appended: number }

/**
 * Our door, the workers draining at the same time, beside the least that a collector can do with the same bodies. Each
 * side is a process of its own; rounds are interleaved; every event of ours must be found in the end.
 */
export const accept: Bench = async ({ quick, rounds, newFolder, say }) => {
  const sizes = quick ? { 1: 1500, 100: 200 } : { 1: 8000, 100: 1000 }
  const dir = newFolder()
  const stack = await startChild("stack", { dir })
  const door = await startChild("door", { config: JSON.parse(stack.ready["config"]!) as object })
  const raw = await startChild("raw")
  try {
    const tenant = await stack.ask<DevTenant>("tenant", { id: "bench", name: "Bench" })
    let [seed, stored] = [1, 0]
    const bodies = (requests: number, eventsARequest: number) =>
      bodiesOf(corpus({ seed: seed++, events: requests * eventsARequest, customers: CUSTOMERS, from: lately(DAYS), days: DAYS }), eventsARequest)

    const rows: Row[] = []
    for (const [eventsARequest, requests] of Object.entries(sizes).map(([size, count]) => [Number(size), count] as const)) {
      const found: Round[] = []
      for (let round = 0; round <= rounds; round++) {
        const warming = round === 0
        const load = bodies(warming ? Math.ceil(requests / 2) : requests, eventsARequest)
        const events = load.length * eventsARequest
        const theirs = await timed(raw, `${raw.ready["url"]}/v1/batch`, "none", load)
        const begun = performance.now()
        const ours = await timed(door, `${door.ready["url"]}/v1/batch`, tenant.writeKey, load)
        if (ours.sent.refused > 0 || theirs.sent.refused > 0) throw new Error(`refused: ${ours.sent.refused} by us, ${theirs.sent.refused} by the raw server`)
        await stack.ask("folded", { tenant: tenant.id })
        stored += events
        await checkStored(door.ready["url"]!, tenant.readKey, stored)
        if (warming) continue
        found.push({ events, ours, raw: theirs, appended: (performance.now() - begun) / 1000 })
        say(`accept ${eventsARequest}: ${perSecond(events, ours.sent.seconds)} against ${perSecond(events, theirs.sent.seconds)}`)
      }
      rows.push(...rowsOf(eventsARequest, found))
    }
    return rows
  } finally {
    for (const child of [raw, door, stack]) await child.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

async function timed(child: Child, url: string, key: string, bodies: readonly Buffer[]): Promise<Side> {
  const before = await child.cpuMs()
  const sent = await sendAll(url, key, bodies, CONNECTIONS)
  return { sent, cpuMs: (await child.cpuMs()) - before }
}

function rowsOf(eventsARequest: number, rounds: readonly Round[]): Row[] {
  const ratioOf = ({ ours, raw }: Round) => raw.sent.seconds / ours.sent.seconds
  const worst = rounds.toSorted((a, b) => ratioOf(a) - ratioOf(b))[0]!
  const cpuOf = ({ ours, raw }: Round) => ours.cpuMs / raw.cpuMs
  const dearest = rounds.toSorted((a, b) => cpuOf(b) - cpuOf(a))[0]!
  const aim = AIM[eventsARequest]
  const what = `${eventsARequest} a request`
  const micros = ({ cpuMs }: Side, events: number) => `${((cpuMs * 1000) / events).toFixed(1)} us/event`
  const latencies = (side: "ours" | "raw") => rounds.flatMap((round) => round[side].sent.latenciesMs)
  const at = (side: "ours" | "raw") => `p50 ${inMs(quantile(latencies(side), 0.5))}, p99 ${inMs(quantile(latencies(side), 0.99))}`
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
      ours: micros(dearest.ours, dearest.events),
      against: `raw ${micros(dearest.raw, dearest.events)}`,
      figure: times(cpuOf(dearest)),
    },
    { bench: "accept", what: `${what}, latency at saturation`, ours: at("ours"), against: `raw ${at("raw")}`, figure: "" },
    {
      bench: "accept",
      what: `${what}, from the first request until all is folded`,
      ours: perSecond(worst.events, Math.max(...rounds.map(({ appended }) => appended))),
      figure: "",
    },
  ]
}
