import { expect, test } from "vitest"
import { Fault } from "#core/fault.ts"
import { AwsError } from "#platform/aws.ts"
import { addresseeOf, reasonOf, Unreadable } from "./failures.ts"

const network = (code: string) => Object.assign(new Error("broken"), { code })

test.each<[string, unknown, string]>([
  ["a throttled table", new AwsError("ProvisionedThroughputExceededException", 400, {}), "outage"],
  ["too many requests", new AwsError("ThrottlingException", 400, {}), "outage"],
  ["a table that fails", new AwsError("InternalServerError", 500, {}), "outage"],
  ["an answer of 503 without a code", new AwsError("Http503", 503, {}), "outage"],
  ["nobody who listens", network("ECONNREFUSED"), "outage"],
  ["a connection that broke", network("ECONNRESET"), "outage"],
  ["no answer in time", network("ETIMEDOUT"), "outage"],
  ["something of ours that is unavailable", new Fault("unavailable", "later"), "outage"],
  ["a right that lacks", new AwsError("AccessDeniedException", 400, {}), "fault"],
  ["a request that is wrong", new AwsError("ValidationException", 400, {}), "fault"],
  ["a mistake of ours", new TypeError("x is not a function"), "fault"],
  ["a tenant that is not there", new Error("there is no such tenant"), "fault"],
  ["nothing that is an error", "oh", "fault"],
  ["a message that is not ours", new Unreadable("unknown pack version 7"), "unreadable"],
])("%s: %#", (_, error, kind) => {
  expect(reasonOf(error).kind).toBe(kind)
})

test("a reason tells a code and no more than the beginning of what was said", () => {
  expect(reasonOf(new AwsError("ThrottlingException", 400, { message: "x".repeat(1000) }))).toEqual({
    kind: "outage",
    code: "ThrottlingException",
    message: `ThrottlingException: ${"x".repeat(300 - "ThrottlingException: ".length)}`,
  })
})

test.each([
  ["1 acme AAAA", "acme"],
  ['{"version":1,"tenant":"acme"}', "acme"],
  ["1 ACME AAAA", "octant"],
  ["1 acme", "octant"],
  ['{"tenant":"a#b"}', "octant"],
  ["null", "octant"],
  ["", "octant"],
])("the message %j is of %s", (body, tenant) => expect(addresseeOf(body)).toBe(tenant))
