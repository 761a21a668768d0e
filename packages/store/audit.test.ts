import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { fakeClock, MINUTE } from "#core/clock.ts"
import { sha256 } from "#core/hash.ts"
import { randomText, seededNumbers, seededRandom } from "#core/random.ts"
import { AwsError } from "#platform/aws.ts"
import { startTable } from "#platform/fixture.ts"
import { type Actor, announced, audited, GENESIS, noted, readAudit, verifyAudit } from "./audit.ts"
import { keys, padded } from "./keys.ts"
import type { Item, Table } from "./table.ts"
import { TenantId } from "./tenant-id.ts"

let table: Table
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ table, stop } = await startTable())
})
afterAll(() => stop())

let made = 0
/** A tenant with an empty log. */
function world() {
  const tenant = TenantId.parse(`audited-${++made}`)
  const clock = fakeClock("2026-05-10T12:00:00.000Z")
  const bytes = seededRandom(made)
  const needs = { table, clock, nonce: () => randomText(bytes, 20) }
  const change = { pk: `T#${tenant}#things`, sk: "thing" }
  return {
    tenant,
    clock,
    needs,
    change,
    /** So many rows, a minute between. */
    fill: async (rows: number) => {
      for (let i = 1; i <= rows; i++) {
        await noted(needs, tenant, { action: "thing.read", subject: `thing-${i}`, details: { i } })
        clock.advance(MINUTE)
      }
    },
    row: async (seq: number) => (await table.get(keys.auditRow(tenant, seq)))!,
    rows: async () => (await readAudit({ table }, tenant, { limit: 1000 })).rows.reverse(),
    flaws: async (anchor?: { seq: number; hash: string }) => (await verifyAudit({ table }, tenant, anchor)).flaws,
    head: async () => await table.get(keys.auditHead(tenant)),
  }
}

