import { readFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, expect, test } from "vitest"
import type { Plan } from "./plan.ts"
import { ensurePlatform } from "./platform.ts"
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

/** How each kind of resource gets its tags and shows them, and by what it is known in a policy. */
const tagged: Record<string, [give: string, show: string, on: string]> = {
  "aws:acm/certificate:Certificate": ["acm:AddTagsToCertificate", "acm:ListTagsForCertificate", "*"],
  "aws:cloudfront/distribution:Distribution": ["cloudfront:TagResource", "cloudfront:ListTagsForResource", "*"],
  "aws:cloudwatch/eventBus:EventBus": ["events:TagResource", "events:ListTagsForResource", ":event-bus/"],
  "aws:cloudwatch/eventRule:EventRule": ["events:TagResource", "events:ListTagsForResource", ":rule/"],
  "aws:cloudwatch/logGroup:LogGroup": ["logs:TagResource", "logs:ListTagsForResource", ":log-group:"],
  "aws:cloudwatch/metricAlarm:MetricAlarm": ["cloudwatch:TagResource", "cloudwatch:ListTagsForResource", ":alarm:"],
  "aws:dynamodb/table:Table": ["dynamodb:TagResource", "dynamodb:ListTagsOfResource", ":table/"],
  "aws:iam/role:Role": ["iam:TagRole", "iam:GetRole", ":role/"],
  "aws:kms/key:Key": ["kms:TagResource", "kms:ListResourceTags", ":key/"],
  "aws:lambda/eventSourceMapping:EventSourceMapping": [
    "lambda:TagResource",
    "lambda:ListTags",
    ":event-source-mapping:",
  ],
  "aws:lambda/function:Function": ["lambda:TagResource", "lambda:ListTags", ":function:"],
  "aws:s3/bucket:Bucket": ["s3:PutBucketTagging", "s3:GetBucketTagging", ":::octant-"],
  "aws:s3/bucketObjectv2:BucketObjectv2": ["s3:PutObjectTagging", "s3:GetObjectTagging", ":::ASSET_BUCKET/"],
  "aws:sesv2/configurationSet:ConfigurationSet": ["ses:TagResource", "ses:ListTagsForResource", ":configuration-set/"],
  "aws:sesv2/emailIdentity:EmailIdentity": ["ses:TagResource", "ses:ListTagsForResource", ":identity/"],
  "aws:sns/topic:Topic": ["sns:TagResource", "sns:ListTagsForResource", ":sns:"],
  "aws:sqs/queue:Queue": ["sqs:TagQueue", "sqs:ListQueueTags", ":sqs:"],
}

test("whatever carries the tags of a stage may be given them by a deployment: without that nothing could be made", () => {
  const types = new Set(plan.resources.filter(({ type }) => type.startsWith("aws:")).map(({ type }) => type))
  const described = (type: string) =>
    join(ensurePlatform(root), "node_modules/@pulumi/aws", `${type.split(":")[1]}.d.ts`)
  const withTags = [...types].filter((type) => readFileSync(described(type), "utf8").includes("readonly tagsAll:"))
  expect(withTags.filter((type) => tagged[type] === undefined)).toEqual([])
  const grants = (action: string, on: string) =>
    allowed.some(({ Action, Resource }) => Action.includes(action) && Resource.some((one) => one.includes(on)))
  for (const type of withTags) {
    const [give, show, on] = tagged[type]!
    expect(
      [give, show].filter((action) => !grants(action, on)),
      type,
    ).toEqual([])
  }
  expect(withTags.length).toBeGreaterThan(12)
})

test("the permissions, filled in, fit into what AWS takes as the inline policy of a role", () => {
  const values: Record<string, string> = {
    ACCOUNT: "123456789012",
    REGION: "ap-southeast-2",
    STAGE: "production",
    STATE_BUCKET: "sst-state-abcdefghijkl",
    ASSET_BUCKET: "sst-asset-abcdefghijkl",
    ZONE: "Z0123456789ABCDEFGHIJ",
    SENDER_DOMAIN: "notifications.customers.octant.example",
  }
  const text = JSON.stringify(role.permissions).replace(
    new RegExp(`\\b(${Object.keys(values).join("|")})\\b`, "g"),
    (name) => values[name]!,
  )
  expect(text).not.toMatch(/[A-Z]{4,}_BUCKET|:ACCOUNT:/)
  expect(text.length).toBeLessThan(10_240)
  expect(text.length).toBeGreaterThan(9_000)
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
