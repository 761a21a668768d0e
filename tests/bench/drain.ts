import { inFlight, slices } from "#core/parallel.ts"
import { toEvent } from "#events/message.ts"
import { createTable } from "#local/table.ts"
import type { AwsCall } from "#platform/aws.ts"
import { startCluster } from "./cluster.ts"
import { bodiesOf, corpus, lately } from "./corpus.ts"
import { type Bench, perSecond, type Row, times } from "./report.ts"

const CUSTOMERS = 5000
const DAYS = 3
const CONNECTIONS = 4
const EVENTS_A_REQUEST = 100
const ITEMS_AT_ONCE = 25
const WRITES_IN_FLIGHT = 8
const RAW_TABLE = "raw"
const AIM = 8

/** Events a second. */
type Round = { appended: number; folded: number; raw: number }

/**
 * A full queue of accepted events, until all are in the journal and until all are in the views too, beside one item per
 * event by `BatchWriteItem` of the same JSON into the same database file. Interleaved.
 */
export const drain: Bench = async ({ quick, rounds, newFolder, say }) => {
  const events = quick ? 20_000 : 100_000
  const items = quick ? 5000 : 20_000
  const cluster = await startCluster(newFolder())
  try {
    await createTable(cluster.runtime.call, RAW_TABLE)
    const found: Round[] = []
    for (let round = 0; round <= rounds; round++) {
      const people = { customers: CUSTOMERS, from: lately(DAYS), days: DAYS }
      const messages = [...corpus({ seed: 100 + round, events, ...people })]
      await cluster.send(bodiesOf(messages, EVENTS_A_REQUEST), CONNECTIONS)
      const begun = performance.now()
      await cluster.work()
      await cluster.appended()
      const appended = (performance.now() - begun) / 1000
      await cluster.folded()
      const folded = (performance.now() - begun) / 1000
      await cluster.rest()
      await cluster.check(events)
      const raw = await writeRaw(cluster.runtime.call, messages.slice(0, items).map(asEvent))
      if (round === 0) continue
      found.push({ appended: events / appended, folded: events / folded, raw })
      say(
        `drain: ${perSecond(events, appended)} appended, ${perSecond(events, folded)} folded, raw ${perSecond(raw, 1)}`,
      )
    }
    return rowsOf(found)
  } finally {
    await cluster.stop()
  }
}

const asEvent = (message: object) => JSON.stringify(toEvent(message, { receivedAt: Date.now(), messageId: () => "" }))

/** Items a second, one event each; counted afterwards. */
async function writeRaw(call: AwsCall, events: readonly string[]): Promise<number> {
  const pk = `${Date.now()}`
  const requests = slices(events, ITEMS_AT_ONCE).map((slice, part) =>
    slice.map((event, i) => ({
      PutRequest: { Item: { pk: { S: pk }, sk: { S: `${part}-${i}` }, event: { S: event } } },
    })),
  )
  const begun = performance.now()
  await inFlight(requests, WRITES_IN_FLIGHT, async (request) => {
    for (let left: unknown[] | undefined = request; left?.length; ) {
      const answer = await call("dynamodb", "BatchWriteItem", { RequestItems: { [RAW_TABLE]: left } })
      left = (answer.UnprocessedItems as Record<string, unknown[]> | undefined)?.[RAW_TABLE]
    }
  })
  const seconds = (performance.now() - begun) / 1000
  const there = await countOf(call, pk)
  if (there !== events.length) throw new Error(`${events.length} items were written, ${there} are there`)
  return events.length / seconds
}

async function countOf(call: AwsCall, pk: string) {
  let count = 0
  let start: unknown
  do {
    const page = await call("dynamodb", "Query", {
      TableName: RAW_TABLE,
      Select: "COUNT",
      KeyConditionExpression: "pk = :pk",
      ExpressionAttributeValues: { ":pk": { S: pk } },
      ...(start ? { ExclusiveStartKey: start } : {}),
    })
    count += Number(page.Count)
    start = page.LastEvaluatedKey
  } while (start)
  return count
}

function rowsOf(rounds: readonly Round[]): Row[] {
  const row = (what: string, side: "appended" | "folded", aim?: number): Row => {
    const ratio = (round: Round) => round[side] / round.raw
    const worst = rounds.toSorted((a, b) => ratio(a) - ratio(b))[0]!
    return {
      bench: "drain",
      what,
      ours: perSecond(worst[side], 1),
      against: `one item an event ${perSecond(worst.raw, 1)}`,
      figure: times(ratio(worst)),
      ...(aim === undefined ? {} : { aim: `>= ${aim}x`, ok: ratio(worst) >= aim }),
    }
  }
  return [row("queue to journal", "appended"), row("queue to journal and folded views", "folded", AIM)]
}
