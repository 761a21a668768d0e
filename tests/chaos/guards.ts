import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/**
 * Takes each guard out of a copy of the code and lets chaos loose on it: every one of them must turn it red, or it
 * guards nothing. `npm run chaos:guards`
 */
const guards: { name: string; file: string; from: string; to: string }[] = [
  {
    name: "a message counts once",
    file: "packages/pipeline/fold.ts",
    from: "for (const day of days) if (memory.seen.get(day)?.has(hash) || memory.fresh.get(day)?.has(hash)) return false",
    to: "",
  },
  {
    name: "a message counts once across folds",
    file: "packages/pipeline/fold.ts",
    from: "memory.seen.get(day)?.has(hash) || ",
    to: "",
  },
  {
    name: "an entry is put only where none is",
    file: "packages/store/journal.ts",
    from: 'if (await table.put(item, "absent"))',
    to: "if (await table.put(item))",
  },
  {
    name: "a hole is filled only while it is one",
    file: "packages/store/journal.ts",
    from: 'if (await table.put(empty, "absent"))',
    to: "if (await table.put(empty))",
  },
  {
    name: "nothing is read beyond a hole",
    file: "packages/store/journal.ts",
    from: "if (!filled) return yield entries",
    to: "if (!filled) continue",
  },
  {
    name: "one of two folds wins",
    file: "packages/store/views.ts",
    from: '    { attribute: "version", is: "=", value: head.version },\n  )\n  if (won)',
    to: "  )\n  if (won)",
  },
  {
    name: "an item is put only over an older one",
    file: "packages/store/views.ts",
    from: 'table.put(item, { attribute: "position", is: "<", value: to, orAbsent: true }),',
    to: "table.put(item),",
  },
  {
    name: "a commit is finished before the next begins",
    file: "packages/pipeline/folding.ts",
    from: "if (snapshot.head.pending) {",
    to: "if (snapshot.head.pending && false) {",
  },
  {
    name: "a reader sees the commit that is being put in place",
    file: "packages/pipeline/snapshot.ts",
    from: "const redo = await readRedo(needs, tenant, head)",
    to: "const redo = head ? [] : undefined",
  },
  {
    name: "a reader notices that the views went on",
    file: "packages/pipeline/snapshot.ts",
    from: "if (found.position > position) throw new Moved()",
    to: "",
  },
  {
    name: "what failed to append comes back",
    file: "packages/pipeline/append.ts",
    from: 'const outcomes = messages.map((): "done" | "failed" => "failed")',
    to: 'const outcomes = messages.map((): "done" | "failed" => "done")',
  },
]

/** More than all the seeds take together. */
const MOST_MS = 100_000
const copied = ["packages", "tests", "package.json", "tsconfig.json"]
let [passed, failed] = [0, 0]
for (const { name, file, from, to } of guards.filter(
  ({ name: wanted }) => process.argv[2] === undefined || wanted.includes(process.argv[2]),
)) {
  const copy = mkdtempSync(join(tmpdir(), "octant-guard-"))
  try {
    for (const part of copied) cpSync(part, join(copy, part), { recursive: true })
    symlinkSync(join(process.cwd(), "node_modules"), join(copy, "node_modules"))
    const text = readFileSync(join(copy, file), "utf8")
    if (!text.includes(from)) throw new Error(`${file} has no such line any more: ${from}`)
    writeFileSync(join(copy, file), text.replace(from, to))
    const started = performance.now()
    const red = turnsRed(copy)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    if (red) passed++
    else failed++
    process.stdout.write(`${red ? "red" : "STILL GREEN"} without: ${name} (${seconds} s)\n`)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)

/** Wrong numbers in some seed, or a life that goes round in circles. */
function turnsRed(cwd: string) {
  try {
    const options = ["--seeds", "80", "--only", "seeds", "--stop-at-first"]
    execFileSync(process.execPath, ["tests/chaos/run.ts", ...options], {
      cwd,
      stdio: "pipe",
      timeout: MOST_MS,
      killSignal: "SIGKILL",
    })
    return false
  } catch (error) {
    const { stdout, signal } = error as { stdout?: Buffer; signal?: string }
    return /seed \d+: /.test(String(stdout)) || signal === "SIGKILL"
  }
}
