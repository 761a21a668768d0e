import { expect, test } from "vitest"
import { Fault, type FaultCode, faults } from "./fault.ts"

test("every code has a status of 400 or more, and a fault has the status of its code", () => {
  for (const [code, status] of Object.entries(faults)) {
    expect(new Fault(code as FaultCode, "what to do").status).toBe(status)
    expect(status).toBeGreaterThanOrEqual(400)
  }
})

test("a fault tells where in the request and when to come again, if it is told", () => {
  const cause = new Error("inner")
  const about = { field: "batch[3].timestamp", retryAfter: 2, cause }
  expect(new Fault("rate_limited", "send less", about)).toMatchObject({ ...about, message: "send less", status: 429 })
  expect(new Fault("internal", "oh")).toMatchObject({ field: undefined, retryAfter: undefined, cause: undefined })
})
