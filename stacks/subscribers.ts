import { EVENT_SOURCE } from "#events/domain.ts"
import { subscribers as facts, type SubscriberName } from "#platform/topology.ts"
import { bus } from "./bus.ts"
import { functionOf } from "./function.ts"
import { pascal } from "./names.ts"
import { calls } from "./queues.ts"
import { physical } from "./stage.ts"

const RETRIES = 2
/** As often as it can be within its time, further and further apart: the bus's own usual. */
const HANDINGS = 185
/** How long the bus goes on trying to hand an event over, and Lambda to have it worked. */
const HANDED_SECONDS = 86_400
const WORKED_SECONDS = 21_600

export const subscribers = { notify: subscriber("notify") } satisfies Record<SubscriberName, unknown>

/** Calls a function with events of some types. What cannot be handed over, and what has failed for good, goes to the dead letters. */
function subscriber(name: SubscriberName) {
  const { function: job, events } = facts[name]
  const component = pascal(name)
  const dead = calls[name]
  const made = functionOf(job, { permissions: [{ actions: ["sqs:SendMessage"], resources: [dead.arn] }] })
  const live = { functionName: made.name, qualifier: made.live.name }
  new aws.lambda.FunctionEventInvokeConfig(`${component}OnFailure`, {
    ...live,
    maximumRetryAttempts: RETRIES,
    maximumEventAgeInSeconds: WORKED_SECONDS,
    destinationConfig: { onFailure: { destination: dead.arn } },
  })
  const rule = new aws.cloudwatch.EventRule(`${component}Rule`, {
    name: physical(component),
    eventBusName: bus.name,
    eventPattern: JSON.stringify({ source: [EVENT_SOURCE], "detail-type": events }),
  })
  new aws.lambda.Permission(`${component}Called`, {
    action: "lambda:InvokeFunction",
    function: made.name,
    qualifier: made.live.name,
    principal: "events.amazonaws.com",
    sourceArn: rule.arn,
  })
  new aws.sqs.QueuePolicy(`${component}DeadPolicy`, {
    queueUrl: dead.url,
    policy: aws.iam.getPolicyDocumentOutput({
      statements: [
        {
          principals: [{ type: "Service", identifiers: ["events.amazonaws.com"] }],
          actions: ["sqs:SendMessage"],
          resources: [dead.arn],
          conditions: [{ test: "ArnEquals", variable: "aws:SourceArn", values: [rule.arn] }],
        },
      ],
    }).json,
  })
  new aws.cloudwatch.EventTarget(`${component}Target`, {
    rule: rule.name,
    eventBusName: bus.name,
    arn: made.live.arn,
    retryPolicy: { maximumRetryAttempts: HANDINGS, maximumEventAgeInSeconds: HANDED_SECONDS },
    deadLetterConfig: { arn: dead.arn },
  })
  return { ...made, dead }
}
