import { Query, questionOf } from "#metrics/query.ts"
import { run } from "#metrics/run.ts"
import { ask, newTails } from "#pipeline/reading.ts"
import { sender } from "#platform/queue.ts"
import { corpus } from "./corpus.ts"
import { flow, newTenant, type Place, startPlace } from "./place.ts"
import type { Bench, Row } from "./report.ts"

/** 100,000 events of 5,000 customers over a month. Nothing here looks at a real clock: the same figures everywhere. */
const EVENTS = 100_000
const CUSTOMERS = 5000
const FROM = "2026-09-01T00:00:00.000Z"
const DAYS = 30

/** What one worker run is given: a full receive, whatever a request carries. More would only be cheaper. */
export const MESSAGES_AT_ONCE = 10
const RECEIVED_AT_ONCE = 10
const SQS_BILLS_BYTES = 64 * 1024

export type Units = {
  eventsARequest: number
  events: number
  /** Write units per event of the journal with its sequencer, and of everything. */
  journal: number
  all: number
  /** The same by what was written. */
  parts: Record<string, number>
  /** Read units per event of all that. */
  reads: number
  /** Requests that SQS bills, per event: sends, receives and deletes. */
  sqs: number
  /** Calls of collect and of append, per event. A fold each 20,000 events does not show. */
  invocations: number
  /** Microseconds of a processor per event, on this machine: of all three, and of making the event. */
  processor: number
}

/** What may be spent per event at so many events a request. */
export const budgets = new Map([[100, { journal: 0.09, all: 0.5, sqs: 0.015 }]])

/** Takes the corpus through accept, append and fold, and adds up what DynamoDB and SQS would bill. Throws if a count is wrong. */
export async function writeUnits(eventsARequest: number, events = EVENTS): Promise<Units> {
  const spent = new Map<string, number>()
  let [metering, reads] = [false, 0]
  const meter = (_: string, pk: string, { write, read }: { write: number; read: number }) => {
    if (!metering) return
    reads += read
    spent.set(partOf(pk), (spent.get(partOf(pk)) ?? 0) + write)
  }
  const place = await startPlace({ meter })
  try {
    const tenant = await newTenant(place, "bench")
    metering = true
    const bills = sqsBills()
    const messages = corpus({ seed: 1, events, customers: CUSTOMERS, from: FROM, days: DAYS })
    const options = { eventsARequest, messagesAtOnce: MESSAGES_AT_ONCE, folds: true, queue: bills.queue }
    const before = process.cpuUsage()
    const sent = await flow(place, tenant.id, messages, options)
    metering = false
    const { user, system } = process.cpuUsage(before)
    await checkCounted(place, tenant.id, sent, events)
    const parts = Object.fromEntries(
      [...spent].sort(([a], [b]) => (a < b ? -1 : 1)).map(([part, units]) => [part, units / events]),
    )
    const all = Object.values(parts).reduce((sum, units) => sum + units, 0)
    return {
      eventsARequest,
      events,
      journal: (parts.journal ?? 0) + (parts.sequencer ?? 0),
      all,
      parts,
      reads: reads / events,
      invocations: bills.calls() / events,
      processor: (user + system) / events,
      sqs: bills.requests() / events,
    }
  } finally {
    await place.stop()
  }
}

/** What an item belongs to, by its partition key `T#tenant#…`. */
function partOf(pk: string) {
  const [, , kind = "tenant", generation, view] = pk.split("#")
  if (kind === "head") return "sequencer"
  if (kind !== "views") return kind
  if (generation === undefined) return "view heads"
  return view === "customers" || view === "seen" || view === "redo" || view === "timeline" || view === "quarantine"
    ? view
    : "blocks"
}

/** Sends go through our own sender, as they would to SQS; receives and deletes are those of full batches. */
function sqsBills() {
  let [requests, sends] = [0, 0]
  const billed = (bytes: number) => Math.max(1, Math.ceil(bytes / SQS_BILLS_BYTES))
  const sizes: number[] = []
  return {
    /** Of the door, which sends once each, and of the worker. */
    calls: () => sends + Math.ceil(sizes.length / MESSAGES_AT_ONCE),
    requests: () => {
      for (let i = 0; i < sizes.length; i += RECEIVED_AT_ONCE) {
        requests += billed(sizes.slice(i, i + RECEIVED_AT_ONCE).reduce((sum, size) => sum + size, 0)) + 1
      }
      sizes.length = 0
      return requests
    },
    queue: (into: (bodies: readonly string[]) => Promise<void>) =>
      sender(async (_, __, body) => {
        const bodies = (body as { Entries: { MessageBody: string }[] }).Entries.map(({ MessageBody }) => MessageBody)
        sends += 1
        requests += billed(bodies.reduce((sum, text) => sum + text.length, 0))
        sizes.push(...bodies.map((text) => text.length))
        await into(bodies)
        return {}
      }, "queue"),
  }
}

async function checkCounted(place: Place, tenant: Parameters<typeof ask>[1], sent: number, events: number) {
  const to = "2026-12-31"
  const needs = { ...place.runtime, tails: newTails() }
  const total = (metric: string) =>
    ask(
      needs,
      tenant,
      async (reading) =>
        (await run(reading, questionOf(Query.parse({ metric, from: FROM.slice(0, 10), to, grain: "total" }), to)))
          .total,
    )
  const counted = await total("events")
  const customers = await total("active_customers")
  const active = Math.min(CUSTOMERS, Math.ceil(events / 20))
  if (sent !== events || counted !== events || Number(customers) < active || Number(customers) > CUSTOMERS) {
    throw new Error(
      `${events} events of ${CUSTOMERS} customers; ${sent} were accepted, ${String(counted)} counted of ${String(customers)} customers`,
    )
  }
}

/** What is over its budget; nothing if all is well. */
export function overspent({ eventsARequest, ...spent }: Units): string[] {
  return Object.entries(budgets.get(eventsARequest) ?? {}).flatMap(([name, budget]) => {
    const units = spent[name as "journal" | "all" | "sqs"]
    const at = `${name}: ${units.toFixed(4)} an event at ${eventsARequest} events a request`
    return units > budget ? [`${at}; the budget is ${budget}`] : []
  })
}

export const units: Bench = async ({ quick, say }) => {
  const rows: Row[] = []
  for (const eventsARequest of [1, 10, 100]) {
    const found = await writeUnits(eventsARequest, quick && eventsARequest < 100 ? EVENTS / 10 : EVENTS)
    const parts = Object.entries(found.parts).map(([part, amount]) => `${part} ${amount.toFixed(4)}`)
    say(`units ${eventsARequest}: ${parts.join(", ")}; ${found.processor.toFixed(0)} µs of a processor`)
    const what = `${eventsARequest} a request`
    rows.push(
      row(found, "journal", `journal write units per event, ${what}`),
      row(found, "all", `all write units per event, ${what}`),
      row(found, "sqs", `SQS requests per event, ${what}`),
    )
  }
  return rows
}

function row(found: Units, name: "journal" | "all" | "sqs", what: string): Row {
  const budget = budgets.get(found.eventsARequest)?.[name]
  const spent = found[name]
  const figure = spent.toFixed(4)
  return {
    bench: "units",
    what,
    ours: figure,
    figure,
    exact: true,
    ...(budget === undefined ? {} : { aim: `<= ${budget}`, ok: spent <= budget }),
  }
}
