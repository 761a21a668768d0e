import * as z from "zod/mini"
import { each, type Rules, statementsOf } from "../model.ts"
import { all } from "../plan.ts"

/** The most there is, and what the runbook says. */
const RECOVERY_DAYS = 35

const flag = z.optional(z.boolean())
const Table = z.object({
  billingMode: z.string(),
  hashKey: z.string(),
  rangeKey: z.string(),
  deletionProtectionEnabled: flag,
  pointInTimeRecovery: z.optional(z.object({ enabled: z.boolean(), recoveryPeriodInDays: z.optional(z.number()) })),
  serverSideEncryption: z.optional(z.object({ enabled: z.boolean() })),
  ttl: z.optional(z.object({ enabled: z.boolean(), attributeName: z.string() })),
})
const Bucket = z.object({ forceDestroy: flag })
const OfBucket = z.object({ bucket: z.string() })
const Block = z.extend(OfBucket, {
  blockPublicAcls: flag,
  blockPublicPolicy: flag,
  ignorePublicAcls: flag,
  restrictPublicBuckets: flag,
})
const Versioning = z.extend(OfBucket, { versioningConfiguration: z.object({ status: z.string() }) })
const Policy = z.extend(OfBucket, { policy: z.string() })
const Lifecycle = z.extend(OfBucket, {
  rules: z.array(
    z.object({
      status: z.string(),
      filter: z.object({ prefix: z.string() }),
      expiration: z.optional(z.object({ days: z.number() })),
      noncurrentVersionExpiration: z.optional(z.object({ noncurrentDays: z.number() })),
    }),
  ),
})

