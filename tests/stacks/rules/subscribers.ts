import * as z from "zod/mini"
import { EVENT_SOURCE } from "#events/domain.ts"
import { type FunctionName, subscribers as facts, factsOf, functions as functionFacts } from "#platform/topology.ts"
import { each, type Model, type Rules, statementsOf } from "../model.ts"
import { all } from "../plan.ts"

const Rule = z.object({ name: z.string(), eventBusName: z.string(), eventPattern: z.string() })
const Pattern = z.strictObject({ source: z.array(z.string()), "detail-type": z.array(z.string()) })
const Target = z.object({
  rule: z.string(),
  eventBusName: z.string(),
  arn: z.string(),
  retryPolicy: z.optional(z.object({ maximumRetryAttempts: z.number(), maximumEventAgeInSeconds: z.number() })),
  deadLetterConfig: z.optional(z.object({ arn: z.string() })),
})
const QueuePolicy = z.object({ queueUrl: z.string(), policy: z.string() })
const Permission = z.object({
  function: z.string(),
  qualifier: z.optional(z.string()),
  principal: z.string(),
  sourceArn: z.optional(z.string()),
})

const names = Object.keys(functionFacts) as FunctionName[]
const publishing = new Set<string>(names.filter((name) => factsOf(name).publishes))
const delaying = new Set<string>(names.filter((name) => factsOf(name).delays))

/** Rules of the bus with what each calls. */
export function busRules({ plan, functions }: Pick<Model, "plan" | "functions">) {
  const targets = all(plan, "aws:cloudwatch/eventTarget:EventTarget", Target)
  return all(plan, "aws:cloudwatch/eventRule:EventRule", Rule).map((rule) => {
    const target = targets.find((one) => one.rule === rule.name && one.eventBusName === rule.eventBusName)
    const pattern = Pattern.parse(JSON.parse(rule.eventPattern))
    return { ...rule, pattern, target, job: functions.find(({ live }) => live && live.arn === target?.arn) }
  })
}
/** Whether a permission is for a rule of the bus that calls just this function. */
export const isForRule = (
  model: Pick<Model, "plan" | "functions">,
  permission: { function: string; principal: string; sourceArn?: string | undefined },
) =>
  permission.principal === "events.amazonaws.com" &&
  busRules(model).some(({ arn, job }) => arn === permission.sourceArn && job?.resource === permission.function)

export const subscribers: Rules = {
  "the subscribers are those of the topology, by what they listen to": (model) => {
    const rules = busRules(model)
    return [
      ...each(
        Object.values(facts),
        (fact) =>
          !rules.some(
            ({ job, pattern }) =>
              job?.name === fact.function &&
              pattern.source.join() === EVENT_SOURCE &&
              pattern["detail-type"].join() === fact.events.join(),
          ),
        (fact) => `${fact.function}: ${fact.events.join(", ")}`,
      ),
      ...each(
        rules,
        ({ job }) => !Object.values(facts).some((fact) => fact.function === job?.name),
        ({ resource }) => `${resource}: the topology does not know it`,
      ),
    ]
  },

  "each subscriber may be called by its rule, at its live version, and again if it must": (model) => {
    const permissions = all(model.plan, "aws:lambda/permission:Permission", Permission)
    return each(
      busRules(model),
      ({ arn, job, target }) =>
        !target?.retryPolicy?.maximumRetryAttempts ||
        !permissions.some((one) => one.function === job?.resource && one.qualifier === "live" && one.sourceArn === arn),
      ({ resource }) => resource,
    )
  },

  "what the bus cannot hand over is kept, and only this rule may keep it there": (model) => {
    const policies = all(model.plan, "aws:sqs/queuePolicy:QueuePolicy", QueuePolicy)
    return each(
      busRules(model),
      ({ arn, target }) => {
        const dead = model.deadLetters.find((one) => one.arn === target?.deadLetterConfig?.arn)
        const may = policies
          .filter(({ queueUrl }) => dead && queueUrl.endsWith(`/${dead.resource}`))
          .flatMap(({ policy }) => statementsOf(policy))
        return (
          !dead ||
          dead.fifoQueue ||
          may.length !== 1 ||
          may[0]!.Action.join() !== "sqs:SendMessage" ||
          may[0]!.Resource.join() !== dead.arn ||
          !JSON.stringify(may[0]!.Principal).includes("events.amazonaws.com") ||
          !JSON.stringify(may[0]!.Condition).includes(arn)
        )
      },
      ({ resource }) => resource,
    )
  },

  "what a subscriber fails at is tried again, then kept, and it may keep it": (model) =>
    each(
      busRules(model).flatMap(({ job }) => job ?? []),
      ({ resource, grants }) => {
        const failure = model.failures.find(
          ({ functionName, qualifier }) => functionName === resource && qualifier === "live",
        )
        const destination = failure?.destinationConfig?.onFailure.destination
        return (
          !failure?.maximumRetryAttempts ||
          !model.deadLetters.some(({ arn }) => arn === destination) ||
          !grants.some(
            ({ Action, Resource }) => Action.includes("sqs:SendMessage") && Resource.includes(destination ?? ""),
          )
        )
      },
      ({ resource }) => resource,
    ),

  "only who works a queue by a schedule of its own may hide its messages": ({ queues, functions }) =>
    functions.flatMap(({ resource, name, grants }) =>
      each(
        queues,
        ({ arn, worker }) =>
          grants.some(
            ({ Action, Resource }) => Action.includes("sqs:ChangeMessageVisibility") && Resource.includes(arn),
          ) && !(worker?.name === name && delaying.has(name)),
        (queue) => `${resource}: ${queue.resource}`,
      ),
    ),

  "only who publishes may put events on the bus": ({ functions }) =>
    each(
      functions,
      ({ name, grants }) => grants.some(({ Action }) => Action.includes("events:PutEvents")) !== publishing.has(name),
      ({ resource }) => resource,
    ),
}
