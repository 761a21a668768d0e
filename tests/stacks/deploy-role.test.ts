import { readFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, expect, test } from "vitest"
import type { Plan } from "./plan.ts"
import { ensurePlatform } from "./platform.ts"
import { type Asked, allows, type PolicyStatement } from "./policy.ts"
import { stages } from "./stages.ts"
import { root, synth } from "./synth.ts"

const role = JSON.parse(readFileSync(join(root, "stacks/deploy-role.json"), "utf8")) as {
  trust: { Statement: { Condition: Record<string, Record<string, string>> }[] }
  permissions: { Statement: PolicyStatement[] }
  surroundings: { Statement: PolicyStatement[] }
}
const policies = { permissions: role.permissions, surroundings: role.surroundings }
const statements = Object.values(policies).flatMap(({ Statement }) => Statement)
const allowed = statements.filter(({ Effect }) => Effect === "Allow")
const actions = allowed.flatMap(({ Action }) => Action)
const serviceOf = (action: string) => action.split(":")[0]!

/** The permissions as an administrator fills them in. */
const filled = (values: Record<string, string>) =>
  JSON.stringify(policies).replace(new RegExp(`\\b(${Object.keys(values).join("|")})\\b`, "g"), (name) => values[name]!)

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
  "aws:acm/certificate:Certificate": ["acm:AddTagsToCertificate", "acm:ListTagsForCertificate", ":certificate/"],
  "aws:cloudfront/distribution:Distribution": [
    "cloudfront:TagResource",
    "cloudfront:ListTagsForResource",
    ":distribution/",
  ],
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

