import { tableContract } from "#platform/contract.ts"
import { startTable } from "#platform/fixture.ts"

tableContract("Amazon's own DynamoDB Local", (meter) => startTable({ meter, engine: "dynamodb-local" }))
