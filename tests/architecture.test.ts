import { readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, test } from "vitest"

/**
 * What runs: the functions, the command and the vendors, with all that they import. Tests and what only they use may
 * import whatever they like.
 */
const entries = [...filesIn("functions"), "packages/cli/octant.ts", ...filesIn("packages/sources")]

/**
 * Imports run one way: a package may import itself and those that stand here. `simulator` stands beside `events`: it
 * makes up customers for the local stack and for tests.
 */
const mayImport: Record<string, readonly string[]> = {
  core: [],
  science: ["core"],
  events: ["core"],
  simulator: ["core", "events"],
  sources: ["core", "events"],
  store: ["core", "events"],
  metrics: ["core", "events", "science"],
  pipeline: ["core", "events", "science", "sources", "store", "metrics"],
  access: ["core", "events", "sources", "store", "pipeline"],
  delivery: ["core", "events", "store", "access"],
  api: ["core", "events", "sources", "store", "metrics", "pipeline", "access", "delivery"],
  platform: ["core", "events", "sources", "store", "pipeline", "access", "delivery"],
  local: ["core", "events", "simulator", "sources", "store", "pipeline", "access", "api", "platform"],
  cli: ["core", "events", "sources", "store", "metrics", "pipeline", "access", "delivery", "api", "platform", "local"],
  functions: ["core", "store", "pipeline", "access", "api", "platform"],
}
/** The whole product in one process, with its demo. */
const LOCAL_ENTRY = "functions/local.ts"
const mayImportAll = new Map([[LOCAL_ENTRY, ["local", "simulator"]]])

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(
      (entry) =>
        entry.isFile() && entry.name.endsWith(".ts") && !/\.test\.ts$|^fixtures?\.ts$|\.d\.ts$/.test(entry.name),
    )
    .map(({ name }) => join(folder, name))
}

type Import = { to: string; onlyType: boolean; later: boolean }
type File = { path: string; package: string; code: string; imports: Import[] }

