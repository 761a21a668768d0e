import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { beforeAll, describe, expect, test } from "vitest"
import { collectPaths } from "#api/collect.ts"
import { functions } from "#platform/topology.ts"
import { modelOf } from "./model.ts"
import type { Plan } from "./plan.ts"
import { broken, rules } from "./rules/rules.ts"
import { stages } from "./stages.ts"
import { startingComplaints } from "./starts.ts"
import { root, synth } from "./synth.ts"

const plans = new Map<string, Plan>()
beforeAll(async () => {
  for (const { stage, environment } of stages) plans.set(stage, await synth({ stage, environment }))
})

describe.each(stages)("$stage", ({ stage }) => {
  test.each(Object.keys(rules))("%s", (rule) => expect(broken(plans.get(stage)!)[rule] ?? []).toEqual([]))

  test("each function starts in the environment that it has, and looks at all of it", async () =>
    expect(await startingComplaints(plans.get(stage)!)).toEqual([]))

  test("whatever the stage, the same is deployed", () => {
    const { functions, queues, deadLetters, schedules, alarms } = modelOf(plans.get(stage)!)
    expect({
      functions: functions.map(({ name }) => name),
      queues: queues.map(({ resource }) => resource),
      deadLetters: deadLetters.map(({ resource }) => resource),
      schedules: schedules.map(({ resource }) => resource),
      alarms: alarms.length,
    }).toEqual({
      functions: [
        "api",
        "append",
        "check",
        "close",
        "collect",
        "deliver",
        "fold",
        "hooks",
        "jobsHigh",
        "jobsLow",
        "notify",
        "poll",
      ],
      queues: [
        "AppendRequestsQueue",
        "DeliveriesRequestsQueue",
        "FoldRequestsQueue",
        "JobsHighRequestsQueue",
        "JobsLowRequestsQueue",
      ],
      deadLetters: ["Append", "Check", "Close", "Deliveries", "Fold", "JobsHigh", "JobsLow", "Notify", "Poll"].map(
        (name) => `${name}DeadQueue`,
      ),
      schedules: ["CheckScheduleSchedule", "CloseScheduleSchedule", "PollScheduleSchedule"],
      alarms: 74,
    })
  })
})

test("the same stacks give the same plan", async () =>
  expect((await synth(stages[0]!)).resources).toEqual(plans.get(stages[0]!.stage)!.resources))

test("what was set is there, and what was not is not", () => {
  const among = (stage: string, type: string) =>
    plans
      .get(stage)!
      .resources.filter((resource) => resource.type === type)
      .map(({ inputs }) => inputs)
  expect(among("staging", "aws:sesv2/emailIdentity:EmailIdentity")).toEqual([])
  expect(among("staging", "aws:sns/topicSubscription:TopicSubscription")).toEqual([])
  expect(among("staging", "aws:cloudfront/distribution:Distribution")).toMatchObject([{ aliases: [] }])
  expect(among("production", "aws:sesv2/emailIdentity:EmailIdentity")).toMatchObject([
    { emailIdentity: "mail.octant.example" },
  ])
  expect(among("production", "aws:sns/topicSubscription:TopicSubscription")).toMatchObject([
    { protocol: "email", endpoint: "operators@octant.example" },
  ])
  expect(among("production", "aws:cloudfront/distribution:Distribution")).toMatchObject([
    { aliases: ["octant.example"] },
  ])
})

test("the router sends to collect what collect answers, here and there", () =>
  expect(new Set(functions.collect.paths)).toEqual(collectPaths))

test("the stacks type-check against SST's own types", () =>
  expect(() =>
    execFileSync(join(root, "node_modules/.bin/tsc"), ["--noEmit", "-p", "stacks"], { cwd: root, encoding: "utf8" }),
  ).not.toThrow())
