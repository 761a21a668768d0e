import { beforeAll, expect, test } from "vitest"
import type { Plan, Resource } from "./plan.ts"
import { broken, rules } from "./rules/rules.ts"
import { stages } from "./stages.ts"
import { synth } from "./synth.ts"

/** Every rule is seen to fail: each of these breaks in a good plan what its rule guards. */
type Spoil = (plan: Plan) => void

const resource = (plan: Plan, name: string) => plan.resources.find((one) => one.name === name)!
const drop =
  (name: string | RegExp): Spoil =>
  (plan) => {
    const at = plan.resources.findIndex((one) => (typeof name === "string" ? one.name === name : name.test(one.name)))
    expect(at, String(name)).not.toBe(-1)
    plan.resources.splice(at, 1)
  }
const change =
  (name: string, inputs: Resource["inputs"]): Spoil =>
  (plan) => {
    Object.assign(resource(plan, name).inputs, inputs)
  }
/** Changes a text anywhere in a resource's inputs. */
const rewrite =
  (name: string, before: string, after: string): Spoil =>
  (plan) => {
    const there = resource(plan, name)
    const text = JSON.stringify(there.inputs)
    expect(text).toContain(before)
    there.inputs = JSON.parse(text.replaceAll(before, after)) as Resource["inputs"]
  }
const carry =
  (name: string, path: string, bytes: number): Spoil =>
  (plan) => {
    plan.functions.find((one) => one.name === name)!.sources[path] = bytes
  }
const link =
  (name: string, links: string[]): Spoil =>
  (plan) => {
    plan.functions.find((one) => one.name === name)!.links = links
  }
const mapping = (plan: Plan, queue: string) =>
  plan.resources.find(({ name }) => name.startsWith(queue) && name.endsWith("EventSourceMapping"))!
const map =
  (queue: string, inputs: Resource["inputs"]): Spoil =>
  (plan) => {
    Object.assign(mapping(plan, queue).inputs, inputs)
  }

