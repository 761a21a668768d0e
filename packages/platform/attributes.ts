import type { Condition, Item, Key, Value } from "#store/table.ts"

/** Items and conditions as DynamoDB's JSON protocol writes them. */
export type Attribute = { S: string } | { N: string } | { B: string } | { BOOL: boolean }
export type Attributes = Record<string, Attribute>

export function conditional(condition: Condition | undefined): {
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

export function toAttribute(value: Value): Attribute {
  if (typeof value === "string") return { S: value }
  if (typeof value === "number") return { N: String(value) }
  if (typeof value === "boolean") return { BOOL: value }
  return { B: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") }
}

export const toAttributes = (item: Record<string, Value>): Attributes =>
  Object.fromEntries(Object.entries(item).map(([name, value]) => [name, toAttribute(value)]))

export function fromAttributes(attributes: Attributes): Item {
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

/** What an update says: attributes that are set, and those (`null`) that are removed. */
export function update(key: Key, values: Record<string, Value | null>, condition: Condition | undefined) {
  const names = Object.keys(values)
  const sets = names.flatMap((name, i) => (values[name] === null ? [] : [`#a${i} = :a${i}`]))
  const removes = names.flatMap((name, i) => (values[name] === null ? [`#a${i}`] : []))
  const { ConditionExpression, ExpressionAttributeNames, ExpressionAttributeValues } = conditional(condition)
  const given = names.flatMap((name, i) => (values[name] === null ? [] : [[`:a${i}`, toAttribute(values[name]!)]]))
  return {
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
  }
}
