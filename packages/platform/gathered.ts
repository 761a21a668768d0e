import type { Item, Key, Table } from "#store/table.ts"

type Waiting = { key: Key; found(item: Item | undefined): void; failed(error: unknown): void }

/** Reads of single items: those that are asked for in one turn go as one request, which costs what they would alone. */
export function gathered(table: Pick<Table, "get" | "getMany">): Table["get"] {
  let waiting: Waiting[] = []
  const send = async () => {
    const taken = waiting
    waiting = []
    try {
      const keys = taken.map(({ key }) => key)
      const items = keys.length === 1 ? [await table.get(keys[0]!)] : await table.getMany(distinct(keys))
      for (const { key, found } of taken) found(items.find((item) => item?.pk === key.pk && item.sk === key.sk))
    } catch (error) {
      for (const { failed } of taken) failed(error)
    }
  }
  return (key) =>
    new Promise((found, failed) => {
      if (waiting.push({ key, found, failed }) === 1) queueMicrotask(send)
    })
}

/** DynamoDB refuses a request that names a key twice. */
const distinct = (keys: readonly Key[]) => [
  ...new Map(keys.map((key) => [JSON.stringify([key.pk, key.sk]), key])).values(),
]
