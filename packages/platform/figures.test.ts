import { expect, test } from "vitest"
import { fakeClock } from "#core/clock.ts"
import { newFigures } from "#core/figures.ts"
import { AwsError } from "./aws.ts"
import { timed } from "./figures.ts"

const canceled = (...codes: string[]) =>
  new AwsError("TransactionCanceledException", 400, { CancellationReasons: codes.map((Code) => ({ Code })) })

test.each([
  ["an answer", undefined, "ok"],
  ["a condition that did not hold", new AwsError("ConditionalCheckFailedException", 400, {}), "refused"],
  ["a transaction with such a condition", canceled("None", "ConditionalCheckFailed"), "refused"],
  ["a transaction that another was in the way of", canceled("TransactionConflict"), "failed"],
  ["a table that is too busy", new AwsError("ThrottlingException", 400, {}), "failed"],
  ["a connection that broke", new Error("socket hang up"), "failed"],
])("%s is told by its outcome", async (_, error, outcome) => {
  const heard: unknown[] = []
  const figures = newFigures((name, labels) => heard.push([name, labels]))
  const call = timed(async () => (error ? Promise.reject(error) : {}), fakeClock("2026-01-31T12:00:00.000Z"), figures)
  const answered = call("dynamodb", "PutItem", {})
  await (error ? expect(answered).rejects.toBe(error) : expect(answered).resolves.toEqual({}))
  expect(heard).toEqual([["octant_store_seconds", { service: "dynamodb", action: "PutItem", outcome }]])
})