const tables = ({ plan }: Parameters<Rules[string]>[0]) => all(plan, "aws:dynamodb/table:Table", Table)
const buckets = ({ plan }: Parameters<Rules[string]>[0]) =>
  all(plan, "aws:s3/bucket:Bucket", Bucket).map((bucket) => {
    const mine = ({ bucket: name }: { bucket: string }) => name === bucket.resource.toLowerCase()
    return {
      ...bucket,
      block: all(plan, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", Block).find(mine),
      versioning: all(plan, "aws:s3/bucketVersioning:BucketVersioning", Versioning).find(mine),
      policy: all(plan, "aws:s3/bucketPolicy:BucketPolicy", Policy).find(mine),
      lifecycle: all(plan, "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", Lifecycle).find(mine),
    }
  })

export const storage: Rules = {
  "there is one table, by pk and sk, paid by request": (model) => {
    const [table, ...others] = tables(model)
    return table?.hashKey === "pk" &&
      table.rangeKey === "sk" &&
      table.billingMode === "PAY_PER_REQUEST" &&
      others.length === 0
      ? []
      : [JSON.stringify(table)]
  },

  "a table can be restored to any moment of five weeks": (model) =>
    each(
      tables(model),
      ({ pointInTimeRecovery }) =>
        !pointInTimeRecovery?.enabled || pointInTimeRecovery.recoveryPeriodInDays !== RECOVERY_DAYS,
      ({ resource }) => resource,
    ),

  "a table forgets what has passed its ttl": (model) =>
    each(
      tables(model),
      ({ ttl }) => !ttl?.enabled || ttl.attributeName !== "ttl",
      ({ resource }) => resource,
    ),

  "a table is encrypted by a key of KMS": (model) =>
    each(
      tables(model),
      ({ serverSideEncryption }) => !serverSideEncryption?.enabled,
      ({ resource }) => resource,
    ),

  "in production, and only there, no table can be deleted": (model) =>
    each(
      tables(model),
      ({ deletionProtectionEnabled = false }) => deletionProtectionEnabled !== model.production,
      ({ resource }) => resource,
    ),

  "in production, and only there, a bucket with files in it cannot be deleted": (model) =>
    each(
      buckets(model),
      ({ forceDestroy = false }) => forceDestroy === model.production,
      ({ resource }) => resource,
    ),

  "the vault's key changes every year, and in production there is a month to save it": ({ plan, production }) => {
    const Key = z.object({ enableKeyRotation: flag, deletionWindowInDays: z.number() })
    const keys = all(plan, "aws:kms/key:Key", Key)
    return [
      ...(keys.length === 1 ? [] : [`${keys.length} keys`]),
      ...each(
        keys,
        ({ enableKeyRotation, deletionWindowInDays }) =>
          !enableKeyRotation || (production && deletionWindowInDays < 30),
        ({ resource }) => resource,
      ),
    ]
  },

  "the vault's key has the name by which the runbook calls it": ({ plan }) => {
    const Named = z.object({ name: z.string(), targetKeyId: z.string() })
    return each(
      all(plan, "aws:kms/key:Key", z.object({})),
      ({ resource }) =>
        !all(plan, "aws:kms/alias:Alias", Named).some(
          ({ name, targetKeyId }) =>
            name === `alias/${plan.app.name}-${plan.app.stage}-vault` && targetKeyId === resource,
        ),
      ({ resource }) => resource,
    )
  },

  "there is one bucket": (model) => {
    const names = buckets(model).map(({ resource }) => resource)
    return names.length === 1 ? [] : [names.join(", ")]
  },

  "a bucket keeps versions": (model) =>
    each(
      buckets(model),
      ({ versioning }) => versioning?.versioningConfiguration.status !== "Enabled",
      ({ resource }) => resource,
    ),

  "a bucket is private": (model) =>
    each(
      buckets(model),
      ({ block }) =>
        !(block?.blockPublicAcls && block.blockPublicPolicy && block.ignorePublicAcls && block.restrictPublicBuckets),
      ({ resource }) => resource,
    ),

  "a bucket is reached by TLS only": (model) =>
    each(
      buckets(model),
      ({ policy, arn }) =>
        !statementsOf(policy?.policy ?? '{"Statement":[]}').some(
          ({ Effect, Action, Resource, Principal, Condition }) =>
            Effect === "Deny" &&
            Action.includes("s3:*") &&
            Resource.includes(arn) &&
            Resource.includes(`${arn}/*`) &&
            JSON.stringify(Principal) === '[{"identifiers":["*"],"type":"*"}]' &&
            JSON.stringify(Condition) === '[{"test":"Bool","values":["false"],"variable":"aws:SecureTransport"}]',
        ),
      ({ resource }) => resource,
    ),

  "in a bucket, exports and uploads pass, old versions too, and archives do not": (model) =>
    each(
      buckets(model),
      ({ lifecycle }) => {
        const rules = lifecycle?.rules.filter(({ status }) => status === "Enabled") ?? []
        const passes = (path: string) =>
          rules.some(({ filter, expiration }) => expiration && path.startsWith(filter.prefix))
        return (
          !passes("exports/x") ||
          !passes("uploads/x") ||
          passes("archives/x") ||
          !rules.some(({ filter, noncurrentVersionExpiration: old }) => old && filter.prefix === "")
        )
      },
      ({ resource }) => resource,
    ),

  "production is retained and protected, any other stage leaves nothing behind": ({ plan: { app }, production }) =>
    app.protect === production && app.removal === (production ? "retain" : "remove")
      ? []
      : [`${app.removal}, protect: ${app.protect}`],

  "in production, and only there, the table, the bucket and the vault's key outlive their stage": (model) =>
    each(
      [...tables(model), ...buckets(model), ...all(model.plan, "aws:kms/key:Key", z.object({}))],
      ({ retained }) => retained !== model.production,
      ({ resource }) => resource,
    ),

  "everything is tagged, so that the bill can be read": ({ plan: { app } }) => {
    const Tagged = z.object({ aws: z.object({ defaultTags: z.object({ tags: z.record(z.string(), z.string()) }) }) })
    const tagged = Tagged.safeParse(app.providers)
    const tags: Record<string, string> = tagged.success ? tagged.data.aws.defaultTags.tags : {}
    return tags.app === app.name && tags.stage === app.stage ? [] : [JSON.stringify(tags)]
  },

  "what is told on the bus can be told again": ({ plan }) => {
    const Archive = z.object({ eventSourceArn: z.string(), retentionDays: z.number() })
    const archives = all(plan, "aws:cloudwatch/eventArchive:EventArchive", Archive)
    const buses = all(plan, "aws:cloudwatch/eventBus:EventBus", z.object({}))
    return [
      ...(buses.length === 1 ? [] : [`${buses.length} buses`]),
      ...each(
        buses,
        ({ arn }) => !archives.some(({ eventSourceArn }) => eventSourceArn === arn),
        ({ resource }) => resource,
      ),
    ]
  },
}
