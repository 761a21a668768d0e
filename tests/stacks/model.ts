import * as z from "zod/mini"
import { all, type Plan } from "./plan.ts"

const text = z.string()
const texts = z.optional(z.array(text))

const Statement = z.object({
  Effect: text,
  Action: z.array(text),
  Resource: z.array(text),
  Principal: z.optional(z.unknown()),
  Condition: z.optional(z.unknown()),
})
const Policy = z.object({ Statement: z.array(Statement) })
export type Statement = z.output<typeof Statement>
export const statementsOf = (policy: string) => Policy.parse(JSON.parse(policy)).Statement

const Role = z.object({
  assumeRolePolicy: z.unknown(),
  inlinePolicies: z.optional(z.array(z.object({ policy: text }))),
  managedPolicyArns: texts,
})
const LambdaFunction = z.object({
  role: text,
  handler: text,
  runtime: text,
  architectures: z.array(text),
  timeout: z.number(),
  memorySize: z.number(),
  publish: z.boolean(),
  reservedConcurrentExecutions: z.optional(z.number()),
  environment: z.object({ variables: z.record(text, text) }),
  loggingConfig: z.optional(z.object({ logFormat: text, logGroup: text })),
  tracingConfig: z.optional(z.object({ mode: text })),
})
const LogGroup = z.object({ name: text, retentionInDays: z.optional(z.number()) })
const Alias = z.object({ name: text, functionName: text, functionVersion: text })
const Queue = z.object({
  fifoQueue: z.boolean(),
  visibilityTimeoutSeconds: z.number(),
  messageRetentionSeconds: z.optional(z.number()),
  maxMessageSize: z.optional(z.number()),
  sqsManagedSseEnabled: z.optional(z.boolean()),
  redrivePolicy: z.optional(text),
})
const Redrive = z.object({ deadLetterTargetArn: text, maxReceiveCount: z.number() })
const Mapping = z.object({
  eventSourceArn: text,
  functionName: text,
  batchSize: z.number(),
  maximumBatchingWindowInSeconds: z.number(),
  functionResponseTypes: z.array(text),
  scalingConfig: z.optional(z.object({ maximumConcurrency: z.number() })),
})
const Schedule = z.object({
  scheduleExpression: text,
  target: z.object({
    arn: text,
    roleArn: z.optional(text),
    deadLetterConfig: z.optional(z.object({ arn: text })),
    retryPolicy: z.optional(z.object({ maximumRetryAttempts: z.number() })),
  }),
})
const Failures = z.object({
  functionName: text,
  qualifier: z.optional(text),
  maximumRetryAttempts: z.optional(z.number()),
  maximumEventAgeInSeconds: z.optional(z.number()),
  destinationConfig: z.optional(z.object({ onFailure: z.object({ destination: text }) })),
})
const Measured = z.object({
  namespace: text,
  metricName: text,
  dimensions: z.optional(z.record(text, text)),
  period: z.number(),
})
const Alarm = z.object({
  ...z.partial(Measured).shape,
  statistic: z.optional(text),
  extendedStatistic: z.optional(text),
  metricQueries: z.optional(
    z.array(
      z.object({
        id: text,
        metric: z.optional(z.extend(Measured, { stat: text })),
        expression: z.optional(text),
        returnData: z.optional(z.boolean()),
      }),
    ),
  ),
  evaluationPeriods: z.number(),
  threshold: z.number(),
  comparisonOperator: text,
  treatMissingData: text,
  alarmActions: texts,
})
const Filter = z.object({
  logGroupName: text,
  pattern: text,
  metricTransformation: z.object({
    namespace: text,
    name: text,
    value: z.optional(text),
    defaultValue: z.optional(text),
  }),
})
const Url = z.object({
  functionName: text,
  qualifier: z.optional(text),
  authorizationType: z.optional(text),
  cors: z.optional(z.unknown()),
})

