import { seededNumbers } from "#core/random.ts"
import type { Message } from "#events/message.ts"
import { between } from "./distributions.ts"

/** The body of a `/v1/batch` request. */
export type BatchBody = { batch: Message[] }

/** One batch of so many is delivered twice. */
const TWICE_EVERY = 200
const LATEST_REPEAT = 5

/** Groups messages into request bodies; a few come again, some bodies later, as a client's retries do. */
export function* batches(messages: Iterable<Message>, size: number, seed = 1): Generator<BatchBody> {
  const next = seededNumbers(seed)
  const repeats: { due: number; body: BatchBody }[] = []
  let chosen = between(next, 0, TWICE_EVERY - 1)
  let index = 0
  for (const body of groups(messages, size)) {
    yield body
    if (index % TWICE_EVERY === chosen) repeats.push({ due: index + between(next, 0, LATEST_REPEAT), body })
    while (repeats[0] && repeats[0].due <= index) yield repeats.shift()!.body
    index++
    if (index % TWICE_EVERY === 0) chosen = between(next, 0, TWICE_EVERY - 1)
  }
  for (const { body } of repeats) yield body
}

function* groups(messages: Iterable<Message>, size: number): Generator<BatchBody> {
  let batch: Message[] = []
  for (const message of messages) {
    batch.push(message)
    if (batch.length < size) continue
    yield { batch }
    batch = []
  }
  if (batch.length > 0) yield { batch }
}
