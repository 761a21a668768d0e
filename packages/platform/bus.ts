import { origin, traced } from "#core/unit.ts"
import type { Publish } from "#delivery/publish.ts"
import { EVENT_SOURCE } from "#events/domain.ts"
import type { AwsCall } from "./aws.ts"

type Put = { FailedEntryCount?: number; Entries?: { ErrorCode?: string }[] }

/** Puts events on a bus, with the unit of work that they came from. An answer of 200 may have refused some of them. */
export const putEvents =
  (call: AwsCall, bus: string): Publish =>
  (events) =>
    traced(
      "send bus",
      "producer",
      async () => {
        const { correlationId, traceparent } = origin()
        const Entries = events.map((event) => ({
          EventBusName: bus,
          Source: EVENT_SOURCE,
          DetailType: event.type,
          Time: Date.parse(event.at) / 1000,
          Detail: JSON.stringify({ ...event, origin: { correlationId, traceparent } }),
        }))
        const answer = (await call("events", "PutEvents", { Entries })) as Put
        if (!answer.FailedEntryCount) return new Set()
        const taken = answer.Entries ?? []
        return new Set(events.flatMap(({ id }, i) => (taken[i] && taken[i].ErrorCode === undefined ? [] : [id])))
      },
      { "messaging.system": "aws_eventbridge", "messaging.batch.message_count": events.length },
    )
