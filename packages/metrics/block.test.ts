import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { toText } from "#core/decimal.ts"
import { addTo, emptySketch, toJson } from "#science/sketch.ts"
import {
  addBlocks,
  type Block,
  type BlockKind,
  blockKind,
  type Cell,
  flat,
  fromStored,
  renameMembers,
  toStored,
} from "./block.ts"

/** Few names, so that two blocks meet in many of them. */
const name = fc.constantFrom("events", "orders", "", "é", "__proto__", "10", "9", "constructor")
const slot = fc.integer({ min: 0, max: 30 })
const count = fc.integer({ min: -3, max: 3 }).filter((value) => value !== 0)
const money = fc
  .bigInt({ min: -300n, max: 300n })
  .filter((cents) => cents !== 0n)
  .map((cents) => toText(cents * 10n ** 10n))
const bits = fc.integer({ min: 1, max: 0x7fffffff })
const sketch = fc.array(fc.nat(2000), { minLength: 1, maxLength: 4 }).map((values) => {
  const made = emptySketch()
  for (const value of values) addTo(made, value)
  return toJson(made)
})

const blockOf = (value: fc.Arbitrary<Cell[number]>): fc.Arbitrary<Block> => {
  const cell = fc.uniqueArray(fc.tuple(slot, value), { selector: ([at]) => at, minLength: 1, maxLength: 5 }).map(flat)
  const mapOf = <T>(inner: fc.Arbitrary<T>) =>
    fc
      .uniqueArray(fc.tuple(name, inner), { selector: ([key]) => key, minLength: 1, maxLength: 4 })
      .map((pairs) => new Map(pairs))
  return fc.oneof(fc.constant<Block>(new Map()), mapOf(mapOf(cell)))
}
const kinds: [BlockKind, fc.Arbitrary<Block>][] = [
  ["days", blockOf(count)],
  ["hours", blockOf(money)],
  ["late", blockOf(count)],
  ["ledger", blockOf(count)],
  ["by#country", blockOf(money)],
  ["set#", blockOf(bits)],
  ["set#plan", blockOf(bits)],
  ["sketch#model", blockOf(sketch)],
]

const stored = (block: Block) => JSON.stringify(toStored(block))
const block = (rows: Record<string, Record<string, Cell>>): Block =>
  new Map(Object.entries(rows).map(([row, columns]) => [row, new Map(Object.entries(columns))]))

describe.each(kinds)("blocks of the kind %s", (kind, blocks) => {
  test("add up in any order", () => {
    fc.assert(
      fc.property(blocks, blocks, blocks, (a, b, c) => {
        expect(stored(addBlocks(kind, a, b))).toBe(stored(addBlocks(kind, b, a)))
        expect(stored(addBlocks(kind, addBlocks(kind, a, b), c))).toBe(
          stored(addBlocks(kind, a, addBlocks(kind, b, c))),
        )
      }),
    )
  })

  test("are not changed by being added", () => {
    fc.assert(
      fc.property(blocks, blocks, (a, b) => {
        const before = [stored(a), stored(b)]
        addBlocks(kind, a, b)
        expect([stored(a), stored(b)]).toEqual(before)
      }),
    )
  })

  test("stay as they are when nothing is added", () => {
    fc.assert(
      fc.property(blocks, (a) => {
        expect(stored(addBlocks(kind, a, new Map()))).toBe(stored(a))
        expect(stored(addBlocks(kind, new Map(), a))).toBe(stored(a))
      }),
    )
  })

  test("survive being stored", () => {
    fc.assert(
      fc.property(blocks, (a) => {
        expect(fromStored(JSON.parse(stored(a)))).toEqual(a)
        expect(stored(fromStored(JSON.parse(stored(a))))).toBe(stored(a))
      }),
    )
  })
})

test("amounts are added, members of sets united, and sketches merged", () => {
  expect(addBlocks("days", block({ events: { "": [3, 2, 5, 1] } }), block({ events: { "": [1, 9, 5, 4] } }))).toEqual(
    block({ events: { "": [1, 9, 3, 2, 5, 5] } }),
  )
  expect(
    addBlocks("by#country", block({ r: { GR: [1, "0.1"] } }), block({ r: { GR: [1, "0.2"], DE: [1, "7"] } })),
  ).toEqual(block({ r: { GR: [1, "0.3"], DE: [1, "7"] } }))
  expect(addBlocks("set#", block({ a: { "": [7, 0b011] } }), block({ a: { "": [7, 0b110, 8, 1] } }))).toEqual(
    block({ a: { "": [7, 0b111, 8, 1] } }),
  )
  const [one, two] = [
    [0, 231, 1],
    [1, 231, 1, 240, 2],
  ] as [number[], number[]]
  expect(addBlocks("sketch#", block({ t: { "": [1, one] } }), block({ t: { "": [1, two] } }))).toEqual(
    block({ t: { "": [1, [1, 231, 2, 240, 2]] } }),
  )
})

