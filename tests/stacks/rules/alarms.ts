import { dimensions, NAMESPACE } from "#platform/emf.ts"
import { type FunctionName, functions as facts, factsOf } from "#platform/topology.ts"
import { each, type Model, type Rules } from "../model.ts"

type Alarm = Model["alarms"][number]

const rises = ({ comparisonOperator }: Alarm) => comparisonOperator === "GreaterThanOrEqualToThreshold"
const ofFunction = (metric: string, resource: string) => (alarm: Alarm) =>
  alarm.namespace === "AWS/Lambda" && alarm.metricName === metric && alarm.dimensions?.FunctionName === resource
const ofQueue = (metric: string, name: string) => (alarm: Alarm) =>
  alarm.namespace === "AWS/SQS" && alarm.metricName === metric && alarm.dimensions?.QueueName === name
const anyOf = (alarm: Alarm) => rises(alarm) && alarm.statistic === "Sum" && alarm.threshold === 1
/** The queue's name, as the alarm's dimension has it. */
const nameOf = ({ arn }: { arn: string }) => arn.split(":").at(-1)!

export const alarms: Rules = {
  "each function's errors wake somebody up": ({ functions, alarms }) =>
    each(
      functions,
      ({ resource }) => !alarms.some((one) => ofFunction("Errors", resource)(one) && anyOf(one)),
      ({ resource }) => resource,
    ),

  "each function's throttles wake somebody up": ({ functions, alarms }) =>
    each(
      functions,
      ({ resource }) => !alarms.some((one) => ofFunction("Throttles", resource)(one) && anyOf(one)),
      ({ resource }) => resource,
    ),

  "a function that has become slow wakes somebody up, long before it is cut off": ({ functions, alarms }) =>
    each(
      functions,
      ({ resource, name, timeout }) => {
        const slowMs = facts[name as FunctionName]?.slowMs ?? Number.POSITIVE_INFINITY
        const watched = alarms.some(
          (one) =>
            ofFunction("Duration", resource)(one) &&
            rises(one) &&
            one.extendedStatistic === "p99" &&
            one.threshold === slowMs,
        )
        return !watched || slowMs > timeout * 1000 * 0.9
      },
      ({ resource }) => resource,
    ),

  "a function that has lost Redis wakes somebody up, by the figure that it tells": ({ functions, alarms }) =>
    each(
      functions,
      ({ resource, name }) =>
        name in facts &&
        (factsOf(name as FunctionName).settings ?? []).includes("OCTANT_REDIS_URL") &&
        !alarms.some(
          (one) =>
            one.namespace === NAMESPACE &&
            one.metricName in dimensions &&
            one.metricName === "octant_redis_away" &&
            JSON.stringify(one.dimensions) === JSON.stringify({ service: resource }) &&
            one.statistic === "Maximum" &&
            one.threshold === 1 &&
            rises(one),
        ),
      ({ resource }) => resource,
    ),

  "a function that answers 500 wakes somebody up": ({ functions, alarms }) =>
    each(
      functions,
      ({ resource, url }) =>
        url !== undefined && !alarms.some((one) => ofFunction("Url5xxCount", resource)(one) && anyOf(one)),
      ({ resource }) => resource,
    ),

  "a failure that a function only tells its log wakes somebody up": ({ functions, alarms, filters }) =>
    each(
      functions,
      ({ log }) => {
        const counted = filters.find(
          ({ logGroupName, pattern }) => logGroupName === log?.name && pattern.includes('"*.failed"'),
        )
        const { namespace, name } = counted?.metricTransformation ?? {}
        return !alarms.some((one) => one.namespace === namespace && one.metricName === name && anyOf(one))
      },
      ({ resource }) => resource,
    ),

  "every dead letter wakes somebody up": ({ deadLetters, alarms }) =>
    each(
      deadLetters,
      (dead) =>
        !alarms.some(
          (one) =>
            ofQueue("ApproximateNumberOfMessagesVisible", nameOf(dead))(one) && rises(one) && one.threshold === 1,
        ),
      ({ resource }) => resource,
    ),

  "a message that waits too long wakes somebody up": ({ queues, alarms }) =>
    each(
      queues,
      (queue) =>
        !alarms.some(
          (one) =>
            ofQueue("ApproximateAgeOfOldestMessage", nameOf(queue))(one) &&
            rises(one) &&
            one.threshold < (queue.messageRetentionSeconds ?? 0),
        ),
      ({ resource }) => resource,
    ),

  "a schedule that has fallen silent wakes somebody up": ({ schedules, alarms }) =>
    each(
      schedules,
      ({ job }) =>
        !alarms.some(
          (one) =>
            ofFunction("Invocations", job?.resource ?? "")(one) &&
            one.comparisonOperator === "LessThanThreshold" &&
            one.treatMissingData === "breaching",
        ),
      ({ resource }) => resource,
    ),

  "every alarm is heard": ({ alarms, topics }) =>
    each(
      alarms,
      ({ alarmActions = [] }) => !topics.some(({ arn }) => alarmActions.includes(arn)),
      ({ resource }) => resource,
    ),
}
