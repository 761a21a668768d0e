import { expect, test } from "vitest"
import { Unreadable } from "#pipeline/failures.ts"
import { oursIn, requestIn } from "./messages.ts"

const record = (body: string) => ({ messageId: "1", body })

test("a message of ours is read with its tenant and all that it says beside its version", () => {
  expect(requestIn(oursIn, record('{"version":1,"tenant":"acme","job":"job_1"}'))).toEqual({
    tenant: "acme",
    job: "job_1",
  })
})

test.each([
  ["no JSON", "{"],
  ["no object", "7"],
  ["nothing", "null"],
  ["no version", '{"tenant":"acme"}'],
  ["a version that is not known", '{"version":2,"tenant":"acme"}'],
  ["no tenant", '{"version":1}'],
  ["a tenant that is none", '{"version":1,"tenant":"acme#head"}'],
  ["a tenant that is no text", '{"version":1,"tenant":["acme"]}'],
])("a message with %s is unreadable", (_, body) => {
  expect(() => requestIn(oursIn, record(body))).toThrow(Unreadable)
})
