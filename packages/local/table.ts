import { type AwsCall, AwsError } from "#platform/aws.ts"

/** Makes the table if it is not there. */
export async function createTable(call: AwsCall, table: string) {
  try {
    await call("dynamodb", "CreateTable", {
      TableName: table,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [
        { AttributeName: "pk", AttributeType: "S" },
        { AttributeName: "sk", AttributeType: "S" },
      ],
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
    })
  } catch (error) {
    if (!(error instanceof AwsError && error.code === "ResourceInUseException")) throw error
  }
}
