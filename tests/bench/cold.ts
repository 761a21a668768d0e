import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Command, InvalidArgumentError } from "commander"
import { functions } from "#platform/topology.ts"
import type { Start } from "../stacks/cold/start.ts"
import { coldSubjects, type Subject } from "../stacks/cold/subjects.ts"

/** `npm run bench:cold`: how long each function takes from nothing to its first answer, in terms of a bare Hono app. */
const { rounds } = new Command("npm run bench:cold --")
  .description("Starts each function's bundle in a process of its own, and has it answer one request.")
  .option("--rounds <number>", "interleaved starts of each; the median counts", toCount, 30)
  .parse()
  .opts<{ rounds: number }>()

const BARE = "bare"
const mostTimes = (name: string) => (name === BARE ? undefined : name === "collect" ? 1.3 : 3)
type Starts = Subject & { starts: Start[] }

const folder = mkdtempSync(join(tmpdir(), "octant-cold-"))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))

async function main() {
  const handlers = Object.entries(functions).map(([name, { handler }]) => [name, handler])
  const measured = { [BARE]: "tests/stacks/cold/bare.handler", ...Object.fromEntries(handlers) }
  const { subjects, begin, stop } = await coldSubjects(folder, measured, { redis: true })
  const starts: Starts[] = subjects.map((subject) => ({ ...subject, starts: [] }))
  // The first round only warms the disk.
  for (let round = 0; round <= rounds; round++) {
    for (const one of starts) {
      const start = await begin(one)
      if (round > 0) one.starts.push(start)
    }
  }
  stop()
  process.exitCode = report(starts) ? 0 : 1
}

/** Prints a line for each; whether all are within their budgets. */
function report(subjects: readonly Starts[]): boolean {
  const of = ({ starts }: Starts, what: (start: Start) => number) => median(starts.map(what))
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
