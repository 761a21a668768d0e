import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { fakeClock, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { sha256 } from "#core/hash.ts"
import { randomText, seededRandom } from "#core/random.ts"
import { startTable } from "#platform/fixture.ts"
import { keys } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { TenantId } from "#store/tenant-id.ts"
import { authenticator, type Scope, scopes } from "./caller.ts"
import { createKey, listKeys, NewKey, revokeKey } from "./key.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

let made = 0
function world() {
  const tenant = TenantId.parse(`tenant-${++made}`)
  const clock = fakeClock("2026-05-10T12:00:00.000Z")
  const random = seededRandom(made)
  const needs = { table, clock, random, nonce: () => randomText(random, 20) }
  let reads = 0
  const counted: Table = {
    ...table,
    get: (key) => {
      reads++
      return table.get(key)
    },
  }
  return {
    tenant,
    clock,
    needs,
    create: (wish: { scope: Scope; source?: string; expiresAt?: string }) =>
      createKey(needs, tenant, NewKey.parse({ name: "a key", ...wish })),
    authenticate: authenticator({ table: counted, clock }),
    reads: () => reads,
  }
}
const codeOf = (asking: Promise<unknown>) =>
  asking.then(
    () => "let in",
    (error: unknown) => (error instanceof Fault ? error.code : String(error)),
  )

test("a key is shown once; the table keeps what cannot be turned back into it", async () => {
  const { tenant, create } = world()
  const { key, ...listed } = await create({ scope: "write", source: "shop" })
  expect(key).toMatch(new RegExp(`^oct_write_${tenant}_[0-9A-Za-z]{32}[0-9a-z]{6}$`))
  expect(listed).toEqual({
    id: sha256(key).slice(0, 16),
    name: "a key",
    scope: "write",
    source: "shop",
    createdAt: "2026-05-10T12:00:00.000Z",
  })
  expect(await listKeys({ table }, tenant)).toEqual([listed])
  expect(JSON.stringify(await table.query(keys.apiKeys(tenant)))).not.toContain(key.slice(-38))
})

test("whoever has a key is its tenant, with its scope and source", async () => {
  const { tenant, create, authenticate } = world()
  const { key, id } = await create({ scope: "write", source: "shop" })
  expect(await authenticate(key, "write")).toEqual({ tenant, key: id, scope: "write", source: "shop" })
  const { key: other } = await create({ scope: "read" })
  expect((await authenticate(other, "read")).source).toBe("default")
})

describe("what a key may do", () => {
  const may: Record<Scope, Scope[]> = { write: ["write"], read: ["read"], admin: ["read", "admin"] }
  test.each(scopes)("a key of the scope %s", async (scope) => {
    const { create, authenticate } = world()
    const { key } = await create({ scope })
    for (const wanted of scopes)
      expect(await codeOf(authenticate(key, wanted)), wanted).toBe(may[scope].includes(wanted) ? "let in" : "forbidden")
  })

  test("the refusal says which scope it has and which is needed", async () => {
    const { create, authenticate } = world()
    const { key } = await create({ scope: "read" })
    await expect(authenticate(key, "write")).rejects.toThrow("this key has the scope read; write is needed")
  })

  test("a scope that is written into a key does not give it", async () => {
    const { create, authenticate } = world()
    const { key } = await create({ scope: "write" })
    expect(await codeOf(authenticate(key.replace("oct_write", "oct_admin"), "admin"))).toBe("unauthorized")
  })
})

describe("what is no key is refused without a look into the table", () => {
  test.each<[string, (key: string) => string | undefined]>([
    ["nothing", () => undefined],
    ["an empty text", () => ""],
    ["junk", () => "junk"],
    [
      "a typing error in the secret",
      (key) => key.replace(/_(.)([^_]*)$/, (_, first, rest) => `_${first === "a" ? "b" : "a"}${rest}`),
    ],
    ["a typing error in the checksum", (key) => key.slice(0, -1) + (key.endsWith("0") ? "1" : "0")],
    [
      "a swapped pair",
      (key) => key.replace(/(.)(.)(.{8})$/, (all, a, b, rest) => (a === b ? `${all}x` : b + a + rest)),
    ],
    ["another tenant's name", (key) => key.replace("tenant-", "tenand-")],
    ["another scope", (key) => key.replace("oct_read", "oct_admin")],
    ["a space behind it", (key) => `${key} `],
    ["a line break behind it", (key) => `${key}\n`],
    ["its end alone", (key) => key.slice(4)],
    ["two of it", (key) => key + key],
    ["a megabyte", () => `oct_read_${"a".repeat(1_000_000)}`],
  ])("%s", async (_, spoil) => {
    const { create, authenticate, reads } = world()
    const { key } = await create({ scope: "read" })
    expect(await codeOf(authenticate(spoil(key), "read"))).toBe("unauthorized")
    expect(reads()).toBe(0)
  })
})

test("an unknown key, an expired one and a revoked one are refused in the same words", async () => {
  const { tenant, needs, clock, create, authenticate } = world()
  const { key: expired } = await create({ scope: "read", expiresAt: "2026-05-10T12:00:01Z" })
  const { key: revoked, id } = await create({ scope: "read" })
  await revokeKey(needs, tenant, id)
  const { key: deleted } = await create({ scope: "read" })
  await table.delete(keys.apiKey(tenant, sha256(deleted)))
  clock.advance(1000)
  const answers = await Promise.all(
    [expired, revoked, deleted, "junk"].map((key) =>
      authenticate(key, "read").catch((error: Fault) => [error.code, error.message]),
    ),
  )
  expect(new Set(answers.map(String))).toEqual(new Set(["unauthorized,a valid API key is needed"]))
})

test("a key that would be over before it began is not made", async () => {
  const { create } = world()
  await expect(create({ scope: "read", expiresAt: "2026-05-10T12:00:00Z" })).rejects.toMatchObject({
    code: "invalid_request",
    field: "expiresAt",
  })
})

test("a key of one tenant under another's name is no key", async () => {
  const [one, other] = [world(), world()]
  const { key } = await one.create({ scope: "read" })
  const renamed = key.slice(0, -6).replace(one.tenant, other.tenant)
  const { crc32 } = await import("node:zlib")
  const forged = renamed + crc32(renamed).toString(36).padStart(7, "0").slice(-6)
  expect(await codeOf(other.authenticate(forged, "read"))).toBe("unauthorized")
  expect(other.reads()).toBe(1)
})

describe("expiry", () => {
  test.each(["2026-05-10T12:00:10Z", "2026-05-10T12:00:10.000Z", "2026-05-10T12:00:10.000000Z"])(
    "a key that expires at %s is valid until then and not a millisecond longer",
    async (expiresAt) => {
      const { clock, create, authenticate } = world()
      const { key } = await create({ scope: "read", expiresAt })
      clock.set("2026-05-10T12:00:09.999Z")
      expect(await codeOf(authenticate(key, "read"))).toBe("let in")
      clock.advance(1)
      expect(await codeOf(authenticate(key, "read"))).toBe("unauthorized")
      clock.advance(500)
      expect(await codeOf(authenticate(key, "read"))).toBe("unauthorized")
    },
  )

  test.each(["2026-05-10", "tomorrow", "2026-05-10T12:00:00+02:00", "2026-02-30T00:00:00Z"])(
    "%s cannot be an expiry",
    (expiresAt) => {
      expect(NewKey.safeParse({ name: "a", scope: "read", expiresAt }).success).toBe(false)
    },
  )
})

describe("revocation", () => {
  test("takes effect within five seconds, wherever the key was believed", async () => {
    const { tenant, needs, clock, create, authenticate } = world()
    const { key, id } = await create({ scope: "read" })
    expect(await codeOf(authenticate(key, "read"))).toBe("let in")
    clock.advance(3 * SECOND)
    await authenticate(key, "read")
    expect(await revokeKey(needs, tenant, id)).toMatchObject({ id, revokedAt: "2026-05-10T12:00:03.000Z" })
    clock.advance(4999)
    expect(await codeOf(authenticate(key, "read"))).toBe("unauthorized")
  })

  test("again changes nothing, and of a key that is not there is told", async () => {
    const { tenant, needs, clock, create } = world()
    const { id } = await create({ scope: "read" })
    const first = await revokeKey(needs, tenant, id)
    clock.advance(SECOND)
    expect(await revokeKey(needs, tenant, id)).toEqual(first)
    expect(await listKeys({ table }, tenant)).toEqual([first])
    expect(await codeOf(revokeKey(needs, tenant, "0000000000000000"))).toBe("not_found")
    expect(await codeOf(revokeKey(needs, tenant, ""))).toBe("not_found")
  })

  test("of one tenant's key cannot be had by another", async () => {
    const [one, other] = [world(), world()]
    const { key, id } = await one.create({ scope: "read" })
    expect(await codeOf(revokeKey(other.needs, other.tenant, id))).toBe("not_found")
    expect(await codeOf(one.authenticate(key, "read"))).toBe("let in")
  })
})

test("a key is read once in four seconds, however often it is presented", async () => {
  const { clock, create, authenticate, reads } = world()
  const { key } = await create({ scope: "read" })
  await Promise.all(Array.from({ length: 20 }, () => authenticate(key, "read")))
  expect(reads()).toBe(1)
  clock.advance(4 * SECOND)
  await authenticate(key, "read")
  expect(reads()).toBe(2)
})

test("when the table does not answer nobody is let in, nobody is told no, and the next attempt asks again", async () => {
  const { clock, create } = world()
  const { key } = await create({ scope: "read" })
  let broken = true
  const authenticate = authenticator({
    table: { ...table, get: (wanted) => (broken ? Promise.reject(new Error("throttled")) : table.get(wanted)) },
    clock,
  })
  await expect(authenticate(key, "read")).rejects.toMatchObject({ code: "unavailable", retryAfter: 1 })
  broken = false
  expect(await codeOf(authenticate(key, "read"))).toBe("let in")
})

describe("a wish for a key", () => {
  test.each<[string, object]>([
    ["no name", { scope: "read" }],
    ["an empty name", { name: "", scope: "read" }],
    ["a name of 201 characters", { name: "x".repeat(201), scope: "read" }],
    ["an unknown scope", { name: "a", scope: "root" }],
    ["a source with capitals", { name: "a", scope: "write", source: "Shop" }],
    ["a source of 65 characters", { name: "a", scope: "write", source: "x".repeat(65) }],
    ["something more", { name: "a", scope: "read", tenant: "globex" }],
  ])("with %s is refused", (_, wish) => {
    expect(NewKey.safeParse(wish).success).toBe(false)
  })
})

test("a thousand keys are all different, and each passes its own checksum", async () => {
  const { clock, tenant } = world()
  const random = seededRandom(99)
  const stored = new Map<string, object>()
  const memory = {
    ...table,
    transact: async (writes: { put: { sk: string } }[]) => {
      for (const { put } of writes) stored.set(put.sk, put)
      return []
    },
    get: async ({ sk }: { sk: string }) => stored.get(sk),
  } as unknown as Table
  const authenticate = authenticator({ table: memory, clock })
  const given = new Set<string>()
  for (let i = 0; i < 1000; i++) {
    const { key } = await createKey({ table: memory, clock, random, nonce: () => String(i) }, tenant, {
      name: "a",
      scope: "read",
    })
    given.add(key)
    expect((await authenticate(key, "read")).tenant).toBe(tenant)
  }
  expect(given.size).toBe(1000)
})
