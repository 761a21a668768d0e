import { expect, test } from "vitest"
import type { Item, Key } from "#store/table.ts"
import { gathered } from "./gathered.ts"

function tableWith(items: readonly Item[], broken = false) {
  const asked: string[] = []
  const there = ({ pk, sk }: Key) => items.find((item) => item.pk === pk && item.sk === sk)
  const tell = (action: string, keys: readonly Key[]) => {
    asked.push(`${action} ${keys.map(({ sk }) => sk).join()}`)
    if (broken) throw new Error("away")
  }
  return {
    asked,
    get: async (key: Key) => {
      tell("get", [key])
      return there(key)
    },
    getMany: async (keys: readonly Key[]) => {
      tell("getMany", keys)
      return keys.flatMap((key) => there(key) ?? [])
    },
  }
}
const [a, b] = [
  { pk: "T#acme#x", sk: "a", n: 1 },
  { pk: "T#acme#x", sk: "b", n: 2 },
]
const missing = { pk: "T#acme#x", sk: "c" }

test("what is asked for in one turn is one request, and each gets its own", async () => {
  const table = tableWith([b, a])
  const get = gathered(table)
  expect(await Promise.all([get(a), get(missing), get(b), get(a)])).toEqual([a, undefined, b, a])
  expect(table.asked).toEqual(["getMany a,c,b"])
})

test("what two tenants ask for in one turn is a request of each", async () => {
  const other = { ...b, pk: "T#globex#x", n: 3 }
  const table = tableWith([a, b, other])
  const get = gathered(table)
  expect(await Promise.all([get(a), get(other), get(b)])).toEqual([a, other, b])
  expect(table.asked).toEqual(["getMany a,b", "get b"])
})

test("what is asked for alone is asked for as ever, and later turns ask again", async () => {
  const table = tableWith([a])
  const get = gathered(table)
  expect([await get(a), await get(missing)]).toEqual([a, undefined])
  expect(table.asked).toEqual(["get a", "get c"])
})

test("a table that is away fails all who asked", async () => {
  const get = gathered(tableWith([a], true))
  const outcomes = await Promise.allSettled([get(a), get(b)])
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"])
})
