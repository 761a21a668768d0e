import { expect, test } from "vitest"
import { readConfig } from "./config.ts"

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
