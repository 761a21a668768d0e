import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Command, InvalidArgumentError } from "commander"
import { systemClock } from "#core/clock.ts"
import { functions } from "#platform/topology.ts"
import { type Bundle, bundle } from "../stacks/bundle.ts"
import { startEndpoint } from "../stacks/cold/endpoint.ts"
import { type First, firstRequests, HOOKS_URL } from "../stacks/cold/firsts.ts"
import { type Start, starterIn } from "../stacks/cold/start.ts"
import { endpoints, given } from "../stacks/lambda.ts"
import { root } from "../stacks/synth.ts"

/** `npm run bench:cold`: how long each function takes from nothing to its first answer, in terms of a bare Hono app. */
const { rounds } = new Command("npm run bench:cold --")
  .description("Starts each function's bundle in a process of its own, and has it answer one request.")
  .option("--rounds <number>", "interleaved starts of each; the median counts", toCount, 10)
  .parse()
  .opts<{ rounds: number }>()

const BARE = "bare"
const mostTimes = (name: string) => (name === BARE ? undefined : name === "collect" ? 1.3 : 3)
type Subject = { name: string; bundle: Bundle; first: First; starts: Start[] }

const folder = mkdtempSync(join(tmpdir(), "octant-cold-"))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))

async function main() {
  const { items, firsts } = await firstRequests(systemClock)
  const endpoint = await startEndpoint(items)
  const environment = {
    ...given,
    OCTANT_TABLE: "octant-cold",
    OCTANT_APPEND_QUEUE_URL: `${endpoint.url}/append`,
    OCTANT_FOLD_QUEUE_URL: `${endpoint.url}/fold.fifo`,
    OCTANT_DELIVERIES_QUEUE_URL: `${endpoint.url}/deliveries`,
    OCTANT_BUS: "octant-cold",
    OCTANT_JOBS_HIGH_QUEUE_URL: `${endpoint.url}/jobs-high`,
    OCTANT_JOBS_LOW_QUEUE_URL: `${endpoint.url}/jobs-low`,
    OCTANT_KMS_KEY_ID: "arn:aws:kms:eu-central-1:123456789012:key/cold",
    OCTANT_HOOKS_URL: HOOKS_URL,
    ...endpoints(endpoint.url),
  }
  const start = await starterIn(folder)
  const handlers = { [BARE]: { handler: "tests/stacks/cold/bare.handler" }, ...functions }
  const bundled = Object.entries(handlers).map(async ([name, { handler }]): Promise<Subject> => {
    const made = await bundle(root, handler, join(folder, name), { minify: true, splitting: true })
    return { name, bundle: made, first: firsts[name]!, starts: [] }
  })
  const subjects = await Promise.all(bundled)
  // The first round only warms the disk.
  for (let round = 0; round <= rounds; round++) {
    for (const { name, bundle: made, first, starts } of subjects) {
      endpoint.seen()
      const one = await start(made.file, first.event, environment)
      if (!first.answered(one.answer, endpoint.seen(), one.logged)) {
        throw new Error(`${name} did not answer: ${JSON.stringify(one.answer)}\n${one.logged}`)
      }
      if (round > 0) starts.push(one)
    }
  }
  endpoint.stop()
  process.exitCode = report(subjects) ? 0 : 1
}

/** Prints a line for each; whether all are within their budgets. */
function report(subjects: readonly Subject[]): boolean {
  const of = ({ starts }: Subject, what: (start: Start) => number) => median(starts.map(what))
  const bothMs = ({ initMs, firstMs }: Start) => initMs + firstMs
  const [bare] = subjects
  const found = subjects.map((subject) => {
    const [both, cpu] = [of(subject, bothMs), of(subject, ({ cpuMs }) => cpuMs)]
    const [times, cpuTimes] = [both / of(bare!, bothMs), cpu / of(bare!, ({ cpuMs }) => cpuMs)]
    const most = mostTimes(subject.name)
    const ms = [of(subject, ({ initMs }) => initMs), of(subject, ({ firstMs }) => firstMs), both].map(inMs)
    const aim = most === undefined ? ["", ""] : [`<= ${most}x`, times <= most ? "PASS" : "MISS"]
    const size = `${(subject.bundle.bytes / 1024).toFixed(1)} KB`
    return [subject.name, size, ...ms, inTimes(times), inMs(cpu), inTimes(cpuTimes), ...aim]
  })
  const table = [["", "bundle", "init", "first", "both", "of bare", "CPU", "of bare", "aim", ""], ...found]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  for (const row of table) {
    const line = row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ")
    process.stdout.write(`${line.trimEnd()}\n`)
  }
  process.stdout.write(`medians of ${rounds} interleaved starts; every first request was answered\n`)
  return !found.flat().includes("MISS")
}

const inMs = (ms: number) => `${ms.toFixed(1)} ms`
const inTimes = (ratio: number) => `${ratio.toFixed(2)}x`

function median(values: readonly number[]) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function toCount(text: string) {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError("rounds are a number from 1")
  return count
}

await main()
