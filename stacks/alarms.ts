import {
  type FunctionName,
  factsOf,
  functions,
  type QueueName,
  queues as queueFacts,
  type ScheduleName,
  type SubscriberName,
  schedules as scheduleFacts,
  subscribers as subscriberFacts,
} from "#platform/topology.ts"
import { doors } from "./api.ts"
import { pascal } from "./names.ts"
import { queues } from "./queues.ts"
import { schedules } from "./schedules.ts"
import { physical, setting } from "./stage.ts"
import { subscribers } from "./subscribers.ts"
import { workers } from "./workers.ts"

const address = setting("OCTANT_ALARM_EMAIL")
/** Where functions tell their own figures, each under its name. */
const FIGURES = "octant"
const MINUTE_SECONDS = 60
const WINDOW_SECONDS = 5 * MINUTE_SECONDS
/** As the runbook promises it to whoever waits at a door. */
const PROMISED_MS = 500
/** Of fewer requests the slowest twentieth is chance: a start or two. */
const FEWEST_TIMED = 100
/** One answer that failed is not yet a share of them. */
const FEWEST_FAULTS = 2

/** Where all alarms go. */
export const alarms = new sst.aws.SnsTopic("Alarms")
if (address) new aws.sns.TopicSubscription("AlarmsEmail", { topic: alarms.arn, protocol: "email", endpoint: address })

const made = { ...doors, ...workers, ...schedules, ...subscribers } satisfies Record<FunctionName, unknown>
for (const name of Object.keys(functions) as FunctionName[]) watchFunction(name)
for (const name of Object.keys(queues) as QueueName[]) watchQueue(name)
for (const name of Object.keys(schedules) as ScheduleName[]) watchSchedule(name)
for (const name of Object.keys(subscribers) as SubscriberName[])
  watchDead(pascal(subscriberFacts[name].deadLetter), subscribers[name].dead)

function watchFunction(name: FunctionName) {
  const { name: FunctionName, log } = made[name]
  const component = pascal(name)
  const lambda = { namespace: "AWS/Lambda", dimensions: { FunctionName }, period: WINDOW_SECONDS }
  alarm(`${component}Errors`, { ...lambda, metricName: "Errors", statistic: "Sum", threshold: 1 })
  alarm(`${component}Throttles`, { ...lambda, metricName: "Throttles", statistic: "Sum", threshold: 1 })
  alarm(`${component}Slow`, {
    ...lambda,
    metricName: "Duration",
    extendedStatistic: "p99",
    threshold: factsOf(name).slowMs,
    evaluationPeriods: 3,
  })
  if (factsOf(name).settings?.includes("OCTANT_REDIS_URL")) {
    alarm(`${component}Alone`, {
      namespace: FIGURES,
      metricName: "octant_redis_away",
      dimensions: { service: FunctionName },
      statistic: "Maximum",
      period: WINDOW_SECONDS,
      evaluationPeriods: 2,
      threshold: 1,
    })
  }
  if (factsOf(name).paths) watchDoor(component, FunctionName)
  alarm(`${component}Failures`, {
    ...failuresIn(component, log),
    statistic: "Sum",
    period: WINDOW_SECONDS,
    threshold: 1,
  })
}

/** What people see, at the door's URL: starts are in its latency, which they are not in `Duration`. */
function watchDoor(component: string, FunctionName: $util.Output<string>) {
  const measured = (metricName: string, stat: string) => ({
    id: metricName.charAt(0).toLowerCase() + metricName.slice(1),
    metric: { namespace: "AWS/Lambda", metricName, dimensions: { FunctionName }, period: WINDOW_SECONDS, stat },
  })
  const requests = measured("UrlRequestCount", "Sum")
  const watched = (label: string, expression: string) => ({ id: "watched", label, expression, returnData: true })
  alarm(`${component}Faults`, {
    metricQueries: [
      measured("Url5xxCount", "Sum"),
      requests,
      watched("5xx of a hundred", `IF(url5xxCount >= ${FEWEST_FAULTS}, 100 * url5xxCount / urlRequestCount, 0)`),
    ],
    evaluationPeriods: 2,
    threshold: 1,
  })
  alarm(`${component}Late`, {
    metricQueries: [
      measured("UrlRequestLatency", "p95"),
      requests,
      watched("p95 in ms", `IF(urlRequestCount >= ${FEWEST_TIMED}, urlRequestLatency, 0)`),
    ],
    evaluationPeriods: 3,
    threshold: PROMISED_MS,
  })
}

/**
 * Lambda counts a message that fails alone as a success; the log line tells. No value stands for none: CloudWatch
 * charges for a figure in every hour that has one, and no alarm needs it.
 */
function failuresIn(component: string, log: aws.cloudwatch.LogGroup) {
  const metric = { namespace: physical("log"), name: `${component}Failures` }
  new aws.cloudwatch.LogMetricFilter(`${component}FailureCount`, {
    name: metric.name,
    logGroupName: log.name,
    pattern: '{ $.name = "error" || $.name = "*.failed" || $.name = "*.unreadable" }',
    metricTransformation: { ...metric, value: "1" },
  })
  return { namespace: metric.namespace, metricName: metric.name }
}

function watchQueue(name: QueueName) {
  alarm(`${pascal(name)}Waiting`, {
    namespace: "AWS/SQS",
    metricName: "ApproximateAgeOfOldestMessage",
    dimensions: { QueueName: queues[name].live.nodes.queue.name },
    statistic: "Maximum",
    period: MINUTE_SECONDS,
    evaluationPeriods: 3,
    threshold: queueFacts[name].oldestSeconds,
  })
  watchDead(pascal(queueFacts[name].deadLetter), queues[name].dead)
}

function watchDead(component: string, queue: sst.aws.Queue) {
  alarm(`${component}Letters`, {
    namespace: "AWS/SQS",
    metricName: "ApproximateNumberOfMessagesVisible",
    dimensions: { QueueName: queue.nodes.queue.name },
    statistic: "Maximum",
    period: MINUTE_SECONDS,
    threshold: 1,
  })
}

/** A schedule that has stopped makes no errors. */
function watchSchedule(name: ScheduleName) {
  const { function: job, everyMs, deadLetter } = scheduleFacts[name]
  alarm(`${pascal(name)}Silent`, {
    namespace: "AWS/Lambda",
    metricName: "Invocations",
    dimensions: { FunctionName: made[job].name },
    statistic: "Sum",
    period: (4 * everyMs) / 1000,
    comparisonOperator: "LessThanThreshold",
    threshold: 1,
    treatMissingData: "breaching",
  })
  watchDead(pascal(deadLetter), schedules[name].dead)
}

type AlarmArgs = Partial<aws.cloudwatch.MetricAlarmArgs> & Pick<aws.cloudwatch.MetricAlarmArgs, "threshold">

function alarm(component: string, args: AlarmArgs) {
  return new aws.cloudwatch.MetricAlarm(component, {
    name: physical(component),
    comparisonOperator: "GreaterThanOrEqualToThreshold",
    evaluationPeriods: 1,
    treatMissingData: "notBreaching",
    alarmActions: [alarms.arn],
    okActions: [alarms.arn],
    ...args,
  })
}
