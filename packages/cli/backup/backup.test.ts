import { appendFileSync, cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { createTable } from "#local/table.ts"
import { readAudit } from "#store/audit.ts"
import { keys, OPERATOR } from "#store/keys.ts"
import { TenantId } from "#store/tenant-id.ts"
import { startWorld, type World } from "../world.ts"

let world: World
let made = 0
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

const folder = () => join(world.data, `backup-${++made}`)
const order = (id: string, revenue: string, more: object = {}) => ({
  type: "track",
  event: "Order Completed",
  messageId: id,
  userId: `user-${id}`,
  timestamp: "2026-01-05T12:00:00Z",
  properties: { order_id: id, revenue },
  ...more,
})

async function send(id: string, ...calls: object[]) {
  await world.ask(
    "import",
    world.file(`${id}-${++made}.ndjson`, calls.map((one) => JSON.stringify(one)).join("\n")),
    "--tenant",
    id,
  )
  await world.stack.idle()
}
const january = ["--from", "2026-01-01", "--to", "2026-01-31", "--grain", "total"]
const totalOf = async (metric: string, id: string) =>
  ((await world.ask("query", metric, ...january, "--tenant", id)) as { total: unknown }).total
const headlines = async (id: string) => ({
  orders: await totalOf("orders", id),
  revenue: await totalOf("gross_revenue", id),
  customers: await totalOf("active_customers", id),
  events: await totalOf("events", id),
})
const tableGone = async () => {
  await world.stack.runtime.call("dynamodb", "DeleteTable", { TableName: world.stack.config.OCTANT_TABLE })
  await createTable(world.stack.runtime.call, world.stack.config.OCTANT_TABLE)
}
/** All lines of a backup. */
const itemsOf = (backup: string) =>
  readdirSync(backup)
    .filter((file) => file.startsWith("part-"))
    .flatMap((file) =>
      gunzipSync(readFileSync(join(backup, file)))
        .toString()
        .trimEnd()
        .split("\n"),
    )
    .map((line) => (JSON.parse(line) as { Item: { pk: { S: string }; sk: { S: string } } }).Item)

describe("the rehearsal: the table is lost, and all of it comes back from a backup", () => {
  let backup: string
  const athens = { orders: 3, revenue: "61.75", customers: 3, events: 4 }
  const berlin = { orders: 1, revenue: "5.00", customers: 1, events: 1 }
  let source: { id: string; url: string }

  beforeAll(async () => {
    const tenant = await world.tenant("athens", { timeZone: "Europe/Athens", currency: "EUR" })
    await world.tenant("berlin")
    const response = await fetch(`${world.stack.url}/v1/sources`, {
      method: "POST",
      headers: { authorization: `Bearer ${tenant.adminKey}`, "content-type": "application/json" },
      body: JSON.stringify({ vendor: "gorgias", name: "Help desk" }),
    })
    source = (await response.json()) as typeof source
    await send("athens", order("1", "12.50"), order("2", "24.25"), order("3", "25.00"))
    await world.ask("replay", "--tenant", "athens")
    await send("athens", {
      type: "identify",
      messageId: "4",
      userId: "user-1",
      timestamp: "2026-01-06T00:00:00Z",
      traits: { name: "Ελένη" },
    })
    await send("berlin", order("1", "5.00"))
    expect(await headlines("athens")).toEqual(athens)
    backup = folder()
    expect(await world.ask("backup", backup, "--all")).toMatchObject({
      tenants: [
        { id: "athens", position: 2, events: 4 },
        { id: "berlin", position: 1, events: 1 },
      ],
    })
    await tableGone()
  })

  test("without the table nobody is let in", async () => {
    expect((await world.octant(["query", "orders", ...january, "--tenant", "athens"])).err).not.toBe("")
    expect((await world.octant(["reconcile", "--tenant", "athens"])).err).toContain("there is no tenant athens")
  })

  test("restored, the same keys ask for the same numbers, and a recount finds no difference", async () => {
    const { code, out } = await world.octant(["restore", backup])
    expect(out).toMatch(
      /^restored to octant-local in \d+\.\d s; octant reconcile proves it\n {2}athens: 4 events up to position 2\n {2}berlin: 1 event up to position 1\n$/,
    )
    expect(code).toBe(0)
    expect(await headlines("athens")).toEqual(athens)
    expect(await headlines("berlin")).toEqual(berlin)
    for (const id of ["athens", "berlin"])
      expect(await world.ask("reconcile", "--tenant", id)).toMatchObject({ differences: [] })
    expect((await world.octant(["audit", "verify", "--all"])).code).toBe(0)
    expect(await world.ask("audit", "list", "--tenant", "athens", "--limit", "1")).toMatchObject({
      rows: [{ action: "tenant.restore", details: { position: 2, events: 4 } }],
    })
    expect(await world.ask("tenants", "list")).toMatchObject({
      tenants: [{ id: "athens", timeZone: "Europe/Athens", currency: "EUR" }, { id: "berlin" }],
    })
  })

  test("what comes afterwards counts, what comes again does not, and the source is still open", async () => {
    await send("athens", order("3", "25.00"), order("5", "0.25"))
    expect(await headlines("athens")).toEqual({ orders: 4, revenue: "62.00", customers: 4, events: 5 })
    expect(await world.ask("reconcile", "--tenant", "athens")).toMatchObject({ differences: [] })
    expect(await world.stack.runtime.table.get(keys.source(TenantId.parse("athens"), source.id))).toMatchObject({
      name: "Help desk",
    })
  })

  test("over data that is there it is refused, and changes nothing", async () => {
    const { code, err } = await world.octant(["restore", backup])
    expect(err).toBe(
      "there is data of athens, berlin already; --force deletes it first (also after a restore that was cut off)\n",
    )
    expect(code).toBe(2)
    expect(await totalOf("orders", "athens")).toBe(4)
  })

  test("with --force one tenant goes back to what it was, and the other stays as it is", async () => {
    await send("berlin", order("2", "1.00"))
    expect((await world.octant(["restore", backup, "--force", "--tenant", "athens"])).code).toBe(0)
    expect(await headlines("athens")).toEqual(athens)
    expect(await world.ask("reconcile", "--tenant", "athens")).toMatchObject({ differences: [] })
    expect(await totalOf("orders", "berlin")).toBe(2)
  })

  const logOf = async (id: string) =>
    ((await world.ask("audit", "list", "--tenant", id, "--limit", "200")) as { rows: { action: string }[] }).rows
      .map(({ action }) => action)
      .reverse()
  const isWhole = async () => (await world.octant(["audit", "verify", "--all"])).code === 0

  test("nobody loses their traces by a restore: what was done since the backup stays in the audit log", async () => {
    const before = await logOf("athens")
    await world.ask("keys", "create", "--tenant", "athens", "--scope", "admin", "--name", "taken")
    await world.ask("restore", backup, "--force")
    expect(await logOf("athens")).toEqual([...before, "key.create", "tenant.restore"])
    expect(await world.ask("keys", "list", "--tenant", "athens")).not.toMatchObject({
      keys: expect.arrayContaining([expect.objectContaining({ name: "taken" })]),
    })
    expect(await isWhole()).toBe(true)
  })

  test("what is deleted for a restore stands in the operator's log, and nothing does where nothing was", async () => {
    const dropped = async () =>
      (await readAudit(world.stack.runtime, OPERATOR, { limit: 100, action: "tenant.drop" })).rows.map(
        ({ subject }) => subject,
      )
    await tableGone()
    await world.ask("restore", backup)
    expect(await dropped()).toEqual([])
    await world.ask("restore", backup, "--force", "--tenant", "athens")
    expect(await dropped()).toEqual(["athens"])
    expect(await isWhole()).toBe(true)
  })

  test("a log that the backup's does not lead to is replaced by it, and that is said", async () => {
    await tableGone()
    await world.ask("tenants", "create", "--id", "athens", "--name", "Made by mistake")
    await world.ask("restore", backup, "--force")
    const [last] = ((await world.ask("audit", "list", "--tenant", "athens")) as { rows: object[] }).rows
    expect(last).toMatchObject({ action: "tenant.restore", details: { auditRowsReplaced: 1 } })
    expect(await isWhole()).toBe(true)
  })

  test("a log of which only a part came back is filled", async () => {
    const athens = TenantId.parse("athens")
    const rows = itemsOf(backup).filter(({ pk }) => pk.S.startsWith(`${keys.audit(athens)}`))
    await tableGone()
    const { call } = world.stack.runtime
    for (const Item of [rows[0], rows.at(-1)])
      await call("dynamodb", "PutItem", { TableName: world.stack.config.OCTANT_TABLE, Item })
    await world.ask("restore", backup, "--force")
    expect((await logOf("athens")).filter((action) => action !== "tenant.restore").length).toBe(rows.length - 1)
    expect(await isWhole()).toBe(true)
  })

  test("a restore that died before its end lets nobody in, and begun again with --force is whole", async () => {
    await tableGone()
    const { runtime } = world.stack
    const [first] = itemsOf(backup).filter(({ pk }) => pk.S === keys.journal(TenantId.parse("athens")))
    await runtime.call("dynamodb", "PutItem", { TableName: world.stack.config.OCTANT_TABLE, Item: first })
    expect((await world.octant(["restore", backup])).err).toContain("there is data of athens already; --force")
    expect((await world.octant(["restore", backup, "--force"])).code).toBe(0)
    expect(await headlines("athens")).toEqual(athens)
    expect(await headlines("berlin")).toEqual(berlin)
  })
})

test("that a tenant was copied stands in its audit log, and in the copy of that", async () => {
  await world.tenant("copied")
  const backup = folder()
  await world.ask("backup", backup, "--tenant", "copied")
  expect(await world.ask("audit", "list", "--tenant", "copied", "--limit", "1")).toMatchObject({
    rows: [{ action: "tenant.backup", subject: "copied", actor: "operator" }],
  })
  expect(JSON.stringify(itemsOf(backup))).toContain("tenant.backup")
})

test("one tenant's backup has nothing of another's", async () => {
  await world.tenant("cadiz")
  await world.tenant("cadiz-b")
  await send("cadiz", order("1", "1.00"))
  await send("cadiz-b", order("1", "1.00"))
  const backup = folder()
  await world.ask("backup", backup, "--tenant", "cadiz")
  const names = itemsOf(backup).map(({ pk, sk }) => `${pk.S}|${sk.S}`)
  expect(names.filter((name) => !/^T#cadiz(#|\|)/.test(name))).toEqual(["T#octant#tenants|cadiz"])
  expect(names).toContain("T#cadiz|settings")
  expect(names.filter((name) => name.includes("#views"))).toEqual([])
})

test("what is appended during a backup is not in it, and the copy is a whole journal all the same", async () => {
  const id = TenantId.parse("delft")
  await world.tenant(id)
  await send(id, order("1", "1.00"))
  await send(id, order("2", "2.00"))
  // A writer that has taken its place and has yet to come, and one behind it.
  const { table } = world.stack.runtime
  await table.add(keys.sequencer(id), { seq: 1, events: 1 })
  await send(id, order("4", "4.00"))
  const backup = folder()
  const { out, err } = await world.octant(["backup", backup, "--tenant", id])
  expect(out).toContain("delft: 2 events up to position 2\n")
  expect(err).toBe("delft: what was just being appended, up to position 4, is not in this backup\n")
  await world.ask("restore", backup, "--force")
  expect(await totalOf("gross_revenue", id)).toBe("3.00")
  await send(id, order("4", "4.00"))
  expect(await totalOf("gross_revenue", id)).toBe("7.00")
  expect(await table.get(keys.sequencer(id))).toMatchObject({ seq: 3, events: 3 })
})

describe("a backup that is not what was written is refused before anything is touched:", () => {
  let whole: string
  beforeAll(async () => {
    await world.tenant("essen")
    await send("essen", order("1", "1.00"))
    whole = folder()
    await world.ask("backup", whole, "--tenant", "essen")
  })
  const part = "part-000001.json.gz"
  const edited = (path: string, edit: (text: string) => string) => writeFileSync(path, edit(readFileSync(path, "utf8")))

  test.each<[string, (copy: string) => void, string]>([
    [
      "a byte was altered",
      (copy) => {
        const bytes = readFileSync(join(copy, part))
        bytes[bytes.length >> 1]! ^= 1
        writeFileSync(join(copy, part), bytes)
      },
      `${part} is not what was written: its checksum differs`,
    ],
    [
      "its end is cut off",
      (copy) => writeFileSync(join(copy, part), readFileSync(join(copy, part)).subarray(0, -20)),
      `${part} is not what was written: its checksum differs`,
    ],
    ["something was added", (copy) => appendFileSync(join(copy, part), "{}"), `${part} is not what was written`],
    ["a part is missing", (copy) => rmSync(join(copy, part)), `${part} is missing from the backup`],
    [
      "the manifest was altered",
      (copy) => edited(join(copy, "manifest.json"), (text) => text.replace('"events": 1', '"events": 0')),
      "manifest.json is not what was written: its checksum differs",
    ],
    [
      "the manifest is cut off",
      (copy) => edited(join(copy, "manifest.json"), (text) => text.slice(0, 60)),
      "manifest.json is no manifest of a backup",
    ],
    ["it never got its manifest", (copy) => rmSync(join(copy, "manifest.json")), "holds no whole backup"],
  ])("%s", async (_, spoil, complaint) => {
    const copy = folder()
    cpSync(whole, copy, { recursive: true })
    spoil(copy)
    for (const args of [["--check"], ["--force"]]) {
      const { code, err } = await world.octant(["restore", copy, ...args])
      expect(err).toContain(complaint)
      expect(code).toBe(1)
    }
    expect(await totalOf("orders", "essen")).toBe(1)
  })

  test("and a whole one is said to be whole", async () => {
    const { code, out } = await world.octant(["restore", whole, "--check"])
    expect(out).toMatch(/^whole: \d+ items of 2\d{3}-.*Z\n {2}essen: 1 event up to position 1\n$/)
    expect(code).toBe(0)
  })

  test("nobody but its owner can read one", () => {
    expect(statSync(whole).mode & 0o077).toBe(0)
    expect(statSync(join(whole, part)).mode & 0o077).toBe(0)
  })

  test("none is written over another", async () => {
    const again = await world.octant(["backup", whole, "--tenant", "essen"])
    expect([again.code, again.err]).toEqual([1, `${whole} is there already; give the backup a folder of its own\n`])
  })
})

test("a backup that fails leaves nothing behind that could be taken for one", async () => {
  await world.tenant("gouda")
  await send("gouda", order("1", "1.00"))
  const backup = folder()
  const entry = (await world.stack.runtime.table.get(keys.entry(TenantId.parse("gouda"), 1)))!
  await world.stack.runtime.table.put({ ...entry, sk: "000000000001-b" })
  await world.stack.runtime.table.put({ ...entry, sk: "000000000002" })
  const { code, err } = await world.octant(["backup", backup, "--tenant", "gouda"])
  expect([code, err]).toEqual([1, "the journal of gouda has 3 entries up to position 2\n"])
  expect(readdirSync(world.data).filter((name) => backup.endsWith(name.replace(".unfinished", "")))).toEqual([])
})
