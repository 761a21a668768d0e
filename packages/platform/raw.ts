import { inFlight, slices } from "#core/parallel.ts"
import type { Key } from "#store/table.ts"
import type { AwsCall } from "./aws.ts"

type Attribute = Record<string, unknown>
/** An item in DynamoDB's own JSON: whatever kind its values are, it goes back as it came. */
export type RawItem = Record<string, Attribute> & { pk: { S: string }; sk: { S: string } }

const WRITE_AT_ONCE = 25
const WRITES_IN_FLIGHT = 4

/** All tenants' items as they lie in a table: for copies of it, never for answers. */
export function rawTable(call: AwsCall, table: string) {
  async function* pages(action: "Scan" | "Query", about: object): AsyncGenerator<RawItem[]> {
    let start: unknown
    do {
      const wish = { TableName: table, ConsistentRead: true, ...about, ...(start ? { ExclusiveStartKey: start } : {}) }
      const answer = await call("dynamodb", action, wish)
      yield (answer.Items ?? []) as RawItem[]
      start = answer.LastEvaluatedKey
    } while (start)
  }
  return {
    scan: () => pages("Scan", {}),
    /** One partition up to a sort key. */
    upTo: ({ pk, sk }: Key) =>
      pages("Query", {
        KeyConditionExpression: "pk = :pk AND sk <= :sk",
        ExpressionAttributeValues: { ":pk": { S: pk }, ":sk": { S: sk } },
      }),
    /** Puts all, whatever is there. */
    put: async (items: readonly RawItem[]) => {
      await inFlight(slices(items, WRITE_AT_ONCE), WRITES_IN_FLIGHT, async (slice) => {
        let left: unknown[] = slice.map((Item) => ({ PutRequest: { Item } }))
        while (left.length > 0) {
          const answer = await call("dynamodb", "BatchWriteItem", { RequestItems: { [table]: left } })
          left = (answer.UnprocessedItems as Record<string, unknown[]> | undefined)?.[table] ?? []
        }
      })
    },
    /** How many items there are, as of some hours ago. */
    size: async () => {
      const { Table } = await call("dynamodb", "DescribeTable", { TableName: table })
      return Number((Table as { ItemCount?: number }).ItemCount ?? 0)
    },
  }
}
export type RawTable = ReturnType<typeof rawTable>

export const keyOf = ({ pk, sk }: RawItem): Key => ({ pk: pk.S, sk: sk.S })