const IMPORT = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"|(import)\(\s*"([^"]+)"\s*\)/g
const files = new Map<string, File>()

/** Reads a file and all that it imports of ours. */
function read(path: string): File {
  const known = files.get(path)
  if (known) return known
  const text = readFileSync(path, "utf8")
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1")
  const imports = [...code.matchAll(IMPORT)].map(
    ([, type, to, dynamic, later]): Import => ({
      to: to ?? later!,
      onlyType: type !== undefined,
      later: dynamic !== undefined,
    }),
  )
  const file = { path, package: packageOf(path), code, imports }
  files.set(path, file)
  for (const { to } of imports) {
    const inner = pathOf(path, to)
    if (inner?.endsWith(".ts")) read(inner)
  }
  return file
}
const packageOf = (path: string) => (path.startsWith("functions/") ? "functions" : path.split("/")[1]!)
/** Where an import of ours leads; `undefined` for one of npm or Node. */
const pathOf = (from: string, to: string) =>
  to.startsWith("#") ? join("packages", to.slice(1)) : to.startsWith(".") ? join(dirname(from), to) : undefined

for (const entry of entries) read(entry)
const all = [...files.values()]
/** Those of the files that say something they may not, as `file: what`. */
const offenders = (find: (file: File) => readonly string[]) =>
  all.flatMap((file) => find(file).map((what) => `${file.path}: ${what}`)).sort()

/** What a function loads when it starts. */
function loadedBy(entry: string) {
  const loaded = new Set<string>()
  const foreign = new Set<string>()
  const load = (path: string) => {
    if (loaded.has(path)) return
    loaded.add(path)
    for (const { to, onlyType, later } of read(path).imports) {
      if (onlyType || later) continue
      const inner = pathOf(path, to)
      if (inner === undefined) foreign.add(to)
      else if (inner.endsWith(".ts")) load(inner)
    }
  }
  load(entry)
  return { loaded, foreign }
}

test("the whole product is looked at", () => {
  expect(new Set(all.map((file) => file.package))).toEqual(new Set(Object.keys(mayImport)))
  expect(all.length).toBeGreaterThan(100)
  expect(read("packages/pipeline/accept.ts").imports.map(({ to }) => to)).toContain("#store/journal.ts")
})

describe("imports run one way:", () => {
  test.each(Object.keys(mayImport))("%s", (name) => {
    const allowed = new Set([name, ...mayImport[name]!])
    const wrong = all
      .filter((file) => file.package === name)
      .flatMap(({ path, imports }) => {
        const more = mayImportAll.get(path) ?? []
        return imports.flatMap(({ to }) => {
          const inner = pathOf(path, to)
          const there = inner?.startsWith("packages/") ? packageOf(inner) : undefined
          return there === undefined || allowed.has(there) || more.includes(there) ? [] : [`${path} imports ${to}`]
        })
      })
    expect(wrong).toEqual([])
  })

  test("no file imports itself by way of others", () => {
    const done = new Set<string>()
    const circles: string[] = []
    const walk = (path: string, way: readonly string[]) => {
      if (way.includes(path)) return void circles.push([...way.slice(way.indexOf(path)), path].join(" → "))
      if (done.has(path)) return
      for (const { to, onlyType } of read(path).imports) {
        const inner = pathOf(path, to)
        if (!onlyType && inner?.endsWith(".ts")) walk(inner, [...way, path])
      }
      done.add(path)
    }
    for (const { path } of all) walk(path, [])
    expect(circles).toEqual([])
  })
})

const importing = (pattern: RegExp, ...packages: string[]) =>
  offenders((file) =>
    packages.includes(file.package)
      ? []
      : file.imports.flatMap(({ to, onlyType }) => (!onlyType && pattern.test(to) ? [to] : [])),
  )

test("only platform and local know networks and clouds", () => {
  expect(
    importing(
      /^node:(http2?|https|net|tls|dgram|dns)|^(aws4|@aws-sdk|@smithy|@upstash|fauxqs|@dynoxide)/,
      "platform",
      "local",
    ),
  ).toEqual([])
})

test("others are asked through the guard: nothing else calls fetch, but what starts on a person's machine", () => {
  const guarded = ["packages/platform/outside.ts"]
  const calls = /globalThis\.fetch|(?<![.\w])fetch\(/g
  const begin = /^functions\/local|^packages\/(cli|local)\//
  expect(
    offenders(({ path, code }) => (begin.test(path) || guarded.includes(path) ? [] : (code.match(calls) ?? []))),
  ).toEqual(["packages/platform/runtime.ts: globalThis.fetch"])
})

test("only store knows how keys begin", () => {
  expect(
    offenders(({ path, code }) => (path !== "packages/store/keys.ts" && /["'`]T#|\["T",/.test(code) ? ["T#"] : [])),
  ).toEqual([])
})

test("time is an argument: the clock is read in one file, and where the product is started by hand", () => {
  const clocks = ["packages/core/clock.ts", LOCAL_ENTRY]
  const readings = /Date\.now|new Date\(\s*\)|performance\.now/g
  expect(offenders(({ path, code }) => (clocks.includes(path) ? [] : (code.match(readings) ?? [])))).toEqual([])
})

test("chance is an argument: it is drawn where the functions' and the command's powers are put together", () => {
  const powers = ["packages/platform/base.ts", "packages/cli/terminal.ts", "packages/core/random.ts"]
  const draws = /Math\.random|randomBytes|getRandomValues|randomInt/g
  expect(offenders(({ path, code }) => (powers.includes(path) ? [] : (code.match(draws) ?? [])))).toEqual([])
})

test("the environment is read where a process begins", () => {
  const begin = /^functions\/|^packages\/(cli|local)\//
  expect(offenders(({ path, code }) => (begin.test(path) ? [] : (code.match(/process\.env/g) ?? [])))).toEqual([])
})

describe("what the door for events loads", () => {
  const { loaded, foreign } = loadedBy("functions/collect.ts")

  test("is Hono, and no zod: that is loaded when there is something to object to", () => {
    expect([...foreign].filter((name) => !name.startsWith("node:") && !name.startsWith("hono"))).toEqual([])
    expect(foreign).toContain("hono/hono-base")
  })

  test("is nothing that only questions need", () => {
    const heavy =
      /^packages\/(science|metrics|simulator|local|cli)\/|^packages\/pipeline\/(fold|answer|reading|replay|reconcile)/
    expect([...loaded].filter((path) => heavy.test(path))).toEqual([])
  })
})
