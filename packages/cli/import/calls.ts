import { instant } from "#core/clock.ts"
import { shortHash } from "#core/hash.ts"
import { eventTypes, type JsonObject } from "#events/event.ts"
import { cellOf, meets, readAll, readId, Unfit } from "./cells.ts"
import type { Rule } from "./mapping.ts"
import { momentsIn, type ReadMoment } from "./moment.ts"
import type { Row } from "./rows.ts"
import type { Tally } from "./tally.ts"

/** A tracking call, and the lines that it is made of. */
export type Call = { message: JsonObject; line: number; lines: number }

type Ruled = Rule & { moment: ReadMoment }
type Group = Call & { rule: Ruled; products: JsonObject[]; hash: string; unfit: string | undefined }

const SEPARATOR = "\u001f"

/**
 * Lines → tracking calls: those of single lines at once, those of groups when the file has ended, for a group's lines
 * may lie anywhere. The first rule that a line meets takes it; without rules, each line is a call already.
 */
export async function* callsOf(
  rows: AsyncIterable<Row>,
  rules: readonly Rule[] | undefined,
  tally: Tally,
): AsyncGenerator<Call> {
  const ruled = rules?.map((rule): Ruled => ({ ...rule, moment: momentsIn(rule.timeZone) }))
  const groups = new Map<string, Group>()
  const idOf = identifier()
  for await (const row of rows) {
    tally.lines++
    try {
      if ("refusal" in row) throw new Unfit(row.refusal)
      const { line, cells } = row
      const rule = ruled?.find(({ where }) => where.every((condition) => meets(cells, condition)))
      if (rule?.groupBy !== undefined) gather(groups, ruled!.indexOf(rule), rule, rule.groupBy, line, cells)
      else if (rule) yield { line, lines: 1, message: { messageId: idOf(rule.event, cells), ...callOf(rule, cells) } }
      else if (ruled) tally.skipped++
      else yield { line, lines: 1, message: asCall(cells, idOf) }
    } catch (error) {
      if (!(error instanceof Unfit)) throw error
      tally.refuse(row.line, 1, error.message)
    }
  }
  for (const group of groups.values()) {
    const { line, lines, unfit } = group
    if (unfit === undefined) yield { message: finished(group), line, lines }
    else tally.refuse(line, lines, unfit)
  }
}

/** A call as a line states it; it needs an id and a time. `sentAt` would move what happened long ago to now. */
function asCall({ sentAt: _, ...call }: JsonObject, idOf: Identify): JsonObject {
  const { type, timestamp, originalTimestamp, messageId } = call
  if (!(eventTypes as readonly unknown[]).includes(type)) {
    throw new Unfit("is no tracking call (it has no type): give a --mapping")
  }
  if ((timestamp ?? originalTimestamp) == null)
    throw new Unfit("has no timestamp: sent again another day, it would count again")
  return { ...call, messageId: messageId ?? idOf("", call) }
}

function callOf(rule: Ruled, cells: JsonObject): JsonObject {
  return {
    type: "track",
    event: rule.event,
    timestamp: timeOf(rule, cells),
    ...whoOf(rule, cells),
    properties: readAll(cells, rule.properties),
  }
}

function timeOf({ timestamp, moment }: Ruled, cells: JsonObject): string {
  const cell = cellOf(cells, timestamp)
  const ms = typeof cell === "string" ? moment(cell) : undefined
  if (ms !== undefined) return instant(ms)
  throw new Unfit(
    cell === undefined
      ? `${timestamp} is empty`
      : `${timestamp} is not ISO 8601 such as 2026-01-31 12:00:00: ${JSON.stringify(cell)}`,
  )
}

function whoOf(rule: Ruled, cells: JsonObject): { userId: string } | { anonymousId: string } {
  const userId = readId(cells, rule.userId)
  if (userId !== undefined) return { userId }
  const anonymousId = readId(cells, rule.anonymousId)
  if (anonymousId !== undefined) return { anonymousId }
  throw new Unfit("nobody is named: userId has no value, and neither has anonymousId")
}

/** Adds a line to its group. A line that does not fit spoils the group: an order short of a line would count less. */
function gather(
  groups: Map<string, Group>,
  index: number,
  rule: Ruled,
  groupBy: string,
  line: number,
  cells: JsonObject,
) {
  const name = cellOf(cells, groupBy)
  if (name === undefined) throw new Unfit(`${groupBy} is empty`)
  const key = [index, JSON.stringify(name)].join(SEPARATOR)
  const fresh: Group = {
    rule,
    line,
    lines: 0,
    message: {},
    products: [],
    hash: ["group", rule.event, JSON.stringify(name)].join(SEPARATOR),
    unfit: undefined,
  }
  const group = groups.get(key) ?? fresh
  groups.set(key, group)
  group.lines++
  group.hash = shortHash(group.hash + SEPARATOR + JSON.stringify(cells))
  try {
    if (group.lines === 1) group.message = callOf(rule, cells)
    else checkSame(group, whoOf(rule, cells))
    if (rule.lines) group.products.push(readAll(cells, rule.lines))
  } catch (error) {
    if (!(error instanceof Unfit)) throw error
    group.unfit ??= group.lines === 1 ? error.message : `line ${line}: ${error.message}`
  }
}

function checkSame({ message }: Group, who: { userId?: string; anonymousId?: string }) {
  if (message.userId === who.userId && message.anonymousId === who.anonymousId) return
  throw new Unfit("the lines of one group name different customers")
}

const finished = ({ message, products, hash, rule }: Group): JsonObject => ({
  messageId: idFrom(hash),
  ...message,
  ...(rule.lines ? { properties: { ...(message.properties as JsonObject), products } } : {}),
})

type Identify = (kind: string, cells: JsonObject) => string

/**
 * Ids by which the same line of the same file is known again, whatever the mapping makes of it, while equal lines
 * within one file are each their own: the second is the second wherever they stand.
 */
function identifier(): Identify {
  // Many maps: one holds at most 2^24.
  const times = new Map<string, Map<string, number>>()
  return (kind, cells) => {
    const hash = shortHash(kind + SEPARATOR + JSON.stringify(cells))
    const shelf = times.get(hash[0]!) ?? new Map<string, number>()
    times.set(hash[0]!, shelf)
    const nth = (shelf.get(hash) ?? 0) + 1
    shelf.set(hash, nth)
    return idFrom(hash + SEPARATOR + nth)
  }
}

const idFrom = (text: string) => `import-${shortHash(text)}`
