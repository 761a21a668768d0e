import "#core/words.ts"
import * as z from "zod/mini"
import { isAway } from "#core/away.ts"
import { instant } from "#core/clock.ts"
import { DomainEvent } from "#store/domain-event.ts"
import { OPERATOR, type TenantId } from "#store/keys.ts"
import { MESSAGE_LENGTH, type Reason } from "./failures.ts"

/**
 * Calls of functions that nobody waits for: by a schedule, or by the bus for a subscriber. What is given up comes in two
 * forms. Lambda writes a record of a call that has failed for good; the bus and the scheduler leave what they could not
 * hand over, with why beside it.
 */
export type FailedCall = {
  tenant: TenantId
  reason: Reason & { at: string | null }
  received: number
  firstSentAt: string
  redriven: number
  /** What the function was called with; of a letter in neither form, all of it. */
  text: string
  /** What the bus told, if that is what it was called with. */
  event: DomainEvent | undefined
}

type Message = {
  Body: string
  Attributes?: Record<string, string>
  MessageAttributes?: Record<string, { StringValue?: string }>
}

const Said = z.optional(z.string())
/** Lambda's record of a call that it has given up. */
const CallRecord = z.object({
  timestamp: z.iso.datetime(),
  requestContext: z.object({ condition: z.string(), approximateInvokeCount: z.number() }),
  requestPayload: z.unknown(),
  responsePayload: z.nullish(z.object({ errorType: Said, errorMessage: Said })),
})
/** An event as the bus hands it over; how often it was sent back travels inside. */
const FromBus = z.object({ detail: z.extend(DomainEvent, { redriven: z._default(z.number(), 0) }) })

/** What Lambda says of a function that has died: other workers could not have noted anything then, either. */
const died = new Set(["Sandbox.Timedout", "Runtime.ExitError", "Runtime.OutOfMemory"])
const NEITHER = {
  kind: "unreadable",
  code: "unknown",
  message: "no record of a call, and no event of the bus",
} as const
const UNSAID = { kind: "outage", code: "unnoted", message: "nothing says why: whoever called died" } as const

/** Reads a dead letter of either form, or says that it is neither. */
export function readCall(message: Message): FailedCall {
  const { Body, Attributes = {} } = message
  const body = parsed(Body)
  const sentAt = instant(Number(Attributes.SentTimestamp ?? 0))
  const record = CallRecord.safeParse(body)
  const { event, redriven } = told(record.success ? record.data.requestPayload : body)
  const about = { tenant: event?.tenant ?? OPERATOR, firstSentAt: event?.at ?? sentAt, redriven, event }
  if (record.success) {
    const { timestamp, requestContext, requestPayload } = record.data
    return {
      ...about,
      reason: { ...failed(record.data), at: timestamp },
      received: requestContext.approximateInvokeCount,
      text: JSON.stringify(requestPayload) ?? "",
    }
  }
  const handed = undelivered(message)
  const received = handed?.received ?? Number(Attributes.ApproximateReceiveCount ?? 0)
  const reason = handed ? { ...handed.reason, at: sentAt } : event ? { ...UNSAID, at: null } : { ...NEITHER, at: null }
  return { ...about, reason, received, text: Body }
}

function failed({ requestContext: { condition }, responsePayload }: z.output<typeof CallRecord>): Reason {
  const { errorType: type, errorMessage: message = "" } = responsePayload ?? {}
  const code = type === undefined ? condition : codeIn(type, message)
  // Where no error is named, the function was never called for want of room, or died.
  const isOutage = type === undefined || died.has(type) || isAway(withCode(code))
  return { kind: isOutage ? "outage" : "fault", code, message: message.slice(0, MESSAGE_LENGTH) }
}

/** Lambda keeps an error's name and message, and not its code: AWS's and the network's stand in their messages. */
function codeIn(type: string, message: string): string {
  if (type === "AwsError") return /^\w+/.exec(message)?.[0] ?? type
  if (type !== "Error") return type
  if (/^(socket hang up|the answer was cut off)$/.test(message)) return "ECONNRESET"
  if (message.startsWith("no answer in ")) return "ETIMEDOUT"
  return message.match(/\bE[A-Z_]{4,}\b/g)?.find((word) => isAway(withCode(word))) ?? type
}
const withCode = (code: string) => Object.assign(new Error(), { code })

/** What the bus and the scheduler say beside what they could not hand over. */
function undelivered({ MessageAttributes = {} }: Message): { reason: Reason; received: number } | undefined {
  const said = (name: string) => MessageAttributes[name]?.StringValue
  const code = said("ERROR_CODE")
  if (code === undefined) return undefined
  // They try again only what may do well in a moment.
  const kind = said("EXHAUSTED_RETRY_CONDITION") === undefined ? "fault" : "outage"
  const message = (said("ERROR_MESSAGE") ?? "").slice(0, MESSAGE_LENGTH)
  return { reason: { kind, code, message }, received: Number(said("RETRY_ATTEMPTS") ?? 0) + 1 }
}

function told(payload: unknown): { event: DomainEvent | undefined; redriven: number } {
  const read = FromBus.safeParse(payload)
  if (!read.success) return { event: undefined, redriven: 0 }
  const { redriven, ...event } = read.data.detail
  return { event, redriven }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
