import { limits } from "#events/message.ts"
import type { Call } from "./calls.ts"
import type { Tally } from "./tally.ts"

/** The body of one request to `/v1/batch`, its place in the file, and the line of each of its events. */
export type Packed = { index: number; body: string; lines: number[] }

const MOST_EVENTS = 500
const MOST_BYTES = 900_000
const FRAME = '{"batch":[]}'.length

/** Packs calls into requests, always the same for the same calls. An event that the API would not take is refused here. */
export async function* requestsOf(calls: AsyncIterable<Call>, tally: Tally): AsyncGenerator<Packed> {
  let [index, bytes] = [0, FRAME]
  let [texts, lines]: [string[], number[]] = [[], []]
  const packed = (): Packed => ({ index: index++, body: `{"batch":[${texts.join(",")}]}`, lines })
  for await (const call of calls) {
    const text = JSON.stringify(call.message)
    const size = Buffer.byteLength(text)
    if (size > limits.eventBytes) {
      tally.refuse(call.line, call.lines, `an event may take ${limits.eventBytes} bytes; this takes ${size}`)
      continue
    }
    if (texts.length === MOST_EVENTS || bytes + size + 1 > MOST_BYTES) {
      yield packed()
      bytes = FRAME
      texts = []
      lines = []
    }
    texts.push(text)
    lines.push(call.line)
    bytes += size + 1
  }
  if (texts.length > 0) yield packed()
}
