import { readFileSync } from "node:fs"
import { pathToFileURL } from "node:url"

/** One cold start: loads a bundle and has it answer one event. The last line says how long each took, and the answer. */
const [file = "", exported = ""] = process.argv.slice(2)
const event: unknown = JSON.parse(readFileSync(0, "utf8"))
const url = pathToFileURL(file).href

const before = process.cpuUsage()
const begun = performance.now()
const module = (await import(url)) as Record<string, (event: unknown, context: object) => Promise<unknown>>
const loaded = performance.now()
const answer = await module[exported]!(event, {})
const answered = performance.now()
const { user, system } = process.cpuUsage(before)

// Undocumented, and nothing but a test relies on it.
const { moduleLoadList = [] } = process as unknown as { moduleLoadList?: string[] }
const parts = { fetch: "internal/deps/undici/undici", zlib: "zlib" }
const has = Object.entries(parts).flatMap(([part, id]) => (moduleLoadList.includes(`NativeModule ${id}`) ? [part] : []))
const measured = { initMs: loaded - begun, firstMs: answered - loaded, cpuMs: (user + system) / 1000, has }
process.stdout.write(`\n${JSON.stringify({ ...measured, answer: answer ?? null })}\n`)
process.exit(0)
