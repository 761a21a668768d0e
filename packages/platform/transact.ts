import type { Write } from "#store/table.ts"
import { conditional, toAttributes, update } from "./attributes.ts"
import { AwsError } from "./aws.ts"

type Send = (pk: string, body: object) => Promise<unknown>
type Reason = { Code?: string }

/** Apart from the table's other calls: the door for events never needs it. */
export async function transact(send: Send, table: string, writes: readonly Write[], token: string): Promise<number[]> {
  const items = writes.map((write) => itemOf(write, table))
  try {
    await send(keyOf(writes[0]!).pk, { TransactItems: items, ClientRequestToken: token })
    return []
  } catch (error) {
    if (!(error instanceof AwsError && error.code === "TransactionCanceledException")) throw error
    const reasons = (error.body.CancellationReasons ?? []) as Reason[]
    const failed = reasons.flatMap(({ Code }, i) => (Code === "ConditionalCheckFailed" ? [i] : []))
    if (failed.length === 0) throw error
    return failed
  }
}

const keyOf = (write: Write) => ("put" in write ? write.put : "set" in write ? write.set : write.delete)

function itemOf(write: Write, TableName: string) {
  if ("put" in write) return { Put: { TableName, Item: toAttributes(write.put), ...conditional(write.condition) } }
  if ("set" in write) return { Update: { TableName, ...update(write.set, write.values, write.condition) } }
  return { Delete: { TableName, Key: toAttributes(keyOf(write)), ...conditional(write.condition) } }
}
