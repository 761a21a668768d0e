import { dimensions, NAMESPACE } from "#platform/emf.ts"
import { type FunctionName, functions as facts, factsOf, schedules as scheduleFacts } from "#platform/topology.ts"
import { each, type Model, type Rules } from "../model.ts"
import { factsOfQueue } from "./queues.ts"

type Alarm = Model["alarms"][number]

const rises = ({ comparisonOperator }: Alarm) => comparisonOperator === "GreaterThanOrEqualToThreshold"
const ofFunction = (metric: string, resource: string) => (alarm: Alarm) =>
  alarm.namespace === "AWS/Lambda" && alarm.metricName === metric && alarm.dimensions?.FunctionName === resource
const ofQueue = (metric: string, name: string) => (alarm: Alarm) =>
  alarm.namespace === "AWS/SQS" && alarm.metricName === metric && alarm.dimensions?.QueueName === name
const anyOf = (alarm: Alarm) => rises(alarm) && alarm.statistic === "Sum" && alarm.threshold === 1
/** A door's alarm that reckons: with which metrics of this function, by which expression, for how many windows of five minutes. */
const reckons =
  (resource: string, measured: string[], expression: string, [threshold, windows]: [number, number]) =>
  (alarm: Alarm) =>
    rises(alarm) &&
    alarm.threshold === threshold &&
    alarm.evaluationPeriods === windows &&
    alarm.metrics.map(({ metricName, stat }) => `${metricName} ${stat}`).join() === measured.join() &&
    alarm.metrics.every(
      ({ id, namespace, metricName, dimensions, period }) =>
        id === metricName.replace(/^U/, "u") &&
        namespace === "AWS/Lambda" &&
        dimensions?.FunctionName === resource &&
        period === 300,
    ) &&
    alarm.metricQueries
      ?.filter(({ returnData }) => returnData)
      .map((one) => one.expression)
      .join() === expression
/** Whoever is on call hears of what goes wrong no later than this. */
const HEARD_SECONDS = 900
const spanOf = ({ metrics, evaluationPeriods }: Alarm) =>
  evaluationPeriods * Math.max(...metrics.map((one) => one.period))
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
            one.metricName === "octant_redis_away" &&
            // With a label it would be another metric, of which no alarm knows.
            dimensions.octant_redis_away?.length === 0 &&
            JSON.stringify(one.dimensions) === JSON.stringify({ service: resource }) &&
            one.statistic === "Maximum" &&
            one.threshold === 1 &&
            rises(one),
        ),
      ({ resource }) => resource,
    ),

  "a door wakes somebody up that answers one in a hundred with 5xx for ten minutes, and more than one": ({
    functions,
    alarms,
  }) =>
    each(
      functions,
      ({ resource, url }) => {
        const share = "IF(url5xxCount >= 2, 100 * url5xxCount / urlRequestCount, 0)"
        const watches = reckons(resource, ["Url5xxCount Sum", "UrlRequestCount Sum"], share, [1, 2])
        return url !== undefined && !alarms.some(watches)
      },
      ({ resource }) => resource,
    ),

  "a door wakes somebody up where the slowest twentieth of a hundred or more wait for half a second": ({
    functions,
    alarms,
  }) =>
    each(
      functions,
      ({ resource, url }) => {
        const late = "IF(urlRequestCount >= 100, urlRequestLatency, 0)"
        const watches = reckons(resource, ["UrlRequestLatency p95", "UrlRequestCount Sum"], late, [500, 3])
        return url !== undefined && !alarms.some(watches)
      },
      ({ resource }) => resource,
    ),

  "a failure that a function only tells its log wakes somebody up": ({ functions, alarms, filters }) =>
    each(
      functions,
      ({ log }) => {
        const counted = filters.find(
          ({ logGroupName, pattern, metricTransformation: { value } }) =>
            logGroupName === log?.name &&
            value === "1" &&
            ['"error"', '"*.failed"', '"*.unreadable"'].every((name) => pattern.includes(`$.name = ${name}`)),
        )
        const { namespace, name } = counted?.metricTransformation ?? {}
        return !alarms.some((one) => one.namespace === namespace && one.metricName === name && anyOf(one))
      },
      ({ resource }) => resource,
    ),

  "a failure's count costs nothing while nothing fails": ({ filters }) =>
    each(
      filters,
      ({ metricTransformation }) => metricTransformation.defaultValue !== undefined,
      ({ resource }) => resource,
    ),

  "every dead letter wakes somebody up": ({ deadLetters, alarms }) =>
    each(
      deadLetters,
      (dead) =>
        !alarms.some(
          (one) =>
            ofQueue("ApproximateNumberOfMessagesVisible", nameOf(dead))(one) &&
            rises(one) &&
            one.statistic === "Maximum" &&
            one.threshold === 1,
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
            one.statistic === "Maximum" &&
            one.threshold === factsOfQueue(queue)?.oldestSeconds &&
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
            one.statistic === "Sum" &&
            one.threshold === 1 &&
            one.treatMissingData === "breaching" &&
            Object.values(scheduleFacts).some(
              (fact) => fact.function === job?.name && spanOf(one) === (4 * fact.everyMs) / 1000,
            ),
        ),
      ({ resource }) => resource,
    ),

  "of what goes wrong somebody hears within a quarter of an hour, and of nothing that is not told": ({ alarms }) =>
    each(
      alarms.filter(rises),
      (alarm) => spanOf(alarm) > HEARD_SECONDS || alarm.treatMissingData !== "notBreaching",
      ({ resource }) => resource,
    ),

  "every alarm is heard": ({ alarms, topics }) =>
    each(
      alarms,
      ({ alarmActions = [] }) => !topics.some(({ arn }) => alarmActions.includes(arn)),
      ({ resource }) => resource,
    ),
}
