import { belongs } from "#store/keys.ts"
import type { Item, Key, Table } from "#store/table.ts"

type Waiting = { key: Key; found(item: Item | undefined): void; failed(error: unknown): void }

/**
 * Reads of single items: those of one tenant that are asked for in one turn go as one request, which costs what they
 * would alone. No request names keys of two tenants: what it costs is somebody's.
 */
export function gathered(table: Pick<Table, "get" | "getMany">): Table["get"] {
  const waiting = new Map<string, Waiting[]>()
  const send = async (owner: string) => {
    const taken = waiting.get(owner)!
    waiting.delete(owner)
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
      const owner = belongs(key).tenant ?? ""
      const others = waiting.get(owner)
      if (others) return void others.push({ key, found, failed })
      waiting.set(owner, [{ key, found, failed }])
      queueMicrotask(() => void send(owner))
    })
}

/** DynamoDB refuses a request that names a key twice. */
const distinct = (keys: readonly Key[]) => [
  ...new Map(keys.map((key) => [JSON.stringify([key.pk, key.sk]), key])).values(),
]
