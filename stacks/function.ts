import { type DeadLettersOf, type FunctionName, factsOf, type QueueName } from "#platform/topology.ts"
import { bus } from "./bus.ts"
import { pascal } from "./names.ts"
import { deadOf, queues } from "./queues.ts"
import { secretsOf, unsealing } from "./secrets.ts"
import { settingsOf } from "./settings.ts"
import { production, shared } from "./stage.ts"
import { table } from "./storage.ts"
import { vaultKey } from "./vault.ts"

const LOG_DAYS = production ? 90 : 14

const forLambdaAlone = aws.iam.assumeRolePolicyForPrincipal({ Service: "lambda.amazonaws.com" })

type Permission = {
  actions: string[]
  resources: $util.Input<string>[]
  conditions?: { test: string; variable: string; values: string[] }[]
}

/** What it takes to look at dead letters, to give them back, and to delete what was sent on. */
const MEND = ["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"]

/** What Lambda needs to hand a queue's messages to a function. */
const WORK = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]

/**
 * A function as the topology describes it: with its own role, which grants exactly what it uses, and its own log.
 * `live` is what is called: an alias, so that going back is to point it at the version before.
 */
export function functionOf(name: FunctionName, { permissions = [] }: { permissions?: Permission[] } = {}) {
  const { handler, timeoutSeconds, memoryMb, reserved } = factsOf(name)
  const component = pascal(name)
  const environment = settingsOf(name)
  const secrets = secretsOf(name)
  const log = new aws.cloudwatch.LogGroup(`${component}Log`, {
    name: `/${$app.name}/${$app.stage}/${name}`,
    retentionInDays: LOG_DAYS,
  })
  const made = new sst.aws.Function(component, {
    handler,
    runtime: "nodejs24.x",
    architecture: "arm64",
    timeout: `${timeoutSeconds} seconds`,
    memory: `${memoryMb} MB`,
    nodejs: {
      minify: true,
      // What is imported later is loaded later.
      splitting: true,
      ...($dev || secrets.length === 0 ? {} : { banner: unsealing(secrets.map(({ variable }) => variable)) }),
    },
    logging: { format: "json", logGroup: log.name },
    versioning: true,
    ...(reserved !== undefined && shared ? { concurrency: { reserved } } : {}),
    environment: $dev
      ? { ...environment, ...Object.fromEntries(secrets.map(({ variable, secret }) => [variable, secret.value])) }
      : environment,
    link: secrets.map(({ secret }) => secret),
    permissions: [...granted(name, log), ...permissions],
    transform: {
      // SST's own role may write to every log of the account, and whoever is in the account may take it.
      role: { managedPolicyArns: [], ...($dev ? {} : { assumeRolePolicy: forLambdaAlone }) },
      function: {
        tracingConfig: { mode: "Active" },
        // SST adds a key for reading links; without secrets there is nothing to read.
        ...($dev || secrets.length > 0 ? {} : { environment: { variables: environment } }),
      },
    },
  })
  const live = new aws.lambda.Alias(`${component}Live`, {
    name: "live",
    functionName: made.name,
    functionVersion: made.nodes.function.version,
  })
  return { name: made.name, live, log }
}

function granted(name: FunctionName, log: aws.cloudwatch.LogGroup): Permission[] {
  const { table: onTable, sends = [], looks = [], mends = [], vault = [], queue, publishes, delays } = factsOf(name)
  const work = delays ? [...WORK, "sqs:ChangeMessageVisibility"] : WORK
  return [
    { actions: onTable.map((action) => `dynamodb:${action}`), resources: [table.arn] },
    ...sends.map((to) => ({ actions: ["sqs:SendMessage"], resources: [queues[to].live.arn] })),
    ...looks.map((at) => ({
      actions: ["sqs:GetQueueAttributes"],
      resources: [...liveOf(at), deadOf(at).arn],
    })),
    // CloudWatch knows no resources either: how long the oldest message of a queue has waited.
    ...(looks.length > 0 ? [{ actions: ["cloudwatch:GetMetricStatistics"], resources: ["*"] }] : []),
    ...mends.map((at) => ({ actions: MEND, resources: [deadOf(at).arn] })),
    ...(queue ? [{ actions: work, resources: [queues[queue].live.arn] }] : []),
    ...(publishes ? [{ actions: ["events:PutEvents"], resources: [bus.arn] }] : []),
    ...(vault.length === 0 ? [] : [throughTheVault(vault)]),
    { actions: ["logs:CreateLogStream", "logs:PutLogEvents"], resources: [$interpolate`${log.arn}:*`] },
    // X-Ray knows no resources.
    { actions: ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], resources: ["*"] },
  ]
}

/** What waits for a schedule's or a subscriber's function waits inside of Lambda. */
const liveOf = (name: DeadLettersOf) => (name in queues ? [queues[name as QueueName].live.arn] : [])

/** Only ever for a tenant: KMS binds what it wraps to its name. */
const throughTheVault = (actions: readonly string[]) => ({
  actions: actions.map((action) => `kms:${action}`),
  resources: [vaultKey.arn],
  conditions: [{ test: "Null", variable: "kms:EncryptionContext:tenant", values: ["false"] }],
})
