import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { noOutcome, type Outcome, sum } from "./tally.ts"

/** How many requests from the first on are acknowledged, and what was said of their events. */
type Progress = { requests: number; outcome: Outcome }

const ONLY_OWNER = 0o600

/** What an import remembers of itself, so that one that was cut off goes on where it was. */
export function openProgress(folder: string, id: string, restart: boolean) {
  const file = join(folder, "imports", `${id}.json`)
  mkdirSync(join(folder, "imports"), { recursive: true })
  let progress: Progress = (restart ? undefined : readProgress(file)) ?? { requests: 0, outcome: noOutcome }
  const waiting = new Map<number, Outcome>()
  return {
    current: () => progress,
    /** Answers may come in any order: only a beginning without gaps is remembered. */
    acknowledge(index: number, outcome: Outcome) {
      waiting.set(index, outcome)
      for (let next = waiting.get(progress.requests); next; next = waiting.get(progress.requests)) {
        waiting.delete(progress.requests)
        progress = { requests: progress.requests + 1, outcome: sum(progress.outcome, next) }
      }
      writeFileSync(`${file}.new`, JSON.stringify(progress), { mode: ONLY_OWNER })
      renameSync(`${file}.new`, file)
    },
    /** The next import of the same file sends everything again, and counts nothing twice. */
    forget: () => rmSync(file, { force: true }),
  }
}

function readProgress(file: string): Progress | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Progress
  } catch {
    return undefined
  }
}
