import type { DevTenant } from "#local/home.ts"
import { rmSync } from "node:fs"
import { bodiesOf, corpus, lately } from "./corpus.ts"
import { startChild } from "./child.ts"
import { checkStored, sendAll } from "./load.ts"
import { type Bench, perSecond, type Row, times } from "./report.ts"

const CONNECTIONS = 8
const CUSTOMERS = 5000
const DAYS = 3

/** The same bodies to ours and to another product that runs at `PEER_URL` (its full address; `PEER_KEY` goes as Bearer). */
export const peer: Bench = async ({ quick, rounds, newFolder, say }) => {
  const url = process.env["PEER_URL"]
  if (!url) return [{ bench: "peer", what: "peer not measured", ours: "", figure: "", aim: "set PEER_URL" }]
  const sizes = quick ? { 1: 1000, 100: 100 } : { 1: 5000, 100: 500 }
  const dir = newFolder()
  const stack = await startChild("stack", { dir })
  const door = await startChild("door", { config: JSON.parse(stack.ready["config"]!) as object })
  try {
    const tenant = await stack.ask<DevTenant>("tenant", { id: "bench", name: "Bench" })
    let [seed, stored] = [500, 0]
    const rows: Row[] = []
    for (const [eventsARequest, requests] of Object.entries(sizes).map(([size, count]) => [Number(size), count] as const)) {
      const found: { ours: number; theirs: number; refused: number }[] = []
      for (let round = 0; round <= rounds; round++) {
        const events = requests * eventsARequest
        const bodies = bodiesOf(corpus({ seed: seed++, events, customers: CUSTOMERS, from: lately(DAYS), days: DAYS }), eventsARequest)
        const theirs = await sendAll(url, process.env["PEER_KEY"] ?? "none", bodies, CONNECTIONS)
        const ours = await sendAll(`${door.ready["url"]}/v1/batch`, tenant.writeKey, bodies, CONNECTIONS)
        if (ours.refused > 0) throw new Error(`${ours.refused} requests were refused`)
        await stack.ask("folded", { tenant: tenant.id })
        await checkStored(door.ready["url"]!, tenant.readKey, (stored += events))
        if (round > 0) found.push({ ours: events / ours.seconds, theirs: events / theirs.seconds, refused: theirs.refused })
        say(`peer ${eventsARequest}: ${perSecond(events, ours.seconds)} against ${perSecond(events, theirs.seconds)}`)
      }
      const worst = found.toSorted((a, b) => a.ours / a.theirs - b.ours / b.theirs)[0]!
      const refused = found.reduce((sum, one) => sum + one.refused, 0)
      // An answer that is not 2xx has stored nothing: a rate of refusals is no rate.
      const against = refused > 0 ? `the peer refused ${refused} requests` : `peer ${perSecond(worst.theirs, 1)}`
      rows.push({ bench: "peer", what: `${eventsARequest} a request, 8 connections`, ours: perSecond(worst.ours, 1), against, figure: refused > 0 ? "void" : times(worst.ours / worst.theirs) })
    }
    return rows
  } finally {
    for (const child of [door, stack]) await child.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}
