import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { fakeClock } from "#core/clock.ts"
import { randomText, seededRandom } from "#core/random.ts"
import { startTable } from "#platform/fixture.ts"
import { keys } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { TenantId } from "#store/tenant-id.ts"
import { readHead } from "#store/views.ts"
import { changePlan, createTenant, getTenant, Tenant } from "./tenant.ts"
import { listTenants } from "./tenants.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

const clock = fakeClock("2026-05-10T12:00:00.000Z")
const random = seededRandom(1)
const nonce = () => randomText(random, 20)
const create = (tenant: object, over: Table = table) =>
  createTenant({ table: over, clock, nonce }, Tenant.parse({ name: "Acme", ...tenant }))

test("a tenant is read back as it was made, with empty views in its zone and currency", async () => {
  await create({ id: "acme", timeZone: "Europe/Athens", currency: "EUR" })
  const id = TenantId.parse("acme")
  expect(await getTenant({ table }, id)).toMatchObject({
    id: "acme",
    name: "Acme",
    timeZone: "Europe/Athens",
    currency: "EUR",
    createdAt: "2026-05-10T12:00:00.000Z",
  })
  expect(await readHead({ table }, id)).toMatchObject({
    generation: 1,
    position: 0,
    zone: "Europe/Athens",
    currency: "EUR",
  })
})

test("without a zone it is UTC, without a currency US dollars", () => {
  expect(Tenant.parse({ id: "acme", name: "Acme" })).toMatchObject({ timeZone: "UTC", currency: "USD" })
})

test("an id that is taken is refused, and what is there stays as it was", async () => {
  await create({ id: "taken", name: "First", timeZone: "Asia/Kolkata" })
  await expect(create({ id: "taken", name: "Second" })).rejects.toMatchObject({ code: "conflict", field: "id" })
  await expect(create({ id: "taken", name: "First", timeZone: "Asia/Kolkata" })).rejects.toMatchObject({
    code: "conflict",
  })
  const id = TenantId.parse("taken")
  expect(await getTenant({ table }, id)).toMatchObject({ name: "First", timeZone: "Asia/Kolkata" })
  expect((await readHead({ table }, id))?.zone).toBe("Asia/Kolkata")
  expect((await table.get(keys.registered(id)))?.name).toBe("First")
})

test("a tenant that is not there is not found", async () => {
  await expect(getTenant({ table }, TenantId.parse("nobody"))).rejects.toMatchObject({ code: "not_found", status: 404 })
})

test("all tenants are listed in the order of their ids", async () => {
  for (const id of ["b-list", "a-list", "c-list"]) await create({ id })
  expect((await listTenants({ table })).filter((id) => id.endsWith("-list"))).toEqual(["a-list", "b-list", "c-list"])
})

describe("a creation that died", () => {
  const dying = (moment: "before" | "after"): Table => ({
    ...table,
    transact: async (...transaction) => {
      if (moment === "after") await table.transact(...transaction)
      throw new Error("died")
    },
  })

  test("before its write has left nothing, and can be begun again", async () => {
    const id = TenantId.parse("died-before")
    await expect(create({ id, currency: "GBP" }, dying("before"))).rejects.toThrow("died")
    expect(await table.query(keys.views(id))).toEqual([])
    await create({ id, currency: "GBP" })
    expect(await readHead({ table }, id)).toMatchObject({ generation: 1, currency: "GBP" })
  })

  test("after its write has left a whole tenant", async () => {
    const id = TenantId.parse("died-after")
    await expect(create({ id, currency: "GBP" }, dying("after"))).rejects.toThrow("died")
    expect(await getTenant({ table }, id)).toMatchObject({ currency: "GBP" })
    expect(await readHead({ table }, id)).toMatchObject({ generation: 1, currency: "GBP" })
    expect(await listTenants({ table })).toContain(id)
  })
})

test("another plan is in force when it is read again, and of two changes at once one is told of the other", async () => {
  const id = TenantId.parse("planned")
  await create({ id, plan: "free" })
  const change = (plan: "basic" | "pro", over: Table = table) => changePlan({ table: over, clock, nonce }, id, plan)
  expect(await change("basic")).toMatchObject({ id, plan: "basic" })
  expect((await getTenant({ table }, id)).plan).toBe("basic")
  const late: Table = {
    ...table,
    transact: async (...transaction) => {
      await change("pro")
      return table.transact(...transaction)
    },
  }
  await expect(change("basic", late)).rejects.toMatchObject({ code: "conflict", field: "plan" })
  expect((await getTenant({ table }, id)).plan).toBe("pro")
  await expect(changePlan({ table, clock, nonce }, TenantId.parse("nobody"), "pro")).rejects.toMatchObject({
    code: "not_found",
  })
})

describe("what cannot be a tenant", () => {
  test.each<[string, object, string]>([
    ["the operator's own id", { id: "octant" }, "id"],
    ["capitals in its id", { id: "Acme" }, "id"],
    ["no name", { name: undefined }, "name"],
    ["an empty name", { name: "" }, "name"],
    ["a name of 201 characters", { name: "x".repeat(201) }, "name"],
    ["a zone that does not exist", { timeZone: "Europe/Sparta" }, "timeZone"],
    ["a currency in small letters", { currency: "eur" }, "currency"],
    ["a currency's sign", { currency: "€" }, "currency"],
    ["a plan that does not exist", { plan: "gold" }, "plan"],
  ])("%s", (_, more, field) => {
    const parsed = Tenant.safeParse({ id: "acme", name: "Acme", ...more })
    expect(parsed.error?.issues[0]?.path).toEqual([field])
  })

  test("something that tenants do not have", () => {
    expect(Tenant.safeParse({ id: "acme", name: "Acme", admin: true }).success).toBe(false)
  })
})
