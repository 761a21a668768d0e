import { type Decimal, toText } from "#core/decimal.ts"
import { type Block, type BlockKind, blockKind, type Cell, type Fragment, flat, renameMembers } from "#metrics/block.ts"
import type { Amount } from "#metrics/catalogue.ts"
import { toJson } from "#science/sketch.ts"
import { type Amounts, getOr, type Memory, metricNames, noAmounts, sum } from "./memory.ts"

const written = (amount: Amount): number | string => (typeof amount === "bigint" ? toText(amount as Decimal) : amount)
/** Where a stamp stands: a day in its month's block, an hour in its day's. */
const placed = (stamp: string): [sk: string, slot: number] =>
  stamp.length > 10 ? [stamp.slice(0, 10), Number(stamp.slice(11))] : [stamp.slice(0, 7), Number(stamp.slice(8))]

/** The amounts that there are, with the numbers of their metrics. */
function* given(amounts: Amounts): Generator<[number, Amount]> {
  for (let number = 0; number < amounts.length; number++) {
    const amount = amounts[number]
    if (amount !== undefined) yield [number, amount]
  }
}

/** All that a memory has counted, as blocks; or what is of one kind. */
export function fragmentsOf(memory: Memory, only?: BlockKind): Fragment[] {
  const wants = (kind: BlockKind) => only === undefined || kind === only
  const cells = new Map<
    string,
    { kind: BlockKind; sk: string; rows: Map<string, Map<string, [number, Cell[number]][]>> }
  >()
  const put = (kind: BlockKind, sk: string, row: string, column: string, slot: number, value: Cell[number]) => {
    const { rows } = getOr(cells, `${kind}|${sk}`, () => ({ kind, sk, rows: new Map() }))
    getOr(
      getOr(rows, row, () => new Map()),
      column,
      () => [] as [number, Cell[number]][],
    ).push([slot, value])
  }
  for (const [day, hours] of wants("hours") ? memory.hours : []) {
    for (const [hour, amounts] of hours)
      for (const [number, amount] of given(amounts)) put("hours", day, metricNames[number]!, "", hour, written(amount))
  }
  for (const [day, hours] of wants("days") ? memory.hours : []) {
    const totals = noAmounts()
    for (const amounts of hours.values())
      for (const [number, amount] of given(amounts)) totals[number] = sum(totals[number], amount)
    for (const [number, amount] of given(totals))
      put("days", day.slice(0, 7), metricNames[number]!, "", Number(day.slice(8)), written(amount))
  }
  for (const [day, amounts] of wants("late") ? memory.late : []) {
    for (const [number, amount] of given(amounts))
      put("late", day.slice(0, 7), metricNames[number]!, "", Number(day.slice(8)), written(amount))
  }
  for (const [dimension, keys] of memory.breakdowns) {
    const kind = blockKind("by", dimension)
    if (!wants(kind)) continue
    for (const [key, stamps] of keys) {
      for (const [stamp, amounts] of stamps) {
        const [sk, slot] = placed(stamp)
        for (const [number, amount] of given(amounts)) put(kind, sk, metricNames[number]!, key, slot, written(amount))
      }
    }
  }
  for (const [name, dimensions] of memory.sketches) {
    for (const [dimension, keys] of dimensions) {
      const kind = blockKind("sketch", dimension)
      if (!wants(kind)) continue
      for (const [key, stamps] of keys) {
        for (const [stamp, sketch] of stamps) put(kind, placed(stamp)[0], name, key, placed(stamp)[1], toJson(sketch))
      }
    }
  }
  for (const [name, dimensions] of memory.sets) {
    for (const [dimension, keys] of dimensions) {
      const kind = blockKind("set", dimension)
      if (!wants(kind)) continue
      for (const [key, periods] of keys) {
        for (const [sk, members] of periods)
          for (const [ordinal, bits] of members) put(kind, sk, name, key, ordinal, bits)
      }
    }
  }
  for (const [hour, sources] of wants("ledger") ? memory.ledger : []) {
    for (const [source, { received, counted, duplicate, rejected, quarantined }] of sources) {
      const columns = [received, counted, duplicate, rejected, quarantined]
      for (const [slot, count] of columns.entries())
        put("ledger", hour.slice(0, 10), hour.slice(11), source, slot, count)
    }
  }
  const rename = renaming(memory)
  return [...cells.values()].map(({ kind, sk, rows }) => {
    const block = blockOf(rows)
    return { kind, sk, block: kind.startsWith("set") ? renameMembers(block, rename) : block }
  })
}

/** Only what is not nothing: an empty cell would be a difference without a meaning. */
function blockOf(rows: Map<string, Map<string, [number, Cell[number]][]>>): Block {
  const block: Block = new Map()
  for (const [row, columns] of rows) {
    const cells = [...columns]
      .map(([column, pairs]): [string, Cell] => [column, flat(pairs)])
      .filter(([, cell]) => cell.length > 0)
    if (cells.length > 0) block.set(row, new Map(cells))
  }
  return block
}

/** From an ordinal to the one that stands for it after the merges of a memory. */
export function renaming(memory: Pick<Memory, "merged">) {
  return (ordinal: number) => {
    let root = ordinal
    for (let next = memory.merged.get(root); next; next = memory.merged.get(root)) root = next.into
    return root
  }
}
