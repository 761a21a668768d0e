import type { Write } from "#store/table.ts"
import type { conditional, toAttributes, update } from "./attributes.ts"

type Send = (pk: string, body: object) => Promise<unknown>
/** How things are written down: given, for whatever is imported by two bundles is a third one that must be loaded. */
type Written = { toAttributes: typeof toAttributes; conditional: typeof conditional; update: typeof update }
type Canceled = { code?: string; body?: { CancellationReasons?: { Code?: string }[] } }

/** Apart from the table's other calls: the door for events never needs it. */
export async function transact(
  send: Send,
  written: Written,
  table: string,
  writes: readonly Write[],
  token: string,
): Promise<number[]> {
  const items = writes.map((write) => itemOf(write, table, written))
  try {
    await send(keyOf(writes[0]!).pk, { TransactItems: items, ClientRequestToken: token })
    return []
  } catch (error) {
    const { code, body } = error as Canceled
    const reasons = code === "TransactionCanceledException" ? (body?.CancellationReasons ?? []) : []
    const failed = reasons.flatMap(({ Code }, i) => (Code === "ConditionalCheckFailed" ? [i] : []))
    if (failed.length === 0) throw error
    return failed
  }
}

const keyOf = (write: Write) => ("put" in write ? write.put : "set" in write ? write.set : write.delete)

function itemOf(write: Write, TableName: string, { toAttributes, conditional, update }: Written) {
  if ("put" in write) return { Put: { TableName, Item: toAttributes(write.put), ...conditional(write.condition) } }
  if ("set" in write) return { Update: { TableName, ...update(write.set, write.values, write.condition) } }
  return { Delete: { TableName, Key: toAttributes(keyOf(write)), ...conditional(write.condition) } }
}
