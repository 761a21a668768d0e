import { readFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, expect, test } from "vitest"
import type { Plan } from "./plan.ts"
import { stages } from "./stages.ts"
import { root, synth } from "./synth.ts"

type Statement = { Sid: string; Effect: "Allow" | "Deny"; Action: string[]; Resource: string[] }
const role = JSON.parse(readFileSync(join(root, "stacks/deploy-role.json"), "utf8")) as {
  trust: { Statement: { Condition: Record<string, Record<string, string>> }[] }
  permissions: { Statement: Statement[] }
}
const allowed = role.permissions.Statement.filter(({ Effect }) => Effect === "Allow")
const actions = allowed.flatMap(({ Action }) => Action)
const serviceOf = (action: string) => action.split(":")[0]!

let plan: Plan
beforeAll(async () => {
  plan = await synth(stages[2]!)
})

/** Resources are called by their service, but for some. */
const services: Record<string, string> = { sesv2: "ses" }
const elsewhere: Record<string, string> = {
  "aws:cloudwatch/eventArchive:EventArchive": "events",
  "aws:cloudwatch/eventBus:EventBus": "events",
  "aws:cloudwatch/eventRule:EventRule": "events",
  "aws:cloudwatch/eventTarget:EventTarget": "events",
  "aws:cloudwatch/logGroup:LogGroup": "logs",
  "aws:cloudwatch/logMetricFilter:LogMetricFilter": "logs",
}
const serviceOfType = (type: string) => {
  const name = type.split(":")[1]!.split("/")[0]!
  return elsewhere[type] ?? services[name] ?? name
}

test("a deployment may touch the services that the stacks use, SST's own state, and no others", () => {
  const used = new Set(
    plan.resources.filter(({ type }) => type.startsWith("aws:")).map(({ type }) => serviceOfType(type)),
  )
  const ofSst = ["ssm", "sts", "cloudfront-keyvaluestore"]
  expect([...new Set(actions.map(serviceOf))].sort()).toEqual([...used, ...ofSst].sort())
})

test("no action is a pattern, and none stands twice in a statement", () => {
  expect(actions.filter((action) => !/^[a-z0-9-]+:[A-Z][A-Za-z0-9]+$/.test(action))).toEqual([])
  for (const { Sid, Action } of role.permissions.Statement) expect(new Set(Action).size, Sid).toBe(Action.length)
})

test("only what has no name before it is there is granted on everything", () =>
  expect(allowed.filter(({ Resource }) => Resource.includes("*")).map(({ Sid }) => Sid)).toEqual([
    "QueuesOfFunctions",
    "WhatHasNoNameBeforeItIsThere",
  ]))

test("every role, function, queue, table, topic, alarm and log of a stage is within its reach, and no other stage's", () => {
  const reach = allowed
    .flatMap(({ Resource }) => Resource)
    .filter((resource) => resource.includes("octant") && !resource.includes("_BUCKET"))
  expect(reach.filter((resource) => !/octant[-/]STAGE/.test(resource))).toEqual([])
  const named = /^aws:(iam\/role|lambda\/function:|sqs\/queue:|dynamodb|cloudwatch\/(metricAlarm|logGroup))/
  const names = plan.resources
    .filter(({ type }) => named.test(type))
    .map(({ inputs }) => (inputs as { name?: string }).name ?? "")
  expect(names.length).toBeGreaterThan(70)
  expect(names.filter((name) => !/^(octant-production-|\/octant\/production\/)/.test(name))).toEqual([])
})

test("it cannot read what customers sent, nor remove what is kept", () => {
  const denied = new Set(
    role.permissions.Statement.filter(({ Effect }) => Effect === "Deny").flatMap(({ Action }) => Action),
  )
  for (const action of [
    "dynamodb:Scan",
    "dynamodb:GetItem",
    "dynamodb:DeleteTable",
    "kms:Decrypt",
    "kms:ScheduleKeyDeletion",
  ])
    expect(denied).toContain(action)
  expect(actions.filter((action) => denied.has(action))).toEqual([])
})

test("only our repository, in the environment of one stage, may take it", () => {
  const { StringEquals } = role.trust.Statement[0]!.Condition
  expect(StringEquals!["token.actions.githubusercontent.com:sub"]).toBe("repo:OWNER/REPOSITORY:environment:STAGE")
  expect(StringEquals!["token.actions.githubusercontent.com:aud"]).toBe("sts.amazonaws.com")
})