test("what is taken back leaves nothing behind: no slot, no column, no row", () => {
  const given = block({ orders: { "": [1, 2, 2, 5] }, money: { GR: [1, "12.5"], DE: [1, "1"] } })
  const taken = block({ orders: { "": [1, -2, 2, -5] }, money: { GR: [1, "-12.5"] } })
  expect(addBlocks("days", given, taken)).toEqual(block({ money: { DE: [1, "1"] } }))
})

test("an amount and its opposite leave nothing, whatever they are", () => {
  const opposite = (a: Block): Block =>
    new Map(
      [...a].map(([row, columns]) => [
        row,
        new Map(
          [...columns].map(([column, cell]) => [
            column,
            cell.map((value, i) =>
              i % 2 === 0 ? value : typeof value === "number" ? -value : `-${value as string}`.replace("--", ""),
            ),
          ]),
        ),
      ]),
    )
  fc.assert(
    fc.property(blockOf(count), blockOf(money), (counts, amounts) => {
      expect(addBlocks("days", counts, opposite(counts)).size).toBe(0)
      expect(addBlocks("by#country", amounts, opposite(amounts)).size).toBe(0)
    }),
  )
})

test("equal content is equal bytes, in whatever order it came", () => {
  const one = new Map([
    [
      "b",
      new Map([
        ["2", [1, 1]],
        ["10", [1, 1]],
      ]),
    ],
    [
      "a",
      new Map([
        ["y", [1, 1]],
        ["x", [1, 1]],
      ]),
    ],
  ])
  const other = new Map([
    [
      "a",
      new Map([
        ["x", [1, 1]],
        ["y", [1, 1]],
      ]),
    ],
    [
      "b",
      new Map([
        ["10", [1, 1]],
        ["2", [1, 1]],
      ]),
    ],
  ])
  expect(stored(one)).toBe(stored(other))
  expect(stored(one)).toBe('{"a":{"x":[1,1],"y":[1,1]},"b":{"2":[1,1],"10":[1,1]}}')
})

test("pairs in any order are a cell by rising slot, without what is nothing", () => {
  expect(
    flat([
      [9, 1],
      [2, 5],
      [4, 0],
      [3, "0"],
      [10, "0.00001"],
    ]),
  ).toEqual([2, 5, 9, 1, 10, "0.00001"])
  expect(flat([])).toEqual([])
})

describe("customers that became one", () => {
  const merged = new Map([
    [7, 2],
    [9, 2],
  ])
  const rename = (ordinal: number) => merged.get(ordinal) ?? ordinal

  test("are one in every set, on all days on which any of them was there", () => {
    const set = block({ active: { "": [2, 0b001, 7, 0b010, 8, 0b1000, 9, 0b011] }, buyers: { GR: [9, 0b1] } })
    expect(renameMembers(set, rename)).toEqual(
      block({ active: { "": [2, 0b011, 8, 0b1000] }, buyers: { GR: [2, 0b1] } }),
    )
  })

  test("stand by rising number under their new names", () => {
    expect(renameMembers(block({ a: { "": [1, 1, 7, 1, 8, 1] } }), (n) => (n === 1 ? 20 : n))).toEqual(
      block({ a: { "": [7, 1, 8, 1, 20, 1] } }),
    )
  })

  test("are one whether they are renamed before or after their sets are united, and once or twice", () => {
    const sets = blockOf(bits)
    fc.assert(
      fc.property(sets, sets, fc.integer({ min: 0, max: 30 }), (a, b, into) => {
        const naming = (ordinal: number) => (ordinal % 3 === 0 ? into : ordinal)
        const root = (ordinal: number) => naming(naming(ordinal))
        const after = renameMembers(addBlocks("set#", a, b), root)
        expect(stored(addBlocks("set#", renameMembers(a, root), renameMembers(b, root)))).toBe(stored(after))
        expect(stored(renameMembers(after, root))).toBe(stored(after))
      }),
    )
  })
})

test("a dimension's kind cannot be mistaken for the whole's", () => {
  expect(blockKind("set", "")).toBe("set#")
  expect(blockKind("by", "country")).toBe("by#country")
})
