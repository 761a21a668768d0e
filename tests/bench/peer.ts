import { startCluster } from "./cluster.ts"
import { bodiesOf, corpus, lately } from "./corpus.ts"
import { sendAll } from "./load.ts"
import { type Bench, perSecond, type Row, times } from "./report.ts"

const CONNECTIONS = 8
const CUSTOMERS = 5000
const DAYS = 3

type Round = { ours: number; theirs: number; refused: number }

/** The same bodies to us and to another product that runs at `PEER_URL` (its full address; `PEER_KEY` goes as Bearer). */
export const peer: Bench = async ({ quick, rounds, newFolder, say }) => {
  const url = process.env.PEER_URL
  if (!url) return [{ bench: "peer", what: "peer not measured", ours: "", figure: "", aim: "set PEER_URL" }]
  const sizes = quick ? { 1: 1000, 100: 100 } : { 1: 5000, 100: 500 }
  const cluster = await startCluster(newFolder())
  try {
    await cluster.work()
    let seed = 500
    const rows: Row[] = []
    for (const [eventsARequest, requests] of Object.entries(sizes).map(
      ([size, count]) => [Number(size), count] as const,
    )) {
      const found: Round[] = []
      for (let round = 0; round <= rounds; round++) {
        const events = requests * eventsARequest
        const people = { customers: CUSTOMERS, from: lately(DAYS), days: DAYS }
        const bodies = bodiesOf(corpus({ seed: seed++, events, ...people }), eventsARequest)
        const theirs = await sendAll(url, process.env.PEER_KEY ?? "none", bodies, CONNECTIONS)
        const ours = await cluster.send(bodies, CONNECTIONS)
        await cluster.folded()
        await cluster.check(events)
        if (round === 0) continue
        found.push({ ours: events / ours.seconds, theirs: events / theirs.seconds, refused: theirs.refused })
        say(`peer ${eventsARequest}: ${perSecond(events, ours.seconds)} against ${perSecond(events, theirs.seconds)}`)
      }
      rows.push(rowOf(eventsARequest, found))
    }
    return rows
  } finally {
    await cluster.stop()
  }
}

/** An answer that is not 2xx has stored nothing: a rate of refusals is no rate. */
function rowOf(eventsARequest: number, rounds: readonly Round[]): Row {
  const worst = rounds.toSorted((a, b) => a.ours / a.theirs - b.ours / b.theirs)[0]!
  const refused = rounds.reduce((sum, round) => sum + round.refused, 0)
  return {
    bench: "peer",
    what: `${eventsARequest} a request, 8 connections`,
    ours: perSecond(worst.ours, 1),
    against: refused > 0 ? `the peer refused ${refused} requests` : `peer ${perSecond(worst.theirs, 1)}`,
    figure: refused > 0 ? "void" : times(worst.ours / worst.theirs),
  }
}
