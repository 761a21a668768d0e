import "#core/words.ts"
import * as z from "zod/mini"

const text = (example: string, shortest = 1) => z.string().check(z.minLength(shortest), z.describe(example))
const url = (example: string) => z.url({ protocol: /^https?$/ }).check(z.describe(example))

/** What the environment must or may say, each with an example for whoever forgot it or wrote it wrong. */
const Environment = z.object({
  OCTANT_TABLE: text("octant-production-table", 3),
  OCTANT_APPEND_QUEUE_URL: url("https://sqs.eu-central-1.amazonaws.com/123456789012/append"),
  OCTANT_FOLD_QUEUE_URL: url("https://sqs.eu-central-1.amazonaws.com/123456789012/fold.fifo"),
  AWS_REGION: text("eu-central-1"),
  AWS_ACCESS_KEY_ID: text("AKIA…"),
  AWS_SECRET_ACCESS_KEY: text("(secret)"),
  AWS_SESSION_TOKEN: z.optional(text("(secret)")),
  AWS_ENDPOINT_URL_DYNAMODB: z.optional(url("http://127.0.0.1:8000")),
  AWS_ENDPOINT_URL_SQS: z.optional(url("http://127.0.0.1:9324")),
  AWS_ENDPOINT_URL_KMS: z.optional(url("http://127.0.0.1:8080")),
  AWS_ENDPOINT_URL_CLOUDWATCH: z.optional(url("http://127.0.0.1:9324")),
  /** Said by Lambda alone: figures are then written to the log. */
  AWS_LAMBDA_FUNCTION_NAME: z.optional(text("octant-production-collect")),
  /** The key under which each tenant's keys are kept. */
  OCTANT_KMS_KEY_ID: z.optional(text("arn:aws:kms:eu-central-1:123456789012:key/1234abcd")),
  /** Where vendors send their webhooks to, as they see it. */
  OCTANT_HOOKS_URL: z.optional(url("https://in.octant.example")),
  OCTANT_APPEND_DEAD_QUEUE_URL: z.optional(url("https://sqs.eu-central-1.amazonaws.com/123456789012/append-dead")),
  OCTANT_FOLD_DEAD_QUEUE_URL: z.optional(url("https://sqs.eu-central-1.amazonaws.com/123456789012/fold-dead.fifo")),
  OCTANT_JOBS_HIGH_QUEUE_URL: z.optional(url("https://sqs.eu-central-1.amazonaws.com/123456789012/jobs-high")),
  OCTANT_JOBS_LOW_QUEUE_URL: z.optional(url("https://sqs.eu-central-1.amazonaws.com/123456789012/jobs-low")),
  OCTANT_JOBS_HIGH_DEAD_QUEUE_URL: z.optional(
    url("https://sqs.eu-central-1.amazonaws.com/123456789012/jobs-high-dead"),
  ),
  OCTANT_JOBS_LOW_DEAD_QUEUE_URL: z.optional(url("https://sqs.eu-central-1.amazonaws.com/123456789012/jobs-low-dead")),
  /** Upstash's REST protocol; without it limits and answers are kept in each process. */
  OCTANT_REDIS_URL: z.optional(url("https://eu1-tidy-crab-1.upstash.io")),
  OCTANT_REDIS_TOKEN: z.optional(text("(secret)")),
  /** For health and metrics; without it they are shut. */
  OCTANT_OPERATOR_TOKEN: z.optional(text("(24 characters or more)", 24)),
  /** The header in which the proxy in front of us says who has called. */
  OCTANT_ADDRESS_HEADER: z.optional(text("cloudfront-viewer-address")),
  /** Where OpenTelemetry's collector is; without it nothing is traced. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.optional(url("http://127.0.0.1:4318")),
  /** Which share of the traces that begin here is kept, from 0 to 1. */
  OTEL_TRACES_SAMPLER_ARG: z.optional(z.string().check(z.regex(/^(0(\.\d+)?|1)$/), z.describe("0.05"))),
})
export type Config = z.output<typeof Environment>

type Name = keyof Config
/** What is of no use without another. */
const together = [
  ["OCTANT_REDIS_URL", "OCTANT_REDIS_TOKEN"],
  ["OCTANT_REDIS_TOKEN", "OCTANT_REDIS_URL"],
] as const satisfies [Name, Name][]

/**
 * The configuration, or an error that names the first missing or malformed value and shows an example. `needed` is what
 * this function cannot do without, beyond what none can.
 */
export function readConfig(environment: Record<string, string | undefined>, needed: readonly Name[] = []): Config {
  const result = Environment.safeParse(environment)
  if (!result.success) {
    const [issue] = result.error.issues
    throw wrong(String(issue!.path[0]) as Name, issue!.message)
  }
  const config = result.data
  for (const name of needed) if (config[name] === undefined) throw wrong(name, "it is needed here")
  for (const [one, other] of together) {
    if (config[one] !== undefined && config[other] === undefined) throw wrong(other, `it is needed beside ${one}`)
  }
  return config
}

function wrong(name: Name, message: string) {
  const schema: z.core.$ZodType = Environment.shape[name]
  const inner = schema instanceof z.ZodMiniOptional ? schema.def.innerType : schema
  const example = z.globalRegistry.get(inner)?.description
  return new Error(`${name}: ${message}${example === undefined ? "" : `; for example ${example}`}`)
}