test("a change and its row are there together, and the row says who did what to what, and when", async () => {
  const { needs, tenant, change, rows, head } = world()
  const by = { ...needs, actor: "key:0123456789abcdef" as Actor }
  const deed = { action: "thing.make", subject: "thing", details: { colour: "red", parts: ["a", "b"] } }
  expect(await audited(by, tenant, deed, [{ put: { ...change, n: 1 }, condition: "absent" }])).toBe(true)
  expect((await table.get(change))?.n).toBe(1)
  const [row] = await rows()
  expect(row).toEqual({
    seq: 1,
    at: "2026-05-10T12:00:00.000Z",
    actor: "key:0123456789abcdef",
    action: "thing.make",
    subject: "thing",
    details: { colour: "red", parts: ["a", "b"] },
    prev: GENESIS,
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
  expect(await head()).toMatchObject({ seq: 1, hash: row!.hash })
})

test("each row holds the hash of the one before it and of its own content", async () => {
  const { fill, tenant, row, rows } = world()
  await fill(3)
  const [first, second, third] = await rows()
  expect([second!.prev, third!.prev]).toEqual([first!.hash, second!.hash])
  const { seq, at, actor, action, subject, details, id, prev } = await row(2)
  expect(second!.hash).toBe(sha256(JSON.stringify([1, tenant, seq, at, actor, action, subject, details, id, prev])))
})

test("the same nonce for two tenants is two requests, and both are done: a request's token is of its row", async () => {
  for (const { needs, tenant, change, rows } of [world(), world()]) {
    const deed = { action: "thing.make", subject: "thing" }
    const put = { put: { ...change, n: 1 }, condition: "absent" } as const
    expect(await audited({ ...needs, nonce: () => "once" }, tenant, deed, [put])).toBe(true)
    expect((await table.get(change))?.n).toBe(1)
    expect(await rows()).toHaveLength(1)
  }
})

test("a change whose condition does not hold is not made and has no row", async () => {
  const { needs, tenant, change, rows, fill, flaws } = world()
  await fill(1)
  await table.put({ ...change, n: 1 })
  const deed = { action: "thing.make", subject: "thing" }
  expect(await audited(needs, tenant, deed, [{ put: { ...change, n: 2 }, condition: "absent" }])).toBe(false)
  expect((await table.get(change))?.n).toBe(1)
  expect((await rows()).map(({ action }) => action)).toEqual(["thing.read"])
  expect(await flaws()).toEqual([])
})

describe("when the table fails", () => {
  const failing = (moment: "before" | "after", times: number): Table => {
    let left = times
    return {
      ...table,
      transact: async (...transaction) => {
        if (left-- <= 0) return table.transact(...transaction)
        if (moment === "after") await table.transact(...transaction)
        throw new AwsError("InternalServerError", 500, {})
      },
    }
  }

  test.each([
    ["before", []],
    ["after", ["thing.make"]],
  ] as const)("a writer that dies %s its write leaves a change with its row, or neither", async (moment, actions) => {
    const { needs, tenant, change, rows, flaws } = world()
    const dying = { ...needs, table: failing(moment, 1) }
    const deed = { action: "thing.make", subject: "thing" }
    await expect(audited(dying, tenant, deed, [{ put: { ...change, n: 1 }, condition: "absent" }])).rejects.toThrow()
    expect((await rows()).map(({ action }) => action)).toEqual(actions)
    expect((await table.get(change)) !== undefined).toBe(actions.length === 1)
    expect(await flaws()).toEqual([])
  })

  test("an answer that says that the condition failed, though it was our own first attempt that won, is seen through", async () => {
    const { needs, tenant, change, rows, flaws } = world()
    const unsure: Table = {
      ...table,
      // As when the token has been forgotten meanwhile.
      transact: async (writes, token) => {
        await table.transact(writes, token)
        return table.transact(writes, `${token}x`)
      },
    }
    const deed = { action: "thing.make", subject: "thing" }
    const put = { put: { ...change, n: 1 }, condition: "absent" } as const
    expect(await audited({ ...needs, table: unsure }, tenant, deed, [put])).toBe(true)
    await noted({ ...needs, table: unsure }, tenant, deed)
    expect(await rows()).toHaveLength(2)
    expect(await flaws()).toEqual([])
  })

  test("nothing is done elsewhere before its row is there", async () => {
    const { needs, tenant, rows } = world()
    let done = 0
    const work = async () => ++done
    const deed = { action: "thing.send", subject: "thing" }
    await expect(announced({ ...needs, table: failing("before", 1) }, tenant, deed, work)).rejects.toThrow()
    expect([done, await rows()]).toEqual([0, []])
    expect(await announced(needs, tenant, deed, work)).toBe(1)
  })

  test("what has failed elsewhere is told by a second row", async () => {
    const { needs, tenant, rows } = world()
    const deed = { action: "thing.send", subject: "thing", details: { n: 3 } }
    await expect(announced(needs, tenant, deed, () => Promise.reject(new Error("away")))).rejects.toThrow("away")
    expect((await rows()).map(({ details }) => details)).toEqual([{ n: 3 }, { n: 3, outcome: "failed" }])
  })
})

test("of many writers in many processes none is lost, and the chain does not fork", async () => {
  const { needs, tenant, rows, flaws } = world()
  // Each process has a table of its own, and so a lane of its own.
  const processes = Array.from({ length: 6 }, () => ({ ...needs, table: { ...table } }))
  const subjects = Array.from({ length: 120 }, (_, i) => `s${i}`)
  await Promise.all(subjects.map((subject, i) => noted(processes[i % 6]!, tenant, { action: "a", subject })))
  const written = await rows()
  expect(written.map(({ seq }) => seq)).toEqual(subjects.map((_, i) => i + 1))
  expect(new Set(written.map(({ subject }) => subject))).toEqual(new Set(subjects))
  expect(await flaws()).toEqual([])
})

test("while others write, nothing is found wrong", async () => {
  const { needs, tenant, fill, flaws } = world()
  await fill(2)
  const other = { ...needs, table: { ...table } }
  const writing = Promise.all(Array.from({ length: 30 }, () => noted(other, tenant, { action: "a", subject: "s" })))
  for (let i = 0; i < 10; i++) expect(await flaws()).toEqual([])
  await writing
})

describe("a log of ten rows", () => {
  async function ten() {
    const place = world()
    await place.fill(10)
    expect(await verifyAudit({ table }, place.tenant)).toMatchObject({ rows: 10, flaws: [] })
    return place
  }
  /** A row as somebody would forge it who knows how hashes are made. */
  const forged = (tenant: TenantId, item: Item): Item => {
    const { seq, at, actor, action, subject, details, id, prev } = item
    return {
      ...item,
      hash: sha256(JSON.stringify([1, tenant, seq, at, actor, action, subject, details, id, prev])),
    }
  }

  test.each(["at", "actor", "action", "subject", "details", "id", "prev", "hash", "seq", "more"])(
    "whose row 4 has another %s is found out",
    async (name) => {
      const { tenant, flaws } = await ten()
      await table.set(keys.auditRow(tenant, 4), { [name]: name === "seq" ? 5 : "x" })
      expect((await flaws())[0]).toEqual({ seq: 4, what: "altered" })
    },
  )

  test("one of whose rows nobody can read any more still shows the others, and that one is found out", async () => {
    const { row, rows, flaws } = await ten()
    await table.put({ ...(await row(4)), details: "{" })
    expect((await rows()).map(({ seq, details }) => [seq, details]).slice(2, 5)).toEqual([
      [3, { i: 3 }],
      [4, { unreadable: true }],
      [5, { i: 5 }],
    ])
    expect(await flaws()).toEqual([{ seq: 4, what: "altered" }])
  })

  test("whose row 4 was altered together with its hash is found out by the row behind it", async () => {
    const { tenant, row, flaws } = await ten()
    await table.put(forged(tenant, { ...(await row(4)), actor: "key:somebody-else" }))
    expect(await flaws()).toEqual([{ seq: 5, what: "unlinked" }])
  })

  test("whose last row was altered together with its hash is found out by the head", async () => {
    const { tenant, row, flaws } = await ten()
    await table.put(forged(tenant, { ...(await row(10)), actor: "key:somebody-else" }))
    expect(await flaws()).toEqual([{ seq: 10, what: "altered" }])
  })

  test.each([1, 4, 9])("that lacks row %i is found out", async (seq) => {
    const { tenant, flaws } = await ten()
    await table.delete(keys.auditRow(tenant, seq))
    expect(await flaws()).toEqual([{ seq, what: "removed" }])
  })

  test("that lacks its last three is found out", async () => {
    const { tenant, flaws } = await ten()
    await table.deleteMany([8, 9, 10].map((seq) => keys.auditRow(tenant, seq)))
    expect(await flaws()).toEqual([8, 9, 10].map((seq) => ({ seq, what: "cut off" })))
  })

  test("two of whose rows have changed places is found out", async () => {
    const { tenant, row, flaws } = await ten()
    const [third, sixth] = [await row(3), await row(6)]
    await table.put({ ...sixth, sk: padded(3) })
    await table.put({ ...third, sk: padded(6) })
    expect(await flaws()).toEqual([
      { seq: 3, what: "altered" },
      { seq: 4, what: "unlinked" },
      { seq: 6, what: "altered" },
      { seq: 7, what: "unlinked" },
    ])
    await table.put(forged(tenant, { ...sixth, sk: padded(3), seq: 3 }))
    await table.put(forged(tenant, { ...third, sk: padded(6), seq: 6 }))
    expect((await flaws())[0]).toEqual({ seq: 3, what: "unlinked" })
  })

  test("into which a row was put is found out, between two and behind the last", async () => {
    const { tenant, row, flaws } = await ten()
    const between = { ...(await row(4)), sk: `${padded(4)}a` }
    await table.put(between)
    expect(await flaws()).toEqual([{ seq: 5, what: "inserted" }])
    await table.delete({ pk: between.pk, sk: between.sk })
    const last = await row(10)
    await table.put(forged(tenant, { ...last, sk: padded(11), seq: 11, prev: last.hash! }))
    expect(await flaws()).toEqual([{ seq: 11, what: "inserted" }])
  })

  test("that was cut off together with its head is found out by a hash that was noted before", async () => {
    const { tenant, row, flaws } = await ten()
    const anchor = { seq: 10, hash: String((await row(10)).hash) }
    await table.deleteMany([9, 10].map((seq) => keys.auditRow(tenant, seq)))
    await table.put({ ...keys.auditHead(tenant), seq: 8, hash: (await row(8)).hash! })
    expect(await flaws()).toEqual([])
    expect(await flaws(anchor)).toEqual([{ seq: 10, what: "altered" }])
    expect(await flaws({ seq: 8, hash: String((await row(8)).hash) })).toEqual([])
  })

  test("that lacks its head takes no more rows, and says so", async () => {
    const { needs, tenant, flaws } = await ten()
    await table.delete(keys.auditHead(tenant))
    expect(await flaws()).toEqual([{ seq: 1, what: "inserted" }])
    await expect(noted(needs, tenant, { action: "a", subject: "s" })).rejects.toThrow(
      `the audit log of ${tenant} is damaged at 1`,
    )
  })

  test("to which anything was done by chance is found out, whatever it was", async () => {
    const next = seededNumbers(7)
    const pick = (most: number) => 1 + Math.floor(next() * most)
    for (let i = 0; i < 40; i++) {
      const { tenant, row, flaws } = await ten()
      const [seq, other] = [pick(10), pick(10)]
      const item = await row(seq)
      const attack = pick(4)
      if (attack === 1) await table.delete(keys.auditRow(tenant, seq))
      if (attack === 2) await table.put(forged(tenant, { ...item, subject: `thing-${pick(1e9)}` }))
      if (attack === 3) await table.put({ ...item, sk: padded(seq === other ? 11 : other) })
      if (attack === 4) await table.set(keys.auditRow(tenant, seq), { details: `{"i":${pick(1e9)}}` })
      expect({ attack, seq, other, flaws: (await flaws()).length > 0 }).toEqual({ attack, seq, other, flaws: true })
    }
  })
})

test("rows are read newest first, page by page, by action, by actor and by time", async () => {
  const { needs, tenant, fill } = world()
  await fill(5)
  await noted({ ...needs, actor: "schedule" }, tenant, { action: "thing.mend", subject: "thing" })
  const read = async (page: object) => {
    const { rows, next } = await readAudit({ table }, tenant, { limit: 100, ...page })
    return [rows.map(({ seq }) => seq), next]
  }
  expect(await read({})).toEqual([[6, 5, 4, 3, 2, 1], undefined])
  expect(await read({ limit: 4 })).toEqual([[6, 5, 4, 3], 3])
  expect(await read({ limit: 4, after: 3 })).toEqual([[2, 1], undefined])
  expect(await read({ limit: 2, after: 3 })).toEqual([[2, 1], undefined])
  expect(await read({ after: 1 })).toEqual([[], undefined])
  expect(await read({ action: "thing.mend" })).toEqual([[6], undefined])
  expect(await read({ actor: "operator", limit: 2 })).toEqual([[5, 4], 4])
  expect(await read({ from: "2026-05-10T12:02:00.000Z", to: "2026-05-10T12:03:00.000Z" })).toEqual([[4, 3], undefined])
})
