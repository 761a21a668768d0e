import "#core/words.ts"
import * as z from "zod/mini"

/** What the environment must say, each with an example for whoever forgot it. */
const Environment = z.object({
  OCTANT_TABLE: z.string().check(z.minLength(3), z.describe("octant-production-table")),
  OCTANT_APPEND_QUEUE_URL: z.url().check(z.describe("https://sqs.eu-central-1.amazonaws.com/123456789012/append")),
  OCTANT_FOLD_QUEUE_URL: z.url().check(z.describe("https://sqs.eu-central-1.amazonaws.com/123456789012/fold.fifo")),
  AWS_REGION: z.string().check(z.minLength(1), z.describe("eu-central-1")),
  AWS_ACCESS_KEY_ID: z.string().check(z.minLength(1), z.describe("AKIA…")),
  AWS_SECRET_ACCESS_KEY: z.string().check(z.minLength(1), z.describe("(secret)")),
  AWS_SESSION_TOKEN: z.optional(z.string()),
  AWS_ENDPOINT_URL_DYNAMODB: z.optional(z.url()),
  AWS_ENDPOINT_URL_SQS: z.optional(z.url()),
  AWS_ENDPOINT_URL_KMS: z.optional(z.url()),
  AWS_ENDPOINT_URL_CLOUDWATCH: z.optional(z.url()),
  /** The key under which each tenant's keys are kept. */
  OCTANT_KMS_KEY_ID: z
    .optional(z.string().check(z.minLength(1)))
    .check(z.describe("arn:aws:kms:eu-central-1:123456789012:key/1234abcd")),
  /** Where vendors send their webhooks to, as they see it. */
  OCTANT_HOOKS_URL: z.optional(z.url()).check(z.describe("https://in.octant.example")),
  OCTANT_APPEND_DEAD_QUEUE_URL: z.optional(z.url()),
  OCTANT_FOLD_DEAD_QUEUE_URL: z.optional(z.url()),
  /** Upstash's REST protocol; without it limits and answers are kept in each process. */
  OCTANT_REDIS_URL: z.optional(z.url()).check(z.describe("https://eu1-tidy-crab-1.upstash.io")),
  OCTANT_REDIS_TOKEN: z.optional(z.string().check(z.minLength(1))).check(z.describe("(secret)")),
  /** For health and metrics; without it they are shut. */
  OCTANT_OPERATOR_TOKEN: z.optional(z.string().check(z.minLength(24))).check(z.describe("(24 characters or more)")),
  /** The header in which the proxy in front of us says who has called. */
  OCTANT_ADDRESS_HEADER: z.optional(z.string()).check(z.describe("cloudfront-viewer-address")),
})
export type Config = z.output<typeof Environment>

/** The configuration, or an error that names the first missing or malformed value and shows an example. */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const result = Environment.safeParse(environment)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const name = String(issue.path[0]) as keyof Config
  const example = z.globalRegistry.get(Environment.shape[name])?.description
  throw new Error(`${name}: ${issue.message}${example === undefined ? "" : `; for example ${example}`}`)
}
