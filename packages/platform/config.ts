import type { Form } from "./forms.ts"

/**
 * What is evidently right, and what zod would take as it is: it is loaded, and asked, for everything else. To load it for
 * what it agrees to would be a tenth of a door's start.
 */
const evident: Record<Form, (value: string) => boolean> = {
  text: (value) => /^[ -~]+$/.test(value),
  name: (value) => /^[ -~]{3,}$/.test(value),
  token: (value) => /^[ -~]{24,}$/.test(value),
  url: (value) => /^https?:\/\/[^\s\\]+$/.test(value) && URL.canParse(value),
  share: (value) => /^(0(\.\d+)?|1)$/.test(value),
}
type Variable = { form: Form; example: string; isOptional?: true }

const text = (example: string, form: "text" | "name" | "token" = "text") => ({ form, example }) as const
const url = (example: string) => ({ form: "url", example }) as const
const dead = (name: string) => optional(url(`https://sqs.eu-central-1.amazonaws.com/123456789012/${name}-dead`))
const optional = <V extends Variable>(variable: V) => ({ ...variable, isOptional: true }) as const

/** What the environment must or may say, each with an example for whoever forgot it or wrote it wrong. */
const variables = {
  OCTANT_TABLE: text("octant-production-table", "name"),
  OCTANT_APPEND_QUEUE_URL: url("https://sqs.eu-central-1.amazonaws.com/123456789012/append"),
  OCTANT_FOLD_QUEUE_URL: url("https://sqs.eu-central-1.amazonaws.com/123456789012/fold.fifo"),
  AWS_REGION: text("eu-central-1"),
  AWS_ACCESS_KEY_ID: text("AKIA…"),
  AWS_SECRET_ACCESS_KEY: text("(secret)"),
  AWS_SESSION_TOKEN: optional(text("(secret)")),
  AWS_ENDPOINT_URL_DYNAMODB: optional(url("http://127.0.0.1:8000")),
  AWS_ENDPOINT_URL_SQS: optional(url("http://127.0.0.1:9324")),
  AWS_ENDPOINT_URL_KMS: optional(url("http://127.0.0.1:8080")),
  AWS_ENDPOINT_URL_CLOUDWATCH: optional(url("http://127.0.0.1:9324")),
  AWS_ENDPOINT_URL_EVENTBRIDGE: optional(url("http://127.0.0.1:9324")),
  /** Said by Lambda alone: figures are then written to the log. */
  AWS_LAMBDA_FUNCTION_NAME: optional(text("octant-production-collect")),
  /** The key under which each tenant's keys are kept. */
  OCTANT_KMS_KEY_ID: optional(text("arn:aws:kms:eu-central-1:123456789012:key/1234abcd")),
  /** Where vendors send their webhooks to, as they see it. */
  OCTANT_HOOKS_URL: optional(url("https://in.octant.example")),
  OCTANT_APPEND_DEAD_QUEUE_URL: optional(url("https://sqs.eu-central-1.amazonaws.com/123456789012/append-dead")),
  OCTANT_FOLD_DEAD_QUEUE_URL: optional(url("https://sqs.eu-central-1.amazonaws.com/123456789012/fold-dead.fifo")),
  OCTANT_DELIVERIES_QUEUE_URL: optional(url("https://sqs.eu-central-1.amazonaws.com/123456789012/deliveries")),
  OCTANT_DELIVERIES_DEAD_QUEUE_URL: optional(
    url("https://sqs.eu-central-1.amazonaws.com/123456789012/deliveries-dead"),
  ),
  OCTANT_JOBS_HIGH_QUEUE_URL: optional(url("https://sqs.eu-central-1.amazonaws.com/123456789012/jobs-high")),
  OCTANT_JOBS_LOW_QUEUE_URL: optional(url("https://sqs.eu-central-1.amazonaws.com/123456789012/jobs-low")),
  OCTANT_JOBS_HIGH_DEAD_QUEUE_URL: optional(url("https://sqs.eu-central-1.amazonaws.com/123456789012/jobs-high-dead")),
  OCTANT_JOBS_LOW_DEAD_QUEUE_URL: optional(url("https://sqs.eu-central-1.amazonaws.com/123456789012/jobs-low-dead")),
  OCTANT_NOTIFY_DEAD_QUEUE_URL: dead("notify"),
  OCTANT_CLOSE_DEAD_QUEUE_URL: dead("close"),
  OCTANT_CHECK_DEAD_QUEUE_URL: dead("check"),
  OCTANT_POLL_DEAD_QUEUE_URL: dead("poll"),
  /** Where what happened in the product is told. */
  OCTANT_BUS: optional(text("octant-production-bus")),
  /** Upstash's REST protocol; without it limits and answers are kept in each process. */
  OCTANT_REDIS_URL: optional(url("https://eu1-tidy-crab-1.upstash.io")),
  OCTANT_REDIS_TOKEN: optional(text("(secret)")),
  /** For health and metrics; without it they are shut. */
  OCTANT_OPERATOR_TOKEN: optional(text("(24 characters or more)", "token")),
  /** The header in which the proxy in front of us says who has called. */
  OCTANT_ADDRESS_HEADER: optional(text("cloudfront-viewer-address")),
  /** Where OpenTelemetry's collector is; without it nothing is traced. */
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(url("http://127.0.0.1:4318")),
  /** Which share of the traces that begin here is kept, from 0 to 1. */
  OTEL_TRACES_SAMPLER_ARG: optional({ form: "share", example: "0.05" }),
} as const satisfies Record<string, Variable>

type Name = keyof typeof variables
type Optional = { [N in Name]: (typeof variables)[N] extends { isOptional: true } ? N : never }[Name]
export type Config = Record<Exclude<Name, Optional>, string> & { [N in Optional]?: string | undefined }
/** What is of no use without another. */
const together = [
  ["OCTANT_REDIS_URL", "OCTANT_REDIS_TOKEN"],
  ["OCTANT_REDIS_TOKEN", "OCTANT_REDIS_URL"],
] as const satisfies [Name, Name][]

/**
 * The configuration; rejects with an error that names the first missing or malformed value and shows an example. `needed`
 * is what this function cannot do without, beyond what none can.
 */
export async function readConfig<Needed extends Name = never>(
  environment: Record<string, string | undefined>,
  needed: readonly Needed[] = [],
): Promise<Config & Record<Needed, string>> {
  const config: Partial<Record<Name, string>> = {}
  for (const [name, { form, isOptional }] of Object.entries<Variable>(variables) as [Name, Variable][]) {
    const value = environment[name]
    if (value === undefined && isOptional) continue
    if (value !== undefined && evident[form](value)) {
      config[name] = value
      continue
    }
    const { forms } = await import("./forms.ts")
    const result = forms[form].safeParse(value)
    if (!result.success) throw wrong(name, result.error.issues[0]!.message)
    config[name] = result.data
  }
  for (const name of needed) if (config[name] === undefined) throw wrong(name, "it is needed here")
  for (const [one, other] of together) {
    if (config[one] !== undefined && config[other] === undefined) throw wrong(other, `it is needed beside ${one}`)
  }
  return config as Config & Record<Needed, string>
}

const wrong = (name: Name, message: string) => new Error(`${name}: ${message}; for example ${variables[name].example}`)
