import { randomUUID } from "node:crypto"
import { setTimeout as wait } from "node:timers/promises"
import { type Clock, instant, SECOND } from "#core/clock.ts"
import type { ScheduleName, SubscriberName } from "#platform/topology.ts"
import type { Call } from "./sqs.ts"

export type Caller = ScheduleName | SubscriberName

/** How often a function is called that nobody waits for, before it is given up: as Lambda does in the stacks. */
export const CALLS = 3
const RETRY_AFTER_MS = SECOND

/** What Lambda writes down of a call that has failed for good. */
const recordOf = (name: Caller, { payload, error, at }: { payload: unknown; error: unknown; at: number }) => {
  const { name: errorType = "Error", message: errorMessage = String(error), stack = "" } = error as Partial<Error>
  return {
    version: "1.0",
    timestamp: instant(at),
    requestContext: {
      requestId: randomUUID(),
      functionArn: `arn:aws:lambda:us-east-1:000000000000:function:${name}:live`,
      condition: "RetriesExhausted",
      approximateInvokeCount: CALLS,
    },
    requestPayload: payload,
    responseContext: { statusCode: 200, executedVersion: "1", functionError: "Unhandled" },
    responsePayload: { errorType, errorMessage, trace: stack.split("\n") },
  }
}

export type Keep = (name: Caller, payload: unknown, error: unknown) => Promise<void>

/** Keeps what has failed for good among the dead letters of whoever called. */
export const keeper =
  ({ call, clock, deadOf }: { call: Call; clock: Clock; deadOf: (name: Caller) => string }): Keep =>
  async (name, payload, error) => {
    const MessageBody = JSON.stringify(recordOf(name, { payload, error, at: clock() }))
    await call("sqs", "SendMessage", { QueueUrl: deadOf(name), MessageBody })
  }

/** A schedule's run, tried again as Lambda would; what has failed for good is kept. No run is begun again while all ends. */
export const tried =
  (name: Caller, run: () => Promise<void>, { keep, ending }: { keep: Keep; ending: AbortSignal }) =>
  async (): Promise<void> => {
    for (let calls = 1; ; calls++) {
      try {
        return await run()
      } catch (error) {
        if (calls === CALLS) await keep(name, {}, error)
        if (calls === CALLS || ending.aborted) throw error
        await wait(RETRY_AFTER_MS, undefined, { signal: ending }).catch(() => {})
        if (ending.aborted) throw error
      }
    }
  }
