import fc from "fast-check"
import { expect, test } from "vitest"
import { type Config, readConfig } from "./config.ts"
import { forms } from "./forms.ts"

const environment = {
  OCTANT_TABLE: "octant-production-table",
  OCTANT_APPEND_QUEUE_URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/append",
  OCTANT_FOLD_QUEUE_URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/fold.fifo",
  AWS_REGION: "eu-central-1",
  AWS_ACCESS_KEY_ID: "AKID",
  AWS_SECRET_ACCESS_KEY: "secret",
}

test("what the environment says is the configuration, and what else stands there is not", async () => {
  expect(await readConfig({ ...environment, PATH: "/bin", HOME: undefined })).toEqual(environment)
  const local = { AWS_SESSION_TOKEN: "token", AWS_ENDPOINT_URL_DYNAMODB: "http://127.0.0.1:8000" }
  expect(await readConfig({ ...environment, ...local })).toEqual({ ...environment, ...local })
})

test.each(Object.keys(environment))("without %s the error names it", async (name) => {
  await expect(readConfig({ ...environment, [name]: undefined })).rejects.toThrow(new RegExp(`^${name}: `))
})

test("the first that is missing is shown with an example", async () => {
  await expect(readConfig({})).rejects.toThrow(
    "OCTANT_TABLE: Invalid input: expected string, received undefined; for example octant-production-table",
  )
})

test("what is malformed is shown with an example, and its value is not", async () => {
  await expect(readConfig({ ...environment, OCTANT_FOLD_QUEUE_URL: "fold" })).rejects.toThrow(
    "OCTANT_FOLD_QUEUE_URL: Invalid URL; for example https://sqs.eu-central-1.amazonaws.com/123456789012/fold.fifo",
  )
  const fault = readConfig({ ...environment, AWS_SECRET_ACCESS_KEY: "" })
  await expect(fault).rejects.toThrow(
    "AWS_SECRET_ACCESS_KEY: Too small: expected string to have >=1 characters; for example (secret)",
  )
})

/** Every variable, and what it must not be. */
const malformed = {
  OCTANT_TABLE: "~~",
  OCTANT_APPEND_QUEUE_URL: "ftp://append",
  OCTANT_FOLD_QUEUE_URL: "fold",
  AWS_REGION: "",
  AWS_ACCESS_KEY_ID: "",
  AWS_SECRET_ACCESS_KEY: "",
  AWS_SESSION_TOKEN: "",
  AWS_ENDPOINT_URL_DYNAMODB: "127.0.0.1:8000",
  AWS_ENDPOINT_URL_SQS: "",
  AWS_ENDPOINT_URL_KMS: "kms",
  AWS_ENDPOINT_URL_CLOUDWATCH: "kms",
  AWS_ENDPOINT_URL_EVENTBRIDGE: "kms",
  AWS_LAMBDA_FUNCTION_NAME: "",
  OCTANT_KMS_KEY_ID: "",
  OCTANT_HOOKS_URL: "in.octant.example",
  OCTANT_APPEND_DEAD_QUEUE_URL: "dead",
  OCTANT_FOLD_DEAD_QUEUE_URL: "dead",
  OCTANT_DELIVERIES_QUEUE_URL: "deliveries",
  OCTANT_DELIVERIES_DEAD_QUEUE_URL: "dead",
  OCTANT_BUS: "",
  OCTANT_JOBS_HIGH_QUEUE_URL: "jobs",
  OCTANT_JOBS_LOW_QUEUE_URL: "jobs",
  OCTANT_JOBS_HIGH_DEAD_QUEUE_URL: "dead",
  OCTANT_JOBS_LOW_DEAD_QUEUE_URL: "dead",
  OCTANT_NOTIFY_DEAD_QUEUE_URL: "dead",
  OCTANT_CLOSE_DEAD_QUEUE_URL: "dead",
  OCTANT_CHECK_DEAD_QUEUE_URL: "dead",
  OCTANT_POLL_DEAD_QUEUE_URL: "dead",
  OCTANT_REDIS_URL: "rediss:eu1.upstash.io",
  OCTANT_REDIS_TOKEN: "",
  OCTANT_OPERATOR_TOKEN: "too short",
  OCTANT_ADDRESS_HEADER: "",
  OTEL_EXPORTER_OTLP_ENDPOINT: "localhost:4318",
  OTEL_TRACES_SAMPLER_ARG: "2",
} satisfies Record<keyof Config, string>

test.each(Object.entries(malformed))(
  "%s stops the start if it is malformed, with an example and without its value",
  async (name, value) => {
    const said = /^([A-Z_]+): .+; for example .+$/
    let message = ""
    try {
      await readConfig({ ...environment, [name]: value })
    } catch (error) {
      message = (error as Error).message
    }
    expect(said.exec(message)?.[1]).toBe(name)
    if (value !== "") expect(message.replace(/; for example.*/, "")).not.toContain(value)
  },
)

test("a share of traces is a number from 0 to 1, and an empty text is none", async () => {
  for (const share of ["", "2", "-0.1", "1.5", "half", "1e-3"])
    await expect(readConfig({ ...environment, OTEL_TRACES_SAMPLER_ARG: share })).rejects.toThrow("for example 0.05")
  for (const share of ["0", "0.25", "1"])
    expect(await readConfig({ ...environment, OTEL_TRACES_SAMPLER_ARG: share })).toMatchObject({
      OTEL_TRACES_SAMPLER_ARG: share,
    })
})

test("a function that cannot do without a value does not start without it", async () => {
  await expect(readConfig(environment, ["OCTANT_KMS_KEY_ID"])).rejects.toThrow(
    "OCTANT_KMS_KEY_ID: it is needed here; for example arn:aws:kms:eu-central-1:123456789012:key/1234abcd",
  )
})

test("Redis has an address and a token, or neither", async () => {
  const [url, token] = ["https://eu1.upstash.io", "token"]
  await expect(readConfig({ ...environment, OCTANT_REDIS_URL: url })).rejects.toThrow(
    "OCTANT_REDIS_TOKEN: it is needed beside OCTANT_REDIS_URL; for example (secret)",
  )
  await expect(readConfig({ ...environment, OCTANT_REDIS_TOKEN: token })).rejects.toThrow(
    "OCTANT_REDIS_URL: it is needed",
  )
  const both = { ...environment, OCTANT_REDIS_URL: url, OCTANT_REDIS_TOKEN: token }
  expect(await readConfig(both)).toEqual(both)
})

const ofForm = {
  text: "AWS_REGION",
  name: "OCTANT_TABLE",
  token: "OCTANT_OPERATOR_TOKEN",
  url: "OCTANT_HOOKS_URL",
  share: "OTEL_TRACES_SAMPLER_ARG",
} as const
const schemes = ["http://", "https://", "http:", "https:/", "HTTPS://", "ftp://", "//", " https://", ""]
const values = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.double().map(String),
  fc.webUrl({ withFragments: true, withQueryParameters: true }),
  fc
    .tuple(fc.constantFrom(...schemes), fc.stringMatching(/^[a-c0-2.:@/?#[\]\\ %\t\n_-]*$/))
    .map(([scheme, rest]) => `${scheme}${rest}`),
)

test.each(Object.entries(ofForm))("a %s is taken as zod would take it, or refused as zod would", async (form, name) => {
  const schema = forms[form as keyof typeof forms]
  const same = fc.asyncProperty(values, async (value) => {
    const read = await readConfig({ ...environment, [name]: value }).then(
      (config) => config[name],
      () => undefined,
    )
    expect(read).toBe(schema.safeParse(value).data)
  })
  await fc.assert(same, { numRuns: 500 })
})
