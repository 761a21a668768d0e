import { schedules as facts } from "#platform/topology.ts"
import { each, type Rules } from "../model.ts"

const MINUTE_MS = 60_000

export const schedules: Rules = {
  "the schedules are those of the topology": ({ schedules }) =>
    each(
      Object.values(facts),
      (fact) =>
        !schedules.some(
          ({ job, scheduleExpression }) =>
            job?.name === fact.function && scheduleExpression === `rate(${fact.everyMs / MINUTE_MS} minutes)`,
        ),
      (fact) => `${fact.function} every ${fact.everyMs} ms`,
    ),

  "each schedule calls a live version, and again if it must": ({ schedules }) =>
    each(
      schedules,
      ({ job, target }) => !job || !target.retryPolicy?.maximumRetryAttempts,
      ({ resource, target }) => `${resource}: ${target.arn}`,
    ),

  "a schedule's role may call its function and keep what it cannot deliver, and nothing else": ({ schedules, roles }) =>
    each(
      schedules,
      ({ target }) => {
        const may = roles.find(({ arn }) => arn === target.roleArn)?.statements ?? []
        const granted = may.flatMap(({ Action, Resource }) => [`${Action.join()} ${Resource.join()}`])
        const wanted = [`lambda:InvokeFunction ${target.arn}`, `sqs:SendMessage ${target.deadLetterConfig?.arn}`]
        return granted.sort().join() !== wanted.sort().join()
      },
      ({ resource }) => resource,
    ),

  "what a schedule cannot deliver is kept": ({ schedules, deadLetters }) =>
    each(
      schedules,
      // Neither EventBridge nor Lambda puts anything into a FIFO queue.
      ({ target }) => !deadLetters.some(({ arn, fifoQueue }) => arn === target.deadLetterConfig?.arn && !fifoQueue),
      ({ resource }) => resource,
    ),

  "what a scheduled function fails at is tried again, then kept, and it may keep it": ({
    schedules,
    failures,
    deadLetters,
  }) =>
    each(
      schedules.flatMap(({ job }) => job ?? []),
      ({ resource, grants }) => {
        const failure = failures.find(
          ({ functionName, qualifier }) => functionName === resource && qualifier === "live",
        )
        const destination = failure?.destinationConfig?.onFailure.destination
        return (
          !failure?.maximumRetryAttempts ||
          !deadLetters.some(({ arn }) => arn === destination) ||
          !grants.some(
            ({ Action, Resource }) => Action.includes("sqs:SendMessage") && Resource.includes(destination ?? ""),
          )
        )
      },
      ({ resource }) => resource,
    ),
}
