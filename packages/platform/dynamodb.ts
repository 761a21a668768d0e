import { inFlight, slices } from "#core/parallel.ts"
import type { Condition, Item, Key, Meter, Range, Table, Value } from "#store/table.ts"
import { type AwsCall, AwsError } from "./aws.ts"

type Attribute = { S: string } | { N: string } | { B: string } | { BOOL: boolean }
type Attributes = Record<string, Attribute>
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
    set: (key, values, condition) => {
      const names = Object.keys(values)
      const sets = names.flatMap((name, i) => (values[name] === null ? [] : [`#a${i} = :a${i}`]))
      const removes = names.flatMap((name, i) => (values[name] === null ? [`#a${i}`] : []))
      const { ConditionExpression, ExpressionAttributeNames, ExpressionAttributeValues } = conditional(condition)
      const given = names.flatMap((name, i) => (values[name] === null ? [] : [[`:a${i}`, toAttribute(values[name]!)]]))
      return holds(
        send("UpdateItem", key.pk, "write", {
          TableName: table,
          Key: toAttributes(key),
          UpdateExpression: [
            ...(sets.length ? [`SET ${sets.join(", ")}`] : []),
            ...(removes.length ? [`REMOVE ${removes.join(", ")}`] : []),
          ].join(" "),
          ...(ConditionExpression ? { ConditionExpression } : {}),
          ExpressionAttributeNames: {
            ...Object.fromEntries(names.map((name, i) => [`#a${i}`, name])),
            ...ExpressionAttributeNames,
          },
          ...(given.length || ExpressionAttributeValues
            ? { ExpressionAttributeValues: { ...Object.fromEntries(given), ...ExpressionAttributeValues } }
            : {}),
        }),
      )
    },
    delete: async (key) => {
      await send("DeleteItem", key.pk, "write", { TableName: table, Key: toAttributes(key) })
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
  const low = after ?? from
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

function conditional(condition: Condition | undefined): {
  ConditionExpression?: string
  ExpressionAttributeNames?: Record<string, string>
  ExpressionAttributeValues?: Attributes
} {
  if (!condition) return {}
  if (condition === "absent") return { ConditionExpression: "attribute_not_exists(pk)" }
  return {
    ConditionExpression: `${condition.orAbsent ? "attribute_not_exists(pk) OR " : ""}#condition ${condition.is} :condition`,
    ExpressionAttributeNames: { "#condition": condition.attribute },
    ExpressionAttributeValues: { ":condition": toAttribute(condition.value) },
  }
}

function toAttribute(value: Value): Attribute {
  if (typeof value === "string") return { S: value }
  if (typeof value === "number") return { N: String(value) }
  if (typeof value === "boolean") return { BOOL: value }
  return { B: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") }
}

const toAttributes = (item: Record<string, Value>): Attributes =>
  Object.fromEntries(Object.entries(item).map(([name, value]) => [name, toAttribute(value)]))

function fromAttributes(attributes: Attributes): Item {
  const item: Record<string, Value> = {}
  for (const name in attributes) {
    const value = attributes[name]!
    if ("S" in value) item[name] = value.S
    else if ("N" in value) item[name] = Number(value.N)
    else if ("B" in value) item[name] = Buffer.from(value.B, "base64")
    else item[name] = value.BOOL
  }
  return item as Item
}
