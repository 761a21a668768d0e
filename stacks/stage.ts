/** Nothing of it can be removed by mistake. */
export const production = $app.stage === "production"

/** A stage of all, not somebody's own: it may take its share of the account's concurrency. */
export const shared = production || $app.stage === "staging"

const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/
const ADDRESS = /^https?:\/\/[^\s\\]+$/

/** What whoever deploys may say: what it looks like, and an example for whoever wrote it wrong. */
const settings = {
  OCTANT_DOMAIN: [DOMAIN, "octant.example"],
  OCTANT_REDIS_URL: [ADDRESS, "https://eu1-tidy-crab-1.upstash.io"],
  OCTANT_SENDER_DOMAIN: [DOMAIN, "mail.octant.example"],
  OCTANT_ALARM_EMAIL: [/^[^@\s]+@[^@\s]+$/, "operators@octant.example"],
  OTEL_EXPORTER_OTLP_ENDPOINT: [ADDRESS, "https://traces.octant.example"],
  OTEL_TRACES_SAMPLER_ARG: [/^(?:0(?:\.\d+)?|1)$/, "0.05"],
} as const

/**
 * A workflow gives an empty text for a variable that nobody has set. What is malformed stops the deployment: otherwise it
 * would stop the functions that were deployed.
 */
export function setting(name: keyof typeof settings): string | undefined {
  const value = process.env[name]
  if (!value) return undefined
  const [form, example] = settings[name]
  if (!form.test(value)) throw new Error(`${name}: it is malformed; for example ${example}`)
  return value
}

/** For what gets no name from its component: `octant-production-AppendErrors`. */
export const physical = (name: string) => `${$app.name}-${$app.stage}-${name}`
