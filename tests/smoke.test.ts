import { execFile } from "node:child_process"
import { afterAll, beforeAll, expect, test } from "vitest"
import { Tenant } from "#access/tenant.ts"
import { settle } from "#local/home.ts"
import { startStack } from "#local/stack.ts"
import { startWorld, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

type Ran = { code: number; out: string }
const smoke = (url: string, keys: { write?: string; read?: string }, ...more: string[]) =>
  new Promise<Ran>((done) => {
    const { PATH } = process.env
    const env = { PATH, OCTANT_SMOKE_WRITE_KEY: keys.write, OCTANT_SMOKE_READ_KEY: keys.read }
    execFile(process.execPath, ["tests/smoke.ts", "--url", url, ...more], { env }, (error, out) =>
      done({ code: error ? Number(error.code) : 0, out }),
    )
  })
const ofAcme = () => ({ write: world.acme.writeKey, read: world.acme.readKey })

test("a stage that counts what it is sent passes, and again", async () => {
  for (let time = 1; time <= 2; time++) {
    const { code, out } = await smoke(world.stack.url, ofAcme())
    expect(out.replace(/\d+ ms/g, "… ms")).toBe(
      [
        "✓ it lives (… ms)",
        "✓ nobody is let in without a key (… ms)",
        "✓ an event is accepted (… ms)",
        "✓ and again (… ms)",
        "✓ it is counted (… ms after it was sent)",
        "✓ it is counted once",
        "",
      ].join("\n"),
    )
    expect(code).toBe(0)
    expect(await world.counts()).toMatchObject({ counted: time, duplicate: time })
  }
})

test("a stage whose workers do not work fails, though it accepts", async () => {
  const stack = await startStack({ workers: false })
  const tenant = await settle(stack.runtime, Tenant.parse({ id: "smoke", name: "Smoke" }))
  const { code, out } = await smoke(stack.url, { write: tenant.writeKey, read: tenant.readKey }, "--within", "1")
  await stack.stop()
  expect(out).toMatch(/✓ and again \(\d+ ms\)\n✗ it was not counted within 1 s\n$/)
  expect(code).toBe(1)
})

test("a key that is not let in fails, and is not shown", async () => {
  const { code, out } = await smoke(world.stack.url, { ...ofAcme(), write: world.acme.readKey })
  expect(out).toContain("✗ an event is accepted: /v1/batch answered 403, not 200")
  expect(out).not.toContain(world.acme.readKey)
  expect(code).toBe(1)
})

test("an address where nobody answers fails, and so does a call without keys or with a time that is none", async () => {
  expect(await smoke("http://127.0.0.1:9", ofAcme())).toMatchObject({ code: 1, out: expect.stringContaining("✗ ") })
  expect(await smoke(world.stack.url, ofAcme(), "--within", "5m")).toEqual({
    code: 1,
    out: "✗ --within is a number of seconds, such as 300\n",
  })
  expect(await smoke(world.stack.url, {})).toEqual({
    code: 1,
    out: "✗ set OCTANT_SMOKE_WRITE_KEY and OCTANT_SMOKE_READ_KEY: keys of a tenant that is there for this\n",
  })
})
