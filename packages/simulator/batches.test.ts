import { expect, test } from "vitest"
import type { Message } from "#events/message.ts"
import { batches } from "./batches.ts"

const messages: Message[] = Array.from({ length: 4005 }, (_, i) => ({
  type: "page",
  messageId: String(i),
  anonymousId: "a1",
}))

test("every message is delivered, in groups of the size that was asked for", () => {
  const bodies = [...batches(messages, 10)]
  const first = [...new Set(bodies)]
  expect(first.flatMap((body) => body.batch)).toEqual(messages)
  expect(first.map((body) => body.batch.length)).toEqual([...Array.from({ length: 400 }, () => 10), 5])
})

test("one batch in two hundred comes twice, a little later, and the seed says which", () => {
  const repeated = (seed: number) => {
    const bodies = [...batches(messages, 10, seed)]
    return bodies.flatMap((body, at) => (bodies.indexOf(body) < at ? [[bodies.indexOf(body), at]] : []))
  }
  expect(repeated(1)).toEqual([
    [192, 194],
    [216, 222],
  ])
  expect(repeated(2)).not.toEqual(repeated(1))
})
