import { startDynamo } from "#local/dynamodb.ts"
import { createTable } from "#local/table.ts"
import type { Meter } from "#store/table.ts"
import { awsClient } from "./aws.ts"
import { dynamoTable } from "./dynamodb.ts"

const TABLE = "tested"

/** For tests: an empty table in memory, one for each file of tests. Retries do not wait. */
export async function startTable(options: { meter?: Meter; engine?: "dynoxide" | "dynamodb-local" } = {}) {
  const dynamo = await startDynamo(options.engine ? { engine: options.engine } : {})
  const call = awsClient({
    region: "us-east-1",
    credentials: () => ({ accessKeyId: "local", secretAccessKey: "local" }),
    endpoints: { dynamodb: dynamo.url },
    random: () => 0,
    sleep: () => Promise.resolve(),
  })
  await createTable(call, TABLE)
  const table = dynamoTable({ call, table: TABLE, ...(options.meter ? { meter: options.meter } : {}) })
  return { table, stop: dynamo.stop }
}
