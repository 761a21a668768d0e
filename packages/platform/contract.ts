import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { randomText, seededRandom } from "#core/random.ts"
import type { Item, Meter, Table, Write } from "#store/table.ts"

const KB = 1024

/** What every engine behind `Table` must do alike. For tests: `makeTable` gives an empty table that tells the meter. */
export function tableContract(name: string, makeTable: (meter: Meter) => Promise<{ table: Table; stop(): unknown }>) {
  describe(`the table on ${name}`, () => {
    const metered: Parameters<Meter>[] = []
    let started: Awaited<ReturnType<typeof makeTable>>
    let table: Table
    let made = 0
    /** A partition that no other test uses. */
    const fresh = () => `p${++made}`
    const keysOf = (items: readonly Item[]) => items.map(({ sk }) => sk)
    const fill = async (pk: string, keys: readonly string[]) => {
      for (const sk of keys) await table.put({ pk, sk })
      return pk
    }

    beforeAll(async () => {
      started = await makeTable((...told) => metered.push(told))
      table = started.table
    }, 60_000)
    afterAll(() => started.stop())

    test("an item is read back as it was written, whatever kind its values are", async () => {
      const item = {
        pk: fresh(),
        sk: "α/~ 😀",
        text: "Ελλάδα\u0000\n",
        empty: "",
        whole: 9007199254740991,
        fraction: -0.1,
        large: 1.5e21,
        small: 1e-30,
        yes: true,
        no: false,
        bytes: Buffer.from([0, 255, 128, 10]),
      }
      expect(await table.put(item)).toBe(true)
      expect(await table.get({ pk: item.pk, sk: item.sk })).toEqual(item)
    })

    test("what is not there is not there", async () => {
      const pk = fresh()
      expect(await table.get({ pk, sk: "a" })).toBeUndefined()
      expect(await table.query(pk)).toEqual([])
      expect(await table.getMany([{ pk, sk: "a" }])).toEqual([])
      expect(await table.getMany([])).toEqual([])
    })

    test("bytes that are a window into larger ones are written as the window alone", async () => {
      const pk = fresh()
      await table.put({ pk, sk: "a", body: new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 3) })
      expect((await table.get({ pk, sk: "a" }))?.body).toEqual(Buffer.from([2, 3]))
    })

    test("an item replaces the whole of the one before it", async () => {
      const pk = fresh()
      await table.put({ pk, sk: "a", old: 1 })
      await table.put({ pk, sk: "a", young: 2 })
      expect(await table.get({ pk, sk: "a" })).toEqual({ pk, sk: "a", young: 2 })
    })

    test("of twenty who put an item where none is, one does", async () => {
      const pk = fresh()
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, writer) => table.put({ pk, sk: "a", writer }, "absent")),
      )
      expect(outcomes.filter(Boolean)).toHaveLength(1)
      expect((await table.get({ pk, sk: "a" }))?.writer).toBe(outcomes.indexOf(true))
    })

    test("an item is put only over an older one", async () => {
      const pk = fresh()
      const put = (position: number, orAbsent?: true) =>
        table.put(
          { pk, sk: "a", position },
          { attribute: "position", is: "<", value: position, ...(orAbsent && { orAbsent }) },
        )
      expect(await put(3)).toBe(false)
      expect(await put(3, true)).toBe(true)
      expect(await put(3, true)).toBe(false)
      expect(await put(2, true)).toBe(false)
      expect(await put(10, true)).toBe(true)
      expect((await table.get({ pk, sk: "a" }))?.position).toBe(10)
    })

    test("a condition on an attribute that is not there does not hold, unless the whole item may be missing", async () => {
      const pk = await fill(fresh(), ["a"])
      expect(await table.put({ pk, sk: "a" }, { attribute: "version", is: "=", value: 1 })).toBe(false)
      expect(await table.put({ pk, sk: "a" }, { attribute: "version", is: "<", value: 1, orAbsent: true })).toBe(false)
      expect(await table.put({ pk, sk: "b" }, { attribute: "version", is: "=", value: 1 })).toBe(false)
      expect(keysOf(await table.query(pk))).toEqual(["a"])
    })

    test("fifty who add one at the same time are given 1 to 50", async () => {
      const key = { pk: fresh(), sk: "head" }
      const given = await Promise.all(
        Array.from({ length: 50 }, async () => (await table.add(key, { seq: 1, events: 3 })).seq),
      )
      expect(given.sort((a, b) => a! - b!)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
      expect(await table.get(key)).toEqual({ ...key, seq: 50, events: 150 })
    })

    test("adding tells the new values of what was added to, and takes away too", async () => {
      const key = { pk: fresh(), sk: "head" }
      await table.put({ ...key, seq: 5, name: "n" })
      expect(await table.add(key, { seq: -2, more: 0.5 })).toEqual({ seq: 3, more: 0.5 })
      expect((await table.get(key))?.name).toBe("n")
    })

    test("setting attributes leaves the others alone, and null removes one", async () => {
      const key = { pk: fresh(), sk: "a" }
      await table.put({ ...key, version: 1, kept: "k", gone: "g" })
      const condition = { attribute: "version", is: "=", value: 1 } as const
      expect(await table.set(key, { version: 2, gone: null, added: true }, condition)).toBe(true)
      expect(await table.set(key, { version: 3 }, condition)).toBe(false)
      expect(await table.set(key, { added: null, never: null })).toBe(true)
      expect(await table.get(key)).toEqual({ ...key, version: 2, kept: "k" })
    })

    test("setting attributes of an item that is not there makes it, but under a condition", async () => {
      const pk = fresh()
      expect(await table.set({ pk, sk: "a" }, { x: 1 }, { attribute: "x", is: "=", value: 0 })).toBe(false)
      expect(await table.set({ pk, sk: "b" }, { x: 1 })).toBe(true)
      expect(await table.query(pk)).toEqual([{ pk, sk: "b", x: 1 }])
    })

    test("attributes may have the names of DynamoDB's own words", async () => {
      const key = { pk: fresh(), sk: "a" }
      await table.set(key, { ttl: 1, name: "n", position: 2, at: "t", from: "f", to: "t", value: 1 })
      await table.add(key, { count: 1, size: 2 })
      expect(await table.set(key, { status: "s" }, { attribute: "name", is: "=", value: "n" })).toBe(true)
      const found = { ttl: 1, name: "n", position: 2, at: "t", from: "f", to: "t", value: 1, count: 1, size: 2 }
      expect(await table.get(key)).toEqual({ ...key, ...found, status: "s" })
    })

    test("a range holds both of its ends, and `after` leaves its own out", async () => {
      const pk = await fill(fresh(), ["a", "b", "c", "d", "e"])
      const found = async (range: Parameters<Table["query"]>[1]) => keysOf(await table.query(pk, range)).join("")
      expect(await found({})).toBe("abcde")
      expect(await found({ from: "b" })).toBe("bcde")
      expect(await found({ to: "b" })).toBe("ab")
      expect(await found({ from: "b", to: "d" })).toBe("bcd")
      expect(await found({ after: "b" })).toBe("cde")
      expect(await found({ after: "b", to: "d" })).toBe("cd")
      expect(await found({ after: "bb", to: "d" })).toBe("cd")
      expect(await found({ from: "d", to: "b" })).toBe("")
      expect(await found({ after: "b", to: "b" })).toBe("")
      expect(await found({ reverse: true })).toBe("edcba")
      expect(await found({ reverse: true, limit: 2 })).toBe("ed")
      expect(await found({ limit: 2 })).toBe("ab")
      expect(await found({ after: "b", limit: 2 })).toBe("cd")
      expect(await found({ from: "c", to: "z", reverse: true, limit: 1 })).toBe("e")
    })

    test("a range from the empty text begins with the first", async () => {
      const pk = await fill(fresh(), ["2026-01", "2026-02", "2026-03"])
      expect(keysOf(await table.query(pk, { from: "", to: "2026-02" }))).toEqual(["2026-01", "2026-02"])
      expect(keysOf(await table.query(pk, { from: "" }))).toHaveLength(3)
    })

    test("sort keys stand in the order of their bytes, with control characters first", async () => {
      const keys = ["a", "a\u0001000", "a!", "a~", "aé", "a\uffff", "a😀", "b"]
      const pk = await fill(fresh(), [...keys].reverse())
      expect(keysOf(await table.query(pk))).toEqual(keys)
      expect(keysOf(await table.query(pk, { from: "a", to: "a\u0001\uffff" }))).toEqual(["a", "a\u0001000"])
    })

    test("partitions whose names begin alike are apart", async () => {
      const pk = await fill(fresh(), ["a"])
      await fill(`${pk}#x`, ["b"])
      expect(keysOf(await table.query(pk))).toEqual(["a"])
    })

    test("more than a megabyte comes page by page, each item once and in order", async () => {
      const pk = fresh()
      const keys = Array.from({ length: 9 }, (_, i) => `k${i}`)
      await Promise.all(keys.map((sk) => table.put({ pk, sk, body: Buffer.alloc(300 * KB, sk) })))
      const pages: string[][] = []
      for await (const page of table.pages(pk)) pages.push(keysOf(page))
      expect(pages.flat()).toEqual(keys)
      expect(pages.length).toBeGreaterThan(2)
      expect(keysOf(await table.query(pk, { reverse: true, limit: 7 }))).toEqual([...keys].reverse().slice(0, 7))
      expect(keysOf(await table.query(pk, { after: "k1", limit: 6 }))).toEqual(keys.slice(2, 8))
    })

    test("many are had at once: more than a request's hundred keys, and more than its sixteen megabytes", async () => {
      const pk = fresh()
      const keys = Array.from({ length: 230 }, (_, i) => ({ pk, sk: `k${i}` }))
      const large = keys.slice(0, 45)
      const body = Buffer.alloc(390 * KB, "x")
      await Promise.all(
        keys.slice(0, 180).map((key, i) => table.put({ ...key, ...(i < large.length ? { body } : {}) })),
      )
      const found = await table.getMany(keys)
      expect(keysOf(found).sort()).toEqual(
        keys
          .slice(0, 180)
          .map(({ sk }) => sk)
          .sort(),
      )
      expect(found.filter((item) => (item.body as Uint8Array | undefined)?.length === body.length)).toHaveLength(45)
    })

    test("many are deleted at once, and deleting what is not there is no error", async () => {
      const pk = await fill(
        fresh(),
        Array.from({ length: 31 }, (_, i) => `k${i}`),
      )
      await table.deleteMany(Array.from({ length: 60 }, (_, i) => ({ pk, sk: `k${i}` })))
      await table.deleteMany([])
      await table.delete({ pk, sk: "k0" })
      expect(await table.query(pk)).toEqual([])
    })

    test("one is deleted and its neighbours stay", async () => {
      const pk = await fill(fresh(), ["a", "b", "c"])
      await table.delete({ pk, sk: "b" })
      expect(keysOf(await table.query(pk))).toEqual(["a", "c"])
    })

    test("writes are done together, each under its own condition", async () => {
      const pk = await fill(fresh(), ["gone", "set", "kept"])
      const writes: Write[] = [
        { put: { pk, sk: "new", n: 1, body: Buffer.from([1]) }, condition: "absent" },
        { set: { pk, sk: "set" }, values: { n: 2, never: null } },
        { delete: { pk, sk: "gone" } },
      ]
      expect(await table.transact(writes, `${pk}-token`)).toEqual([])
      expect(await table.query(pk)).toEqual([
        { pk, sk: "kept" },
        { pk, sk: "new", n: 1, body: Buffer.from([1]) },
        { pk, sk: "set", n: 2 },
      ])
    })

    test("when conditions do not hold, their places are told and nothing is done", async () => {
      const pk = await fill(fresh(), ["a", "b", "c"])
      await table.set({ pk, sk: "c" }, { version: 3 })
      const writes: Write[] = [
        { put: { pk, sk: "a" }, condition: "absent" },
        { put: { pk, sk: "new" } },
        { set: { pk, sk: "b" }, values: { n: 1 }, condition: { attribute: "version", is: "=", value: 3 } },
        { delete: { pk, sk: "c" }, condition: { attribute: "version", is: "=", value: 2 } },
      ]
      expect(await table.transact(writes, `${pk}-token`)).toEqual([0, 2, 3])
      expect(await table.query(pk)).toEqual([
        { pk, sk: "a" },
        { pk, sk: "b" },
        { pk, sk: "c", version: 3 },
      ])
      const fine: Write = { delete: { pk, sk: "c" }, condition: { attribute: "version", is: "<", value: 4 } }
      expect(await table.transact([fine], `${pk}-again`)).toEqual([])
      expect(keysOf(await table.query(pk))).toEqual(["a", "b"])
    })

    test("the same writes under the same token are done once; other writes under it are refused", async () => {
      const pk = fresh()
      const writes: Write[] = [{ put: { pk, sk: "a", n: 1 }, condition: "absent" }]
      expect(await table.transact(writes, `${pk}-token`)).toEqual([])
      expect(await table.transact(writes, `${pk}-token`)).toEqual([])
      expect(await table.transact(writes, `${pk}-other`)).toEqual([0])
      await expect(table.transact([{ put: { pk, sk: "b" } }], `${pk}-token`)).rejects.toThrow(
        "IdempotentParameterMismatchException",
      )
    })

    test("two writes to one item are refused together", async () => {
      const pk = fresh()
      const writes: Write[] = [{ put: { pk, sk: "a" } }, { delete: { pk, sk: "a" } }]
      await expect(table.transact(writes, `${pk}-token`)).rejects.toThrow("ValidationException")
    })

    test("of twenty who change two items together, each of which only one may have, one does", async () => {
      const pk = fresh()
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, writer) =>
          table.transact(
            [
              { put: { pk, sk: "a", writer }, condition: "absent" },
              { put: { pk, sk: "b", writer }, condition: "absent" },
            ],
            `${pk}-${writer}`,
          ),
        ),
      )
      expect(outcomes.filter((failed) => failed.length === 0)).toHaveLength(1)
      const writer = outcomes.findIndex((failed) => failed.length === 0)
      expect((await table.query(pk)).map((item) => item.writer)).toEqual([writer, writer])
    })

    test("an item of 400 KB is taken and a larger one refused", async () => {
      const pk = fresh()
      const names = "pk".length + pk.length + "sk".length + "a".length + "body".length
      const put = (size: number) => table.put({ pk, sk: "a", body: Buffer.alloc(size, 1) })
      expect(await put(400 * KB - names)).toBe(true)
      await expect(put(400 * KB)).rejects.toThrow("ValidationException")
    })

    test("a write costs a unit for each kilobyte, a read one for each four, and the meter hears whose they were", async () => {
      const pk = fresh()
      const bytes = seededRandom(1)
      const measured = async (work: () => Promise<unknown>) => {
        metered.length = 0
        await work()
        return metered
      }
      const body = Buffer.from(randomText(bytes, 4500))
      expect(await measured(() => table.put({ pk, sk: "a", body }))).toEqual([["PutItem", pk, { read: 0, write: 5 }]])
      expect(await measured(() => table.get({ pk, sk: "a" }))).toEqual([["GetItem", pk, { read: 2, write: 0 }]])
      expect(await measured(() => table.query(pk))).toEqual([["Query", pk, { read: 2, write: 0 }]])
      expect(await measured(() => table.getMany([{ pk, sk: "a" }]))).toEqual([
        ["BatchGetItem", pk, { read: 2, write: 0 }],
      ])
      expect(await measured(() => table.add({ pk, sk: "n" }, { x: 1 }))).toEqual([
        ["UpdateItem", pk, { read: 0, write: 1 }],
      ])
      expect(await measured(() => table.transact([{ put: { pk, sk: "t" } }, { delete: { pk, sk: "a" } }], pk))).toEqual(
        [["TransactWriteItems", pk, { read: 0, write: 2 + 2 * 5 }]],
      )
      expect(await measured(() => table.deleteMany([{ pk, sk: "n" }]))).toEqual([
        ["BatchWriteItem", pk, { read: 0, write: 1 }],
      ])
    })
  })
}
