import { production } from "./stage.ts"

const RECOVERY_DAYS = 35

/** Everything that is known: journals, views, tenants, keys. */
export const table = new sst.aws.Dynamo("Table", {
  fields: { pk: "string", sk: "string" },
  primaryIndex: { hashKey: "pk", rangeKey: "sk" },
  ttl: "ttl",
  deletionProtection: production,
  transform: {
    table: {
      pointInTimeRecovery: { enabled: true, recoveryPeriodInDays: RECOVERY_DAYS },
      // AWS's own KMS key for DynamoDB: its uses are on record, and no function needs a grant for it.
      serverSideEncryption: { enabled: true },
    },
  },
})

/** Files by prefix: `archives/` of journals, which are kept; `exports/` and `uploads/`, which pass. */
export const files = new sst.aws.Bucket("Files", {
  versioning: true,
  enforceHttps: true,
  cors: false,
  // Only so that SST makes rules at all: it knows no more than `expiresIn`.
  lifecycle: [{ expiresIn: "1 day" }],
  transform: {
    bucket: { forceDestroy: !production },
    lifecycle: {
      rules: [
        passing("exports", 7),
        passing("uploads", 30),
        {
          id: "archives",
          status: "Enabled",
          filter: { prefix: "archives/" },
          // Read seldom, but then at once.
          transitions: [{ days: 30, storageClass: "STANDARD_IA" }],
        },
        {
          id: "leftovers",
          status: "Enabled",
          filter: { prefix: "" },
          noncurrentVersionExpiration: { noncurrentDays: 30 },
          abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
        },
      ],
    },
  },
})

function passing(prefix: string, days: number) {
  return { id: prefix, status: "Enabled", filter: { prefix: `${prefix}/` }, expiration: { days } }
}
