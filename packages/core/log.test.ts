import { expect, test } from "vitest"
import { jsonLog } from "./log.ts"

const logged = (name: string, fields?: Record<string, unknown>) => {
  const lines: string[] = []
  jsonLog(
    (line) => lines.push(line),
    () => "2026-01-31T12:00:00.000Z",
  )(name, fields)
  return lines
}

test("a unit of work is one line of JSON: when, what, and the fields that may be told", () => {
  expect(logged("fold", { tenant: "acme", ms: 12, outcome: "folded", status: undefined })).toEqual([
    '{"at":"2026-01-31T12:00:00.000Z","name":"fold","tenant":"acme","ms":12,"outcome":"folded"}\n',
  ])
  expect(logged("started")).toEqual(['{"at":"2026-01-31T12:00:00.000Z","name":"started"}\n'])
})

test("a secret or a payload that is passed along does not reach the line", () => {
  const [line] = logged("request", { tenant: "acme", writeKey: "oct_write_secret", body: { email: "a@b.c" } })
  expect(line).toBe('{"at":"2026-01-31T12:00:00.000Z","name":"request","tenant":"acme"}\n')
})

test("a value with a line break stays on its line", () => {
  expect(logged("error", { error: "a\nb" })).toEqual([
    '{"at":"2026-01-31T12:00:00.000Z","name":"error","error":"a\\nb"}\n',
  ])
})
