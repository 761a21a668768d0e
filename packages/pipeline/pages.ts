import { BUCKETS, keys, pageRange, type TenantId } from "#store/keys.ts"
import type { Key } from "#store/table.ts"
import type { ViewItem } from "#store/views.ts"
import type { Customer } from "./customer.ts"
import type { Memory } from "./memory.ts"
import type { Snapshot } from "./snapshot.ts"

/** A row of the customers' view: a customer, or the name of the one it became. */
export type CustomerRow = Customer | { root: string }

/**
 * Rows lie in pages, by the hash of their id (docs/decisions/006); in a page, in the order of their ids. Each row is
 * JSON text: whoever wants one row, or writes one anew, need not parse the others.
 */
type Row = [id: string, row: string]
/** A line of each row. No identifier may hold a control character, and JSON text has none. */
const pageText = (rows: Iterable<Row>) =>
  [...rows]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, row]) => `${id}\t${row}`)
    .join("\n")

function rowsIn(page: unknown): Row[] {
  if (page === "") return []
  return (page as string).split("\n").map((line) => {
    const tab = line.indexOf("\t")
    return [line.slice(0, tab), line.slice(tab + 1)]
  })
}

/**
 * About so many rows to a page at most. A fold touches most customers of a small tenant, and few of a large one: there
 * a page should hold little else.
 */
const rowsAPage = (customerCount: number) => (customerCount <= 16_384 ? 32 : 8)
/** A split rewrites all pages in one commit, which must fit into a worker's memory; from here on pages grow. */
const MOST_SPLITS = 16

/** How often the pages have been split in two. It follows from the count, so that each reader of a snapshot knows it. */
const splitsOf = (customerCount: number) =>
  Math.min(MOST_SPLITS, Math.max(0, Math.ceil(Math.log2(customerCount / rowsAPage(customerCount)))))

/** The stored rows of some ids, those that there are. */
export async function rowsOf(tenant: TenantId, snapshot: Snapshot, ids: readonly string[]) {
  const wanted = new Set(ids)
  const rows = new Map<string, CustomerRow>()
  for (const { value } of await snapshot.get(pagesOf(tenant, snapshot, ids)))
    for (const [id, row] of rowsIn(value)) if (wanted.has(id)) rows.set(id, JSON.parse(row) as CustomerRow)
  return rows
}

function pagesOf(tenant: TenantId, snapshot: Snapshot, ids: readonly string[]): Key[] {
  const splits = splitsOf(snapshot.customerCount)
  const pages = new Map<string, Key>()
  for (const id of ids) {
    const key = keys.customerPage(tenant, snapshot.head.generation, splits, id)
    pages.set(key.sk, key)
  }
  return [...pages.values()]
}

/** So many pages are asked for by their names, in one request; more are read a bucket at a time. */
const FEW_PAGES = 64

/** Every stored row, with the page in which it lies. */
export async function* allRows(tenant: TenantId, snapshot: Snapshot): AsyncGenerator<{ page: Key; rows: Row[] }> {
  const splits = splitsOf(snapshot.customerCount)
  if (2 ** splits <= FEW_PAGES) {
    const pages = keys.customerPages(tenant, snapshot.head.generation, splits)
    const found = new Map((await snapshot.get(pages)).map(({ sk, value }) => [sk, value]))
    for (const page of pages) {
      if (found.has(page.sk)) yield { page, rows: rowsIn(found.get(page.sk)) }
    }
    return
  }
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const pk = keys.customers(tenant, snapshot.head.generation, bucket)
    for (const { sk, value } of await snapshot.values(pk, pageRange(splits)))
      yield { page: { pk, sk }, rows: rowsIn(value) }
  }
}

/** Where a row lies, or would lie. */
export const pageOf = (tenant: TenantId, snapshot: Snapshot, id: string) =>
  keys.customerPage(tenant, snapshot.head.generation, splitsOf(snapshot.customerCount), id)

/** The pages in which a memory has changed something; all of them, when it has met so many customers that they split. */
export async function changedPages(tenant: TenantId, snapshot: Snapshot, memory: Memory): Promise<ViewItem[]> {
  const { generation } = snapshot.head
  const changed = new Map<string, string>()
  const change = (id: string, row: CustomerRow) => changed.set(id, JSON.stringify(row))
  for (const id of memory.changedPointers) change(id, { root: memory.pointers.get(id)! })
  for (const id of memory.changedCustomers) change(id, memory.customers.get(id)!)
  const splits = splitsOf(memory.customerCount)
  const pages = new Map<string, { key: Key; rows: Map<string, string> }>()
  const put = (id: string, row: string) => {
    const key = keys.customerPage(tenant, generation, splits, id)
    const page = pages.get(key.sk) ?? { key, rows: new Map() }
    pages.set(key.sk, page)
    page.rows.set(id, row)
  }
  const left: ViewItem[] = []
  if (splits === splitsOf(snapshot.customerCount)) {
    for (const { value } of await snapshot.get(pagesOf(tenant, snapshot, [...changed.keys()])))
      for (const [id, row] of rowsIn(value)) put(id, row)
  } else {
    for await (const { page, rows } of allRows(tenant, snapshot)) {
      // Whoever still reads these must see that the views went on.
      left.push({ ...page, value: pageText([]) })
      for (const [id, row] of rows) put(id, row)
    }
  }
  for (const [id, row] of changed) put(id, row)
  const items = [...pages.values()].map(({ key, rows }): ViewItem => ({ ...key, value: pageText(rows) }))
  return [...items, ...left]
}