test("whatever carries the tags of a stage may be given them by a deployment, and shows them to it", () => {
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

/**
 * What else the provider asks for each kind of resource: to make it, look at it, change it and take it away. What an
 * administrator makes is only looked at and changed, and what is kept is never taken away.
 */
const asked: Record<string, string> = {
  "aws:acm/certificate:Certificate": "acm: DescribeCertificate",
  "aws:acm/certificateValidation:CertificateValidation": "acm: DescribeCertificate",
  "aws:cloudfront/cachePolicy:CachePolicy": "cloudfront: GetCachePolicy UpdateCachePolicy",
  "aws:cloudfront/distribution:Distribution": "cloudfront: GetDistribution UpdateDistribution",
  "aws:cloudfront/function:Function": "cloudfront: DescribeFunction GetFunction PublishFunction UpdateFunction",
  "aws:cloudfront/keyValueStore:KeyValueStore": "cloudfront: DescribeKeyValueStore UpdateKeyValueStore",
  "aws:cloudwatch/eventArchive:EventArchive": "events: CreateArchive DeleteArchive DescribeArchive UpdateArchive",
  "aws:cloudwatch/eventBus:EventBus": "events: CreateEventBus DeleteEventBus DescribeEventBus",
  "aws:cloudwatch/eventRule:EventRule": "events: PutRule DeleteRule DescribeRule",
  "aws:cloudwatch/eventTarget:EventTarget": "events: PutTargets RemoveTargets ListTargetsByRule",
  "aws:cloudwatch/logGroup:LogGroup": "logs: CreateLogGroup DeleteLogGroup DescribeLogGroups PutRetentionPolicy",
  "aws:cloudwatch/logMetricFilter:LogMetricFilter": "logs: PutMetricFilter DeleteMetricFilter DescribeMetricFilters",
  "aws:cloudwatch/metricAlarm:MetricAlarm": "cloudwatch: PutMetricAlarm DeleteAlarms DescribeAlarms",
  "aws:dynamodb/table:Table":
    "dynamodb: CreateTable UpdateTable DescribeTable DescribeContinuousBackups UpdateContinuousBackups DescribeTimeToLive UpdateTimeToLive",
  "aws:iam/role:Role":
    "iam: CreateRole DeleteRole GetRole UpdateRole UpdateAssumeRolePolicy GetRolePolicy PutRolePolicy DeleteRolePolicy ListRolePolicies ListAttachedRolePolicies ListInstanceProfilesForRole PassRole",
  "aws:kms/alias:Alias": "kms: ListAliases",
  "aws:kms/key:Key": "kms: DescribeKey EnableKeyRotation GetKeyPolicy GetKeyRotationStatus UpdateKeyDescription",
  "aws:lambda/alias:Alias": "lambda: CreateAlias DeleteAlias GetAlias UpdateAlias",
  "aws:lambda/eventSourceMapping:EventSourceMapping":
    "lambda: CreateEventSourceMapping DeleteEventSourceMapping GetEventSourceMapping UpdateEventSourceMapping",
  "aws:lambda/function:Function":
    "lambda: CreateFunction DeleteFunction GetFunction GetFunctionCodeSigningConfig GetFunctionConfiguration UpdateFunctionCode UpdateFunctionConfiguration ListVersionsByFunction PublishVersion PutFunctionConcurrency DeleteFunctionConcurrency",
  "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig":
    "lambda: GetFunctionEventInvokeConfig PutFunctionEventInvokeConfig DeleteFunctionEventInvokeConfig",
  "aws:lambda/functionUrl:FunctionUrl":
    "lambda: CreateFunctionUrlConfig DeleteFunctionUrlConfig GetFunctionUrlConfig UpdateFunctionUrlConfig",
  "aws:lambda/permission:Permission": "lambda: AddPermission GetPolicy RemovePermission",
  "aws:route53/record:Record": "route53: ChangeResourceRecordSets GetChange GetHostedZone ListResourceRecordSets",
  "aws:s3/bucket:Bucket":
    "s3: CreateBucket ListBucket GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging GetBucketObjectLockConfiguration GetBucketPolicy GetBucketRequestPayment GetBucketVersioning GetBucketWebsite GetAccelerateConfiguration GetEncryptionConfiguration GetLifecycleConfiguration GetReplicationConfiguration",
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration":
    "s3: GetLifecycleConfiguration PutLifecycleConfiguration",
  // SST leaves the code of before where it is: so nothing is deleted.
  "aws:s3/bucketObjectv2:BucketObjectv2": "s3: GetObject PutObject",
  "aws:s3/bucketPolicy:BucketPolicy": "s3: GetBucketPolicy PutBucketPolicy DeleteBucketPolicy",
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "s3: GetBucketPublicAccessBlock PutBucketPublicAccessBlock",
  "aws:s3/bucketVersioning:BucketVersioning": "s3: GetBucketVersioning PutBucketVersioning",
  "aws:scheduler/schedule:Schedule": "scheduler: CreateSchedule DeleteSchedule GetSchedule UpdateSchedule",
  "aws:ses/domainIdentityVerification:DomainIdentityVerification": "ses: GetIdentityVerificationAttributes",
  "aws:sesv2/configurationSet:ConfigurationSet":
    "ses: CreateConfigurationSet DeleteConfigurationSet GetConfigurationSet",
  "aws:sesv2/configurationSetEventDestination:ConfigurationSetEventDestination":
    "ses: CreateConfigurationSetEventDestination UpdateConfigurationSetEventDestination DeleteConfigurationSetEventDestination GetConfigurationSetEventDestinations",
  "aws:sesv2/emailIdentity:EmailIdentity":
    "ses: CreateEmailIdentity DeleteEmailIdentity GetEmailIdentity PutEmailIdentityConfigurationSetAttributes",
  "aws:sns/topic:Topic": "sns: CreateTopic DeleteTopic GetTopicAttributes SetTopicAttributes",
  "aws:sns/topicPolicy:TopicPolicy": "sns: GetTopicAttributes SetTopicAttributes",
  "aws:sns/topicSubscription:TopicSubscription": "sns: Subscribe Unsubscribe GetSubscriptionAttributes",
  "aws:sqs/queue:Queue": "sqs: CreateQueue DeleteQueue GetQueueAttributes SetQueueAttributes GetQueueUrl",
  "aws:sqs/queuePolicy:QueuePolicy": "sqs: GetQueueAttributes SetQueueAttributes",
}
/** And SST itself: for its state, its secrets, the zone of a domain, and the routes of the router. */
const askedBySst = [
  "sts: GetCallerIdentity",
  "ssm: GetParameter PutParameter",
  "s3: GetObject PutObject DeleteObject ListBucket GetBucketLocation",
  "route53: ListHostedZones",
  "cloudfront-keyvaluestore: DescribeKeyValueStore GetKey ListKeys UpdateKeys",
]
/** What is given can be taken off again; that of what an administrator makes, and of what joins, is not. */
const untagging = "cloudwatch dynamodb events iam lambda logs ses sns sqs".split(" ")
const untag: Record<string, string> = { iam: "UntagRole", sqs: "UntagQueue" }
const spelt = (said: string) => {
  const [service, ...names] = said.split(" ")
  return names.map((name) => `${service}${name}`)
}
const rollback = readFileSync(join(root, "tests/rollback.ts"), "utf8")
const askedByRollback = [...rollback.matchAll(/\("((?:get|list|update)-[a-z-]+)"/g)].map(
  ([, command = ""]) => `lambda:${command.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase())}`,
)

test("it grants what deployments, refreshes and rollbacks ask for, and nothing else", () => {
  const types = [...new Set(plan.resources.filter(({ type }) => type.startsWith("aws:")).map(({ type }) => type))]
  expect(Object.keys(asked).sort()).toEqual(types.sort())
  expect(askedByRollback.length).toBe(4)
  const wanted = [
    ...Object.values(asked).flatMap(spelt),
    ...askedBySst.flatMap(spelt),
    ...Object.values(tagged).flatMap((one) => one.slice(0, 2)),
    ...untagging.map((service) => `${service}:${untag[service] ?? "UntagResource"}`),
    ...askedByRollback,
  ]
  expect([...new Set(actions)].sort()).toEqual([...new Set(wanted)].sort())
})

test("filled in, one fits into what AWS takes as the inline policy of a role, the other into a managed one", () => {
  const text = filled({
    ACCOUNT: "123456789012",
    REGION: "ap-southeast-2",
    STAGE: "production",
    STATE_BUCKET: "sst-state-abcdefghijkl",
    ASSET_BUCKET: "sst-asset-abcdefghijkl",
    ZONE: "Z0123456789ABCDEFGHIJ",
    DOMAIN: "customers.octant.example",
    SENDER_DOMAIN: "notifications.customers.octant.example",
    ROUTES: "01234567-89ab-cdef-0123-456789abcdef",
    CACHE_POLICY: "01234567-89ab-cdef-0123-456789abcdef",
  })
  expect(text).not.toMatch(/_BUCKET|:ACCOUNT:|\bSTAGE\b|DOMAIN|ROUTES|CACHE_POLICY/)
  const { permissions, surroundings } = JSON.parse(text) as typeof policies
  const lengths = [permissions, surroundings].map((policy) => JSON.stringify(policy).length)
  expect(lengths[0]).toBeLessThan(10_240)
  expect(lengths[0]).toBeGreaterThan(6_000)
  expect(lengths[1]).toBeLessThan(6_144)
  expect(lengths[1]).toBeGreaterThan(3_000)
})

test("whatever is to be filled in stands in deploy.md", () => {
  const text = readFileSync(join(root, "docs/deploy.md"), "utf8")
  const names = new Set(JSON.stringify(policies).match(/\b[A-Z]{4,}(_[A-Z]+)?\b/g))
  expect([...names].filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([])
  expect(names.size).toBe(10)
})

test("no action is a pattern, and none stands twice in a statement", () => {
  expect(actions.filter((action) => !/^[a-z0-9-]+:[A-Z][A-Za-z0-9]+$/.test(action))).toEqual([])
  for (const { Sid, Action } of statements) expect(new Set(Action).size, Sid).toBe(Action.length)
})

/** By AWS's service authorization reference: these can be granted on everything or not at all. */
const withoutResources = [
  "acm:RequestCertificate",
  "cloudfront:CreateCachePolicy",
  "cloudfront:CreateDistribution",
  "cloudfront:CreateFunction",
  "cloudfront:CreateKeyValueStore",
  "kms:CreateKey",
  "kms:ListAliases",
  "lambda:CreateEventSourceMapping",
  "lambda:ListFunctions",
  "logs:DescribeLogGroups",
  "route53:ListHostedZones",
  "route53:ListHostedZonesByName",
  "ses:GetIdentityVerificationAttributes",
  "ses:ListEmailIdentities",
  "sts:GetCallerIdentity",
]

test("what knows no resources is granted on everything: on less, AWS would refuse it", () => {
  const inVain = allowed.flatMap(({ Action, Resource }) =>
    Resource.includes("*") ? [] : Action.filter((action) => withoutResources.includes(action)),
  )
  expect(inVain).toEqual([])
})

/** What knows resources and is granted on everything all the same. */
const onEverything: Record<string, string> = {
  "cloudwatch:DescribeAlarms": "composite alarms are told only to whoever may see all",
  "route53:GetChange": "a change has no name before it is asked for, and tells only whether it is done",
  "lambda:DeleteEventSourceMapping": "by its function",
  "lambda:GetEventSourceMapping": "by its function",
  "lambda:UpdateEventSourceMapping": "by its function",
}

test("only what knows no resources is granted on everything, or what has a reason", () => {
  const everywhere = allowed.filter(({ Resource }) => Resource.includes("*")).flatMap(({ Action }) => Action)
  expect(everywhere.filter((action) => !withoutResources.includes(action)).sort()).toEqual(
    Object.keys(onEverything).sort(),
  )
})

/** What an administrator fills in for one stage alone. */
const ofTheStage = /\b(STAGE|SENDER_DOMAIN|ROUTES|CACHE_POLICY)\b/

/** Whether AWS holds each call of a statement to this app and stage, though its resources do not say so. */
function isBound({ Condition = {} }: PolicyStatement): boolean {
  const { StringEquals = {}, ArnLike = {}, "ForAllValues:StringLike": names = {} } = Condition
  const records = [names["route53:ChangeResourceRecordSetsNormalizedRecordNames"] ?? []].flat()
  return (
    (StringEquals["aws:ResourceTag/app"] === "octant" && StringEquals["aws:ResourceTag/stage"] === "STAGE") ||
    /:function:octant-STAGE-\*$/.test(String(ArnLike["lambda:FunctionArn"])) ||
    (records.length > 0 && records.every((name) => /^(\*\.)?(SENDER_)?DOMAIN$/.test(name)))
  )
}

/** What reaches beyond a stage: nothing of another's can be changed by it. */
const beyond: Record<string, string> = {
  SecretsOfAllStages: "looks: set with --fallback, for all stages",
  BucketsOfSst: "looks: tells the names of what lies there",
  Code: "files are called by the hash of what they hold, and Lambda runs a copy of its own",
  SettingsOfSst: "looks: which buckets are SST's",
  TagsForQueuesOfFunctions: "which mapping may be changed is decided by its function, and not by its tags",
  Domain: "looks",
  OnlyToLook: "looks",
}

test("whatever does not name the stage is bound to it by tags, by its function or by names, or has a reason", () => {
  const unbound = allowed.filter(
    (statement) => !isBound(statement) && !statement.Resource.every((one) => ofTheStage.test(one)),
  )
  expect(unbound.map(({ Sid }) => Sid).sort()).toEqual(Object.keys(beyond).sort())
  const looking = unbound.filter(({ Sid }) => beyond[Sid]!.startsWith("looks"))
  expect(looking.flatMap(({ Action }) => Action).filter((action) => !/:(Get|List|Describe)/.test(action))).toEqual([])
})

test("a tag that is not there opens nothing: only what gives a tag may find none", () => {
  const lenient = allowed.filter(({ Condition = {} }) =>
    Object.entries(Condition).some(
      ([operator, keys]) =>
        operator.endsWith("IfExists") && Object.keys(keys).some((key) => !key.startsWith("aws:RequestTag/")),
    ),
  )
  expect(lenient.map(({ Sid, Action }) => [Sid, ...Action])).toEqual([
    ["TagsForQueuesOfFunctions", "lambda:TagResource"],
  ])
})

const filledForStaging = JSON.parse(
  filled({
    ACCOUNT: "123456789012",
    REGION: "eu-central-1",
    STAGE: "staging",
    STATE_BUCKET: "sst-state-x",
    ASSET_BUCKET: "sst-asset-x",
    ZONE: "Z1",
    DOMAIN: "staging.octant.example",
    SENDER_DOMAIN: "mail.staging.octant.example",
    ROUTES: "routes-of-staging",
    CACHE_POLICY: "cache-of-staging",
  }),
) as typeof policies
const staging = Object.values(filledForStaging).flatMap(({ Statement }) => Statement)
const tags = (stage: string) => ({ "aws:ResourceTag/app": "octant", "aws:ResourceTag/stage": stage })
const given = (stage: string) => ({ "aws:RequestTag/app": "octant", "aws:RequestTag/stage": stage })
const key = "arn:aws:kms:eu-central-1:123456789012:key/1"
const cloudfront = (what: string) => `arn:aws:cloudfront::123456789012:${what}`
const certificate = "arn:aws:acm:us-east-1:123456789012:certificate/1"
const mapping = "arn:aws:lambda:eu-central-1:123456789012:event-source-mapping:1"
const works = (stage: string) => ({
  "lambda:FunctionArn": `arn:aws:lambda:eu-central-1:123456789012:function:octant-${stage}-AppendFunction-abcdwxyz`,
})
const records = (...names: string[]) => ({ "route53:ChangeResourceRecordSetsNormalizedRecordNames": names })
const zone = "arn:aws:route53:::hostedzone/Z1"
const state = (path: string) => `arn:aws:s3:::sst-state-x/${path}`

test.each<[string, Asked]>([
  ["rewrite the policy of a key without tags", { action: "kms:PutKeyPolicy", on: key }],
  ["rewrite the policy of production's key", { action: "kms:PutKeyPolicy", on: key, told: tags("production") }],
  ["change a key without tags", { action: "kms:UpdateKeyDescription", on: key }],
  ["take a key without tags for its own", { action: "kms:TagResource", on: key, told: given("staging") }],
  [
    "give its own key to production",
    { action: "kms:TagResource", on: key, told: { ...tags("staging"), ...given("production") } },
  ],
  ["take the tags off its own key", { action: "kms:UntagResource", on: key, told: tags("staging") }],
  [
    "change production's router",
    { action: "cloudfront:UpdateDistribution", on: cloudfront("distribution/E1"), told: tags("production") },
  ],
  ["change a router without tags", { action: "cloudfront:UpdateDistribution", on: cloudfront("distribution/E1") }],
  [
    "take a router without tags for its own",
    { action: "cloudfront:TagResource", on: cloudfront("distribution/E1"), told: given("staging") },
  ],
  [
    "change production's routes",
    { action: "cloudfront-keyvaluestore:UpdateKeys", on: cloudfront("key-value-store/routes-of-production") },
  ],
  [
    "change the code of production's router",
    { action: "cloudfront:UpdateFunction", on: cloudfront("function/octant-production-RouterCloudfrontFunction") },
  ],
  [
    "change how production's router caches",
    { action: "cloudfront:UpdateCachePolicy", on: cloudfront("cache-policy/cache-of-production") },
  ],
  ["delete production's certificate", { action: "acm:DeleteCertificate", on: certificate, told: tags("production") }],
  ["look at another's certificate", { action: "acm:DescribeCertificate", on: certificate }],
  [
    "stop production's queues",
    { action: "lambda:UpdateEventSourceMapping", on: mapping, told: { ...tags("staging"), ...works("production") } },
  ],
  ["take away a mapping of which nothing is told", { action: "lambda:DeleteEventSourceMapping", on: mapping }],
  [
    "point production's name elsewhere",
    { action: "route53:ChangeResourceRecordSets", on: zone, told: records("octant.example") },
  ],
  [
    "point it elsewhere beside its own",
    {
      action: "route53:ChangeResourceRecordSets",
      on: zone,
      told: records("staging.octant.example", "octant.example"),
    },
  ],
  [
    "delete the code of which another stage's functions were made",
    { action: "s3:DeleteObject", on: "arn:aws:s3:::sst-asset-x/assets/Api-code-1.zip" },
  ],
  ["write production's state", { action: "s3:PutObject", on: state("app/octant/production.json") }],
  ["write the secrets of all stages", { action: "s3:PutObject", on: state("secret/octant/_fallback.json") }],
  [
    "read the secrets of a stage that begins as it does",
    { action: "s3:GetObject", on: state("secret/octant/staging2.json") },
  ],
  [
    "tell everybody of other buckets",
    { action: "ssm:PutParameter", on: "arn:aws:ssm:eu-central-1:123456789012:parameter/sst/bootstrap" },
  ],
])("staging's role may not %s", (_, asked) => expect(allows(staging, asked)).toBe(false))

test.each<[string, Asked]>([
  ["look at its own key", { action: "kms:GetKeyPolicy", on: key, told: tags("staging") }],
  [
    "change its own router",
    { action: "cloudfront:UpdateDistribution", on: cloudfront("distribution/E1"), told: tags("staging") },
  ],
  [
    "change its own routes",
    { action: "cloudfront-keyvaluestore:UpdateKeys", on: cloudfront("key-value-store/routes-of-staging") },
  ],
  [
    "change the code of its own router",
    { action: "cloudfront:PublishFunction", on: cloudfront("function/octant-staging-RouterCloudfrontFunction") },
  ],
  ["look at its own certificate", { action: "acm:DescribeCertificate", on: certificate, told: tags("staging") }],
  ["give a function a queue", { action: "lambda:CreateEventSourceMapping", on: "*", told: works("staging") }],
  ["tag what joins them", { action: "lambda:TagResource", on: mapping, told: given("staging") }],
  [
    "keep its names in the domain",
    {
      action: "route53:ChangeResourceRecordSets",
      on: zone,
      told: records("staging.octant.example", "one._domainkey.mail.staging.octant.example"),
    },
  ],
  ["see whether its domain may send", { action: "ses:GetIdentityVerificationAttributes", on: "*" }],
  ["write its own state", { action: "s3:PutObject", on: state("app/octant/staging.json") }],
  [
    "write down what has become of a deployment",
    { action: "s3:PutObject", on: state("summary/octant/staging/u1.json") },
  ],
  [
    "put its code where Lambda takes it from",
    { action: "s3:PutObject", on: "arn:aws:s3:::sst-asset-x/assets/Api-code-1.zip" },
  ],
])("staging's role may %s", (_, asked) => expect(allows(staging, asked)).toBe(true))

test("what has no name before it is there, and whose tags guard it, is made by an administrator and not by the role", () => {
  const making = /^(acm:Request|cloudfront:Create(?!Invalidation)|kms:Create)/
  expect(actions.filter((action) => making.test(action))).toEqual([])
})

test("every role, function, queue, table, topic, alarm and log of a stage is within its reach", () => {
  const named = /^aws:(iam\/role|lambda\/function:|sqs\/queue:|dynamodb|cloudwatch\/(metricAlarm|logGroup))/
  const names = plan.resources
    .filter(({ type }) => named.test(type))
    .map(({ inputs }) => (inputs as { name?: string }).name ?? "")
  expect(names.length).toBeGreaterThan(70)
  expect(names.filter((name) => !/^(octant-production-|\/octant\/production\/)/.test(name))).toEqual([])
})

test("it cannot read what customers sent, nor remove what is kept", () => {
  const denied = new Set(statements.filter(({ Effect }) => Effect === "Deny").flatMap(({ Action }) => Action))
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