const spoils: Record<string, Spoil[]> = {
  "the functions are those of the topology": [
    drop("FoldFunction"),
    change("FoldFunction", { handler: "functions/append.handler" }),
  ],
  "each function has a timeout that was chosen": [
    change("ApiFunction", { timeout: 3 }),
    change("ApiFunction", { timeout: 20 }),
    change("ApiFunction", { timeout: 61 }),
  ],
  "each function has the memory that was chosen": [change("ApiFunction", { memorySize: 128 })],
  "each function runs on Node 24 and arm64": [
    change("ApiFunction", { runtime: "nodejs22.x" }),
    change("ApiFunction", { architectures: ["x86_64"] }),
  ],
  "each function has a log of its own, which ends": [
    change("ApiLog", { retentionInDays: 0 }),
    change("ApiLog", { retentionInDays: undefined }),
    drop("ApiLog"),
    rewrite("ApiFunction", "/octant/production/api", "/octant/production/fold"),
  ],
  "each function may write to its own log only": [
    rewrite("ApiRole", "/octant/production/api:*", "/octant/production/*"),
  ],
  "each function logs in JSON": [rewrite("ApiFunction", '"JSON"', '"Text"')],
  "each function is traced, a sample of its calls": [change("ApiFunction", { tracingConfig: { mode: "PassThrough" } })],
  "each function keeps its versions, and one of them is live": [
    change("ApiFunction", { publish: false }),
    drop("ApiLive"),
    change("ApiLive", { name: "alive" }),
  ],
  "on a stage of all, a function has the concurrency that was reserved for it": [
    change("CollectFunction", { reservedConcurrentExecutions: undefined }),
    change("CollectFunction", { reservedConcurrentExecutions: 900 }),
  ],
  "each function is told what the topology says, and no more": [
    rewrite("ApiFunction", "OCTANT_HOOKS_URL", "OCTANT_COLOUR"),
    rewrite("FoldFunction", "OCTANT_TABLE", "SST_TABLE"),
  ],
  "whoever delivers can look up the names of a whole batch at once, and of AWS besides": [
    rewrite("DeliverFunction", '"UV_THREADPOOL_SIZE":"16"', '"UV_THREADPOOL_SIZE":"10"'),
    rewrite("DeliverFunction", "UV_THREADPOOL_SIZE", "UV_THREADS"),
  ],
  "each function is linked to its secrets, and to nothing else": [link("Api", []), link("Fold", ["Table"])],
  "no environment holds a secret": [
    rewrite("ApiFunction", "OCTANT_TABLE", "STRIPE_API_KEY"),
    rewrite("FoldFunction", "OCTANT_TABLE", "SST_KEY"),
  ],

  "no role has a wildcard among its actions": [
    rewrite("ApiRole", "dynamodb:GetItem", "dynamodb:*"),
    rewrite("ApiRole", "dynamodb:GetItem", "dynamodb:Get*"),
    rewrite("CloseScheduleRole", "lambda:InvokeFunction", "*"),
  ],
  "no role may do anything to all resources": [
    rewrite("ApiRole", "arn:aws:dynamodb:eu-central-1:123456789012:table/TableTable", "*"),
  ],
  "the vault's key is used for a tenant only": [
    rewrite("HooksRole", "kms:EncryptionContext:tenant", "kms:EncryptionContext:colour"),
    rewrite(
      "PollRole",
      ',\\"Condition\\":[{\\"test\\":\\"Null\\",\\"values\\":[\\"false\\"],\\"variable\\":\\"kms:EncryptionContext:tenant\\"}]',
      "",
    ),
  ],
  "no role has somebody else's policy": [
    change("ApiRole", { managedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"] }),
  ],
  "each function has a role of its own": [rewrite("ApiFunction", "role/ApiRole", "role/FoldRole")],
  "only the service that needs a role may take it": [
    rewrite("ApiRole", '{"Service":"lambda.amazonaws.com"}', '{"AWS":"arn:aws:iam::123456789012:root"}'),
    rewrite("CloseScheduleRole", "scheduler.amazonaws.com", "events.amazonaws.com"),
  ],

  "each queue has dead letters, of its own kind": [
    change("AppendRequestsQueue", { redrivePolicy: undefined }),
    rewrite("AppendRequestsQueue", '\\"maxReceiveCount\\":5', '\\"maxReceiveCount\\":1'),
    drop("AppendDeadQueue"),
    change("FoldDeadQueue", { fifoQueue: false }),
  ],
  "no two queues share their dead letters": [rewrite("FoldRequestsQueue", "FoldDeadQueue.fifo", "AppendDeadQueue")],
  "dead letters are kept longer than what is alive": [change("AppendDeadQueue", { messageRetentionSeconds: 345_600 })],
  "every dead letter is kept for two weeks": [change("CloseDeadQueue", { messageRetentionSeconds: undefined })],
  "each queue is worked by a function, through its live version": [
    drop(/^AppendRequestsSubscriber.*EventSourceMapping$/),
    map("FoldRequests", { functionName: "arn:aws:lambda:eu-central-1:123456789012:function:FoldFunction" }),
  ],
  "a message stays hidden for six times as long as a function may take": [
    change("FoldRequestsQueue", { visibilityTimeoutSeconds: 900 }),
    change("AppendFunction", { timeout: 61 }),
  ],
  "each message fails alone": [map("AppendRequests", { functionResponseTypes: [] })],
  "no queue can take all of the account's concurrency": [
    map("FoldRequests", { scalingConfig: undefined }),
    map("JobsLowRequests", { scalingConfig: { maximumConcurrency: 1 } }),
    map("DeliveriesRequests", { scalingConfig: { maximumConcurrency: 200 } }),
  ],
  "a batch is as large as was chosen": [map("FoldRequests", { batchSize: 10 })],
  "a large batch is waited for": [map("AppendRequests", { maximumBatchingWindowInSeconds: 0 })],
  "each queue takes the largest message that is sent": [
    change("AppendRequestsQueue", { maxMessageSize: undefined }),
    change("AppendDeadQueue", { maxMessageSize: 262_144 }),
  ],
  "each queue is encrypted": [change("CloseDeadQueue", { sqsManagedSseEnabled: false })],
  "whoever works a queue may receive from it": [rewrite("FoldRole", "sqs:DeleteMessage", "sqs:PurgeQueue")],

  "the schedules are those of the topology": [
    drop("CloseScheduleSchedule"),
    change("CloseScheduleSchedule", { scheduleExpression: "rate(1 day)" }),
  ],
  "each schedule calls a live version, and again if it must": [
    rewrite("CloseScheduleSchedule", "CloseFunction:live", "CloseFunction"),
    rewrite("CloseScheduleSchedule", '"maximumRetryAttempts":2', '"maximumRetryAttempts":0'),
  ],
  "a schedule's role may call its function and keep what it cannot deliver, and nothing else": [
    drop("CloseScheduleRole"),
    rewrite("CheckScheduleRole", "CheckDeadQueue", "CloseDeadQueue"),
    rewrite("PollScheduleRole", "PollFunction:live", "PollFunction"),
    rewrite("PollScheduleRole", '\\"sqs:SendMessage\\"', '\\"sqs:SendMessage\\",\\"sqs:PurgeQueue\\"'),
  ],
  "what a schedule cannot deliver is kept": [
    rewrite("CloseScheduleSchedule", "deadLetterConfig", "none"),
    change("PollDeadQueue", { fifoQueue: true }),
  ],
  "what a scheduled function fails at is tried again, then kept, and it may keep it": [
    drop("CloseOnFailure"),
    change("CloseOnFailure", { maximumRetryAttempts: 0 }),
    change("CloseOnFailure", { qualifier: undefined }),
    rewrite("CloseRole", "CloseDeadQueue", "AppendDeadQueue"),
  ],

  "the subscribers are those of the topology, by what they listen to": [
    drop("NotifyRule"),
    drop("NotifyTarget"),
    rewrite("NotifyRule", "alert.closed", "alert.lost"),
    rewrite("NotifyRule", '"octant\\"', '"aws.s3\\"'),
  ],
  "each subscriber may be called by its rule, at its live version, and again if it must": [
    drop("NotifyCalled"),
    change("NotifyCalled", { qualifier: undefined }),
    rewrite("NotifyTarget", '"maximumRetryAttempts":185', '"maximumRetryAttempts":0'),
  ],
  "what the bus cannot hand over is kept, and only this rule may keep it there": [
    drop("NotifyDeadPolicy"),
    change("NotifyDeadQueue", { fifoQueue: true }),
    change("NotifyTarget", { deadLetterConfig: undefined }),
    rewrite("NotifyDeadPolicy", "octant-production-Notify", "somebody-elses"),
  ],
  "what a subscriber fails at is tried again, then kept, and it may keep it": [
    drop("NotifyOnFailure"),
    change("NotifyOnFailure", { maximumRetryAttempts: 0 }),
    change("NotifyOnFailure", { qualifier: undefined }),
    rewrite("NotifyRole", "NotifyDeadQueue", "AppendDeadQueue"),
  ],
  "only who works a queue by a schedule of its own may hide its messages": [
    rewrite("AppendRole", '\\"sqs:DeleteMessage\\"', '\\"sqs:DeleteMessage\\",\\"sqs:ChangeMessageVisibility\\"'),
  ],
  "only who publishes may put events on the bus": [
    rewrite("FoldRole", "dynamodb:GetItem", "events:PutEvents"),
    rewrite("CheckRole", "events:PutEvents", "events:DescribeEventBus"),
    rewrite("CloseRole", "events:PutEvents", "events:DescribeEventBus"),
  ],

  "there is one table, by pk and sk, paid by request": [
    change("TableTable", { billingMode: "PROVISIONED" }),
    drop("TableTable"),
  ],
  "a table can be restored to any moment of five weeks": [
    change("TableTable", { pointInTimeRecovery: { enabled: false } }),
    change("TableTable", { pointInTimeRecovery: { enabled: true, recoveryPeriodInDays: 7 } }),
  ],
  "a table forgets what has passed its ttl": [
    change("TableTable", { ttl: undefined }),
    change("TableTable", { ttl: { enabled: true, attributeName: "expires" } }),
  ],
  "a table is encrypted by a key of KMS": [change("TableTable", { serverSideEncryption: undefined })],
  "in production, and only there, no table can be deleted": [
    change("TableTable", { deletionProtectionEnabled: undefined }),
  ],
  "in production, and only there, a bucket with files in it cannot be deleted": [
    change("FilesBucket", { forceDestroy: true }),
  ],
  "the vault's key changes every year, and in production there is a month to save it": [
    drop("Vault"),
    change("Vault", { enableKeyRotation: false }),
    change("Vault", { deletionWindowInDays: 7 }),
  ],
  "the vault's key has the name by which the runbook calls it": [
    drop("VaultAlias"),
    change("VaultAlias", { targetKeyId: "another" }),
  ],
  "there is one bucket": [drop("FilesBucket")],
  "a bucket keeps versions": [drop("FilesVersioning")],
  "a bucket is private": [
    drop("FilesPublicAccessBlock"),
    change("FilesPublicAccessBlock", { restrictPublicBuckets: false }),
  ],
  "a bucket is reached by TLS only": [
    drop("FilesPolicy"),
    rewrite("FilesPolicy", "Deny", "Allow"),
    rewrite("FilesPolicy", "SecureTransport", "ViaAWSService"),
  ],
  "in a bucket, exports and uploads pass, old versions too, and archives do not": [
    drop("FilesLifecycle"),
    rewrite("FilesLifecycle", "exports/", "archives/"),
    rewrite("FilesLifecycle", "noncurrentVersionExpiration", "none"),
  ],
  "production is retained and protected, any other stage leaves nothing behind": [
    (plan) => (plan.app.removal = "remove"),
    (plan) => (plan.app.protect = false),
  ],
  "in production, and only there, the table, the bucket and the vault's key outlive their stage": [
    (plan) => (resource(plan, "TableTable").retained = false),
    (plan) => (resource(plan, "FilesBucket").retained = false),
    (plan) => (resource(plan, "Vault").retained = false),
  ],
  "everything is tagged, so that the bill can be read": [(plan) => (plan.app.providers = {})],
  "what is told on the bus can be told again": [drop("BusArchive"), drop("BusBus")],

  "each function's errors wake somebody up": [drop("FoldErrors"), change("FoldErrors", { threshold: 1000 })],
  "each function's throttles wake somebody up": [
    drop("CollectThrottles"),
    change("CollectThrottles", { comparisonOperator: "LessThanThreshold" }),
  ],
  "a function that has become slow wakes somebody up, long before it is cut off": [
    drop("ApiSlow"),
    change("ApiSlow", { extendedStatistic: "p50" }),
    change("ApiFunction", { timeout: 11 }),
  ],
  "a function that has lost Redis wakes somebody up, by the figure that it tells": [
    drop("CollectAlone"),
    rewrite("HooksAlone", '"octant"', '"Octant"'),
    rewrite("ApiAlone", "ApiFunction", "FoldFunction"),
    change("ApiAlone", { statistic: "Average" }),
  ],
  "a door wakes somebody up that answers one in a hundred with 5xx for ten minutes, and more than one": [
    drop("CollectFaults"),
    change("HooksFaults", { evaluationPeriods: 1 }),
    change("ApiFaults", { threshold: 10 }),
    rewrite("ApiFaults", "url5xxCount >= 2", "url5xxCount >= 1"),
    rewrite("ApiFaults", "ApiFunction", "FoldFunction"),
  ],
  "a door wakes somebody up where the slowest twentieth of a hundred or more wait for half a second": [
    drop("CollectLate"),
    change("HooksLate", { evaluationPeriods: 1 }),
    rewrite("ApiLate", '"p95"', '"p99"'),
    rewrite("ApiLate", '"UrlRequestLatency"', '"Duration"'),
  ],
  "a failure's count costs nothing while nothing fails": [
    rewrite("AppendFailureCount", '"value":"1"', '"value":"1","defaultValue":"0"'),
  ],
  "a failure that a function only tells its log wakes somebody up": [
    drop("AppendFailures"),
    drop("AppendFailureCount"),
    rewrite("AppendFailureCount", "*.unreadable", "*.unread"),
    rewrite("AppendFailureCount", '"value":"1"', '"value":"0"'),
  ],
  "every dead letter wakes somebody up": [
    drop("AppendDeadLetters"),
    drop("CloseDeadLetters"),
    change("FoldDeadLetters", { statistic: "Minimum" }),
  ],
  "a message that waits too long wakes somebody up": [
    drop("FoldWaiting"),
    change("AppendWaiting", { threshold: 3000 }),
    rewrite("FoldWaiting", "FoldRequestsQueue.fifo", "FoldDeadQueue.fifo"),
  ],
  "a schedule that has fallen silent wakes somebody up": [
    drop("CloseSilent"),
    change("CloseSilent", { treatMissingData: "notBreaching" }),
    change("CloseSilent", { evaluationPeriods: 10 }),
  ],
  "of what goes wrong somebody hears within a quarter of an hour, and of nothing that is not told": [
    change("CollectThrottles", { period: 3600 }),
    change("FoldSlow", { evaluationPeriods: 12 }),
    change("AppendDeadLetters", { treatMissingData: "breaching" }),
  ],
  "every alarm is heard": [change("CollectErrors", { alarmActions: [] })],

  "each public path is answered by the function that the topology names": [
    rewrite("RouterRoute/v1/trackRoutesUpdate.sst.aws.KvRoutesUpdate", "/v1/track", "/v1/trick"),
    rewrite("RouterRoute/RouteKey.sst.aws.KvKeys", "apiurl", "collecturl"),
    rewrite("RouterRoute/RouteKey.sst.aws.KvKeys", '\\"readTimeout\\":60', '\\"readTimeout\\":20'),
  ],
  "no two routes share a namespace of the edge's store": [
    (plan) => {
      const [one, other] = ["track", "page"].map(
        (path) => resource(plan, `RouterRoute/v1/${path}RoutesUpdate.sst.aws.KvRoutesUpdate`).inputs,
      )
      other!.entry = String(one!.entry).replace("/v1/track", "/v1/page")
    },
  ],
  "the edge's function fits": [change("RouterCloudfrontFunctionRequest", { code: "é".repeat(5121) })],
  "the router hands over every method and every header, by TLS, and keeps no answer by itself": [
    drop("RouterCdnDistribution"),
    rewrite("RouterCdnDistribution", '"PATCH",', ""),
    rewrite("RouterCdnDistribution", "b689b0a8", "216adef6"),
    rewrite("RouterCdnDistribution", "redirect-to-https", "allow-all"),
    change("RouterServerCachePolicy", { defaultTtl: 60 }),
  ],
  "the router says who has called, in the header where the functions look": [
    rewrite("ApiFunction", "x-octant-address", "x-forwarded-for"),
    rewrite("RouterCloudfrontFunctionRequest", "event.viewer.ip", "event.request.headers.host.value"),
  ],
  "a function with a URL can be called by it, at its live version": [
    drop("ApiUrlInvoke"),
    change("ApiUrl", { qualifier: undefined }),
    change("ApiUrlAccess", { qualifier: undefined }),
    change("ApiUrl", { authorizationType: "AWS_IAM" }),
  ],
  "nobody but a URL's callers and the bus's rules may call a function": [
    change("ApiUrlInvoke", { function: "FoldFunction" }),
    change("ApiUrlInvoke", { invokedViaFunctionUrl: undefined }),
    change("CollectUrlAccess", { functionUrlAuthType: undefined }),
    change("NotifyCalled", { principal: "*" }),
    change("NotifyCalled", { sourceArn: undefined }),
    change("NotifyCalled", { function: "FoldFunction" }),
  ],
  "the functions answer browsers themselves: no URL adds headers": [
    change("ApiUrl", { cors: { allowOrigins: ["*"] } }),
  ],
  "what becomes of mail is told, and SES may tell it": [
    drop("EmailEventsPolicy"),
    drop("EmailEventdelivery"),
    rewrite("EmailEventsPolicy", "aws:SourceAccount", "aws:SourceVpc"),
    rewrite("EmailEventdelivery", '"enabled":true', '"enabled":false'),
    rewrite("EmailEventdelivery", "BOUNCE", "CLICK"),
    change("EmailIdentity", { configurationSetName: "another" }),
  ],

  "no bundle is larger than its budget": [
    (plan) => (plan.functions.find(({ name }) => name === "Collect")!.bytes = 120 * 1024 + 1),
    (plan) => (plan.functions.find(({ name }) => name === "Api")!.bytes = 900 * 1024 + 1),
  ],
  "collect carries nothing that it does not need": [
    carry("Collect", "node_modules/openai/index.mjs", 1),
    carry("Collect", "node_modules/@aws-sdk/client-sqs/dist-es/index.js", 1),
    carry("Collect", "node_modules/@smithy/core/dist-es/index.js", 1),
    carry("Collect", "node_modules/zod/v4/classic/schemas.js", 1),
    carry("Collect", "node_modules/zod/v4/locales/de.js", 1),
    carry("Collect", "packages/science/lexicon.ts", 1),
    carry("Collect", "packages/metrics/catalogue.ts", 1),
    carry("Collect", "node_modules/@upstash/redis/nodejs.mjs", 1),
    carry("Collect", "node_modules/lru-cache/dist/esm/index.js", 10_001),
  ],
  "no bundle carries what only this machine needs": [carry("Api", "packages/local/stack.ts", 0)],
}

let good: Plan
beforeAll(async () => {
  good = await synth(stages[2]!)
})

test("every rule has been seen to fail", () =>
  expect(new Set(Object.keys(spoils))).toEqual(new Set(Object.keys(rules))))

const trials = Object.entries(spoils).flatMap(([rule, ways]) => ways.map((spoil, i) => [rule, i + 1, spoil] as const))
test.each(trials)("%s (%i)", (rule, _, spoil) => {
  const plan = structuredClone(good)
  spoil(plan)
  expect(Object.keys(broken(plan))).toContain(rule)
})

test("nothing is wrong with what is spoilt", () => expect(broken(good)).toEqual({}))
