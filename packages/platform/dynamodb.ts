import { inFlight, slices } from "#core/parallel.ts"
import type { Item, Key, Meter, Range, Table } from "#store/table.ts"
import { type Attributes, conditional, fromAttributes, toAttribute, toAttributes, update } from "./attributes.ts"
import { type AwsCall, AwsError } from "./aws.ts"

type Capacity = { CapacityUnits?: number; TableName?: string }

const GET_AT_ONCE = 100
const WRITE_AT_ONCE = 25
const GETS_IN_FLIGHT = 4

/** The table over DynamoDB's JSON protocol. `meter` hears what each call consumed. */
export function dynamoTable(options: { call: AwsCall; table: string; meter?: Meter }): Table {
  const { call, table, meter } = options

  const send = async (action: string, pk: string, kind: "read" | "write", body: object) => {
    const answer = await call("dynamodb", action, { ...body, ReturnConsumedCapacity: meter ? "TOTAL" : "NONE" })
    if (meter) {
      const consumed = answer.ConsumedCapacity as Capacity | Capacity[] | undefined
      const units = [consumed ?? []].flat().reduce((sum, { CapacityUnits = 0 }) => sum + CapacityUnits, 0)
      meter(action, pk, kind === "read" ? { read: units, write: 0 } : { read: 0, write: units })
    }
    return answer
  }

  const holds = async (write: Promise<unknown>) => {
    try {
      await write
      return true
    } catch (error) {
      if (error instanceof AwsError && error.code === "ConditionalCheckFailedException") return false
      throw error
    }
  }

  async function* pages(pk: string, range: Range = {}) {
    const low = range.after ?? range.from
    if (low !== undefined && range.to !== undefined && low > range.to) return
    let start: Attributes | undefined
    let left = range.limit ?? Number.POSITIVE_INFINITY
    do {
      const answer = await send("Query", pk, "read", {
        TableName: table,
        ConsistentRead: true,
        ScanIndexForward: !range.reverse,
        ...(Number.isFinite(left) ? { Limit: left } : {}),
        ...(start ? { ExclusiveStartKey: start } : {}),
        ...between(pk, range),
      })
      const items = ((answer.Items ?? []) as Attributes[]).map(fromAttributes).filter((item) => item.sk !== range.after)
      left -= items.length
      yield items
      start = answer.LastEvaluatedKey as Attributes | undefined
    } while (start && left > 0)
  }

  const getPage = async (keys: readonly Key[]) => {
    const found: Item[] = []
    let left: Attributes[] = keys.map(toAttributes)
    while (left.length > 0) {
      const answer = await send("BatchGetItem", keys[0]!.pk, "read", {
        RequestItems: { [table]: { Keys: left, ConsistentRead: true } },
      })
      found.push(...((answer.Responses as Record<string, Attributes[]>)[table] ?? []).map(fromAttributes))
      left = (answer.UnprocessedKeys as Record<string, { Keys: Attributes[] }> | undefined)?.[table]?.Keys ?? []
    }
    return found
  }

  return {
    pages,
    get: async (key) => {
      const answer = await send("GetItem", key.pk, "read", {
        TableName: table,
        Key: toAttributes(key),
        ConsistentRead: true,
      })
      return answer.Item ? fromAttributes(answer.Item as Attributes) : undefined
    },
    getMany: async (keys) => (await inFlight(slices(keys, GET_AT_ONCE), GETS_IN_FLIGHT, getPage)).flat(),
    query: async (pk, range) => {
      const items: Item[] = []
      for await (const page of pages(pk, range)) items.push(...page)
      return items
    },
    put: (item, condition) =>
      holds(
        send("PutItem", item.pk, "write", { TableName: table, Item: toAttributes(item), ...conditional(condition) }),
      ),
    add: async (key, amounts) => {
      const names = Object.keys(amounts)
      const answer = await send("UpdateItem", key.pk, "write", {
        TableName: table,
        Key: toAttributes(key),
        UpdateExpression: `ADD ${names.map((_, i) => `#a${i} :a${i}`).join(", ")}`,
        ExpressionAttributeNames: Object.fromEntries(names.map((name, i) => [`#a${i}`, name])),
        ExpressionAttributeValues: Object.fromEntries(names.map((name, i) => [`:a${i}`, toAttribute(amounts[name]!)])),
        ReturnValues: "UPDATED_NEW",
      })
      return fromAttributes(answer.Attributes as Attributes) as unknown as Record<string, number>
    },
    set: (key, values, condition) =>
      holds(send("UpdateItem", key.pk, "write", { TableName: table, ...update(key, values, condition) })),
    delete: async (key) => {
      await send("DeleteItem", key.pk, "write", { TableName: table, Key: toAttributes(key) })
    },
    transact: async (writes, token) => {
      const { transact } = await import("./transact.ts")
      const written = { toAttributes, conditional, update }
      return transact((pk, body) => send("TransactWriteItems", pk, "write", body), written, table, writes, token)
    },
    deleteMany: async (keys) => {
      await inFlight(slices(keys, WRITE_AT_ONCE), GETS_IN_FLIGHT, async (slice) => {
        let left: unknown[] = slice.map((key) => ({ DeleteRequest: { Key: toAttributes(key) } }))
        while (left.length > 0) {
          const answer = await send("BatchWriteItem", slice[0]!.pk, "write", { RequestItems: { [table]: left } })
          left = (answer.UnprocessedItems as Record<string, unknown[]> | undefined)?.[table] ?? []
        }
      })
    },
  }
}

function between(pk: string, { from, after, to }: Range) {
  // DynamoDB takes no empty key, and nothing lies before it.
  const low = (after ?? from) || undefined
  const values: Attributes = { ":pk": { S: pk } }
  if (low !== undefined) values[":low"] = { S: low }
  if (to !== undefined) values[":high"] = { S: to }
  const bounds =
    low !== undefined && to !== undefined
      ? " AND sk BETWEEN :low AND :high"
      : low !== undefined
        ? " AND sk >= :low"
        : to !== undefined
          ? " AND sk <= :high"
          : ""
  return { KeyConditionExpression: `pk = :pk${bounds}`, ExpressionAttributeValues: values }
}
