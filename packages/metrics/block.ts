import { fromText, toText } from "#core/decimal.ts"
import { fromJson, mergeInto, toJson } from "#science/sketch.ts"

/**
 * Blocks: how what was counted is kept. A block is a table of rows (a metric) and columns (a key of a dimension, or "")
 * whose cells are flat lists `[slot, value, slot, value, …]` by rising slot. Two blocks of the same name add up, so a
 * fold adds its own to the stored one, and a read puts the tail's beside it.
 */
export type Cell = (number | string | number[])[]
export type Block = Map<string, Map<string, Cell>>
/** How cells add up: amounts by addition, members of sets by union, sketches by merging. */
export type BlockKind = `${"days" | "late" | "hours" | "ledger" | "by" | "sketch" | "set"}${string}`
export type Fragment = { kind: BlockKind; sk: string; block: Block }

/** `by#country`, `set#` for the whole set. */
export const blockKind = (name: "by" | "sketch" | "set", dimension: string): BlockKind => `${name}#${dimension}`

const combine = {
  add: (a: Cell[number], b: Cell[number]) =>
    typeof a === "number" ? a + (b as number) : toText(fromText(a as string) + fromText(b as string)),
  union: (a: Cell[number], b: Cell[number]) => (a as number) | (b as number),
  merge: (a: Cell[number], b: Cell[number]) => {
    const sketch = fromJson(a as number[])
    mergeInto(sketch, fromJson(b as number[]))
    return toJson(sketch)
  },
}
const combineOf = (kind: BlockKind) =>
  kind.startsWith("set") ? combine.union : kind.startsWith("sketch") ? combine.merge : combine.add

/** What was taken back leaves nothing behind, so that the same journal gives the same bytes however it was cut. */
const isNothing = (value: Cell[number]) => value === 0 || value === "0"

/** The sum of two blocks of one name; neither is changed. */
export function addBlocks(kind: BlockKind, a: Block, b: Block): Block {
  const both = new Map<string, Map<string, Cell>>(a)
  const combining = combineOf(kind)
  for (const [row, columns] of b) {
    const sum = new Map(both.get(row) ?? [])
    for (const [column, cell] of columns) {
      const added = addCells(combining, sum.get(column) ?? [], cell)
      if (added.length > 0) sum.set(column, added)
      else sum.delete(column)
    }
    if (sum.size > 0) both.set(row, sum)
    else both.delete(row)
  }
  return both
}

function addCells(combining: (a: Cell[number], b: Cell[number]) => Cell[number], a: Cell, b: Cell): Cell {
  const sum: Cell = []
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const [left, right] = [
      i < a.length ? (a[i] as number) : Number.POSITIVE_INFINITY,
      j < b.length ? (b[j] as number) : Number.POSITIVE_INFINITY,
    ]
    const slot = Math.min(left, right)
    const value = left === right ? combining(a[i + 1]!, b[j + 1]!) : left < right ? a[i + 1]! : b[j + 1]!
    if (!isNothing(value)) sum.push(slot, value)
    if (left === slot) i += 2
    if (right === slot) j += 2
  }
  return sum
}

/** Other names of customers give way to the one that stands for them, in sets. */
export function renameMembers(block: Block, rootOf: (ordinal: number) => number): Block {
  const renamed: Block = new Map()
  for (const [row, columns] of block) {
    renamed.set(row, new Map([...columns].map(([column, cell]) => [column, renamedCell(cell, rootOf)])))
  }
  return renamed
}

function renamedCell(cell: Cell, rootOf: (ordinal: number) => number): Cell {
  const members = new Map<number, number>()
  let changed = false
  for (let i = 0; i < cell.length; i += 2) {
    const root = rootOf(cell[i] as number)
    changed ||= root !== cell[i]
    members.set(root, (members.get(root) ?? 0) | (cell[i + 1] as number))
  }
  return changed ? flat(members) : cell
}

/** Pairs in any order as a cell. */
export const flat = (pairs: Iterable<[number, Cell[number]]>): Cell =>
  [...pairs]
    .filter(([, value]) => !isNothing(value))
    .sort(([a], [b]) => a - b)
    .flat()

/** What is stored: names sorted, so that equal blocks are equal bytes. */
export const toStored = (block: Block): unknown =>
  sortedObject([...block].map(([row, columns]) => [row, sortedObject([...columns])]))

export const fromStored = (value: unknown): Block =>
  new Map(
    Object.entries(value as Record<string, Record<string, Cell>>).map(([row, columns]) => [
      row,
      new Map(Object.entries(columns)),
    ]),
  )

const sortedObject = (entries: [string, unknown][]) =>
  Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
