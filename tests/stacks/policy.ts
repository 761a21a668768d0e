type Held = Record<string, Record<string, string | string[]>>
export type PolicyStatement = {
  Sid: string
  Effect: "Allow" | "Deny"
  Action: string[]
  Resource: string[]
  Condition?: Held
}

/** What is asked of AWS: an action on a resource, and what AWS tells of both, such as `aws:ResourceTag/stage`. */
export type Asked = { action: string; on: string; told?: Record<string, string | string[]> }

/** Whether AWS would let it happen, by this policy alone. An operator that is not known here is refused. */
export function allows(statements: readonly PolicyStatement[], asked: Asked): boolean {
  const about = statements.filter(
    ({ Action, Resource, Condition = {} }) =>
      Action.includes(asked.action) &&
      Resource.some((resource) => isLike(asked.on, resource)) &&
      Object.entries(Condition).every(([operator, keys]) => holds(operator, keys, asked.told ?? {})),
  )
  return about.some(({ Effect }) => Effect === "Allow") && !about.some(({ Effect }) => Effect === "Deny")
}

const compared: Record<string, (value: string, wanted: string) => boolean> = {
  StringEquals: (value, wanted) => value === wanted,
  StringLike: isLike,
  ArnLike: isLike,
}

function holds(operator: string, keys: Held[string], told: Record<string, string | string[]>): boolean {
  const [, isOfAll, name = "", ifExists] = /^(ForAllValues:)?(\w+?)(IfExists)?$/.exec(operator) ?? []
  const compare = compared[name]
  if (!compare) throw new Error(`${operator} is not known here`)
  return Object.entries(keys).every(([key, wanted]) => {
    const value = told[key]
    if (value === undefined) return ifExists !== undefined || isOfAll !== undefined
    const matches = (one: string) => [wanted].flat().some((pattern) => compare(one, pattern))
    return [value].flat().every(matches)
  })
}

function isLike(value: string, pattern: string): boolean {
  const literal = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&")
  return new RegExp(`^${literal.replaceAll("*", ".*").replaceAll("?", ".")}$`, "s").test(value)
}
