import { Hono } from "hono"
import { expect, test } from "vitest"
import { Fault } from "#core/fault.ts"
import { problem } from "./problem.ts"

/** What a stranger is told of an error, and what is logged. */
async function told(error: unknown) {
  const lines: object[] = []
  const app = new Hono()
  app.onError((thrown, c) => problem(c, thrown, (name, fields) => lines.push({ name, ...fields })))
  app.get("/", () => {
    throw error
  })
  const response = await app.request("/")
  return { status: response.status, body: (await response.json()) as object, lines }
}

test("a fault says what it is, and nothing is logged", async () => {
  const { status, body, lines } = await told(new Fault("not_found", "there is no such key", { field: "id" }))
  expect(status).toBe(404)
  expect(body).toMatchObject({ code: "not_found", detail: "there is no such key", field: "id" })
  expect(lines).toEqual([])
})

test("another error is told as ours; where it was thrown is in the log, and its words are nowhere", async () => {
  const { status, body, lines } = await told(new TypeError("secret"))
  expect(status).toBe(500)
  expect(JSON.stringify([body, lines])).not.toContain("secret")
  expect(lines).toMatchObject([{ name: "error", code: "TypeError", stack: expect.stringContaining("problem.test.ts") }])
})

test("a body that nests too deep for us is told as such, and where we fell is in the log", async () => {
  const fall = (): number => 1 + fall()
  const fallen = (() => {
    try {
      return fall()
    } catch (error) {
      return error
    }
  })()
  const { status, body, lines } = await told(fallen)
  expect(status).toBe(400)
  expect(body).toMatchObject({ code: "invalid_request", detail: "the body nests too deep" })
  expect(lines).toMatchObject([{ name: "error", code: "RangeError", stack: expect.stringContaining("fall") }])
})