/** A plan by its nouns, and which belongs to which. */
export function modelOf(plan: Plan) {
  const roles = all(plan, "aws:iam/role:Role", Role).map(
    ({ inlinePolicies = [], managedPolicyArns = [], ...role }) => ({
      ...role,
      managed: managedPolicyArns,
      statements: inlinePolicies.flatMap(({ policy }) => statementsOf(policy)),
    }),
  )
  const logs = all(plan, "aws:cloudwatch/logGroup:LogGroup", LogGroup)
  const aliases = all(plan, "aws:lambda/alias:Alias", Alias)
  const urls = all(plan, "aws:lambda/functionUrl:FunctionUrl", Url)
  const functions = all(plan, "aws:lambda/function:Function", LambdaFunction).map((made) => {
    const name = made.resource.replace(/Function$/, "")
    return {
      ...made,
      /** By which the stacks know it, and the topology: `Collect`, `collect`. */
      component: name,
      name: name.charAt(0).toLowerCase() + name.slice(1),
      grants: roles.find(({ arn }) => arn === made.role)?.statements ?? [],
      log: logs.find((log) => log.name === made.loggingConfig?.logGroup),
      live: aliases.find(({ functionName }) => functionName === made.resource),
      url: urls.find(({ functionName }) => functionName === made.resource),
      bundle: plan.functions.find((one) => one.name === name),
    }
  })
  const mappings = all(plan, "aws:lambda/eventSourceMapping:EventSourceMapping", Mapping)
  const schedules = all(plan, "aws:scheduler/schedule:Schedule", Schedule).map((schedule) => ({
    ...schedule,
    job: functions.find(({ live }) => live?.arn === schedule.target.arn),
  }))
  const queues = all(plan, "aws:sqs/queue:Queue", Queue).map(({ redrivePolicy, ...queue }) => {
    const mapping = mappings.find(({ eventSourceArn }) => eventSourceArn === queue.arn)
    return {
      ...queue,
      redrive: redrivePolicy === undefined ? undefined : Redrive.parse(JSON.parse(redrivePolicy)),
      mapping,
      worker: functions.find(({ live, arn }) => mapping && [live?.arn, arn].includes(mapping.functionName)),
    }
  })
  const failures = all(plan, "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig", Failures)
  const dead = new Set([
    ...queues.flatMap(({ redrive }) => redrive?.deadLetterTargetArn ?? []),
    ...schedules.flatMap(({ target }) => target.deadLetterConfig?.arn ?? []),
    ...failures.flatMap(({ destinationConfig }) => destinationConfig?.onFailure.destination ?? []),
  ])
  return {
    plan,
    production: plan.app.stage === "production",
    shared: ["production", "staging"].includes(plan.app.stage),
    roles,
    functions,
    queues: queues.filter(({ arn }) => !dead.has(arn)),
    deadLetters: queues.filter(({ arn }) => dead.has(arn)),
    schedules,
    failures,
    alarms: all(plan, "aws:cloudwatch/metricAlarm:MetricAlarm", Alarm).map((alarm) => ({
      ...alarm,
      /** What it looks at: a metric, or those that it reckons with. AWS charges for each. */
      metrics: alarm.metricQueries
        ? alarm.metricQueries.flatMap(({ id, metric }) => (metric ? [{ id, ...metric }] : []))
        : [{ id: "", stat: alarm.extendedStatistic ?? alarm.statistic, ...Measured.parse(alarm) }],
    })),
    filters: all(plan, "aws:cloudwatch/logMetricFilter:LogMetricFilter", Filter),
    topics: all(plan, "aws:sns/topic:Topic", z.object({})),
    urls,
  }
}
export type Model = ReturnType<typeof modelOf>

/** What a rule has to say of a plan: nothing, if it is kept. */
export type Rule = (model: Model) => string[]
/** Rules by the sentence that each of them says. */
export type Rules = Record<string, Rule>

/** What is said of each of those to which it applies. */
export const each = <T>(of: readonly T[], applies: (one: T) => boolean, said: (one: T) => string) =>
  of.filter(applies).map(said)
