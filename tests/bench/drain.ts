import { rmSync } from "node:fs"
import { inFlight, slices } from "#core/parallel.ts"
import { toEvent } from "#events/message.ts"
import type { DevTenant } from "#local/home.ts"
import { createTable } from "#local/table.ts"
import { type AwsCall, awsClient } from "#platform/aws.ts"
import { bodiesOf, corpus, lately } from "./corpus.ts"
import { type Child, startChild } from "./child.ts"
import { checkStored, sendAll } from "./load.ts"
import { type Bench, perSecond, type Row, times } from "./report.ts"

const CUSTOMERS = 5000
const DAYS = 3
const CONNECTIONS = 4
const EVENTS_A_REQUEST = 100
const ITEMS_AT_ONCE = 25
const WRITES_IN_FLIGHT = 8
const RAW_TABLE = "raw"
const AIM = 8

type Round = { events: number; appended: number; folded: number; raw: number }

/**
 * A full queue of accepted events, until all are in the journal and until all are in the views too, beside one item per
 * event by `BatchWriteItem` of the same JSON into the same database file. Interleaved.
 */
export const drain: Bench = async ({ quick, rounds, newFolder, say }) => {
  const events = quick ? 20_000 : 100_000
  const items = quick ? 5000 : 20_000
  const dir = newFolder()
  const stack = await startChild("stack", { dir, workers: false })
  try {
    const tenant = await stack.ask<DevTenant>("tenant", { id: "bench", name: "Bench" })
    const found: Round[] = []
    let stored = 0
    for (let round = 0; round <= rounds; round++) {
      const warming = round === 0
      const size = warming ? Math.ceil(events / 4) : events
      const messages = [...corpus({ seed: 100 + round, events: size, customers: CUSTOMERS, from: lately(DAYS), days: DAYS })]
      const first = await reopened(stack, { workers: false })
      const { refused } = await sendAll(`${first.url}/v1/batch`, tenant.writeKey, bodiesOf(messages, EVENTS_A_REQUEST), CONNECTIONS)
      if (refused > 0) throw new Error(`${refused} requests were refused`)
      await stack.ask("close")
      const { url, config } = await stack.ask<Opened>("open", { workers: true })
      const begun = performance.now()
      await stack.ask("appended")
      const appended = (performance.now() - begun) / 1000
      await stack.ask("folded", { tenant: tenant.id })
      const folded = (performance.now() - begun) / 1000
      stored += size
      await checkStored(url, tenant.readKey, stored)
      const raw = await writeRaw(config, messages.slice(0, items).map(asEvent))
      if (warming) continue
      found.push({ events: size, appended: size / appended, folded: size / folded, raw })
      say(`drain: ${perSecond(size, appended)} appended, ${perSecond(size, folded)} folded, raw ${perSecond(raw, 1)}`)
    }
    return rowsOf(found)
  } finally {
    await stack.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

type Opened = { url: string; config: Record<string, string> }

async function reopened(stack: Child, options: object) {
  await stack.ask("close")
  return stack.ask<Opened>("open", options)
}

const asEvent = (message: object) => JSON.stringify(toEvent(message, { receivedAt: Date.now(), messageId: () => "" }))

/** Items a second, one event each, checked by the database's own count. */
async function writeRaw(config: Record<string, string>, events: readonly string[]): Promise<number> {
  const call = awsClient({
    region: "us-east-1",
    credentials: () => ({ accessKeyId: "local", secretAccessKey: "local" }),
    endpoints: { dynamodb: config["AWS_ENDPOINT_URL_DYNAMODB"]! },
    random: Math.random,
    sleep: () => Promise.resolve(),
  })
  await createTable(call, RAW_TABLE)
  const run = `${Date.now()}`
  const requests = slices(events, ITEMS_AT_ONCE).map((slice, part) =>
    slice.map((event, i) => ({ PutRequest: { Item: { pk: { S: run }, sk: { S: `${part}-${i}` }, event: { S: event } } } })),
  )
  const begun = performance.now()
  await inFlight(requests, WRITES_IN_FLIGHT, async (request) => {
    for (let left: unknown[] | undefined = request; left?.length; ) {
      const answer = await call("dynamodb", "BatchWriteItem", { RequestItems: { [RAW_TABLE]: left } })
      left = (answer["UnprocessedItems"] as Record<string, unknown[]> | undefined)?.[RAW_TABLE]
    }
  })
  const seconds = (performance.now() - begun) / 1000
  const there = await countOf(call, run)
  if (there !== events.length) throw new Error(`${events.length} items were written, ${there} are there`)
  return events.length / seconds
}

async function countOf(call: AwsCall, pk: string) {
  let [count, start] = [0, undefined as unknown]
  do {
    const page = await call("dynamodb", "Query", {
      TableName: RAW_TABLE,
      Select: "COUNT",
      KeyConditionExpression: "pk = :pk",
      ExpressionAttributeValues: { ":pk": { S: pk } },
      ...(start ? { ExclusiveStartKey: start } : {}),
    })
    count += Number(page["Count"])
    start = page["LastEvaluatedKey"]
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
