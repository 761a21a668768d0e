import { spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, test } from "vitest"
import { runWith } from "./world.ts"

const entry = new URL("./octant.ts", import.meta.url).pathname
const nowhere = mkdtempSync(join(tmpdir(), "octant-nowhere-"))

/** The command as a process of its own. */
const octant = (...args: string[]) => {
  const { PATH = "" } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, [entry, ...args], { encoding: "utf8", env: { PATH } })
  return { code: status, out: stdout, err: stderr }
}

test("as a process: help is 0, a failure 1 in one line, a wrong use 2", () => {
  const help = octant("--help")
  expect(help.code).toBe(0)
  expect(help.out).toContain("Usage: octant")
  expect(octant("query", "orders", "--data", nowhere)).toEqual({
    code: 1,
    out: "",
    err: `no Octant runs on ${nowhere}: start it with npm start, or name another with --url and --key\n`,
  })
  expect(octant("query", "orders", "--limit", "many")).toMatchObject({ code: 2, out: "" })
})

test.each([
  ["tenants", "create"],
  ["tenants", "list"],
  ["keys", "create"],
  ["keys", "list"],
  ["keys", "revoke"],
  ["metrics"],
  ["query"],
  ["import"],
  ["ledger"],
  ["customer"],
  ["tail"],
  ["quarantine", "list"],
  ["quarantine", "release"],
  ["replay"],
  ["reconcile"],
])("octant %s %s has --help, and speaks JSON", async (...command) => {
  const { code, out } = await runWith([...command, "--help"])
  expect(code).toBe(0)
  expect(out).toContain(`Usage: octant ${command.filter(Boolean).join(" ")}`)
  expect(out).toContain("--json")
  expect(out).toContain("--data <folder>")
})

test.each([
  [["nonsense"], "unknown command 'nonsense'"],
  [[], "Usage: octant"],
  [["keys"], "Usage: octant keys"],
  [["query"], "missing required argument 'metric'"],
  [["query", "orders", "--csv", "--json"], "cannot be used with option"],
  [["query", "orders", "--url", "nowhere", "--key", "k"], "--url must be like https://api.example.com, not nowhere"],
  [
    ["query", "orders", "--url", "http://localhost"],
    "give a key of the scope read for http://localhost in OCTANT_KEY, or with --key",
  ],
  [["query", "orders", "--where", "{", "--url", "http://localhost", "--key", "k"], "--where must be JSON such as"],
  [["query", "orders", "--tenant", "b", "--key", "oct_read_a_0000"], "the key is one of a, not of b"],
  [["keys", "create", "--name", "n", "--scope", "root"], "Allowed choices are write, read, admin"],
  [
    ["keys", "create", "--name", "n", "--scope", "read", "--expires-at", "2020-01-01"],
    "--expires-at: must lie in the future",
  ],
  [["keys", "create", "--name", "n", "--scope", "read", "--source", "A B"], "--source: must be 1 to 64 characters"],
  [["tenants", "create", "--id", "Acme", "--name", "n"], "--id: must be 1 to 40 characters"],
  [
    ["tenants", "create", "--id", "a", "--name", "n", "--time-zone", "Moon"],
    "--time-zone: must be a zone of the IANA database",
  ],
  [["replay", "--currency", "euro"], "--currency: must be an ISO 4217 code"],
  [
    ["quarantine", "release", "--url", "http://localhost", "--key", "k"],
    "name the ids to release, or what they have (such as --code), or say --all",
  ],
  [["import", "x.csv"], "CSV needs --mapping"],
  [["import", "x.ndjson", "--encoding", "klingon"], "--encoding klingon is not known"],
])("used wrongly, it says how it is used: %j", async (args, message) => {
  const { code, out, err } = await runWith(args)
  expect(err).toContain(message)
  expect({ code, out }).toEqual({ code: 2, out: "" })
})

test("where nothing answers, it says so", async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  server.close()
  await once(server, "close")
  const { code, err } = await runWith(["metrics", "--url", url, "--key", "k"])
  expect({ code, err }).toEqual({
    code: 1,
    err: `nothing answers at ${url} (ECONNREFUSED): is it running? npm start starts a local one\n`,
  })
})

test("a deployed Octant is reached by the environment, and what is missing there is named", async () => {
  const bare = await runWith(["tenants", "list", "--data", nowhere])
  expect(bare.err).toContain("start it with npm start, or set OCTANT_TABLE")
  const half = await runWith(["tenants", "list", "--data", nowhere], { env: { OCTANT_TABLE: "octant-production" } })
  expect(half.err).toMatch(/^OCTANT_APPEND_QUEUE_URL: .*for example https:\/\/sqs/)
  expect([bare.code, half.code]).toEqual([1, 1])
})
