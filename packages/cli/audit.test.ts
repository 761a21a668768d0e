import { afterAll, beforeAll, expect, test } from "vitest"
import { keys } from "#store/keys.ts"
import { TenantId } from "#store/tenant-id.ts"
import { startWorld, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await startWorld()
  await world.tenant("acme")
})
afterAll(() => world.stop())

type Rows = { rows: { seq: number; actor: string; action: string; subject: string; details: unknown; hash: string }[] }

test("the log tells what was done by whom, by action, by actor and by time", async () => {
  await world.ask("tenants", "plan", "pro", "--tenant", "acme")
  const { rows } = (await world.ask("audit", "list", "--tenant", "acme")) as Rows
  expect(rows.map(({ action }) => action)).toEqual([
    "tenant.plan",
    "key.create",
    "key.create",
    "key.create",
    "tenant.create",
  ])
  expect(rows[0]).toMatchObject({
    seq: 5,
    actor: "operator",
    subject: "acme",
    details: { from: "enterprise", to: "pro" },
  })
  const some = async (...options: string[]) =>
    ((await world.ask("audit", "list", "--tenant", "acme", ...options)) as Rows).rows.map(({ seq }) => seq)
  expect(await some("--action", "key.create")).toEqual([4, 3, 2])
  expect(await some("--limit", "2")).toEqual([5, 4])
  expect(await some("--actor", "schedule")).toEqual([])
  expect(await some("--from", "2026-01-01", "--to", "2026-01-02")).toEqual([])
  const { out } = await world.octant(["audit", "list", "--tenant", "acme", "--limit", "1"])
  expect(out).toMatch(/^seq {2}at .*\n {2}5 {2}20.*Z {2}operator {2}tenant.plan {2}acme .*"to":"pro"}\n… there is more/)
})

test("a log that is whole is said to be so, with its last hash", async () => {
  const { rows } = (await world.ask("audit", "list", "--tenant", "acme")) as Rows
  const last = `${rows[0]!.seq}:${rows[0]!.hash}`
  const { code, out } = await world.octant(["audit", "verify", "--tenant", "acme"])
  expect([code, out]).toEqual([0, `acme: ${rows[0]!.seq} rows, whole; the last is ${last}\n`])
  expect((await world.octant(["audit", "verify", "--tenant", "acme", "--anchor", last])).code).toBe(0)
  const other = `${rows[0]!.seq}:${"0".repeat(64)}`
  expect((await world.octant(["audit", "verify", "--tenant", "acme", "--anchor", other])).code).toBe(1)
  expect((await world.octant(["audit", "verify", "--tenant", "acme", "--anchor", "5"])).code).toBe(2)
})

test("a log that was tampered with is found out, with the row, and ends with 1", async () => {
  await world.tenant("robbed")
  const tenant = TenantId.parse("robbed")
  const { table } = world.stack.runtime
  await table.set(keys.auditRow(tenant, 2), { actor: "key:0123456789abcdef" })
  await table.delete(keys.auditRow(tenant, 4))
  const { code, out, err } = await world.octant(["audit", "verify", "--tenant", "robbed"])
  expect(code).toBe(1)
  expect(out).toBe("robbed: row 2 was altered\nrobbed: row 4 was cut off from the end\n")
  expect(err).toBe("the audit log is not whole: robbed at row 2 (altered)\n")
  const all = await world.octant(["audit", "verify", "--all", "--json"])
  expect(all.code).toBe(1)
  const { logs } = JSON.parse(all.out) as { logs: { tenant: string; flaws: unknown[] }[] }
  expect(logs.map((log) => [log.tenant, log.flaws.length])).toEqual([
    ["acme", 0],
    ["robbed", 2],
    ["octant", 0],
  ])
})
