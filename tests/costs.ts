import { MINUTE } from "#core/clock.ts"
import { functions, queues, schedules } from "#platform/topology.ts"
import { section } from "./runbook.ts"

/**
 * AWS's list prices of us-east-1 on 2026-11-21 (the pricing pages of DynamoDB, SQS, Lambda on arm64, CloudFront, CloudWatch,
 * EventBridge Scheduler and KMS, without what is free), in dollars a million of what a row of the runbook counts.
 */
export const millions = {
  "table, writes": 0.625,
  "table, reads": 0.125,
  "queues, requests": 0.4,
  "collect and append, invocations": 0.2,
  "processors, GB-seconds": 13.3334,
  "waiting, GB-seconds": 13.3334,
  // 1.00 a million HTTPS requests, 0.10 a million calls of the edge's function.
  "router, requests": 1.1,
  // 0.50 a GB.
  "logs, KB": 0.5,
}
export type Part = keyof typeof millions

/** The table's, in dollars a GB and month. */
export const storage = { kept: 0.25, restorable: 0.2 }

/** The same, in dollars each, of what a stage pays for when nobody uses it. */
const monthly = {
  "metrics that alarms look at": 0.1,
  "figures that schedules tell": 0.3,
  "key of the vault": 1,
  "empty receives of standard queues, a million": 0.4,
  "empty receives of the FIFO queue, a million": 0.5,
  "looks for dead letters, a million": 0.4,
  // 1.00 for the schedule's call, 0.20 for the function's.
  "calls by schedules, a million": 1.2,
  "close, waiting for dead letters, a million GB-seconds": 13.3334,
}
export type IdlePart = keyof typeof monthly

const MONTH = 30 * 24 * 60 * MINUTE
/** Lambda asks a queue at rest by five long polls of twenty seconds each, as AWS says. */
const RECEIVES_A_MONTH = (5 * MONTH) / (MINUTE / 3)
const [fifo, standard] = [true, false].map(
  (isFifo) => Object.values(queues).filter((one) => one.fifo === isFifo).length,
)
const runs = (name: keyof typeof schedules) => MONTH / schedules[name].everyMs
/** `close` waits a second at the dead letters of each. */
const looks = functions.close.mends.length * runs("close")

/** What a month of idling has of each, as far as the topology says it. */
export const idle: Partial<Record<IdlePart, number>> = {
  "key of the vault": 1,
  "empty receives of standard queues, a million": (standard! * RECEIVES_A_MONTH) / 1e6,
  "empty receives of the FIFO queue, a million": (fifo! * RECEIVES_A_MONTH) / 1e6,
  "looks for dead letters, a million": looks / 1e6,
  "calls by schedules, a million": (runs("close") + runs("check") + runs("poll")) / 1e6,
  "close, waiting for dead letters, a million GB-seconds": ((looks * functions.close.memoryMb) / 1024) * 1e-6,
}

/** The bill of a million events as the runbook has it, at a hundred events a request and at one. */
export const bill = () => rowsOf(millions, "### A million events", 5)
/** The bill of an idle month. */
export const idleBill = () => rowsOf(monthly, "### A month of idling", 3)

type Row<P extends string> = { part: P; price: number; listed: number; cells: string[] }

/** Every part once: a row that is missing, or that nobody knows, is a fault of the document. */
function rowsOf<P extends string>(prices: Record<P, number>, heading: string, width: number): Row<P>[] {
  const rows = [...section(heading).matchAll(/^\| ([^|*]+) \| ([\d.]+) \| (.+) \|$/gm)].map(
    ([, part = "", price, rest = ""]) => ({ part, price: Number(price), cells: rest.split(" | ") }),
  )
  const parts = Object.keys(prices) as P[]
  if (rows.map(({ part }) => part).join() !== parts.join() || rows.some(({ cells }) => cells.length + 1 !== width)) {
    throw new Error(`${heading} has the rows ${rows.map(({ part }) => part).join("; ")}`)
  }
  return rows.map((row) => ({ ...row, part: row.part as P, listed: prices[row.part as P] }))
}

/** The total of a column, as the last row of its table has it. */
export const totalsOf = (heading: string) =>
  [...section(heading).matchAll(/^\| \*\*all\*\* (.+)$/gm)].flatMap(([, rest = ""]) =>
    [...rest.matchAll(/\*\*([\d.]+)\*\*/g)].map(([, total]) => total!),
  )
