import { appendMessages } from "#pipeline/append.ts"
import { noteFailures } from "#pipeline/failures.ts"
import { answerOf, type Failed, originOf, type QueueEvent, tellWaits, type Waits } from "./messages.ts"
import type { Runtime } from "./runtime.ts"

/** Appends what was accepted to the journals. */
export const appendWorker =
  (runtime: Pick<Runtime, "table" | "clock" | "nonce" | "log" | "requestFold"> & Waits) =>
  async (event: QueueEvent) => {
    tellWaits(runtime, "append", event)
    const failed: Failed[] = []
    const outcomes = await appendMessages(
      { ...runtime, failed: (index, error) => failed.push({ message: event.Records[index]!, error }) },
      event.Records.map(({ body }) => body),
      event.Records.map(originOf),
    )
    await noteFailures(runtime, "append", failed)
    return answerOf(
      event,
      outcomes.map((outcome) => outcome === "done"),
    )
  }
