import { afterAll, beforeAll, expect, test } from "vitest"
import { authenticator } from "#access/caller.ts"
import { startWorld, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await startWorld()
  await world.tenant("acme")
})
afterAll(() => world.stop())

test("a tenant is made with its zone and currency, once", async () => {
  const shop = { id: "shop", name: "The Shop", timeZone: "Europe/Athens", currency: "EUR", plan: "enterprise" }
  const create = [
    "tenants",
    "create",
    "--id",
    "shop",
    "--name",
    "The Shop",
    "--time-zone",
    "Europe/Athens",
    "--currency",
    "EUR",
  ]
  expect(await world.ask(...create)).toEqual(shop)
  expect(await world.ask("tenants", "list")).toEqual({
    tenants: [
      { id: "acme", name: "acme", timeZone: "UTC", currency: "USD", plan: "enterprise", createdAt: expect.any(String) },
      { ...shop, createdAt: expect.any(String) },
    ],
  })
  expect(await world.octant(create)).toEqual({ code: 1, out: "", err: "id: there is a tenant shop already\n" })
})

test("a key is shown once, works until it is revoked, and is listed without itself", async () => {
  const made = await world.octant([
    "keys",
    "create",
    "--name",
    "dashboard",
    "--scope",
    "read",
    "--expires-at",
    "2999-01-01",
  ])
  const key = made.out.trim()
  expect(key).toMatch(/^oct_read_acme_\w+$/)
  expect(made.err).toMatch(/^key [0-9a-f]{16} of acme, scope read: keep it now, it is not shown again\n$/)
  const orders = () => world.octant(["query", "orders", "--grain", "total", "--json"], { env: { OCTANT_KEY: key } })
  expect((await orders()).code).toBe(0)

  const { keys } = (await world.ask("keys", "list")) as { keys: { id: string; name: string; expiresAt?: string }[] }
  const listed = keys.find(({ name }) => name === "dashboard")!
  expect(listed.expiresAt).toBe("2999-01-01T00:00:00.000Z")
  expect(JSON.stringify(keys)).not.toContain(key)
  const revoked = await world.octant(["keys", "revoke", listed.id])
  expect(revoked.out).toMatch(new RegExp(`^the key ${listed.id} \\(dashboard\\) was revoked at 2`))
  expect((await world.octant(["keys", "list"])).out).toMatch(/dashboard +read +default/)
  await expect(authenticator(world.stack.runtime)(key, "read")).rejects.toThrow("a valid API key is needed")
})

test("a key that the API does not know is refused in words", async () => {
  const { code, err } = await world.octant(["metrics"], { env: { OCTANT_KEY: "secret" } })
  expect({ code, err }).toEqual({ code: 1, err: `${world.stack.url} refused the key: a valid API key is needed\n` })
})

test("a tenant or a key that is not there is named", async () => {
  expect(await world.octant(["keys", "list", "--tenant", "nobody"])).toEqual({
    code: 1,
    out: "",
    err: "there is no tenant nobody: octant tenants list shows them\n",
  })
  expect(await world.octant(["keys", "revoke", "0000"])).toEqual({ code: 1, out: "", err: "there is no such key\n" })
  const { code, err } = await world.octant(["query", "orders", "--tenant", "nobody"])
  expect(code).toBe(2)
  expect(err).toContain("octant keys create --tenant nobody --scope read")
})
