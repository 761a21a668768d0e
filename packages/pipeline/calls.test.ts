import { describe, expect, test } from "vitest"
import { OPERATOR, type TenantId } from "#store/keys.ts"
import { happened } from "#store/outbox.ts"
import { readCall } from "./calls.ts"

const at = "2026-01-31T12:00:00.000Z"
const event = happened("acme" as TenantId, "alert.opened", "al_1", { at, data: { id: "al_1" } })
/** As the bus hands it over. */
const handed = {
  version: "0",
  id: "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
  "detail-type": event.type,
  source: "octant",
  account: "123456789012",
  time: "2026-01-31T12:00:00Z",
  region: "eu-central-1",
  resources: [],
  detail: { ...event, origin: { correlationId: "order-7" } },
}
const Attributes = { SentTimestamp: "1769864400000", ApproximateReceiveCount: "2" }

/** As Lambda writes it for a destination of failures. */
const record = (responsePayload: unknown, requestPayload: unknown = handed, condition = "RetriesExhausted") =>
  JSON.stringify({
    version: "1.0",
    timestamp: "2026-01-31T12:03:09.568Z",
    requestContext: {
      requestId: "e4b46cbf-b738-4ea1-8880-a18cdf61200e",
      functionArn: "arn:aws:lambda:eu-central-1:123456789012:function:octant-production-NotifyFunction-abcd:live",
      condition,
      approximateInvokeCount: 3,
    },
    requestPayload,
    ...(responsePayload === undefined
      ? {}
      : {
          responseContext: { statusCode: 200, executedVersion: "7", functionError: "Unhandled" },
          responsePayload,
        }),
  })
const failed = (errorType: string, errorMessage: string) =>
  record({ errorType, errorMessage, trace: ["Error", "  at x"] })
const reasonIn = (Body: string) => {
  const { kind, code } = readCall({ Body, Attributes }).reason
  return `${kind}: ${code}`
}

describe("a call that Lambda has given up", () => {
  test("is told of with its event, why, when, and how often it was tried", () => {
    const Body = failed("TypeError", "Cannot read properties of undefined (reading 'id')")
    expect(readCall({ Body, Attributes })).toEqual({
      tenant: "acme",
      event,
      redriven: 0,
      reason: {
        kind: "fault",
        code: "TypeError",
        message: "Cannot read properties of undefined (reading 'id')",
        at: "2026-01-31T12:03:09.568Z",
      },
      received: 3,
      firstSentAt: at,
      text: JSON.stringify(handed),
    })
  })

  test.each([
    ["AwsError", "ProvisionedThroughputExceededException: slow down", "outage: ProvisionedThroughputExceededException"],
    ["AwsError", "AccessDeniedException: no", "fault: AccessDeniedException"],
    ["Error", "socket hang up", "outage: ECONNRESET"],
    ["Error", "the answer was cut off", "outage: ECONNRESET"],
    ["Error", "no answer in 5000 ms", "outage: ETIMEDOUT"],
    ["Error", "connect ECONNREFUSED 127.0.0.1:8000", "outage: ECONNREFUSED"],
    ["Error", "EVERYTHING is wrong", "fault: Error"],
    ["Sandbox.Timedout", "RequestId: 1 Error: Task timed out after 30.00 seconds", "outage: Sandbox.Timedout"],
    ["Runtime.ExitError", "RequestId: 1 Error: Runtime exited with error: signal: killed", "outage: Runtime.ExitError"],
    ["Runtime.ImportModuleError", "Error: Cannot find module 'notify'", "fault: Runtime.ImportModuleError"],
    ["ZodError", "[]", "fault: ZodError"],
  ])("by %s, %s is an %s", (type, message, reason) => expect(reasonIn(failed(type, message))).toBe(reason))

  test("and that was never worked waited for room in vain", () =>
    expect(reasonIn(record(undefined, handed, "EventAgeExceeded"))).toBe("outage: EventAgeExceeded"))

  test("of a schedule is nobody's, and carries what the schedule said", () => {
    const call = readCall({
      Body: record({ errorMessage: "Process exited before completing request" }, {}),
      Attributes,
    })
    expect(call).toMatchObject({ tenant: OPERATOR, event: undefined, text: "{}", received: 3 })
    expect(call.firstSentAt).toBe("2026-01-31T13:00:00.000Z")
    expect(call.reason).toMatchObject({ kind: "outage", code: "RetriesExhausted" })
  })

  test("tells how often it has been sent back", () => {
    const again = { ...handed, detail: { ...handed.detail, redriven: 1 } }
    expect(readCall({ Body: record({ errorType: "TypeError" }, again), Attributes })).toMatchObject({
      redriven: 1,
      event,
    })
  })
})

describe("what could not be handed over", () => {
  const text = (StringValue: string) => ({ DataType: "String", StringValue })
  const beside = {
    RULE_ARN: text("arn:aws:events:eu-central-1:123456789012:rule/octant-production-bus/octant-production-Notify"),
    TARGET_ARN: text("arn:aws:lambda:eu-central-1:123456789012:function:octant-production-NotifyFunction-abcd:live"),
    ERROR_CODE: text("NO_PERMISSIONS"),
    ERROR_MESSAGE: text("Lambda was not authorized"),
  }
  const Body = JSON.stringify(handed)

  test("by the bus has why beside it", () => {
    expect(readCall({ Body, Attributes, MessageAttributes: beside })).toEqual({
      tenant: "acme",
      event,
      redriven: 0,
      reason: {
        kind: "fault",
        code: "NO_PERMISSIONS",
        message: "Lambda was not authorized",
        at: "2026-01-31T13:00:00.000Z",
      },
      received: 1,
      firstSentAt: at,
      text: Body,
    })
  })

  test("however often it was tried is an outage's", () => {
    const tried = {
      ...beside,
      ERROR_CODE: text("THROTTLING"),
      EXHAUSTED_RETRY_CONDITION: text("MaximumEventAgeInSeconds"),
      RETRY_ATTEMPTS: text("180"),
    }
    expect(readCall({ Body, Attributes, MessageAttributes: tried })).toMatchObject({
      reason: { kind: "outage", code: "THROTTLING" },
      received: 181,
    })
  })

  test("by a schedule has why beside it too", () => {
    const { RULE_ARN: _, ...others } = beside
    const MessageAttributes = {
      ...others,
      SCHEDULE_ARN: text("arn:aws:scheduler:eu-central-1:123456789012:schedule/default/octant-production-Close"),
      SCHEDULED_TIME: text("2026-01-31T12:00:00Z"),
      EXECUTION_ID: text("e1"),
      IS_PAYLOAD_TRUNCATED: text("false"),
    }
    expect(readCall({ Body: "{}", Attributes, MessageAttributes })).toMatchObject({
      tenant: OPERATOR,
      event: undefined,
      reason: { kind: "fault", code: "NO_PERMISSIONS" },
      text: "{}",
    })
  })

  test("without a word beside it has died with whoever called", () => expect(reasonIn(Body)).toBe("outage: unnoted"))
})

test.each(["junk", "null", '"text"', "{}", '{"detail":{"tenant":"acme"}}', ""])(
  "a letter of neither form, %s, is shown as it is, and is nobody's",
  (Body) => {
    expect(readCall({ Body, Attributes })).toMatchObject({
      tenant: OPERATOR,
      event: undefined,
      redriven: 0,
      received: 2,
      reason: { kind: "unreadable", code: "unknown", at: null },
      text: Body,
    })
  },
)
