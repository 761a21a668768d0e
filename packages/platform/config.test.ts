import { expect, test } from "vitest"
import { type Config, readConfig } from "./config.ts"

const environment = {
  OCTANT_TABLE: "octant-production-table",
  OCTANT_APPEND_QUEUE_URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/append",
  OCTANT_FOLD_QUEUE_URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/fold.fifo",
  AWS_REGION: "eu-central-1",
  AWS_ACCESS_KEY_ID: "AKID",
  AWS_SECRET_ACCESS_KEY: "secret",
}

test("what the environment says is the configuration, and what else stands there is not", () => {
  expect(readConfig({ ...environment, PATH: "/bin", HOME: undefined })).toEqual(environment)
  const local = { AWS_SESSION_TOKEN: "token", AWS_ENDPOINT_URL_DYNAMODB: "http://127.0.0.1:8000" }
  expect(readConfig({ ...environment, ...local })).toEqual({ ...environment, ...local })
})

test.each(Object.keys(environment))("without %s the error names it", (name) => {
  expect(() => readConfig({ ...environment, [name]: undefined })).toThrow(new RegExp(`^${name}: `))
})

test("the first that is missing is shown with an example", () => {
  expect(() => readConfig({})).toThrow(
    "OCTANT_TABLE: Invalid input: expected string, received undefined; for example octant-production-table",
  )
})

test("what is malformed is shown with an example, and its value is not", () => {
  expect(() => readConfig({ ...environment, OCTANT_FOLD_QUEUE_URL: "fold" })).toThrow(
    "OCTANT_FOLD_QUEUE_URL: Invalid URL; for example https://sqs.eu-central-1.amazonaws.com/123456789012/fold.fifo",
  )
  const fault = () => readConfig({ ...environment, AWS_SECRET_ACCESS_KEY: "" })
  expect(fault).toThrow(
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
  (name, value) => {
    const said = /^([A-Z_]+): .+; for example .+$/
    let message = ""
    try {
      readConfig({ ...environment, [name]: value })
    } catch (error) {
      message = (error as Error).message
    }
    expect(said.exec(message)?.[1]).toBe(name)
    if (value !== "") expect(message.replace(/; for example.*/, "")).not.toContain(value)
  },
)

test("a share of traces is a number from 0 to 1, and an empty text is none", () => {
  for (const share of ["", "2", "-0.1", "1.5", "half", "1e-3"])
    expect(() => readConfig({ ...environment, OTEL_TRACES_SAMPLER_ARG: share })).toThrow("for example 0.05")
  for (const share of ["0", "0.25", "1"])
    expect(readConfig({ ...environment, OTEL_TRACES_SAMPLER_ARG: share }).OTEL_TRACES_SAMPLER_ARG).toBe(share)
})

test("a function that cannot do without a value does not start without it", () => {
  expect(() => readConfig(environment, ["OCTANT_KMS_KEY_ID"])).toThrow(
    "OCTANT_KMS_KEY_ID: it is needed here; for example arn:aws:kms:eu-central-1:123456789012:key/1234abcd",
  )
})

test("Redis has an address and a token, or neither", () => {
  const [url, token] = ["https://eu1.upstash.io", "token"]
  expect(() => readConfig({ ...environment, OCTANT_REDIS_URL: url })).toThrow(
    "OCTANT_REDIS_TOKEN: it is needed beside OCTANT_REDIS_URL; for example (secret)",
  )
  expect(() => readConfig({ ...environment, OCTANT_REDIS_TOKEN: token })).toThrow("OCTANT_REDIS_URL: it is needed")
  expect(readConfig({ ...environment, OCTANT_REDIS_URL: url, OCTANT_REDIS_TOKEN: token }).OCTANT_REDIS_URL).toBe(url)
})
